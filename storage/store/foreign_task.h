// What storage/store/foreign_file.h does, asked of the expendable process: nothing is asked of a
// client's file here.
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
#include "storage/store/foreign_file.h"

namespace objmapper::storage {

// net::ExpendableTask.
std::string DoForeignTask(absl::string_view request, absl::Span<const int> fds,
                          absl::FunctionRef<bool()> go_on);

// As JudgeForeignFile() and CopyFile() (storage/store/file_copy.h). patience: how long the file may
// keep them waiting without any progress. go_on: asked a few times a second; false: CANCELLED.
// Errors as theirs, and UNAVAILABLE, whose message says so, when the patience is over or the
// process cannot be had.
absl::StatusOr<ForeignFile> JudgeElsewhere(int fd, absl::Duration patience,
                                           absl::FunctionRef<bool()> go_on);
absl::Status CopyElsewhere(int from, uint64_t size, int to, absl::Duration patience,
                           absl::FunctionRef<bool()> go_on);

}  // namespace objmapper::storage
