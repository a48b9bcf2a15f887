// How connections end at the router: too late, too many, drained, retired.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/pass_rights.h"
#include "net/scm_rights.h"
#include "router/demultiplexer.h"
#include "tests/net/eventually.h"
#include "tests/net/fds_left.h"
#include "tests/net/socket_pair.h"
#include "tests/router/demultiplexer_fixture.h"
#include "tests/session/client_end.h"

namespace objmapper::router {
namespace {

using protocol::CloseReason;
using protocol::Dialect;
using protocol::Mode;
using protocol::Status;

constexpr absl::Duration kSoon = absl::Milliseconds(50);

// ---- Too late ----

// Who asks nothing is sent away: V2 hears why, V1 has no words for it.
TEST_F(DemultiplexerTest, SilentOpenersTimeOut) {
  limits_.idle_timeout = kSoon;
  Start();
  session::ClientEnd v1 = Client(Dialect::kV1);
  EXPECT_TRUE(v1.AtEnd());
  session::ClientEnd v2 = V2Client();
  EXPECT_TRUE(v2.Next().Closes(CloseReason::kIdleTimeout));
  EXPECT_TRUE(v2.AtEnd());
  EXPECT_EQ(counters_.timed_out, 2u);
  EXPECT_TRUE(NobodyLeft());
}

// Half a greeting or half a request is not waited for long, and is told so.
TEST_F(DemultiplexerTest, HalfARequestTimesOut) {
  limits_.request_timeout = kSoon;
  Start();
  session::ClientEnd half_hello = Client(Dialect::kV1);  // it would read a V1 error
  half_hello.Send("OBJ");
  EXPECT_TRUE(half_hello.Next().Refuses(Status::kTimeout));
  EXPECT_TRUE(half_hello.AtEnd());

  session::ClientEnd half_request = V2Client();
  half_request.Send(
      session::RequestBytes(Dialect::kV2, {.mode = Mode::kCopy, .uri = "a"}).substr(0, 6));
  EXPECT_TRUE(half_request.Next().Refuses(Status::kTimeout));
  EXPECT_TRUE(half_request.Next().Closes(CloseReason::kProtocolError));
  EXPECT_TRUE(half_request.AtEnd());
  EXPECT_EQ(counters_.timed_out, 2u);
}

// A greeting whose first half carries a descriptor hides its second half from a look; its sender is
// told in the end, and the descriptor is dropped. (Where the kernel cannot refuse it.)
TEST_F(DemultiplexerTest, DescriptorsInsideHelloTimeOut) {
  if (net::CanRefuseFds()) GTEST_SKIP() << "the kernel refuses such descriptors";
  limits_.request_timeout = kSoon;
  Start();
  session::ClientEnd client = Client(Dialect::kV1);
  ASSERT_EQ(net::SendWithFds(client.fd(), "OB", {STDIN_FILENO}), 2);
  client.Send(session::HelloBytes(0, 0).substr(2));
  EXPECT_TRUE(client.Next().Refuses(Status::kTimeout));
  EXPECT_TRUE(client.AtEnd());
}

// The end of the stream inside the first request is an error that can still be read; between
// messages it is a good-bye.
TEST_F(DemultiplexerTest, HalfClosedOpeners) {
  Start();
  session::ClientEnd inside = V2Client();
  inside.Send(session::RequestBytes(Dialect::kV2, {.mode = Mode::kCopy, .uri = "a"}).substr(0, 6));
  inside.HalfClose();
  EXPECT_TRUE(inside.Next().Refuses(Status::kProtocolError));
  EXPECT_TRUE(inside.Next().Closes(CloseReason::kProtocolError));
  EXPECT_TRUE(inside.AtEnd());

  session::ClientEnd between = V2Client();
  between.HalfClose();
  EXPECT_TRUE(between.AtEnd());
}

// A whole request and then the end of the stream is a request.
TEST_F(DemultiplexerTest, HalfClosedAfterARequestIsServed) {
  Start();
  session::ClientEnd client = Client(Dialect::kV1);
  const std::string request =
      session::RequestBytes(Dialect::kV1, {.mode = Mode::kCopy, .uri = "a"});
  client.Send(request);
  client.HalfClose();
  const auto session = copypath_.Await();
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(net::ReadToEnd(session->fd()), request);
}

// ---- Too many ----

// One connection more than allowed is told UNAVAILABLE, when to try again, and closed so that it
// can read this, even if it has asked already. When another leaves, there is room.
TEST_F(DemultiplexerTest, MaxConnections) {
  Start(/*connections_max=*/2);
  session::ClientEnd first = V2Client(session::Transport::kUnix);
  session::ClientEnd second = V2Client(session::Transport::kTcp);
  for (const session::Transport transport : {session::Transport::kUnix, session::Transport::kTcp}) {
    session::ClientEnd third = Client(Dialect::kV1, transport);
    third.Send(session::RequestBytes(Dialect::kV1, {.mode = Mode::kCopy, .uri = "a"}));
    const session::ServerMessage answer = third.Next();
    EXPECT_TRUE(answer.Refuses(Status::kUnavailable));
    EXPECT_TRUE(answer.metadata.retry_after_ms.has_value());
    EXPECT_TRUE(third.AtEnd());
  }
  EXPECT_EQ(counters_.open, 2u);
  EXPECT_EQ(counters_.refused, 2u);

  first.Close();
  EXPECT_TRUE(net::Eventually([this] { return counters_.open == 1; }));
  V2Client();
  EXPECT_EQ(counters_.accepted, 3u);
}

// Out of descriptors a client is told so, rather than left in the backlog; so it is before it would
// take one of the last four, which are for others than clients. With descriptors again, the next is
// served.
TEST_F(DemultiplexerTest, OutOfDescriptors) {
  Start();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(unix_.path.size(), sizeof(address.sun_path));
  unix_.path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const auto unconnected = [] {
    session::ClientEnd client(net::UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
                              Dialect::kV1);
    const timeval patience{20, 0};
    EXPECT_EQ(setsockopt(client.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    return client;
  };
  uint64_t connected = 0;
  const auto connect_with_left = [&](int left, const session::ClientEnd& client) {
    const net::FdsLeft low(left);
    EXPECT_EQ(connect(client.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    ++connected;
    EXPECT_TRUE(
        net::Eventually([&] { return counters_.accepted + counters_.refused == connected; }));
  };
  for (const int left : {0, 1, 4}) {
    SCOPED_TRACE(testing::Message() << left << " descriptors left");
    session::ClientEnd client = unconnected();
    connect_with_left(left, client);
    EXPECT_TRUE(client.Next().Refuses(Status::kUnavailable));
    EXPECT_TRUE(client.AtEnd());
  }
  EXPECT_EQ(counters_.refused, 3u);
  const session::ClientEnd served = unconnected();
  connect_with_left(5, served);
  EXPECT_EQ(counters_.accepted, 1u);
  V2Client();
}

// ---- Draining ----

// Draining removes the socket files and closes the doors; openers that have asked nothing hear
// good-bye.
TEST_F(DemultiplexerTest, DrainSaysGoodBye) {
  Start();
  session::ClientEnd silent = Client(Dialect::kV1);
  session::ClientEnd greeted = V2Client();
  session::ClientEnd half_said = V2Client(session::Transport::kTcp);
  half_said.Send("\x01");
  EXPECT_TRUE(net::Eventually([this] { return counters_.accepted == 3; }));
  demultiplexer_->Drain();
  EXPECT_TRUE(silent.AtEnd());
  EXPECT_TRUE(greeted.Next().Closes(CloseReason::kShuttingDown));
  EXPECT_TRUE(greeted.AtEnd());
  EXPECT_TRUE(half_said.Next().Closes(CloseReason::kShuttingDown));
  EXPECT_TRUE(half_said.AtEnd());
  EXPECT_EQ(access(unix_.path.c_str(), F_OK), -1);
  EXPECT_EQ(net::Dial(unix_, absl::Seconds(1)).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(net::Dial(tcp_, absl::Seconds(1)).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(NobodyLeft());
}

// Whose connect(2) had succeeded and who has asked is still served, however many wait: the router's
// thread was busy when the drain began.
TEST_F(DemultiplexerTest, DrainServesTheBacklog) {
  constexpr size_t kWaiting = 200;
  Start();
  const std::string request =
      session::RequestBytes(Dialect::kV1, {.mode = Mode::kCopy, .uri = "a"});
  std::vector<session::ClientEnd> clients;
  {
    net::MutexLock keep_the_router_busy(&copypath_.gate());
    for (size_t i = 0; i < kWaiting; ++i) {
      clients.push_back(Client(Dialect::kV1));
      clients.back().Send(request);
    }
    demultiplexer_->Drain();
  }
  EXPECT_TRUE(net::Eventually([this] { return access(unix_.path.c_str(), F_OK) != 0; }));
  EXPECT_TRUE(net::Eventually([this] { return copypath_.size() == kWaiting; }))
      << copypath_.size() << " of " << kWaiting << " were served";
  while (copypath_.size() > 0) copypath_.Await();
}

// Connections that their lanes give back while the router drains are still routed and retired.
TEST_F(DemultiplexerTest, RoutesAndRetiresWhileDraining) {
  Start();
  demultiplexer_->Drain();
  EXPECT_TRUE(net::Eventually([this] { return access(unix_.path.c_str(), F_OK) != 0; }));
  net::SocketPair routed = net::SocketPair::Unix();
  auto session = MakeSession(std::move(routed.ours), session::Transport::kUnix, &limits_,
                             &counters_, Dialect::kV1);
  session->unread = "2";
  demultiplexer_->Route(std::move(session));
  demultiplexer_->Retire(copypath_.Await());
  EXPECT_EQ(net::ReadToEnd(routed.peer.get()), "");
  routed.peer.Reset();
  EXPECT_TRUE(NobodyLeft());
}

// Stopping closes whoever is still here, at once.
TEST_F(DemultiplexerTest, StopClosesEverybody) {
  Start();
  session::ClientEnd opener = V2Client();
  net::SocketPair lingerer = net::SocketPair::Unix();
  demultiplexer_->Retire(MakeSession(std::move(lingerer.ours), session::Transport::kUnix, &limits_,
                                     &counters_, Dialect::kV1));
  demultiplexer_->Stop();
  demultiplexer_.reset();
  EXPECT_TRUE(opener.AtEnd());
  EXPECT_EQ(counters_.open, 0u);
}

// ---- Retiring ----

class RetireTest : public DemultiplexerTest,
                   public testing::WithParamInterface<session::Transport> {
 protected:
  net::SocketPair pair_ =
      GetParam() == session::Transport::kUnix ? net::SocketPair::Unix() : net::SocketPair::Tcp();
};

// A retired peer reads all that it was sent, up to an orderly end, although it had sent more than
// anybody read and goes on sending: close(2) alone would have reset the connection.
TEST_P(RetireTest, ThePeerReadsEverything) {
  Start();
  const std::string unread(50'000, 'u');
  net::SendAll(pair_.peer.get(), unread);
  const std::string answer(20'000, 'a');
  net::SendAll(pair_.ours.get(), answer);
  demultiplexer_->Retire(
      MakeSession(std::move(pair_.ours), GetParam(), &limits_, &counters_, Dialect::kV1));
  for (int i = 0; i < 20; ++i) {
    net::SendAll(pair_.peer.get(), unread);
    usleep(1000);
  }
  EXPECT_EQ(net::ReadToEnd(pair_.peer.get()), answer);
  pair_.peer.Reset();
  EXPECT_TRUE(NobodyLeft());
}

// A peer that has said all it had to say costs no waiting.
TEST_P(RetireTest, APeerThatIsDoneIsClosedAtOnce) {
  Start();
  ASSERT_EQ(shutdown(pair_.peer.get(), SHUT_WR), 0);
  char byte;
  ASSERT_EQ(recv(pair_.ours.get(), &byte, 1, 0), 0);  // its end has arrived
  demultiplexer_->Retire(
      MakeSession(std::move(pair_.ours), GetParam(), &limits_, &counters_, Dialect::kV1));
  EXPECT_EQ(counters_.open, 0u);
  EXPECT_EQ(net::ReadToEnd(pair_.peer.get()), "");
}

// A peer that never leaves does not stay for ever.
TEST_P(RetireTest, LingeringEnds) {
  Start();
  demultiplexer_->Retire(
      MakeSession(std::move(pair_.ours), GetParam(), &limits_, &counters_, Dialect::kV1));
  EXPECT_TRUE(NobodyLeft());
}

INSTANTIATE_TEST_SUITE_P(Transports, RetireTest,
                         testing::Values(session::Transport::kUnix, session::Transport::kTcp),
                         [](const auto& info) {
                           return info.param == session::Transport::kUnix ? "Unix" : "Tcp";
                         });

}  // namespace
}  // namespace objmapper::router
