#include "storage/disk_error.h"

#include <errno.h>

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
      return absl::PermissionDeniedError(status.message());
    default:
      return status;
  }
}

}  // namespace objmapper::storage
