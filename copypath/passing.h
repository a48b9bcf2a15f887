// A message with descriptors on its way to a client: OP_FDPASS answered by the loop itself.
#pragma once

#include <sys/uio.h>

#include "net/deadline_list.h"
#include "net/unique_fd.h"
#include "router/message.h"

namespace objmapper::copypath {

class Stream;

// A stream has one while it sends one; the loop keeps those not in use.
struct Passing {
  router::Message message;
  iovec rest{};             // of message.bytes(): what has not been sent
  net::UniqueFd x_fd;       // without FD_IN_HEADER: rides on the 'X' that follows the message
  bool is_x = false;        // the message is that 'X': an answer that has been counted
  Stream* stream = nullptr;
  net::DeadlineHook retry;  // when the kernel, not the peer, was out of room
};

}  // namespace objmapper::copypath
