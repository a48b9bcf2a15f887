// A message with descriptors on its way to a client: OP_FDPASS answered by the loop itself.
#pragma once

#include <errno.h>
#include <sys/uio.h>

#include <memory>
#include <vector>

#include "loop/answer.h"
#include "net/deadline_list.h"
#include "net/unique_fd.h"
#include "session/message.h"

namespace objmapper::loop {

class Passer;

// A connection has one while it sends one; the loop keeps those not in use.
struct Passing {
  // An answer whose file is being opened, together with others (net/file_batch.h).
  struct Opening {
    Answer answer;
    std::shared_ptr<const net::UniqueFd> directory;
    int result = -EAGAIN;  // what came of it; -errno: the answer is looked for the long way
  };

  std::vector<Opening> openings;  // not in the message yet; unmoved while the batch knows of them
  session::Message message;
  iovec rest{};        // of message.bytes(): what has not been sent
  net::UniqueFd x_fd;  // without FD_IN_HEADER: rides on the 'X' that follows the message
  bool is_x = false;   // the message is that 'X': an answer that has been counted
  Passer* passer = nullptr;
  net::DeadlineHook retry;  // when the kernel, not the peer, was out of room
};

}  // namespace objmapper::loop
