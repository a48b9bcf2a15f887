// An object of an origin's while it comes: its bytes in a file of a reserved name, and a map of
// which of them are there (partial_map.h), until all are, and it becomes an ordinary object.
//
//   absl::StatusOr<std::unique_ptr<PartialObject>> part = PartialObject::Open(options, identity);
//   for (const PartialObject::Range& range : *(*part)->Missing(begin, end)) ...   // fetch it:
//     (*part)->Reserve(bytes);  (*part)->Write(offset, bytes);  ...  // as they come, in any order
//     (*part)->MarkValid(block);                                      // each that is complete
//   if ((*part)->IsWhole()) absl::StatusOr<std::string> place = (*part)->Publish({...});
//
// One that dies keeps what is here for the next one that opens it, in this process or a later one;
// nothing is kept of a version that has no strong etag, since no later fetch could tell that it is
// the same. Between processes, and within one, it is locked: one has it at a time.
//
// What is promised of the map. A block is claimed in it after all its bytes have been written to
// the file, and is revoked before they are changed, so a SIGKILL between any two system calls
// leaves a map that is true. When power fails the disk may have the claim without the bytes:
// therefore a claim that an earlier process has left is worth nothing before the block has been
// read and compared with its checksum, which happens the first time that it is asked for
// (Missing()). Nothing is fsync'd on the way: what is lost is fetched again. What is published is
// synced before it has its name, as Options::durability says; with kNone a crash of the machine may
// leave an object that is empty or has holes, as it may of one that a client stores.
//
// A hole is never read as zeros: readers go by their view (partial_view.h), which knows no block
// that has not been written or verified, and a file that is published has no block that has not.
//
// One thread's at a time, but for view() of which any thread may have a share. Waits for the disk.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/unique_fd.h"
#include "origin/cache/coverage.h"
#include "origin/cache/mark.h"
#include "origin/cache/partial_map.h"
#include "origin/cache/partial_view.h"
#include "storage/catalog/disk_limits.h"
#include "storage/catalog/housekeeping.h"
#include "storage/store/store.h"
#include "storage/tree/tree.h"

namespace objmapper::origin {

class Shelf;

class PartialObject {
 public:
  struct Options {
    const storage::Tree* tree = nullptr;  // all outlive it
    storage::Store* store = nullptr;
    storage::Housekeeping* house = nullptr;  // null: nothing is limited
    storage::Durability durability = storage::Durability::kData;
    Shelf* shelf = nullptr;  // learns what becomes of it; null: nobody counts or evicts it
  };
  using Range = std::pair<uint64_t, uint64_t>;  // begin and end, in bytes

  // What is here of the object, or nothing yet. Of another version, or in other blocks, it is
  // discarded.
  //
  //   UNAVAILABLE         it is being filled, by this process or another; it could not be kept
  //                       (DiskLimits::Check()), is larger than the file system, or there is no
  //                       room
  //   OUT_OF_RANGE        too many blocks (PartialMap::Create())
  //   INVALID_ARGUMENT    identity.block_bytes is none
  //   PERMISSION_DENIED, RESOURCE_EXHAUSTED, DATA_LOSS   as storage::DiskError()
  static absl::StatusOr<std::unique_ptr<PartialObject>> Open(const Options& options,
                                                             Identity identity);
  // What an earlier flight has left of `uri`, of whichever version: identity() says of which. Only
  // what has a strong etag is left. NOT_FOUND: nothing that could be gone on with. Else as Open().
  static absl::StatusOr<std::unique_ptr<PartialObject>> Resume(const Options& options,
                                                               absl::string_view uri);
  ~PartialObject();
  PartialObject(const PartialObject&) = delete;
  PartialObject& operator=(const PartialObject&) = delete;

  const Identity& identity() const { return map_.identity(); }
  std::shared_ptr<const PartialView> view() const { return view_; }

  // Room for so many bytes, before they are written; as storage::DiskLimits::Room::Extend().
  absl::Status Reserve(uint64_t bytes);

  // Bytes of the object, from `offset` on, which lie within it (else OUT_OF_RANGE). What is here
  // already stays as it is, and is not written again, so a part that is sent twice does no harm.
  // UNAVAILABLE: no room on the disk. Else as storage::DiskError(); what has been written before
  // the error counts.
  absl::Status Write(uint64_t offset, absl::string_view bytes);
  // All bytes of the block have been written: from now on the map says so. FAILED_PRECONDITION: not
  // all have. Nothing happens where it is valid already. Else as Write().
  absl::Status MarkValid(uint64_t block);

  // What is not here of [begin, end), in whole blocks (but for the object's end), neighbours in
  // one. Reads blocks that an earlier process has left, once each.
  absl::StatusOr<std::vector<Range>> Missing(uint64_t begin, uint64_t end);
  // Reads a block and compares it with its checksum. False: it is not here, or it was not what it
  // should be, and is not here any more.
  absl::StatusOr<bool> Verify(uint64_t block);
  // Whether every block is here or claimed.
  bool IsWhole() const;
  // Bytes in blocks that are here or claimed.
  uint64_t bytes_here() const;
  // The CRC32C of the object; nullopt: it is not whole.
  std::optional<uint32_t> Checksum() const;

  struct Publication {
    int64_t fetched_s = 0;  // as in Mark
    int64_t checked_s = 0;
    // what the origin says that the CRC32C of the whole is
    std::optional<uint32_t> expected_crc32c;
  };
  // Makes it an object: marked (mark.h), with its name, in place of an older version but of nothing
  // else. Under its path, or where its URI is none, or something else is in its way, under its
  // encoded name (place.h). Returns where that is, below the root; then nothing but view() is to be
  // called any more.
  //
  //   FAILED_PRECONDITION  it is not whole: blocks that an earlier process left were damaged
  //   DATA_LOSS            it is not what was expected; it has been discarded
  //   ABORTED              an object of this disk's own has the name: it stays, and this one is of
  //                        no use
  //   UNIMPLEMENTED, OUT_OF_RANGE   its mark cannot be kept (mark.h)
  //   UNAVAILABLE and others        as storage::Store::BeginWhole(); it is as before, but after a
  //                                 DATA_LOSS of Durability::kFull, which it is published with
  absl::StatusOr<std::string> Publish(const Publication& publication);
  // Removes what is here. Only view() is to be called any more.
  void Discard();

 private:
  PartialObject(const Options& options, net::UniqueFd folder, net::UniqueFd file, PartialMap map);

  absl::Status WritePiece(uint64_t block, uint32_t begin, absl::string_view bytes);
  void SetReadable(uint64_t block, uint32_t bytes, bool valid);
  absl::StatusOr<std::string> PublishPlain(const Mark& mark);
  absl::StatusOr<std::string> PublishEncoded(const Mark& mark);
  int file() const { return view_->fd(); }

  const Options options_;
  const net::UniqueFd folder_;
  PartialMap map_;
  const std::string name_;  // in the folder, without its ending
  std::shared_ptr<PartialView> view_;
  std::map<uint64_t, Coverage> coming_;  // blocks that are not valid, and have bytes
  storage::DiskLimits::Room room_;
  bool over_ = false;  // published or discarded
};

// The files of a part-filled object, by its name without the ending.
std::string PartFile(absl::string_view name);
std::string MapFile(absl::string_view name);

}  // namespace objmapper::origin
