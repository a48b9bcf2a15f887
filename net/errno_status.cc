// The table from errno to absl::StatusCode. Every other file passes its errno through here, so one
// errno has one meaning.
#include "net/errno_status.h"

#include <errno.h>
#include <string.h>

#include <algorithm>
#include <initializer_list>

#include "absl/strings/str_cat.h"
#include "text/printable.h"

namespace objmapper::net {
namespace {

using Code = absl::StatusCode;

// All others are kInternal.
constexpr struct {
  Code code;
  std::initializer_list<int> errors;
} kMeanings[] = {
    {Code::kNotFound, {ENOENT, ENOTDIR}},
    {Code::kPermissionDenied,
     {EACCES, EPERM, ELOOP, EXDEV, ENXIO, EROFS, ENOKEY, EKEYEXPIRED, EKEYREVOKED, EKEYREJECTED}},
    {Code::kFailedPrecondition, {EBUSY, ETXTBSY, EISDIR, ENOTEMPTY}},
    {Code::kResourceExhausted, {EMFILE, ENFILE, ENOMEM, ENOBUFS, ETOOMANYREFS, ENOLCK, EAGAIN}},
    {Code::kUnavailable,
     {EPIPE, ECONNRESET, ECONNREFUSED, ECONNABORTED, ENOTCONN, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN,
      ENETDOWN}},
    {Code::kInvalidArgument, {EINVAL, ENAMETOOLONG, EILSEQ}},
    {Code::kDeadlineExceeded, {ETIMEDOUT}},
    {Code::kAlreadyExists, {EEXIST, EADDRINUSE}},
    {Code::kDataLoss,
     {EIO, EUCLEAN, EBADMSG, EREMOTEIO, ENOMEDIUM, ENODATA, ENOLINK, ESTALE, EFAULT}},
    {Code::kUnimplemented, {ENOSYS, EOPNOTSUPP}},
};

Code CodeOf(int error) {
  for (const auto& meaning : kMeanings) {
    if (std::find(meaning.errors.begin(), meaning.errors.end(), error) != meaning.errors.end())
      return meaning.code;
  }
  return Code::kInternal;
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
