// Objects in memory: clients' sealed memfds, served as they are, without a byte copied.
//
//   absl::StatusOr<std::unique_ptr<MemoryTier>> tier = MemoryTier::Create({.bytes_max = 1 << 30});
//   tree.SetOverlay(tier->get());   // readers find what is in it before what is on the disk
//   tier->Adopt("frames/17", &fd, absl::Seconds(10), remove_from_disk);
//
// Such objects are ephemeral: there is no copy on the disk, they go when the server ends, when
// their time has come, and when others need the room: each owner has its share (fair_fifo.h). An
// object here hides one of its name on the disk; who stores one there, or removes it, does so by
// Replace() and Remove(), so that of each name there is one object.
//
// What may be adopted is a memfd sealed against writing, growing and shrinking, so that nobody can
// change a byte of it again, its owner included. F_SEAL_SEAL is not asked for: seals can only be
// added (fcntl(2)). F_SEAL_FUTURE_WRITE is not enough: mappings made before it still write. Files
// on hugetlbfs are not adopted: their sizes are those of huge pages. Nor are those with holes: a
// hole costs its giver nothing, and here it would take others' room, since a reader's mapping fills
// it.
//
// Each reader gets an open file description of its own: the memfd is opened anew through
// /proc/self/fd, read-only. A duplicate would share its offset with all other readers;
// docs/memory.md has what each costs. A descriptor that has been handed out stays good whatever
// becomes of the object, and keeps its memory until it is closed: --memory_limit bounds what the
// tier itself keeps.
//
// Its times, and so its etag, are the memfd's: they stand still once the bytes do, unless its owner
// touches them; where the server may, the mode is set to 0444, so that readers cannot.
//
// A name is what is left of a URI without its leading slashes, empty components and ".": the disk
// knows no difference either. Symbolic links of the disk do not lead here.
//
// Thread-safe. Only Adopt(), Replace() and Remove() may wait, for what they are given to do to the
// disk.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "net/foreign_fd.h"
#include "net/mutex.h"
#include "net/unique_fd.h"
#include "storage/memory/fair_fifo.h"
#include "storage/tree/overlay.h"

namespace objmapper::storage {

// Whether nobody can change the file any more: a memfd with F_SEAL_WRITE, F_SEAL_GROW and
// F_SEAL_SHRINK.
bool IsSealedMemfd(int fd);

class MemoryTier : public Overlay {
 public:
  struct Options {
    uint64_t bytes_max = 0;
    size_t objects_max = 1024;  // 1 or more; each keeps a descriptor open
  };
  struct Counts {
    uint64_t objects = 0, bytes = 0;  // now; bytes in whole pages
    uint64_t bytes_max = 0;
    uint64_t hits = 0, misses = 0;  // of opens
    uint64_t adoptions = 0;
    uint64_t refusals = 0;   // descriptors that came and were not adopted
    uint64_t evictions = 0;  // for want of room
    uint64_t expired = 0;
  };

  // UNIMPLEMENTED: a memfd cannot be opened anew here, since there is no /proc or no
  // memfd_create(2); the message is for the operator.
  static absl::StatusOr<std::unique_ptr<MemoryTier>> Create(const Options& options);

  // Makes `*fd`, a client's descriptor, the object `uri`, and takes it. owner: whom it counts for.
  // False: it is not sealed, has holes, is too large for what the others leave the owner, or cannot
  // be opened, and nothing has changed: it is to be copied.
  //
  // Readers see the old object or the new one, and never the old one again: `remove_from_disk` is
  // called once the new one is there. NOT_FOUND is as good as OK; with another error, which is
  // returned, the new one is taken back (it may have been seen), and what it replaced here stays
  // away as if evicted. A server that dies in between leaves the old one.
  //
  // The caller has judged the URI (DiskTier::CheckName()).
  absl::StatusOr<bool> Adopt(absl::string_view uri, net::UniqueFd* fd, absl::Duration ttl,
                             absl::FunctionRef<absl::Status()> remove_from_disk,
                             absl::string_view owner = "");

  // Calls `store`, which makes the object on the disk visible, and if that went well forgets the
  // one here. Adopt() of the name waits meanwhile.
  absl::Status Replace(absl::string_view uri, absl::FunctionRef<absl::Status()> store);

  // Calls `remove_from_disk`, then removes the object here. NOT_FOUND: neither had it. Another
  // error: nothing has changed.
  absl::Status Remove(absl::string_view uri, absl::FunctionRef<absl::Status()> remove_from_disk);

  struct Listed {
    std::string uri;
    ObjectInfo info;
  };
  // The objects whose URIs begin with `prefix` and come after `after`, sorted. Looks at all of
  // them.
  std::vector<Listed> List(absl::string_view prefix, absl::string_view after) const;

  // Overlay. INTERNAL, RESOURCE_EXHAUSTED, PERMISSION_DENIED: the object is there and cannot be
  // opened.
  std::optional<absl::StatusOr<OpenedObject>> Open(absl::string_view uri) override;
  std::optional<absl::StatusOr<ObjectInfo>> Stat(absl::string_view uri) override;
  bool Has(absl::string_view uri) const override;

  Counts Read() const;

 private:
  struct Object {
    net::ForeignFd fd;  // the last of gigabytes, maybe
    // by CLOCK_BOOTTIME, so that nobody who sets the clock ends it or keeps it; INT64_MAX: never
    int64_t expires_ns;
    int64_t expires_s;  // the same as clocks showed it when it came, to be told; 0: never
    size_t hash;        // of its name
  };
  using Held = std::shared_ptr<const Object>;

  // How many objects there are by a part of their names' hashes: where there are none, a lookup
  // misses without a lock.
  static constexpr size_t kFilterSlots = 65536;
  static constexpr size_t kNameLocks = 64;

  MemoryTier(const Options& options, net::UniqueFd descriptors);

  // The object of a name, unexpired; null: there is none. used: it is for a reader.
  Held Find(absl::string_view uri, bool used) const;
  absl::StatusOr<net::UniqueFd> OpenAnew(int fd, absl::string_view uri) const;
  // The object of a canonical name, out of the map; null: there was none.
  Held Take(absl::string_view name);
  std::vector<Held> TakeExpired();
  void Forget(const Held& object) const EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  net::Mutex& LockOf(absl::string_view name);

  const uint64_t bytes_max_;
  const net::UniqueFd descriptors_;                // /proc/self/fd, O_PATH
  std::array<net::Mutex, kNameLocks> name_locks_;  // taken before mutex_

  mutable net::Mutex mutex_;  // held for no system call
  mutable FairFifo<Held> objects_ GUARDED_BY(mutex_);
  // may hold names that have gone since
  std::set<std::pair<int64_t, std::string>> expiries_ GUARDED_BY(mutex_);
  const std::unique_ptr<std::atomic<uint32_t>[]> filter_;  // changed under mutex_

  mutable std::atomic<uint64_t> hits_{0}, misses_{0};
  std::atomic<uint64_t> adoptions_{0}, refusals_{0}, evictions_{0}, expired_{0};
};

}  // namespace objmapper::storage
