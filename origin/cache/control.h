// What is here of one object, for an operator: looked at, kept from eviction, or dropped.
//
//   const Control control({.tree = &tree, .store = &store, .house = house, .shelf = &shelf});
//   absl::StatusOr<Holding> holding = control.Look("models/a.bin");
//   absl::StatusOr<uint64_t> freed = control.Evict("models/a.bin", /*force=*/false);
//
// No origin is asked, and nothing here counts as a use of the object.
//
// Errors of all, whose messages name the URI:
//
//   NOT_FOUND            there is nothing of it here
//   INVALID_ARGUMENT     it is no URI: empty, or with a NUL
//   FAILED_PRECONDITION  it is here, and not as the call wants it: a sentence says how
//   PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNAVAILABLE, DATA_LOSS   as storage::DiskError()
//
// Thread-safe. All wait for the disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/unique_fd.h"
#include "origin/cache/shelf.h"
#include "storage/catalog/housekeeping.h"
#include "storage/store/store.h"
#include "storage/tree/tree.h"

namespace objmapper::origin {

struct Holding {
  enum class State : uint8_t {
    kWhole,  // an object that was fetched
    kPart,   // of one that was fetched in part
    kOwn,    // no origin's: an object of this disk's own, or one in memory
  };
  State state = State::kOwn;
  bool encoded = false;     // kWhole: it is kept under an encoded name (place.h)
  bool filling = false;     // it, or a newer version, is being fetched now
  bool pinned = false;      // it is not evicted
  uint64_t size = 0;        // of the object, in bytes
  uint64_t bytes_here = 0;  // of these
  // Of an origin's alone, as in Mark; what is not known is empty or 0.
  std::string source, etag;
  std::optional<int64_t> last_modified_s;
  int64_t fetched_s = 0, checked_s = 0;  // kWhole
};

class Control {
 public:
  struct Parts {
    const storage::Tree* tree = nullptr;  // all outlive it
    storage::Store* store = nullptr;
    storage::Housekeeping* house = nullptr;  // null: there is no catalog
    Shelf* shelf = nullptr;
  };
  explicit Control(const Parts& parts) : parts_(parts) {}

  absl::StatusOr<Holding> Look(absl::string_view uri) const;

  // Whether it is to stay when others are evicted; survives restarts and newer versions. Of what is
  // here in part, that part, and the object that it becomes. FAILED_PRECONDITION: it is in memory.
  // UNIMPLEMENTED: the file system has no extended attributes.
  absl::Status SetPinned(absl::string_view uri, bool pinned) const;

  // Removes what is here of an object that came from an origin, which keeps it; returns the bytes
  // that this gives back to the disk. Descriptors that readers have stay good.
  // FAILED_PRECONDITION: it is no origin's; it is pinned (unless `force`); it is being fetched.
  absl::StatusOr<uint64_t> Evict(absl::string_view uri, bool force) const;

 private:
  struct Seen {
    Holding holding;
    net::UniqueFd file;  // invalid: it is in memory
    uint64_t taken = 0;  // on the disk, in bytes
  };
  // The object, without what is here of a part of it. NOT_FOUND: there is none.
  absl::StatusOr<Seen> SeeObject(const std::string& uri) const;
  // The part-filled object. filling: whether anybody is at work with one, of which there need be
  // nothing to be seen yet.
  absl::StatusOr<Seen> SeePart(const std::string& uri, bool* filling) const;
  // The object, or where there is none its part.
  absl::StatusOr<Seen> See(const std::string& uri) const;
  absl::StatusOr<uint64_t> EvictObject(const std::string& uri, const Seen& seen, bool force) const;

  const Parts parts_;
};

}  // namespace objmapper::origin
