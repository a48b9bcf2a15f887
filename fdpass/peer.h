// A connection as a worker of the fdpass lane sees it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "net/deadline_list.h"
#include "net/send_queue.h"
#include "net/unique_fd.h"
#include "protocol/objm/request_parser.h"
#include "session/session.h"
#include "storage/tree/object_info.h"
#include "storage/tree/tree.h"

namespace objmapper::fdpass {

// A request that was taken from the socket and could not be answered yet: it owns its URI.
struct StoredRequest {
  protocol::Request request;
  std::string uri;
};

// Owned by one worker, touched by its thread alone. A peer that is not blocked holds no buffer and
// no descriptor but its socket.
struct Peer {
  explicit Peer(std::unique_ptr<session::Session> session_in) : session(std::move(session_in)) {}

  // What the socket waits for before anything else can be sent.
  enum class Blocked : uint8_t {
    kNo,
    kSocketFull,  // for EPOLLOUT
    kKernelFull,  // for a while: too many descriptors in flight, or no memory; POLLOUT is no help
    kOpening,     // for nothing: the next object is being opened elsewhere, since that takes long
  };

  // Looked at for every request, so kept together.
  std::unique_ptr<session::Session> session;
  Blocked blocked = Blocked::kNo;
  bool ending = false;         // after the farewell the session is retired
  bool again = false;          // in the worker's list of peers that may have more to read
  net::DeadlineHook deadline;  // idle, or request

  // What is owed while blocked, in this order:
  std::string out;                    // the rest of a message that went out in part
  net::UniqueFd out_fd;               // goes with one byte 'X' after it
  std::vector<StoredRequest> stored;  // to be served then; their descriptors are not open yet
  std::string farewell;               // said when nothing else is owed
  net::DeadlineHook retry;            // Blocked::kKernelFull
  net::SendQueue queue;               // Blocked::kSocketFull
  uint64_t ticket = 0;                // Blocked::kOpening
  // what came of it, for the next request
  std::optional<absl::StatusOr<storage::OpenedObject>> opened;
};

}  // namespace objmapper::fdpass
