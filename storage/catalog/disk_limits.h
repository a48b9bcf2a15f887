// How full the disk may be: above one level objects are evicted, above a second none are stored.
//
// A level is a share of the file system ("90%": used of what this user could use, as df(1) counts)
// or bytes of objects ("200G": of their sizes, as the catalog knows them).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/mutex.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/evictable.h"
#include "storage/catalog/unlinked_files.h"
#include "storage/tree/tree.h"

namespace objmapper::storage {

struct DiskLevel {
  enum class Of : uint8_t { kNothing, kFileSystem, kObjects };
  Of of = Of::kNothing;  // kNothing: there is no such level
  uint64_t value = 0;    // per cent, or bytes
};

// "90%", "1..100"; "200G", "1.5T", "1000000": bytes, in powers of 1024; "": none. INVALID_ARGUMENT:
// something else; the message is the rest of a sentence that begins with the flag and its value.
absl::StatusOr<DiskLevel> ParseDiskLevel(absl::string_view text);

// Thread-safe.
class DiskLimits {
 public:
  struct Options {
    const Tree* tree = nullptr;
    DiskLevel evict_at, refuse_at;  // of the same kind where both are something
    uint32_t peer_percent =
        100;  // of the room that objects leave, which what one peer has not finished may take
    const Catalog* catalog = nullptr;
    const UnlinkedFiles* unlinked = nullptr;
    const Evictable* others = nullptr;  // null: nothing else takes room
  };
  // All outlive it.
  explicit DiskLimits(const Options& options);

  // Room that somebody fills bit by bit: it is as large as what has come so far, whatever more has
  // been announced. It dies when what was to be stored is in the catalog, or will never be. One
  // thread's at a time.
  class Room {
   public:
    Room() = default;
    Room(Room&& other) noexcept;
    Room& operator=(Room&& other) noexcept;
    ~Room();

    // For so many bytes more, which have come. UNAVAILABLE: the disk would be filled above
    // refuse_at, or the peer has too much under way (Options::peer_percent); the message names the
    // flag, and the room is as it was. The file system is asked now and then and before each
    // refusal; what has come since counts as used. A room of no DiskLimits takes all.
    absl::Status Extend(uint64_t bytes);
    // Whether Extend() would do so now.
    absl::Status Fits(uint64_t bytes) const;

   private:
    friend class DiskLimits;
    Room(DiskLimits* limits, std::string peer) : limits_(limits), peer_(std::move(peer)) {}
    DiskLimits* limits_ = nullptr;
    std::string peer_;
    uint64_t bytes_ = 0;
  };
  // For what `peer` sends: a name for all that counts as one; empty: nobody's in particular.
  // Nothing yet.
  Room Open(absl::string_view peer) { return Room(this, std::string(peer)); }

  // Whether an object that is announced with so many bytes could be kept. Keeps no room for it,
  // since to announce costs nothing. UNAVAILABLE as Extend(), and where it would be more than
  // evict_at by itself: all others would go, and then it.
  absl::Status Check(uint64_t bytes);

  // Whether a file with this f_fsid (statvfs(3)) is on the root's file system: only there it is
  // known how much room is left.
  bool IsHere(uint64_t fsid) const { return fsid == fsid_.load(std::memory_order_relaxed); }

  // Whether to remove the file `fd` brings the level down at which objects are evicted: not so of
  // one on another file system, which is mounted below the root, where the level is a share of the
  // root's.
  bool Frees(int fd) const;

  struct Fill {
    uint64_t used = 0;    // bytes that count against evict_at
    bool exact = false;   // they are those of objects, known as soon as one comes or goes; else the
                          // file system's
    uint64_t excess = 0;  // that have to go so that it is kept
    uint64_t reserved_total = 0;  // of all rooms that there ever were
  };
  // Asks the file system. What is deleted but still open (UnlinkedFiles) counts as gone: deleting
  // more would not bring it sooner.
  Fill Ask();

  // Whether the levels are of objects' sizes.
  bool OfObjects() const;
  // What counts against the levels, as last known; and the levels in the same bytes, 0 where there
  // is none.
  uint64_t used() const;
  uint64_t evict_at_bytes() const { return BytesOf(options_.evict_at); }
  uint64_t refuse_at_bytes() const { return BytesOf(options_.refuse_at); }
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  uint64_t BytesOf(const DiskLevel& level) const;
  // Those of all objects, and of what else counts as them.
  uint64_t ObjectBytes() const {
    return options_.catalog->bytes() + (options_.others != nullptr ? options_.others->bytes() : 0);
  }
  // Whether there is such a level: none is a share of a file system that does not know its size.
  bool IsLimit(const DiskLevel& level) const {
    if (level.of == DiskLevel::Of::kFileSystem)
      return disk_bytes_.load(std::memory_order_relaxed) != 0;
    return level.of != DiskLevel::Of::kNothing;
  }
  void AskFileSystem() EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckNow(uint64_t bytes, absl::string_view peer) const
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckAndAsk(uint64_t bytes, absl::string_view peer) EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  net::Mutex mutex_;
  // Written under the lock, read without.
  // as last asked; bytes 0: it has no end
  std::atomic<uint64_t> disk_used_{0}, disk_bytes_{0}, fsid_{0}, blocks_{0};
  std::atomic<uint64_t> reserved_since_{0};  // after that
  std::atomic<uint64_t> reserved_{0};        // by all rooms that live
  uint64_t reserved_total_ GUARDED_BY(mutex_) = 0;
  // bytes of its rooms; none is 0
  absl::flat_hash_map<std::string, uint64_t> by_peer_ GUARDED_BY(mutex_);
  std::atomic<uint64_t> refused_{0};
};

}  // namespace objmapper::storage
