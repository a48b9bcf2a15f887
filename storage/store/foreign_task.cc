// The messages between the server and the process that examines and copies a client's file. No call
// on that file is made in the server: what is done here by DoForeignTask() runs in a process that
// may hang.
#include "storage/store/foreign_task.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "net/errno_status.h"
#include "net/expendable.h"
#include "net/foreign_kind.h"
#include "storage/store/file_copy.h"

namespace objmapper::storage {
namespace {

constexpr absl::string_view kJudge = "judge";
constexpr absl::string_view kCopy = "copy ";

// May wait for ever, whatever the file is.
absl::StatusOr<ForeignFile> Judge(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  struct stat status;
  if (flags < 0 || fstat(fd, &status) != 0)
    return net::ErrnoToStatus(errno, "look at the descriptor");
  if (const int kind = net::KindOfFd(flags, status.st_mode); kind != 0)
    return absl::InvalidArgumentError(net::WhyUnfit(kind));
  // Of procfs and the like: copied by its size, it would be an empty object.
  if (status.st_size == 0) {
    char byte;
    const ssize_t got = TEMP_FAILURE_RETRY(pread(fd, &byte, 1, 0));
    struct stat now;
    if (got > 0 && fstat(fd, &now) == 0 && now.st_size == 0) {
      return absl::InvalidArgumentError(
          "the descriptor's file reports 0 bytes and has some (the kernel generates it when it is "
          "read, as in procfs): send its bytes with OP_PUT");
    }
    if (got > 0) status = now;
  }
  ForeignFile file;
  file.size = static_cast<uint64_t>(status.st_size);
  // stat(2): blocks of 512 bytes, whatever st_blksize says.
  file.data_bytes = std::min(file.size, static_cast<uint64_t>(status.st_blocks) * 512);
  return file;
}

// "0 8192 4096" (size and data), or the code and the message of an error.
std::string Encode(const absl::StatusOr<ForeignFile>& result) {
  if (result.ok()) return absl::StrCat("0 ", result->size, " ", result->data_bytes);
  return absl::StrCat(static_cast<int>(result.status().code()), " ",
                      result.status().message().substr(0, net::kTaskBytesMax / 2));
}

absl::StatusOr<ForeignFile> Decode(absl::string_view answer) {
  const absl::Status unclear =
      absl::InternalError("the process that examines foreign files sent an unexpected answer");
  const size_t space = answer.find(' ');
  int code = 0;
  if (space == answer.npos || !absl::SimpleAtoi(answer.substr(0, space), &code)) return unclear;
  const absl::string_view rest = answer.substr(space + 1);
  if (code != 0) return absl::Status(static_cast<absl::StatusCode>(code), rest);
  ForeignFile file;
  const size_t second = rest.find(' ');
  if (second == rest.npos || !absl::SimpleAtoi(rest.substr(0, second), &file.size) ||
      !absl::SimpleAtoi(rest.substr(second + 1), &file.data_bytes)) {
    return unclear;
  }
  return file;
}

absl::StatusOr<ForeignFile> Ask(absl::string_view request, absl::Span<const int> fds,
                                absl::Duration patience, absl::FunctionRef<bool()> go_on) {
  // Tests of the storage alone: here, then.
  if (!net::HasExpendable()) return Decode(DoForeignTask(request, fds, go_on));
  const absl::StatusOr<std::string> answer = net::RunExpendable(request, fds, patience, go_on);
  if (answer.ok()) return Decode(*answer);
  if (absl::IsCancelled(answer.status())) return answer.status();
  if (absl::IsDeadlineExceeded(answer.status())) {
    return absl::UnavailableError(
        absl::StrCat("the descriptor's file, or its file system, did not answer for ",
                     absl::FormatDuration(patience), " (--request_timeout)"));
  }
  return absl::UnavailableError(
      absl::StrCat("the descriptor's file cannot be examined: ", answer.status().message()));
}

}  // namespace

std::string DoForeignTask(absl::string_view request, absl::Span<const int> fds,
                          absl::FunctionRef<bool()> go_on) {
  if (request == kJudge && fds.size() == 1) return Encode(Judge(fds[0]));
  uint64_t size = 0;
  if (absl::ConsumePrefix(&request, kCopy) && absl::SimpleAtoi(request, &size) && fds.size() == 2) {
    const absl::Status copied = CopyFile(fds[0], size, fds[1], go_on);
    return Encode(copied.ok() ? absl::StatusOr<ForeignFile>(ForeignFile())
                              : absl::StatusOr<ForeignFile>(copied));
  }
  return Encode(absl::InternalError("no such task"));
}

absl::StatusOr<ForeignFile> JudgeElsewhere(int fd, absl::Duration patience,
                                           absl::FunctionRef<bool()> go_on) {
  return Ask(kJudge, {fd}, patience, go_on);
}

absl::Status CopyElsewhere(int from, uint64_t size, int to, absl::Duration patience,
                           absl::FunctionRef<bool()> go_on) {
  return Ask(absl::StrCat(kCopy, size), {from, to}, patience, go_on).status();
}

}  // namespace objmapper::storage
