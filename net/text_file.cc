// Reads to the end, or to the bound.
#include "net/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "text/printable.h"

namespace objmapper::net {
namespace {

constexpr size_t kBytesMax = 1 << 20;

// Of the file that is open, not of the one that has its name now.
absl::Status CheckMode(int file, const std::string& path) {
  struct stat status;
  if (fstat(file, &status) != 0) return ErrnoToStatus(errno, absl::StrCat("stat ", path));
  if ((status.st_mode & (S_IROTH | S_IWOTH)) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "%s: every user may %s it (mode %04o), and it holds secrets: chmod o= takes that away",
      text::Printable(path), (status.st_mode & S_IROTH) != 0 ? "read" : "write",
      status.st_mode & 07777));
}

}  // namespace

absl::StatusOr<std::string> ReadTextFile(const std::string& path, Readers readers) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file.valid()) return ErrnoToStatus(errno, absl::StrCat("open ", path));
  if (readers == Readers::kNotOthers) {
    if (absl::Status mode = CheckMode(file.get(), path); !mode.ok()) return mode;
  }
  std::string text(kBytesMax + 1, '\0');
  size_t have = 0;
  while (have < text.size()) {
    const ssize_t got = read(file.get(), &text[have], text.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoToStatus(errno, absl::StrCat("read ", path));
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  if (have > kBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(text::Printable(path), ": longer than ", kBytesMax, " bytes"));
  }
  text.resize(have);
  return text;
}

}  // namespace objmapper::net
