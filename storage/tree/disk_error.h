// What a failed change of the tree means to the client who asked for it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace objmapper::storage {

// As net::ErrnoToStatus, and
//
//   UNAVAILABLE          no room: ENOSPC, EDQUOT, EFBIG, EMLINK
//   OUT_OF_RANGE         a name is too long
//   PERMISSION_DENIED    the file system is read-only
//   FAILED_PRECONDITION  something is mounted on the name, or the file runs: EBUSY, ETXTBSY
//                        (CONFLICT on the wire)
//   DATA_LOSS            a file system on the other end of a network does not answer: ETIMEDOUT
absl::Status DiskError(int error, absl::string_view what);

// The URI for messages: quoted, printable, and not longer than a line or two.
std::string QuotedUri(absl::string_view uri);

}  // namespace objmapper::storage
