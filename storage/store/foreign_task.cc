// The messages between the server and the process that examines and copies a client's file. No call
// on that file is made in the server.
#include "storage/store/foreign_task.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "net/expendable.h"
#include "storage/store/file_copy.h"
#include "storage/store/foreign_file.h"

namespace objmapper::storage {
namespace {

constexpr absl::string_view kJudge = "judge";
constexpr absl::string_view kCopy = "copy ";

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
  if (request == kJudge && fds.size() == 1) return Encode(JudgeForeignFile(fds[0]));
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
