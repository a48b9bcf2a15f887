// The life of objects: what the server may do with them besides reading.
//
//   absl::StatusOr<std::unique_ptr<NewObject>> object = store.Begin("a/b.bin", size, {});
//   (*object)->Extend(bytes)   // so many have come
//   ...                        // and are written to (*object)->fd(), until all are there
//   absl::Status stored = (*object)->Commit();   // now it is there, whole; readers saw the old one
//
// All that changes the tree goes through here, so that caches learn of it (Tree::NoteChange()).
// Thread-safe. Every call may wait for the disk: never on an event loop's thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "net/foreign_fd.h"
#include "net/mutex.h"
#include "net/unique_fd.h"
#include "storage/catalog/housekeeping.h"
#include "storage/memory/memory_tier.h"
#include "storage/store/folder.h"
#include "storage/store/list.h"
#include "storage/store/list_room.h"
#include "storage/store/whole_file.h"
#include "storage/tree/description.h"
#include "storage/tree/tree.h"

namespace objmapper::storage {

// What a crash of the machine may take of an object that has been acknowledged. A crash of the
// server alone takes nothing in any case.
enum class Durability : uint8_t {
  // the kernel writes it back when it likes: the object may be missing afterwards, or be empty
  kNone,
  kData,  // its bytes are on the disk before its name is: it is whole or missing, or the old one
  kFull,  // its bytes and its name are on the disk
};

// Whether an object may be stored, or removed, in place of what has its name: of `there`, null
// where there is nothing. OK or ABORTED. Asked while no other store and no delete can change the
// name. Empty: always.
using Condition = std::function<absl::Status(const Description* there)>;

// What a client says of an object that it stores.
struct PutAttributes {
  absl::Duration ttl = absl::InfiniteDuration();  // afterwards it is gone
  size_t kept_folders = 0;  // as of Store::Delete(), should it come to nothing
  // who sends it, as far as it counts as one (Session::PeerKey()); empty: nobody in particular
  std::string peer;
  Condition condition;
  // All of it is here, and written at once (NewObject::WriteWhole()).
  bool at_hand = false;
};

// An object that is being stored, invisible until Commit(). One thread's at a time. One that dies
// without Commit() leaves nothing behind.
class NewObject {
 public:
  virtual ~NewObject() = default;
  // Open for writing; size() bytes are to be written to it, in any order, by anybody (io_uring,
  // pwrite(2)).
  virtual int fd() const = 0;
  // Where that was not said beforehand: what has come.
  virtual uint64_t size() const = 0;
  // So many bytes of it have come: called before they are written, and so that all calls together
  // say size() or less. Takes the room for them; never waits but for a moment. UNAVAILABLE: there
  // is none (DiskLimits::Room::Extend()), or a file may not be so large.
  virtual absl::Status Extend(uint64_t bytes) = 0;
  // Extend() and the writing in one, where all of it is in memory. Errors as those of Extend() and
  // Commit().
  virtual absl::Status WriteWhole(absl::string_view bytes) = 0;
  // Clients are told this etag, rather than one of its content, which then need not be read: of an
  // object that another store calls so. Before Prepare(), or Commit() where that is not called.
  virtual void KnownAs(std::string etag) = 0;
  // A piece, of some milliseconds, of what Commit() has to do once all has been written: true when
  // no more is left of it than what cannot be cut in pieces (the disk's own work). Commit() does
  // what is left, so nobody needs to call this. Errors as Commit().
  virtual absl::StatusOr<bool> Prepare() = 0;
  // Makes it visible, in place of what had its name. Once. May wait for the disk. Errors as
  // Store::Begin(), and INTERNAL when fewer bytes were written; then nothing has changed.
  virtual absl::Status Commit() = 0;
  // After Commit(): whether an object had its name.
  virtual bool replaced() const = 0;
};

class Store {
 public:
  struct Options {
    const Tree* tree = nullptr;  // outlives the store
    Durability durability = Durability::kData;
    // outlives it; null: there is no catalog, and nothing is limited
    Housekeeping* house = nullptr;
    MemoryTier* memory = nullptr;  // the tree's overlay; outlives the store; null: there is none
    // how long a client's file may keep us waiting
    absl::Duration foreign_patience = absl::Seconds(30);
  };

  explicit Store(const Options& options) : options_(options) {}

  // Begins to store `uri`, of `size` bytes; nullopt: of as many as will come. Directories on the
  // way are made. The size is the sender's word: what could not be kept, or has no room now, is
  // refused by it before it is sent, but room is taken for nothing that has not come. A condition
  // that does not hold now is said so now; what counts is whether it holds at Commit().
  //
  //   INVALID_ARGUMENT, OUT_OF_RANGE, PERMISSION_DENIED
  //                       as Tree::OpenObject(): what could never be read is not stored; also names
  //                       that the server keeps for itself (".objmapper-...")
  //   ALREADY_EXISTS      a part of the way is an object, or the name is a directory, but for an
  //                       empty one that a store has made (CONFLICT on the wire)
  //   UNAVAILABLE         no room: ENOSPC, EDQUOT, EFBIG, or as DiskLimits::Check() and
  //                       Room::Fits()
  //   ABORTED             attributes.condition does not hold
  //   UNIMPLEMENTED       a time to live, on a file system without extended attributes
  //   RESOURCE_EXHAUSTED  descriptors or memory; the root has gone
  //   DATA_LOSS           the disk failed
  absl::StatusOr<std::unique_ptr<NewObject>> Begin(absl::string_view uri,
                                                   std::optional<uint64_t> size,
                                                   const PutAttributes& attributes);

