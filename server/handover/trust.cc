// Checks the user at the other end and the directory of the socket.
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "net/peer_credentials.h"
#include "server/handover/handover.h"

namespace objmapper::server::handover {

bool Trust::In(uid_t uid) const {
  // The number that stands for everybody without a place in our user namespace is nobody's.
  if (!net::IdNames::Users().Tells(uid)) return false;
  return uid == 0 || uid == geteuid() || (become.has_value() && uid == *become);
}

absl::Status Trust::CheckFolderOf(const std::string& door) const {
  if (absl::StartsWith(door, "@")) return absl::OkStatus();
  const size_t slash = door.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : door.substr(0, slash + 1);
  struct stat status;
  if (stat(folder.c_str(), &status) != 0) return net::ErrnoToStatus(errno, folder);
  if (!In(status.st_uid)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the folder ", folder, " belongs to uid ", status.st_uid,
                     ", who could put a socket of their own there"));
  }
  // In a sticky one (/tmp) each may rename what is their own.
  if ((status.st_mode & S_IWOTH) != 0 && (status.st_mode & S_ISVTX) == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("any user may put a socket of their own into the directory ", folder));
  }
  return absl::OkStatus();
}

}  // namespace objmapper::server::handover
