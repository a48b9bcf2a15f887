// A client's descriptor, out of which an object is to be made: what it is, and its bytes, asked of
// the expendable process. Nothing is asked of a client's file here. Its file offset is the client's
// and is neither used nor moved; its file may change at any time, unless it is sealed.
//
// Every question to it may wait for ever, and some beyond SIGKILL: fstat(2) on a file system in
// user space waits for its daemon, which is the client's; reading, seeking and cloning wait for a
// lock of the file's, which a writer holds whose bytes come from such a file system. Closing does
// too (net/foreign_fd.h). What is not asked of the file, but of its descriptor alone, is fcntl(2)'s
// F_GETFL and F_GET_SEALS.
#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace objmapper::storage {

struct ForeignFile {
  uint64_t size = 0;
  // what is no hole, as far as the file system tells by its blocks; `size` at most
  uint64_t data_bytes = 0;
};

// net::ExpendableTask.
std::string DoForeignTask(absl::string_view request, absl::Span<const int> fds,
                          absl::FunctionRef<bool()> go_on);

// What the file is. INVALID_ARGUMENT, which names what it is: it is no regular file open for
// reading (O_PATH, write-only, a pipe, a socket, a directory, a device, ...), or its size is not
// what it holds (0, and there are bytes).
//
// patience: how long the file may keep us waiting without any progress. go_on: asked a few times a
// second; false: CANCELLED. UNAVAILABLE, whose message says so: the patience is over, or the
// process cannot be had.
absl::StatusOr<ForeignFile> JudgeElsewhere(int fd, absl::Duration patience,
                                           absl::FunctionRef<bool()> go_on);
// CopyFile() (storage/store/file_copy.h), with its errors and those.
absl::Status CopyElsewhere(int from, uint64_t size, int to, absl::Duration patience,
                           absl::FunctionRef<bool()> go_on);

}  // namespace objmapper::storage
