// The text and code for an errno of a failed change of the tree, and how its messages name objects.
#include "storage/tree/disk_error.h"

#include <errno.h>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "text/printable.h"

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

std::string QuotedUri(absl::string_view uri) {
  constexpr size_t kShownMax = 100;
  const std::string quoted = text::Quoted(uri, kShownMax);
  return uri.size() <= kShownMax ? quoted : absl::StrCat(quoted, " (", uri.size(), " bytes)");
}

}  // namespace objmapper::storage
