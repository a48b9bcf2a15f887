// The last look at a socket whose peer is about to be called late.
#pragma once

#include <poll.h>

namespace objmapper::net {

// Whether a read would bring something, be it the end: bytes that came while nobody looked, such as
// while the process was stopped, or that a round of a loop had no room for. One system call; never
// waits.
inline bool IsReadable(int socket) {
  pollfd one{socket, POLLIN, 0};
  return poll(&one, 1, 0) == 1;
}

}  // namespace objmapper::net
