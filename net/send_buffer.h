// How far a Unix socket may be ahead of its reader.
#pragma once

namespace objmapper::net {

// Lets `socket` take `bytes` and about as much again (the kernel doubles SO_SNDBUF, socket(7))
// before its writer has to wait: fewer waits, each of which is a wake-up of both sides. The price
// is what a reader that stalls holds. Never less than it had. `bytes` is what SendBufferAllowed()
// gave.
void WidenSendBuffer(int socket, int bytes);

// What of `bytes` the system allows: less where net.core.wmem_max is.
int SendBufferAllowed(int bytes);

}  // namespace objmapper::net
