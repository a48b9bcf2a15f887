// The table from errno to absl::StatusCode. Every other file passes its errno through here, so one
// errno has one meaning.
#include "net/errno_status.h"

#include <errno.h>
#include <string.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "text/printable.h"

namespace objmapper::net {
namespace {

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::StatusCode::kNotFound;
    case EACCES:
    case EPERM:
    case ELOOP:
    case EXDEV:
    case ENXIO:
    case EROFS:
    case ENOKEY:
    case EKEYEXPIRED:
    case EKEYREVOKED:
    case EKEYREJECTED:
      return absl::StatusCode::kPermissionDenied;
    case EBUSY:
    case ETXTBSY:
    case EISDIR:
    case ENOTEMPTY:
      return absl::StatusCode::kFailedPrecondition;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case ETOOMANYREFS:
    case ENOLCK:
    case EAGAIN:
      return absl::StatusCode::kResourceExhausted;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
    case ECONNABORTED:
    case ENOTCONN:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
      return absl::StatusCode::kUnavailable;
    case EINVAL:
    case ENAMETOOLONG:
    case EILSEQ:
      return absl::StatusCode::kInvalidArgument;
    case ETIMEDOUT:
      return absl::StatusCode::kDeadlineExceeded;
    case EEXIST:
    case EADDRINUSE:
      return absl::StatusCode::kAlreadyExists;
    case EIO:
    case EUCLEAN:
    case EBADMSG:
    case EREMOTEIO:
    case ENOMEDIUM:
    case ENODATA:
    case ENOLINK:
    case ESTALE:
    case EFAULT:
      return absl::StatusCode::kDataLoss;
    case ENOSYS:
    case EOPNOTSUPP:
      return absl::StatusCode::kUnimplemented;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::Status ErrnoToStatus(int error, absl::string_view what) {
  char buffer[128];
  // The GNU variants: strerror_r may return a static string instead of using `buffer`.
  const char* reason = strerror_r(error, buffer, sizeof(buffer));
  const char* name = strerrorname_np(error);
  return absl::Status(CodeOf(error), absl::StrCat(text::Printable(what), ": ", reason, " (",
                                                  name == nullptr ? "?" : name, ")"));
}

}  // namespace objmapper::net
