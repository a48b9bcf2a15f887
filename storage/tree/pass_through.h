// Bytes of an object from elsewhere that is not kept here, since there is no room for it: in order,
// for one reader alone, at his own speed.
//
//   while (wanted > 0) {
//     if (PassThrough::Piece piece = through->Take(wanted); piece.bytes > 0) ...  // send it
//     else if (through->ended().has_value()) ...                // no more comes: the body is cut
//     else through->Await([] { ... });                           // and ask again
//   }
//
// They are of the version that it was opened for (filling.h), and in memory for as long as the
// reader does not take them: little of them is. Letting go of it ends what was asked for.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/status.h"

namespace objmapper::storage {

// One thread's at a time. No call waits.
class PassThrough {
 public:
  struct Piece {
    std::unique_ptr<char[]> data;
    size_t bytes = 0;  // 0: none is here
  };

  // What was awaited is called, as if more had come.
  virtual ~PassThrough() = default;

  // The next bytes, at most so many.
  virtual Piece Take(size_t bytes_max) = 0;

  // Whether Take() has something, or it has ended.
  virtual bool IsReady() const = 0;
  // again: called once, on any thread and perhaps inside this call, when IsReady(). It must not
  // wait. False: nothing happens, since another one waits already.
  virtual bool Await(std::function<void()> again) = 0;

  // nullopt: more comes. OK: all is here that was to come; some may be left to be taken. ABORTED:
  // the version is no longer its origin's. Else as Remote::Bring(), or DATA_LOSS: what came was not
  // what the origin says that it is, of which the last bytes were withheld.
  virtual std::optional<absl::Status> ended() const = 0;
};

}  // namespace objmapper::storage
