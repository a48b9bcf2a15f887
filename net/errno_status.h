// The one place that turns an errno into a code the caller acts on.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace objmapper::net {

// A status for `error` (an errno value, not 0). The message is "`what`: <errno text> (<name>)", so
// `what` names the call's object: "open /srv/objects/a", "bind /run/x.sock".
//
//   NOT_FOUND           ENOENT, ENOTDIR
//   PERMISSION_DENIED   EACCES, EPERM, ELOOP, EXDEV (outside the tree), ENXIO (a socket, a FIFO),
//                       EROFS, ENOKEY and its like (a folder that is encrypted)
//   FAILED_PRECONDITION EBUSY (something is mounted there), ETXTBSY, EISDIR, ENOTEMPTY
//   RESOURCE_EXHAUSTED  EMFILE, ENFILE, ENOMEM, ENOBUFS, ETOOMANYREFS, ENOLCK, EAGAIN: try again
//   UNAVAILABLE         the peer has gone: EPIPE, ECONNRESET, ENOTCONN, ECONNREFUSED, EHOSTDOWN and
//                       others of networks
//   INVALID_ARGUMENT    EINVAL, ENAMETOOLONG, EILSEQ (bytes that are no name there)
//   DEADLINE_EXCEEDED   ETIMEDOUT
//   ALREADY_EXISTS      EEXIST, EADDRINUSE
//   DATA_LOSS           EIO, EUCLEAN, EBADMSG (a checksum is wrong), EREMOTEIO, ENOMEDIUM, ENODATA,
//                       ENOLINK, ESTALE, EFAULT (a file shrank under its mapping)
//   UNIMPLEMENTED       ENOSYS, EOPNOTSUPP
//   INTERNAL            anything else
absl::Status ErrnoToStatus(int error, absl::string_view what);

}  // namespace objmapper::net
