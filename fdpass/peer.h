// A connection as a worker of the fdpass lane sees it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fdpass/kernel.h"
#include "fdpass/opener.h"
#include "net/deadline_list.h"
#include "net/send_queue.h"
#include "net/unique_fd.h"
#include "protocol/objm/request_parser.h"
#include "session/session.h"

namespace objmapper::fdpass {

// A request that was taken from the socket and could not be answered yet: it owns its URI.
struct StoredRequest {
  protocol::Request request;
  std::string uri;
  Opening opening;  // of one that is opened apart: the ticket, and what came of it
};

// Owned by one worker, touched by its thread alone. A peer that is not blocked holds no buffer and
// no descriptor but its socket.
struct Peer : Socket {
  using Socket::Socket;

  // What the peer waits for before anything else can be sent.
  enum class Blocked : uint8_t {
    kNo,
    kSocketFull,  // for room in its socket
    kKernelFull,  // for a while: too many descriptors in flight, or no memory
    kOpening,     // for the oldest of `stored`, which is being opened apart
  };

  Blocked blocked = Blocked::kNo;
  bool ending = false;         // after the farewell the session is retired
  bool has_turn = false;       // in this round
  bool again = false;          // in the round's list of those that may have more to read
  uint16_t strangers = 0;      // requests of the other lane answered here since the last of our own
  net::DeadlineHook deadline;  // idle, or request

  // What is owed while blocked, in this order:
  std::string out;                    // the rest of a message that went out in part
  net::UniqueFd out_fd;               // goes with one byte 'X' after it
  std::vector<StoredRequest> stored;  // to be served then; their descriptors are not open yet
  std::string farewell;               // said when nothing else is owed
  net::DeadlineHook retry;            // Blocked::kKernelFull
  net::SendQueue queue;               // Blocked::kSocketFull
};

}  // namespace objmapper::fdpass
