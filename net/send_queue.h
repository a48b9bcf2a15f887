// Whether the peer of a full socket takes anything.
//
// That a socket has room again is no measure of it: the kernel says so when much is free, a third
// of what may be megabytes over TCP (sk_stream_is_writeable(), tcp(7)) and three quarters over Unix
// sockets. What is queued tells of each segment that is acknowledged, and of each piece that is
// read.
#pragma once

#include <limits.h>

namespace objmapper::net {

//   if (send(socket, ...) < 0 && errno == EAGAIN) queue.Watch(socket);
//   ... still no room, after the time that the peer has for it:
//   if (queue.Shrank(socket)) as much time again; else the peer is gone
//
// Between the two calls nothing may be sent. Sockets of streams, TCP or Unix. One thread.
class SendQueue {
 public:
  // From now on. One system call.
  void Watch(int socket);
  // Begins with the next Shrank(), which is true: where a call for each send would cost more than
  // to be patient once more.
  void Forget() { bytes_ = INT_MAX; }
  // Whether the peer has taken anything since Watch() or the last Shrank(); not, when the kernel
  // cannot say.
  bool Shrank(int socket);

 private:
  int bytes_ = INT_MAX;  // SIOCOUTQ
};

}  // namespace objmapper::net
