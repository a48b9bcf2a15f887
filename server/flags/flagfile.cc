// Splits a flagfile into lines. Lines that are not flags are errors; nothing is skipped.
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "server/flags/command_line.h"
#include "text/printable.h"

namespace objmapper::server {
namespace {

constexpr size_t kBytesMax = 1 << 20;
constexpr absl::string_view kByteOrderMark = "\xef\xbb\xbf";

absl::StatusOr<std::string> Contents(const std::string& path) {
  const std::string what = absl::StrCat("--flagfile=", text::Printable(path), " cannot be read");
  const net::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid()) return net::ErrnoToStatus(errno, what);
  std::string contents;
  while (contents.size() <= kBytesMax) {
    char buffer[16384];
    const ssize_t got = TEMP_FAILURE_RETRY(read(fd.get(), buffer, sizeof(buffer)));
    if (got < 0) return net::ErrnoToStatus(errno, what);
    if (got == 0) return contents;
    contents.append(buffer, static_cast<size_t>(got));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": it is longer than ", kBytesMax, " bytes"));
}

}  // namespace

Flagfile ParseFlagfile(absl::string_view contents, absl::string_view path) {
  Flagfile file;
  absl::ConsumePrefix(&contents, kByteOrderMark);
  int number = 0;
  for (absl::string_view line : absl::StrSplit(contents, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    const auto wrong = [&](absl::string_view why) {
      file.errors.push_back(absl::StrCat(text::Printable(path), ", line ", number, ": ",
                                         text::Quoted(line, 100), " is not a flag: ", why, "."));
    };
    if (absl::StrContains(line, '\0')) {
      wrong("it contains a NUL byte; a flagfile is plain text, in ASCII or UTF-8");
    } else if (line[0] != '-') {
      wrong(
          "expected --name=value, or a comment that begins with #. gflags' sections for single "
          "programs are not supported: give each program a file of its own");
    } else if (line.find_first_not_of('-') == line.npos) {
      wrong("there is no name after the dashes");
    } else {
      file.lines.push_back({number, std::string(line)});
    }
  }
  return file;
}

absl::StatusOr<Flagfile> ReadFlagfile(const std::string& path) {
  const absl::StatusOr<std::string> contents = Contents(path);
  if (!contents.ok()) return contents.status();
  return ParseFlagfile(*contents, path);
}

}  // namespace objmapper::server
