// An object as the copypath's loop keeps it: descriptor, copy or mapping, and what of it is known
// to be in the page cache.
//
// One loop's, touched by its thread alone; reference-counted without atomics. The descriptor may be
// lent to a splice thread while a reference is held here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "copypath/blocking_pool.h"
#include "storage/tree/load.h"

namespace objmapper::copypath {

class CachedObject;

// Somebody who waits for an object, on the thread that has it.
class ObjectWaiter {
 public:
  // `object` has been loaded, or a window of it has come, or either has failed.
  virtual void OnObjectChanged(CachedObject* object) = 0;

 protected:
  ~ObjectWaiter() = default;
};

// A mapping is brought in and sent in windows of this size: the next is read from disk while this
// one is sent.
inline constexpr uint64_t kWindowBytes = 2 * 1024 * 1024;

// Shorter parts of objects than this are read into memory to be sent: to map them costs more, and
// to unmap them far more where another core has seen the mapping. Also the most that is kept of an
// object as a copy.
inline constexpr uint64_t kPartBytesMax = 64 * 1024 - 1;

// A sparse file of terabytes costs its owner nothing, so it must cost us nothing: neither
// addresses, of which a process has 128 TiB, nor something for each of its windows.
inline constexpr uint64_t kMappedBytesMax = uint64_t{64} << 30;

class CachedObject {
 public:
  enum class State : uint8_t { kLoading, kReady, kFailed };
  enum class Residency : uint8_t { kUnknown, kResident, kComing };

  explicit CachedObject(absl::string_view uri) : uri_(uri) {}
  ~CachedObject();
  CachedObject(const CachedObject&) = delete;
  CachedObject& operator=(const CachedObject&) = delete;

  void Fill(storage::LoadedObject loaded, int64_t now_ns);
  void Fail(absl::Status error);

  State state() const { return state_; }
  // kFailed: why. kReady: OK, or what the disk said when a window was read.
  const absl::Status& error() const { return error_; }
  void set_read_error(absl::Status error) { error_ = std::move(error); }
  const std::string& uri() const { return uri_; }
  const storage::ObjectInfo& info() const { return loaded_.info; }
  uint64_t size() const { return loaded_.info.size; }
  int fd() const { return loaded_.fd.get(); }
  // Null when the object is sent from a mapping.
  const char* snapshot() const { return loaded_.snapshot.get(); }
  bool small() const { return loaded_.snapshot != nullptr; }
  // What its copy takes.
  size_t copy_bytes() const { return small() ? loaded_.info.size : 0; }

  // When the name was last seen to mean this version.
  int64_t checked_ns() const { return checked_ns_; }
  void set_checked_ns(int64_t now_ns) { checked_ns_ = now_ns; }
  // Tree::changes(), before it was seen, or was begun to be loaded.
  uint64_t changes() const { return changes_; }
  void set_changes(uint64_t changes) { changes_ = changes; }

  // Whether it has been opened for one answer alone, which takes its descriptor; no cache has it.
  bool apart() const { return apart_; }
  void set_apart() { apart_ = true; }
  net::UniqueFd TakeFd() { return std::move(loaded_.fd); }

  // Maps the whole object, read-only and shared, on first use, but for one that is larger than
  // kMappedBytesMax, or for which there are no addresses: then map() stays null, and its bytes can
  // only be moved inside the kernel. Errors as ErrnoToStatus.
  absl::Status Map();
  char* map() const { return map_; }

  // Whether window `index` is in the page cache, as far as was known lately (kResident holds for a
  // few milliseconds: then the kernel is asked again with mincore(2)).
  Residency ResidencyOf(size_t index, int64_t now_ns);
  void SetResidency(size_t index, Residency residency, int64_t now_ns);
  // Whether the disk is being asked for window `index`.
  bool IsComing(size_t index) const;
  // Bytes [begin, end) of window `index`.
  std::pair<uint64_t, uint64_t> Window(size_t index) const;

  // Whether the object is still the version that was promised: not shorter, and not rewritten at
  // the same length. What was only appended to, renamed or deleted is as good as it was. ABORTED:
  // it is not.
  absl::Status CheckUnchanged() const;

  // Reads [offset, offset+bytes) of the object into `out` through read(2), which unlike a
  // mapping sees the end of a file that has been cut. The pages are expected in the cache:
  // UNAVAILABLE when they are not; ABORTED when the object has become shorter.
  absl::Status Read(uint64_t offset, size_t bytes, char* out) const;
  // And then asks CheckUnchanged().
  absl::Status ReadChecked(uint64_t offset, size_t bytes, char* out) const;

  // What a large object holds, its descriptor and its mapping, is let go of on a thread of `pool`,
  // which outlives it: should the file have been removed, that frees its blocks. null: where the
  // last reference goes.
  void set_closer(BlockingPool* pool) { closer_ = pool; }
  // How many windows something is remembered of.
  size_t windows_known() const { return windows_.size(); }

  // `waiter` is told of the next change, once; it stops waiting before it goes.
  void Await(ObjectWaiter* waiter);
  void StopAwaiting(ObjectWaiter* waiter) { std::erase(waiters_, waiter); }
  // The caller keeps the object alive meanwhile. Waiters may begin to wait anew.
  void TellWaiters();

  void Ref() { ++references_; }
  void Unref() {
    if (--references_ == 0) delete this;
  }

 private:
  friend class ObjectCache;
  struct WindowState {
    Residency residency = Residency::kUnknown;
    int64_t seen_ns = 0;
  };

  bool IsInPageCache(size_t index) const;

  const std::string uri_;
  State state_ = State::kLoading;
  absl::Status error_;
  storage::LoadedObject loaded_;
  int64_t checked_ns_ = 0;
  uint64_t changes_ = 0;
  char* map_ = nullptr;
  bool mincore_tells_ = false;
  bool prepared_ = false;  // Map() has been called
  bool apart_ = false;
  absl::flat_hash_map<size_t, WindowState> windows_;  // those that were asked for lately
  BlockingPool* closer_ = nullptr;
  std::vector<ObjectWaiter*> waiters_;
  int references_ = 0;
  std::list<CachedObject*>::iterator in_lru_;  // while the cache has it
  size_t counted_bytes_ = 0;                   // and what of copy_bytes() it has counted
};

// Keeps an object alive.
class ObjectRef {
 public:
  ObjectRef() = default;
  explicit ObjectRef(CachedObject* object) : object_(object) {
    if (object_ != nullptr) object_->Ref();
  }
  ObjectRef(ObjectRef&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  ObjectRef& operator=(ObjectRef&& other) noexcept {
    if (this != &other) {
      reset();
      object_ = std::exchange(other.object_, nullptr);
    }
    return *this;
  }
  ObjectRef(const ObjectRef& other) : ObjectRef(other.object_) {}
  ObjectRef& operator=(const ObjectRef&) = delete;
  ~ObjectRef() { reset(); }

  void reset() {
    if (object_ != nullptr) std::exchange(object_, nullptr)->Unref();
  }
  CachedObject* get() const { return object_; }
  CachedObject* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  CachedObject* object_ = nullptr;
};

}  // namespace objmapper::copypath
