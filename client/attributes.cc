// Owner, mode, access list and user.* attributes of the old file, set on the new one. An attribute
// that a file system does not have is left out; any other failure means that the old file cannot be
// replaced.
#include "client/attributes.h"

#include <errno.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace objmapper::client {
namespace {

constexpr char kAccessList[] = "system.posix_acl_access";
constexpr char kOfServers[] = "user.objmapper.";
// What the kernel allows at most (xattr(7)).
constexpr size_t kNamesBytesMax = 65536;
constexpr size_t kValueBytesMax = 65536;

// There is no such attribute here, or none at all on this file system, or no file any more.
bool IsNone(int error) {
  return error == ENODATA || error == EOPNOTSUPP || error == ENOENT || error == ENOSYS;
}

bool KeepExtended(const std::string& old_path, int fd) {
  std::string names(kNamesBytesMax, '\0');
  const ssize_t bytes = llistxattr(old_path.c_str(), &names[0], names.size());
  if (bytes < 0) return IsNone(errno);
  names.resize(static_cast<size_t>(bytes));
  std::string value(kValueBytesMax, '\0');
  for (size_t at = 0; at < names.size(); at += strlen(&names[at]) + 1) {
    const char* const name = &names[at];
    const bool is_users = absl::StartsWith(name, "user.") && !absl::StartsWith(name, kOfServers);
    if (!is_users && absl::string_view(name) != kAccessList) continue;
    const ssize_t size = lgetxattr(old_path.c_str(), name, &value[0], value.size());
    if (size < 0 && IsNone(errno)) continue;
    if (size < 0 || fsetxattr(fd, name, value.data(), static_cast<size_t>(size), 0) != 0)
      return false;
  }
  return true;
}

}  // namespace

bool KeepAttributes(const std::string& old_path, const struct stat& old, int fd) {
  struct stat now;
  if (fstat(fd, &now) != 0) return false;
  if ((now.st_uid != old.st_uid || now.st_gid != old.st_gid) &&
      fchown(fd, old.st_uid, old.st_gid) != 0)
    return false;
  // The folder's default list has made one for the new file.
  if (fremovexattr(fd, kAccessList) != 0 && !IsNone(errno)) return false;
  if (fchmod(fd, old.st_mode & 0777) != 0) return false;
  return KeepExtended(old_path, fd);
}

}  // namespace objmapper::client
