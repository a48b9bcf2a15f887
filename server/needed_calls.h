// The system calls that the server cannot do without, tried before it starts.
//
// A seccomp filter refuses calls that the kernel has: systemd's, by SystemCallFilter= and by
// settings that do not look like it (with RestrictSUIDSGID=yes, openat2(2) is ENOSYS, since its
// mode lies behind a pointer that a filter cannot follow), a container's profile. The server would
// end much later, with an error about a file or a socket.
#pragma once

#include "absl/status/status.h"
#include "server/flags/config.h"

namespace objmapper::server {

// OK, or UNIMPLEMENTED: the kernel or a filter refuses a call that a server with this configuration
// needs. The message names each of them, what it is refused with, what it is for, and what the
// likely cause is.
//
// The calls are made with arguments that the kernel refuses, so that nothing happens, in a child
// process, since a filter may end who makes one. Before there are threads.
absl::Status TryNeededCalls(const Config& config);

}  // namespace objmapper::server
