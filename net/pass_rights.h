// Whether descriptors may be attached to what is sent to a Unix socket (SO_PASSRIGHTS, Linux 6.16).
//
// Where not, whoever attaches some gets EPERM, and nothing of the message arrives. A descriptor
// that does arrive is a danger by itself: whoever drops the last reference to it may have to wait
// for its close(2) (net/foreign_fd.h), and a socket that is closed, or read without room for them,
// drops what its queue holds.
//
// A connection inherits the state of its listener at the moment of connect(2). Bytes sent out of
// band are covered too.
//
// Thread-safe. Source: include/uapi/asm-generic/socket.h, unix_stream_connect() and
// unix_stream_sendmsg() in net/unix/af_unix.c.
#pragma once

namespace objmapper::net {

// Whether this kernel can refuse descriptors. Tried once. The environment variable
// OBJMAPPER_WITHOUT_PASSRIGHTS=1 makes it look like one that cannot: for tests.
bool CanRefuseFds();

// Allows or refuses descriptors from now on; those that have come already are there. `socket`: a
// Unix one, borrowed. False: it could not be done.
bool AllowFds(int socket, bool allowed);

// Whether descriptors may be sent to `socket` now.
bool AllowsFds(int socket);

}  // namespace objmapper::net
