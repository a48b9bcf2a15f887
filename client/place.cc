// Follows a path through links to the directory and name that it means, and recognizes this
// process's own descriptors. Nothing is created or changed here.
#include "client/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "text/printable.h"

namespace objmapper::client {
namespace {

constexpr int kLinksMax = 40;  // the kernel's (path_resolution(7))

std::string In(const std::string& folder, const std::string& name) {
  return absl::StrCat(folder, folder == "/" ? "" : "/", name);
}

// `path` without links, "." and ".."; empty, and errno is set, where that leads to nothing.
std::string Real(const std::string& path) {
  const std::unique_ptr<char, decltype(&free)> real(realpath(path.c_str(), nullptr), &free);
  return real == nullptr ? "" : real.get();
}

// Whether `folder`, as Real() gives it, lists this process's descriptors.
bool ListsOurs(const std::string& folder) {
  const std::string process = Real("/proc/self");
  absl::string_view rest = folder;
  if (process.empty() || !absl::ConsumePrefix(&rest, process)) return false;
  if (absl::ConsumePrefix(&rest, "/task/"))
    rest.remove_prefix(std::min(rest.find('/'), rest.size()));
  return rest == "/fd";
}

std::optional<int> DescriptorNumber(const std::string& name) {
  int number = 0;
  if (name.empty() || !std::all_of(name.begin(), name.end(), absl::ascii_isdigit))
    return std::nullopt;
  return absl::SimpleAtoi(name, &number) ? std::optional<int>(number) : std::nullopt;
}

// The number that is meant by /dev/stdout and the like; -1: it is none of them.
int StandardStream(absl::string_view path) {
  if (path == "/dev/stdin") return STDIN_FILENO;
  if (path == "/dev/stdout") return STDOUT_FILENO;
  return path == "/dev/stderr" ? STDERR_FILENO : -1;
}

bool IsOnProc(const std::string& folder) {
  struct statfs system;
  return statfs(folder.c_str(), &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

// What a link says; nullopt and errno otherwise.
std::optional<std::string> ReadLink(const std::string& path) {
  std::string text(PATH_MAX, '\0');
  const ssize_t bytes = readlink(path.c_str(), &text[0], text.size());
  if (bytes < 0) return std::nullopt;
  text.resize(static_cast<size_t>(bytes));
  return text;
}

Place Judged(std::string path, const struct stat& attributes) {
  Place place;
  place.path = std::move(path);
  place.attributes = attributes;
  place.kind = S_ISREG(attributes.st_mode)    ? Place::Kind::kFile
               : S_ISDIR(attributes.st_mode)  ? Place::Kind::kFolder
               : S_ISSOCK(attributes.st_mode) ? Place::Kind::kSocket
                                              : Place::Kind::kStream;
  return place;
}

Place OwnDescriptor(int fd) {
  Place place;
  place.kind = Place::Kind::kDescriptor;
  place.fd = fd;
  return place;
}

}  // namespace

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::StatusOr<Place> FindPlace(absl::string_view given) {
  if (given.empty()) return absl::InvalidArgumentError("a file to write needs a name");
  const std::string what = absl::StrCat("write ", text::Printable(given));
  if (given.find('\0') != absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": a file's name cannot contain a NUL byte"));
  }
  std::string path(given);
  for (int links = 0; links <= kLinksMax; ++links) {
    const std::string name = path.substr(path.rfind('/') + 1);
    struct stat attributes;
    if (name.empty() || name == "." || name == "..") {
      if (stat(path.c_str(), &attributes) == 0) return Judged(path, attributes);
      if (errno != ENOENT) return net::ErrnoToStatus(errno, what);
      return absl::InvalidArgumentError(absl::StrCat(what, ": no such folder"));
    }
    const std::string folder = Real(FolderOf(path));
    const int folder_errno = errno;
    // Without /proc its names still say what is meant.
    const bool says_ours =
        absl::StartsWith(path, "/proc/self/fd/") || absl::StartsWith(path, "/dev/fd/");
    if (const std::optional<int> number = DescriptorNumber(name);
        number.has_value() && (folder.empty() ? says_ours : ListsOurs(folder)))
      return OwnDescriptor(*number);
    if (folder.empty()) return net::ErrnoToStatus(folder_errno, what);
    path = In(folder, name);
    const bool is_there = lstat(path.c_str(), &attributes) == 0;
    if (!is_there && errno != ENOENT) return net::ErrnoToStatus(errno, what);
    // Some roots have no such links in /dev, and in some an older program has put a file in their
    // place.
    if (const int fd = StandardStream(path); fd >= 0 && (!is_there || S_ISREG(attributes.st_mode)))
      return OwnDescriptor(fd);
    if (!is_there) {
      Place place;
      place.path = path;
      return place;
    }
    if (!S_ISLNK(attributes.st_mode)) return Judged(path, attributes);
    // Whether the kernel would follow it, or all that it leads to.
    const net::UniqueFd followed(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!followed.valid() && errno != ENOENT) return net::ErrnoToStatus(errno, what);
    if (IsOnProc(folder)) {
      if (stat(path.c_str(), &attributes) != 0) return net::ErrnoToStatus(errno, what);
      Place place = Judged(path, attributes);
      place.has_name = false;
      return place;
    }
    const std::optional<std::string> target = ReadLink(path);
    if (!target.has_value()) return net::ErrnoToStatus(errno, what);
    path = absl::StartsWith(*target, "/") ? *target : In(folder, *target);
  }
  return net::ErrnoToStatus(ELOOP, what);
}

}  // namespace objmapper::client