  // The same of a file that is written already: there is nothing to Extend(), and Commit() moves it
  // to its name, or a copy where a rename does not reach. Unlike a client's object it never takes
  // the place of what attributes.condition has not judged: ALREADY_EXISTS, if something comes in
  // between. The condition is given null for what is no object (a directory, an expired one).
  absl::StatusOr<std::unique_ptr<NewObject>> BeginWhole(absl::string_view uri,
                                                        const WholeFile& file,
                                                        const PutAttributes& attributes);

  // Stores the whole of `fd`, a client's descriptor, as `uri`: by reflink or copy inside the kernel
  // (holes stay holes, and room for what is none is looked for first: file_copy.h), or as it is
  // where it is a memfd sealed against writing, growing and shrinking and there is a memory tier.
  // INVALID_ARGUMENT names what it is when it is no regular file open for reading (O_PATH,
  // write-only, a pipe, a socket, a directory, a device), or that it is empty by its size alone.
  // ABORTED: it became smaller, or holds fewer bytes than it says. UNAVAILABLE: it kept us waiting
  // for foreign_patience. CANCELLED: `go_on`, which is asked now and then, said no. Else as Begin()
  // and Commit(). copied: told of the file that is the object now, where it is a copy.
  absl::Status PutFd(
      absl::string_view uri, net::ForeignFd fd, const PutAttributes& attributes,
      absl::FunctionRef<bool()> go_on, absl::FunctionRef<void(int copy)> copied = [](int) {});
  absl::Status PutFd(absl::string_view uri, net::ForeignFd fd, const PutAttributes& attributes) {
    return PutFd(uri, std::move(fd), attributes, [] { return true; });
  }

  // The first half of PutFd(), with a copy in any case: the object is whole, and is not visible
  // before its Commit(). Errors as PutFd()'s.
  absl::StatusOr<std::unique_ptr<NewObject>> TakeFd(absl::string_view uri, net::ForeignFd fd,
                                                    const PutAttributes& attributes,
                                                    absl::FunctionRef<bool()> go_on);

  // Removes the object. NOT_FOUND: there is none; FAILED_PRECONDITION: it is a directory, or
  // something is mounted on it. Directories that become empty go too, if a store has made them
  // (own_folder.h), but for the first `kept_folders` of the URI. Descriptors that have been handed
  // out stay good. DATA_LOSS: it is gone, but may come back when power fails (kFull). ABORTED: the
  // condition does not hold, which goes before all those.
  absl::Status Delete(absl::string_view uri, size_t kept_folders = 0,
                      const Condition& condition = {});

  // Removes the object if `wanted` says so of it: it is given a descriptor of the one that would be
  // removed, open for reading, and no other takes its place meanwhile (but for what others do to
  // the tree). ABORTED: it does not say so. Else as Delete(), but for objects that have expired,
  // which are there.
  absl::Status DeleteIf(absl::string_view uri, absl::FunctionRef<bool(int fd)> wanted);

  // One page of the objects whose URIs begin with the prefix, of those that may be seen (empty
  // entries: none).
  absl::StatusOr<ListPage> List(const ListQuery& query, const ListFilter& filter);

  // One page of what lies directly in a folder (folder.h).
  absl::StatusOr<FolderPage> ListFolder(const FolderQuery& query, const ListFilter& filter) const {
    return storage::ListFolder(*options_.tree, options_.memory, query, filter);
  }

  // What pages of listings are to be made of, and kept for.
  ListRoom* list_room() { return &list_room_; }
  // Whether List() reads the tree, which may take long, rather than the catalog.
  bool ListWalks() const;

  // Removes what puts have left behind whose process was killed; returns how many there were
  // (leftovers.h). For a server's start; reads the whole tree.
  absl::StatusOr<size_t> RemoveLeftovers();

 private:
  // Held while an object takes a name, or is judged and removed from it, by the name's last
  // component (which is the same in all its spellings). Names that share one wait for each other.
  net::Mutex& LockOf(absl::string_view name);

  // Removes `name`, of which `file` is open for reading or is none.
  absl::Status Unlink(absl::string_view uri, int directory, const std::string& path,
                      const std::string& name, net::UniqueFd file, size_t kept_folders);

  // As Begin(). stored: how many of the bytes will take room, as far as that is known. whole: or
  // null, as BeginWhole().
  absl::StatusOr<std::unique_ptr<NewObject>> Make(absl::string_view uri,
                                                  std::optional<uint64_t> size, uint64_t stored,
                                                  PutAttributes attributes,
                                                  const WholeFile* whole = nullptr);

  // Whether the descriptor, which is taken then, is an object in memory now. False: it is to be
  // copied, or Make() says what is wrong.
  absl::StatusOr<bool> Adopt(absl::string_view uri, net::ForeignFd* fd,
                             const PutAttributes& attributes);
  absl::Status DeleteOnDisk(absl::string_view uri, size_t kept_folders);

  const Options options_;
  ListRoom list_room_{64 * 1024 * 1024};
  std::array<net::Mutex, 64> name_locks_;
};

}  // namespace objmapper::storage
