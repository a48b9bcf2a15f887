// The router gives each connection to the lane of its first request, with no byte lost.
#include "router/demultiplexer.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "net/pass_rights.h"
#include "net/scm_rights.h"
#include "protocol/objm/encode.h"
#include "tests/net/socket_pair.h"
#include "tests/router/demultiplexer_fixture.h"
#include "tests/session/client_end.h"

namespace objmapper::router {
namespace {

using protocol::Dialect;
using protocol::Mode;
using protocol::Status;

// What the session's lane will read from its socket.
std::string InSocket(const session::Session& session) { return net::ReadReady(session.fd()); }

// ---- Routing by the first mode byte ----

class RoutingTest : public DemultiplexerTest, public testing::WithParamInterface<Mode> {
 protected:
  // The lane for GetParam(): descriptors and cheap object operations go to the fdpass lane, bytes
  // to the copypath; over TCP everything goes to the copypath.
  CollectingLane& LaneOn(session::Transport transport) {
    const bool bytes = GetParam() == Mode::kCopy || GetParam() == Mode::kSplice;
    return transport == session::Transport::kTcp || bytes ? copypath_ : fdpass_;
  }
};

// A V1 connection goes to the lane of its first byte, and the lane finds the request whole.
TEST_P(RoutingTest, V1ByItsFirstByte) {
  Start();
  for (const session::Transport transport : {session::Transport::kUnix, session::Transport::kTcp}) {
    session::ClientEnd client = Client(Dialect::kV1, transport);
    const std::string request =
        session::RequestBytes(Dialect::kV1, {.mode = GetParam(), .uri = "a"});
    client.Send(request);
    const auto session = LaneOn(transport).Await();
    ASSERT_NE(session, nullptr);
    EXPECT_EQ(session->transport, transport);
    EXPECT_EQ(session->unread, "");
    EXPECT_EQ(net::ReadBytes(session->fd(), request.size()), request);
  }
}

// One byte is enough: the rest is the lane's to wait for.
TEST_P(RoutingTest, V1OneByteIsEnough) {
  limits_.http = false;
  Start();
  session::ClientEnd client = Client(Dialect::kV1);
  const char byte = static_cast<char>(GetParam());
  client.Send(absl::string_view(&byte, 1));
  const auto session = LaneOn(session::Transport::kUnix).Await();
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(InSocket(*session), std::string(1, byte));
}

// Two, where a method of HTTP may begin with the same letter: those go to the copypath.
TEST_P(RoutingTest, TwoBytesTellV1FromHttp) {
  Start();
  const char byte = static_cast<char>(GetParam());
  session::ClientEnd own = Client(Dialect::kV1);
  own.Send(std::string{byte, '\0'});
  const auto session = LaneOn(session::Transport::kUnix).Await();
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->dialect(), Dialect::kUnknown) << "the lane's to take";
  if (byte < 'A') return;
  session::ClientEnd http = Client(Dialect::kV1);
  http.Send(std::string{byte, 'E'});
  const auto spoken = copypath_.Await();
  ASSERT_NE(spoken, nullptr);
  EXPECT_EQ(spoken->dialect(), Dialect::kHttp);
}

// A V2 connection is greeted, and goes to the lane of its first request's mode. The session has
// HELLO behind it.
TEST_P(RoutingTest, V2ByItsFirstRequest) {
  Start();
  for (const session::Transport transport : {session::Transport::kUnix, session::Transport::kTcp}) {
    session::ClientEnd client = V2Client(transport);
    EXPECT_EQ(fdpass_.size() + copypath_.size(), 0u) << "moved before it asked";
    const std::string request =
        session::RequestBytes(Dialect::kV2, {.mode = GetParam(), .uri = "a", .id = 7});
    client.Send(request);
    const auto session = LaneOn(transport).Await();
    ASSERT_NE(session, nullptr);
    EXPECT_TRUE(session->v2());
    EXPECT_EQ(session->unread, "");
    EXPECT_EQ(net::ReadBytes(session->fd(), request.size()), request);
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, RoutingTest,
                         testing::Values(Mode::kFdPass, Mode::kCopy, Mode::kSplice, Mode::kStat,
                                         Mode::kPut, Mode::kPutFd, Mode::kDelete),
                         [](const auto& info) { return std::string(ModeName(info.param)); });

// Without an fdpass lane the copypath gets everything.
TEST_F(DemultiplexerTest, OneLaneGetsEverything) {
  Start(1000, /*with_fdpass=*/false);
  for (const Mode mode : {Mode::kFdPass, Mode::kStat, Mode::kCopy}) {
    session::ClientEnd client = Client(Dialect::kV1);
    client.Send(session::RequestBytes(Dialect::kV1, {.mode = mode, .uri = "a"}));
    EXPECT_NE(copypath_.Await(), nullptr);
  }
}

// A lane that meets another's request hands the connection back with its unread bytes, which say
// where it goes.
TEST_F(DemultiplexerTest, RoutesByUnreadBytes) {
  Start();
  const struct {
    std::string unread;
    CollectingLane* lane;
  } cases[] = {
      {session::RequestBytes(Dialect::kV1, {.mode = Mode::kCopy, .uri = "a"}), &copypath_},
      {session::RequestBytes(Dialect::kV1, {.mode = Mode::kFdPass, .uri = "a"}), &fdpass_},
      {session::RequestBytes(Dialect::kV1, {.mode = Mode::kStat, .uri = "a"}), &fdpass_},
      {"2", &copypath_},
      {"", &fdpass_},  // no reason to move: where a Unix client belongs
  };
  uint64_t migrated = 0;
  for (const auto& c : cases) {
    net::SocketPair pair = net::SocketPair::Unix();
    auto session = MakeSession(std::move(pair.ours), session::Transport::kUnix, &limits_,
                               &counters_, Dialect::kV1);
    session->unread = c.unread;
    demultiplexer_->Route(std::move(session));
    const auto routed = c.lane->Await();
    ASSERT_NE(routed, nullptr);
    EXPECT_EQ(routed->unread, c.unread);
    EXPECT_EQ(counters_.migrated, ++migrated);
  }
}

// ---- HELLO ----

// HELLO is answered with what both sides offer, the smaller pipeline, and how much the server works
// on at once.
TEST_F(DemultiplexerTest, HelloAgrees) {
  limits_.max_pipeline = 20;
  limits_.parallelism = 3;
  Start();
  constexpr uint16_t kAsked = protocol::kPipelining | protocol::kFdInHeader | protocol::kRange;
  for (const session::Transport transport : {session::Transport::kUnix, session::Transport::kTcp}) {
    session::ClientEnd client = Client(Dialect::kV2, transport);
    // And what nobody knows yet.
    client.Send(
        session::HelloBytes(static_cast<uint16_t>(kAsked | ~protocol::kAllCapabilities), 10));
    const session::ServerMessage ack = client.Next();
    ASSERT_EQ(ack.kind, session::ServerMessage::Kind::kHelloAck);
    EXPECT_EQ(ack.capabilities, kAsked & session::Session::CapabilitiesOn(transport, nullptr));
    EXPECT_EQ(ack.max_pipeline, 10);
    EXPECT_EQ(ack.parallelism, 3);
  }
}

// HELLO and the first requests in one piece: the greeting is answered here, the rest is the lane's.
TEST_F(DemultiplexerTest, HelloAndRequestsInOnePiece) {
  Start();
  session::ClientEnd client = Client(Dialect::kV2);
  std::string requests;
  for (uint32_t id = 1; id <= 20; ++id) {
    requests += session::RequestBytes(Dialect::kV2,
                                      {.mode = Mode::kSplice, .uri = "some/object", .id = id});
  }
  client.Send(session::HelloBytes(protocol::kAllCapabilities, 0) + requests);
  const auto session = copypath_.Await();
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(InSocket(*session), requests);
  EXPECT_EQ(client.Next().kind, session::ServerMessage::Kind::kHelloAck);
}

// AUTH behind HELLO is heard here: the connection is the lane's of the request behind it, with
// what the token is. A second one is the lane's to hear.
TEST_F(DemultiplexerTest, AuthIsHeardOnTheWay) {
  const session::Access access(*session::AccessRules::Parse("any / read\n"), session::Tokens());
  limits_.access = &access;
  Start();
  for (const std::string& token : {std::string("0123456789abcdef"), std::string(4096, 't')}) {
    std::string auth;
    protocol::AppendAuth(token, &auth);
    const std::string request =
        session::RequestBytes(Dialect::kV2, {.mode = Mode::kCopy, .uri = "a"});
    for (const bool in_one_piece : {true, false}) {
      session::ClientEnd client = V2Client();
      client.Send(in_one_piece ? auth + request : auth);
      if (!in_one_piece) {
        usleep(1000);  // so that the router mostly sees it alone
        client.Send(request);
      }
      const auto session = copypath_.Await();
      ASSERT_NE(session, nullptr);
      ASSERT_NE(session->bearer, nullptr);
      EXPECT_EQ(session->bearer->hash, session::Tokens::HashOf(token));
      EXPECT_EQ(InSocket(*session), request);
    }
  }
  std::string twice;
  protocol::AppendAuth("0123456789abcdef", &twice);
  session::ClientEnd client = V2Client();
  client.Send(twice + twice);
  const auto session = fdpass_.Await();
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(InSocket(*session), twice);
}

// However the bytes are cut, the connection arrives.
TEST_F(DemultiplexerTest, ByteByByte) {
  Start();
  session::ClientEnd client = Client(Dialect::kV2);
  const std::string request =
      session::RequestBytes(Dialect::kV2, {.mode = Mode::kCopy, .uri = "a"});
  for (const char byte : session::HelloBytes(protocol::kAllCapabilities, 0) + request) {
    client.Send(absl::string_view(&byte, 1));
    usleep(1000);  // so that the router sees most of them alone
  }
  const auto session = copypath_.Await();
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(net::ReadBytes(session->fd(), request.size()), request);
  EXPECT_EQ(client.Next().kind, session::ServerMessage::Kind::kHelloAck);
}

// What follows HELLO and is no request is any lane's to answer.
TEST_F(DemultiplexerTest, NoRequestAfterHelloIsALanesToAnswer) {
  Start();
  char close[protocol::kCloseBytes];
  protocol::EncodeClose(protocol::CloseReason::kNormal, close);
  for (const std::string& bytes :
       {std::string(close, sizeof(close)), std::string("\x7f garbage")}) {
    for (const session::Transport transport :
         {session::Transport::kUnix, session::Transport::kTcp}) {
      session::ClientEnd client = V2Client(transport);
      client.Send(bytes);
      CollectingLane& lane = transport == session::Transport::kUnix ? fdpass_ : copypath_;
      const auto session = lane.Await();
      ASSERT_NE(session, nullptr);
      EXPECT_EQ(net::ReadBytes(session->fd(), bytes.size()), bytes);
    }
  }
}

// ---- Openings that are none ----

class GarbageTest : public DemultiplexerTest,
                    public testing::WithParamInterface<std::pair<const char*, Status>> {};

// Who opens with something else gets one V1 error that says so, and an orderly end; no lane hears
// of it.
TEST_P(GarbageTest, IsToldAndClosed) {
  limits_.http = false;
  Start();
  for (const session::Transport transport : {session::Transport::kUnix, session::Transport::kTcp}) {
    session::ClientEnd client = Client(Dialect::kV1, transport);
    client.Send(GetParam().first);
    EXPECT_TRUE(client.Next().Refuses(GetParam().second));
    EXPECT_TRUE(client.AtEnd());
  }
  EXPECT_TRUE(NobodyLeft());
}

INSTANTIATE_TEST_SUITE_P(
    Openings, GarbageTest,
    testing::Values(std::pair("GET / HTTP/1.1\r\nHost: objects\r\n\r\n", Status::kInvalidMode),
                    std::pair("\xff", Status::kInvalidMode),
                    std::pair("OX", Status::kVersionMismatch),  // seen at the first wrong byte
                    std::pair("OBJM\x03", Status::kVersionMismatch)));

// Descriptors on HELLO never enter this process's table: where the kernel can refuse them it does,
// and the connection is as if nothing were; else it ends.
TEST_F(DemultiplexerTest, DescriptorsOnHelloAreRefused) {
  Start();
  session::ClientEnd client = Client(Dialect::kV2);
  const std::string hello = session::HelloBytes(protocol::kAllCapabilities, 0);
  if (!net::CanRefuseFds()) {
    ASSERT_GT(net::SendWithFds(client.fd(), hello, {STDIN_FILENO}), 0);
    EXPECT_TRUE(client.AtEnd());
    return;
  }
  ASSERT_EQ(net::SendWithFds(client.fd(), hello, {STDIN_FILENO, STDOUT_FILENO}), -1);
  EXPECT_EQ(errno, EPERM);
  client.Send(hello);
  EXPECT_EQ(client.Next().kind, session::ServerMessage::Kind::kHelloAck);
  client.Send(session::RequestBytes(Dialect::kV2, {.mode = Mode::kCopy, .uri = "a"}));
  const auto session = copypath_.Await();
  ASSERT_NE(session, nullptr);
  // Besides the session's socket, the client's, and the demultiplexer's own.
  const ptrdiff_t before = net::OpenFds();
  InSocket(*session);
  EXPECT_EQ(net::OpenFds(), before);
}

// A look ends at a message that carries descriptors; a request that goes on behind it moves all the
// same, for a lane to read and to refuse.
TEST_F(DemultiplexerTest, DescriptorsInsideTheFirstRequestDoNotHideIt) {
  limits_.writable = true;
  Start();
  session::ClientEnd client = V2Client();
  const std::string request =
      session::RequestBytes(Dialect::kV2, {.mode = Mode::kCopy, .uri = "a"});
  ASSERT_EQ(net::SendWithFds(client.fd(), request.substr(0, 3), {STDIN_FILENO}), 3);
  client.Send(request.substr(3));
  const auto session = fdpass_.Await();
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(net::ReadBytes(session->fd(), request.size()), request);
}

// Clients that come and go without a word leave nothing behind.
TEST_F(DemultiplexerTest, SilentLeavers) {
  Start();
  for (int i = 0; i < 50; ++i) {
    Connect();
    net::UniqueFd reset = Connect(session::Transport::kTcp);
    net::Reset(&reset);
  }
  EXPECT_TRUE(net::Eventually([this] { return counters_.accepted == 100; }));
  EXPECT_TRUE(NobodyLeft());
}

}  // namespace
}  // namespace objmapper::router
