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

#include "absl/status/status.h"
#include "copypath/blocking_pool.h"
#include "copypath/windows.h"
#include "session/version.h"
#include "storage/tree/filling.h"
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

  // What a large object holds, its descriptor and its mapping, is let go of on a thread of
  // `closer`, which outlives it: should the file have been removed, that frees its blocks. null:
  // where the last reference goes.
  // apart: it is opened for one answer alone, which takes its descriptor; no cache has it.
  explicit CachedObject(absl::string_view uri, BlockingPool* closer = nullptr, bool apart = false)
      : uri_(uri), apart_(apart), closer_(closer) {}
  ~CachedObject();
  CachedObject(const CachedObject&) = delete;
  CachedObject& operator=(const CachedObject&) = delete;

  void Fill(storage::LoadedObject loaded, int64_t now_ns);
  // It is on its way here: from now on it is ready, and its bytes become readable as they come. It
  // has neither copy nor mapping.
  void Fill(std::shared_ptr<storage::Filling> filling, int64_t now_ns);
  void Fail(absl::Status error);

  State state() const { return state_; }
  // kFailed: why. kReady: OK, or what the disk said when a window was read.
  const absl::Status& error() const { return error_; }
  void set_read_error(absl::Status error) { error_ = std::move(error); }
  const std::string& uri() const { return uri_; }
  const storage::ObjectInfo& info() const { return loaded_.info; }
  uint64_t size() const { return loaded_.info.size; }
  storage::Tier tier() const { return loaded_.tier; }
  int fd() const { return filling_ != nullptr ? filling_->fd() : loaded_.fd.get(); }
  // Null: it is here.
  storage::Filling* filling() const { return filling_.get(); }
  // As OP_STAT tells it; made when it is first asked for.
  const std::string& etag();
  // Null when the object is sent from a mapping.
  const char* snapshot() const { return loaded_.snapshot.get(); }
  bool small() const { return loaded_.snapshot != nullptr; }

  // The name means this version, now, when Tree::changes() were so many (or it is begun to be
  // loaded).
  void Seen(int64_t now_ns, uint64_t changes) {
    checked_ns_ = now_ns;
    changes_ = changes;
  }
  int64_t checked_ns() const { return checked_ns_; }
  uint64_t changes() const { return changes_; }

  // Its remote was asked before it was ready (session/version.h).
  void set_asked_remote(session::AskedRemote asked) { asked_remote_ = asked; }
  session::AskedRemote asked_remote() const { return asked_remote_; }

  bool apart() const { return apart_; }
  net::UniqueFd TakeFd() { return std::move(loaded_.fd); }

  // Maps the whole object, read-only and shared, on first use, but for one that is larger than
  // kMappedBytesMax, or for which there are no addresses: then map() stays null, and its bytes can
  // only be moved inside the kernel. Errors as ErrnoToStatus.
  absl::Status Map();
  char* map() const { return map_; }

  // Asked of the kernel once Map() has been called.
  Windows& windows() { return windows_; }

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
  const std::string uri_;
  State state_ = State::kLoading;
  absl::Status error_;
  storage::LoadedObject loaded_;
  std::shared_ptr<storage::Filling> filling_;  // then of loaded_ only `info` and `tier` are told
  std::string etag_;
  int64_t checked_ns_ = 0;
  uint64_t changes_ = 0;
  char* map_ = nullptr;
  bool prepared_ = false;  // Map() has been called
  const bool apart_;
  session::AskedRemote asked_remote_;
  Windows windows_;
  BlockingPool* const closer_;
  std::vector<ObjectWaiter*> waiters_;
  int references_ = 0;
  std::list<CachedObject*>::iterator in_lru_;  // while the cache has it
  size_t counted_bytes_ = 0;                   // and how much of a copy it has counted
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
