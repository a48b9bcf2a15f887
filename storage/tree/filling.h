// An object that is on its way here from elsewhere (remote.h): what it is, and its bytes as they
// come.
//
//   filling->Want(begin, end);                              // once for each body
//   while (begin < end) {
//     if (const uint64_t bytes = filling->ReadableFrom(begin)) ...  pread(filling->fd(), ...)
//     else if (filling->passes()) ...                       // the rest: PassBy(begin, end)
//     else if (filling->ended().has_value()) ...            // it failed: the body ends here,
//     broken else filling->Await(begin, [] { ... });               // and ask again
//   }
//
// What a reader gets is of one version, and never a hole. Its last block is withheld until the
// whole has passed its check, so that nobody has a whole body that is not what the origin says.
// Nobody reads slower for another one, and nothing comes slower because somebody reads slowly.
//
// As long as somebody holds it, what he has wanted is fetched, and what he will want may be asked
// for. Letting go of it stops nothing that somebody has wanted. Letting go of the last one may
// remove a file: large ones are let go of where that may take long.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/tree/description.h"
#include "storage/tree/pass_through.h"

namespace objmapper::storage {

// Thread-safe. No call waits.
class Filling {
 public:
  virtual ~Filling() = default;

  // Of the version that comes: what OP_STAT tells of it when it is here.
  virtual const Description& description() const = 0;

  // Whether another version was here when it began to come.
  virtual bool replaces() const { return false; }

  // For reading, with offsets of one's own, what is readable; never to be passed to a client, for
  // whom the rest would read as zeros. Borrowed.
  virtual int fd() const = 0;

  // How many bytes may be read from `offset` on. What is readable stays so, but for the last block,
  // which may be withheld again.
  virtual uint64_t ReadableFrom(uint64_t offset) const = 0;

  // Has [begin, end) fetched, where it is not here; end: cut at the object's.
  virtual void Want(uint64_t begin, uint64_t end) = 0;

  // again: called once, on any thread and perhaps inside this call, when something is readable from
  // `offset` on, or it has ended. It must not wait. Of what nobody wants nothing becomes readable.
  virtual void Await(uint64_t offset, std::function<void()> again) = 0;

  // nullopt: it goes on. OK: it is here, whole and checked, and all of it is readable. ABORTED:
  // this version was replaced at the origin before it was here; there may be another. Else as
  // Remote::Bring().
  virtual std::optional<absl::Status> ended() const = 0;

  // Whether it has ended since there is no room for it here: what is not readable by now never will
  // be, but can be had by PassBy().
  virtual bool passes() const { return false; }

  // What is in [begin, end) of this version, for one reader, while passes(); end: cut at the
  // object's.
  //
  //   RESOURCE_EXHAUSTED   too many read so at once (net/retry_after.h says when to come again), or
  //                        it cannot be had in parts, and is too large to be in memory
  virtual absl::StatusOr<std::unique_ptr<PassThrough>> PassBy(uint64_t begin, uint64_t end);
};

inline absl::StatusOr<std::unique_ptr<PassThrough>> Filling::PassBy(uint64_t, uint64_t) {
  return absl::ResourceExhaustedError("it is kept here, or not at all");
}

}  // namespace objmapper::storage
