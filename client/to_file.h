// Gets an object into a file.
//
//   GetToFile(client, "models/a.bin", "/tmp/a.bin", {.mode = protocol::Mode::kFdPass});
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/client.h"
#include "client/copy_range.h"
#include "client/object.h"
#include "protocol/mode.h"

namespace objmapper::client {

struct ToFileOptions {
  // kFdPass: the object comes as a descriptor and is copied from it here, by reflink or inside the
  // kernel where that works. kCopy, kSplice: its bytes come through the connection and a buffer of
  // fixed size.
  protocol::Mode mode = protocol::Mode::kCopy;
  std::optional<Range> range;
  // in place of `range`: the last so many bytes, or all of a shorter object
  std::optional<uint64_t> last;
  std::string if_none_match;  // as Client::GetFd()
  ProgressCallback progress;  // may be empty
  InspectCallback inspect;    // may be empty; an error of it ends the call
};

struct FileResult {
  ObjectInfo info;
  CopyMethod method = CopyMethod::kSocket;
};

// Writes the object to `out`, behind its file offset. `out`: borrowed; a file, pipe, terminal, ...
//
// Errors: as Client; of this side (SourceOf() is kLocal): as CopyRange(). After an error a part may
// have been written, and an error of this side in the middle of a COPY or SPLICE ends the client's
// connection.
absl::StatusOr<FileResult> GetToFd(Client& client, absl::string_view uri, int out,
                                   const ToFileOptions& options = ToFileOptions());

// Creates or replaces the file `path` with the object: whole, or not at all (client/new_file.h).
// What is no file (a device, a FIFO, an open descriptor such as /dev/stdout) is written to as the
// bytes come (client/new_file.h).
//
// Errors: as GetToFd() and Output::Open(). Nothing is asked of the server when the file cannot
// be created.
absl::StatusOr<FileResult> GetToFile(Client& client, absl::string_view uri, absl::string_view path,
                                     const ToFileOptions& options = ToFileOptions());

}  // namespace objmapper::client
