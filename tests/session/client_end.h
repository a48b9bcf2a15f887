// The client's end of a session under test: sends bytes, reads the server's messages and the
// descriptors that come with them. No wait lasts longer than 20 s; one that does is a failure.
//
//   ClientEnd client(std::move(pair.peer), Dialect::kV1);
//   client.Send(RequestBytes(Dialect::kV1, {.mode = Mode::kCopy, .uri = "a"}));
//   EXPECT_EQ(client.Next().status, Status::kOk);
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "net/unique_fd.h"
#include "protocol/capabilities.h"
#include "protocol/dialect.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/metadata.h"
#include "protocol/objm/response_parser.h"
#include "protocol/status.h"
#include "session/session.h"

namespace objmapper::session {

// One message of the server, with its own copy of everything.
struct ServerMessage {
  using Kind = protocol::ResponseParser::Kind;
  // kNeedMore: the connection ended, in good order and between two messages.
  Kind kind = Kind::kNeedMore;
  uint32_t id = 0;
  protocol::Status status = protocol::Status::kOk;
  uint64_t content_length = 0;
  protocol::Metadata metadata;
  protocol::CloseReason close_reason = protocol::CloseReason::kNormal;
  uint32_t outstanding = 0;
  uint16_t capabilities = 0;
  uint16_t max_pipeline = 0;
  uint8_t parallelism = 0;

  bool ended() const { return kind == Kind::kNeedMore; }
  // A response that refuses with `wanted`, and says why.
  bool Refuses(protocol::Status wanted) const {
    return kind == Kind::kResponse && status == wanted && metadata.error.has_value() &&
           !metadata.error->empty() && content_length == 0;
  }
  bool Closes(protocol::CloseReason wanted) const {
    return kind == Kind::kClose && close_reason == wanted;
  }
};

class ClientEnd {
 public:
  // kV2: the first message is HELLO_ACK, unless `greeted` says that it has been read.
  ClientEnd(net::UniqueFd socket, protocol::Dialect dialect, bool greeted = false);

  void Send(absl::string_view bytes);
  void HalfClose();  // nothing more will be said; answers can still be read
  void Close() { socket_.Reset(); }

  ServerMessage Next();
  // `bytes` bytes of a body.
  std::string Body(size_t bytes);
  // The oldest descriptor that has come; invalid when none has.
  net::UniqueFd TakeFd();
  size_t fds_waiting() const { return fds_.size(); }
  // True when nothing but the end of the stream is left to read.
  bool AtEnd();

  int fd() const { return socket_.get(); }

 private:
  bool ReadMore();  // false: the end

  net::UniqueFd socket_;
  protocol::ResponseParser parser_;
  std::string unread_;
  std::deque<net::UniqueFd> fds_;
};

std::string RequestBytes(protocol::Dialect dialect, const protocol::RequestToSend& request);
std::string HelloBytes(uint16_t capabilities, uint16_t max_pipeline);

// A session whose opening is over, as a lane gets it. V2: HELLO has been taken, and `capabilities`
// and `max_pipeline` are what the client asked for.
std::unique_ptr<Session> MakeSession(net::UniqueFd socket, Transport transport,
                                     const SessionLimits* limits, ConnectionCounters* counters,
                                     protocol::Dialect dialect,
                                     uint16_t capabilities = protocol::kFreeCapabilities,
                                     uint16_t max_pipeline = 0);

}  // namespace objmapper::session
