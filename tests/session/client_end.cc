// The other end of a session's socket, for tests.
#include "tests/session/client_end.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "absl/types/span.h"
#include "net/scm_rights.h"
#include "protocol/objm/request_parser.h"
#include "tests/net/socket_pair.h"

namespace objmapper::session {

using protocol::Dialect;
using protocol::ResponseParser;

ClientEnd::ClientEnd(net::UniqueFd socket, Dialect dialect, bool greeted)
    : socket_(std::move(socket)), parser_(dialect) {
  if (!greeted || dialect != Dialect::kV2) return;
  // The parser waits for HELLO_ACK first: give it one.
  char ack[protocol::kHelloAckBytes];
  const size_t size = protocol::EncodeHelloAck(0, 0, 0, ack);
  EXPECT_EQ(parser_.Next(absl::string_view(ack, size)).kind, ResponseParser::Kind::kHelloAck);
}

void ClientEnd::Send(absl::string_view bytes) { net::SendAll(socket_.get(), bytes); }

void ClientEnd::HalfClose() { EXPECT_EQ(shutdown(socket_.get(), SHUT_WR), 0); }

bool ClientEnd::ReadMore() {
  char buffer[16384];
  std::vector<net::UniqueFd> fds;
  const absl::StatusOr<net::Received> got =
      net::RecvWithFds(socket_.get(), absl::MakeSpan(buffer), net::kFdsPerMessageMax, &fds);
  EXPECT_TRUE(got.ok()) << got.status();
  if (!got.ok() || got->bytes == 0) return false;
  EXPECT_FALSE(got->fds_lost);
  unread_.append(buffer, got->bytes);
  for (net::UniqueFd& fd : fds) fds_.push_back(std::move(fd));
  return true;
}

ServerMessage ClientEnd::Next() {
  ServerMessage message;
  while (true) {
    const ResponseParser::Result result = parser_.Next(unread_);
    if (result.kind == ResponseParser::Kind::kNeedMore) {
      if (ReadMore()) continue;
      EXPECT_EQ(unread_, "") << "the connection ended inside a message";
      return message;
    }
    EXPECT_NE(result.kind, ResponseParser::Kind::kBroken) << result.reason;
    message.kind = result.kind;
    message.id = result.response.id;
    message.status = result.response.status;
    message.content_length = result.response.content_length;
    const auto metadata = protocol::ParseMetadata(result.response.metadata);
    EXPECT_TRUE(metadata.has_value()) << "metadata that cannot be parsed";
    if (metadata.has_value()) message.metadata = *metadata;
    message.close_reason = result.close_reason;
    message.outstanding = result.outstanding;
    message.capabilities = result.capabilities;
    message.max_pipeline = result.max_pipeline;
    message.parallelism = result.parallelism;
    unread_.erase(0, result.consumed);
    return message;
  }
}

std::string ClientEnd::Body(size_t bytes) {
  while (unread_.size() < bytes && ReadMore()) {
  }
  const std::string body = unread_.substr(0, bytes);
  unread_.erase(0, bytes);
  return body;
}

net::UniqueFd ClientEnd::TakeFd() {
  if (fds_.empty()) return net::UniqueFd();
  net::UniqueFd fd = std::move(fds_.front());
  fds_.pop_front();
  return fd;
}

bool ClientEnd::AtEnd() { return unread_.empty() && !ReadMore(); }

std::string RequestBytes(Dialect dialect, const protocol::RequestToSend& request) {
  std::string bytes;
  protocol::AppendRequest(dialect, request, &bytes);
  return bytes;
}

std::string HelloBytes(uint16_t capabilities, uint16_t max_pipeline) {
  char bytes[protocol::kHelloBytes];
  return std::string(bytes, protocol::EncodeHello(capabilities, max_pipeline, bytes));
}

std::unique_ptr<Session> MakeSession(net::UniqueFd socket, Transport transport,
                                     const SessionLimits* limits, ConnectionCounters* counters,
                                     Dialect dialect, uint16_t capabilities,
                                     uint16_t max_pipeline) {
  auto session =
      std::make_unique<Session>(ConnectionSlot(counters), std::move(socket), transport, limits);
  if (dialect == Dialect::kV2) {
    EXPECT_EQ(session->parser.Next(HelloBytes(capabilities, max_pipeline)).kind,
              protocol::RequestParser::Kind::kHello);
  }
  return session;
}

}  // namespace objmapper::session
