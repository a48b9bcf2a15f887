// Options of sockets that are numbers: socket(7), ip(7), tcp(7).
#pragma once

#include <sys/socket.h>

namespace objmapper::net {

// False, and errno: it could not be set.
inline bool SetOption(int socket, int level, int name, int value) {
  return setsockopt(socket, level, name, &value, sizeof(value)) == 0;
}

// -1, and errno: there is no such option, or no socket.
inline int GetOption(int socket, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  return getsockopt(socket, level, name, &value, &size) == 0 ? value : -1;
}

}  // namespace objmapper::net
