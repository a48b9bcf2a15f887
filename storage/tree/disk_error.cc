// The text and code for an errno of a failed change of the tree.
#include "storage/tree/disk_error.h"

#include <errno.h>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"

namespace objmapper::storage {

absl::Status DiskError(int error, absl::string_view what) {
  const absl::Status status = net::ErrnoToStatus(error, what);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMLINK:
      return absl::UnavailableError(status.message());
    case ENAMETOOLONG:
      return absl::OutOfRangeError(status.message());
    case EROFS:
      return absl::PermissionDeniedError(
          absl::StrCat(status.message(), ": the file system is read-only"));
    case EBUSY:
      return absl::FailedPreconditionError(
          absl::StrCat(status.message(), ": something is mounted there, or it is in use"));
    case ETXTBSY:
      return absl::FailedPreconditionError(
          absl::StrCat(status.message(), ": it is a running program, or swap"));
    case ETIMEDOUT:
      return absl::DataLossError(
          absl::StrCat(status.message(), ": the file system did not answer in time"));
    default:
      return status;
  }
}

}  // namespace objmapper::storage
