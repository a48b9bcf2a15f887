// A connection is counted once, from its beginning to its end.
#include "session/session.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/net/socket_pair.h"
#include "tests/session/client_end.h"

namespace objmapper::session {
namespace {

void CountUpTo(uint64_t answers, Session* session) {
  session->answered.Add(answers - session->answered);
}

using net::SocketPair;
using protocol::Dialect;

// A place among the connections is held from birth to death, wherever the slot moves.
TEST(ConnectionSlotTest, CountsOnce) {
  ConnectionCounters counters;
  {
    ConnectionSlot slot(&counters);
    EXPECT_EQ(counters.open, 1u);
    ConnectionSlot moved(std::move(slot));
    EXPECT_EQ(counters.open, 1u);
    ConnectionSlot other(&counters);
    EXPECT_EQ(counters.open, 2u);
  }
  EXPECT_EQ(counters.open, 0u);
}

// A connection that was never admitted holds none.
TEST(ConnectionSlotTest, AnEmptySlotCountsNothing) {
  ConnectionSlot empty;
  ConnectionSlot moved(std::move(empty));
}

class SessionTest : public testing::Test {
 protected:
  std::unique_ptr<Session> Make(net::UniqueFd socket, Transport transport) {
    return std::make_unique<Session>(ConnectionSlot(&counters_), std::move(socket), transport,
                                     &limits_);
  }

  SessionLimits limits_;
  ConnectionCounters counters_;
};

// A session that dies closes its socket, and gives back its place.
TEST_F(SessionTest, DeathClosesTheSocket) {
  SocketPair pair = SocketPair::Unix();
  auto session = Make(std::move(pair.ours), Transport::kUnix);
  EXPECT_EQ(counters_.open, 1u);
  session.reset();
  EXPECT_EQ(counters_.open, 0u);
  EXPECT_EQ(net::ReadToEnd(pair.peer.get()), "");
}

// Descriptors can be offered over Unix sockets alone; everything else everywhere.
TEST_F(SessionTest, OffersDescriptorsOnUnixSocketsAlone) {
  constexpr uint16_t kAll = protocol::kAllCapabilities & ~protocol::kAuth;
  constexpr uint16_t kDescriptors = protocol::kFdInHeader | protocol::kFdBatch;
  EXPECT_EQ(Session::CapabilitiesOn(Transport::kUnix, nullptr), kAll);
  EXPECT_EQ(Session::CapabilitiesOn(Transport::kTcp, nullptr), kAll & ~kDescriptors);
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    auto session = MakeSession(net::UniqueFd(), transport, &limits_, &counters_, Dialect::kV2,
                               protocol::kAllCapabilities);
    EXPECT_EQ(session->parser.capabilities(), Session::CapabilitiesOn(transport, nullptr));
  }
}

// AUTH is offered by a server that has tokens, on every transport, and by no other: a client need
// not tell its secret to one that cannot know it.
TEST_F(SessionTest, OffersAuthWhereThereAreTokens) {
  const Access without(*AccessRules::Parse("any / read\n"));
  const Access with(*AccessRules::Parse("any / read\n"), Tokens());
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    for (const auto& [access, offered] :
         {std::pair<const Access*, bool>{nullptr, false}, {&without, false}, {&with, true}}) {
      limits_.access = access;
      auto session = MakeSession(net::UniqueFd(), transport, &limits_, &counters_, Dialect::kV2,
                                 protocol::kAllCapabilities);
      EXPECT_EQ(session->parser.Has(protocol::kAuth), offered);
    }
  }
}

// HELLO agrees on no longer pipeline than the operator allows.
TEST_F(SessionTest, OffersTheOperatorsPipeline) {
  limits_.max_pipeline = 5;
  for (const auto& [asked, agreed] : {std::pair{0, 5}, {3, 3}, {100, 5}}) {
    auto session = MakeSession(net::UniqueFd(), Transport::kUnix, &limits_, &counters_,
                               Dialect::kV2, protocol::kAllCapabilities, asked);
    EXPECT_EQ(session->parser.max_pipeline(), agreed);
  }
}

// Its dialect is the one its client speaks.
TEST_F(SessionTest, KnowsItsDialect) {
  auto session = Make(net::UniqueFd(), Transport::kUnix);
  EXPECT_EQ(session->dialect(), Dialect::kUnknown);
  EXPECT_FALSE(session->v2());
  session->parser.Next("1");
  EXPECT_EQ(session->dialect(), Dialect::kV1);
  EXPECT_FALSE(session->v2());
  auto v2 = MakeSession(net::UniqueFd(), Transport::kUnix, &limits_, &counters_, Dialect::kV2);
  EXPECT_TRUE(v2->v2());
}

// It is exhausted after as many answers as the operator allows; without a limit, never.
TEST_F(SessionTest, AllowanceShrinksToNothing) {
  auto session = Make(net::UniqueFd(), Transport::kUnix);
  CountUpTo(1'000'000'000, session.get());
  EXPECT_FALSE(session->exhausted());
  EXPECT_EQ(session->allowance(), UINT64_MAX);

  limits_.requests_max = 3;
  CountUpTo(0, session.get());
  EXPECT_FALSE(session->exhausted());
  EXPECT_EQ(session->allowance(), 3u);
  CountUpTo(2, session.get());
  EXPECT_EQ(session->allowance(), 1u);
  CountUpTo(3, session.get());
  EXPECT_TRUE(session->exhausted());
  EXPECT_EQ(session->allowance(), 0u);
}

// The peer's name says who it is: the process on a Unix socket, the address on TCP.
TEST_F(SessionTest, NamesThePeer) {
  SocketPair local = SocketPair::Unix();
  EXPECT_EQ(Make(std::move(local.ours), Transport::kUnix)->PeerName(),
            absl::StrCat("unix peer (pid ", getpid(), ", uid ", getuid(), ")"));
  SocketPair tcp = SocketPair::Tcp();
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  ASSERT_EQ(getsockname(tcp.peer.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  EXPECT_EQ(Make(std::move(tcp.ours), Transport::kTcp)->PeerName(),
            absl::StrCat("tcp peer 127.0.0.1:", ntohs(address.sin_port)));
}

// All connections of a user are one peer's, and over TCP those from an address.
TEST_F(SessionTest, KnowsPeersThatAreOne) {
  SocketPair local = SocketPair::Unix(), tcp = SocketPair::Tcp(), other = SocketPair::Tcp();
  EXPECT_EQ(Make(std::move(local.ours), Transport::kUnix)->PeerKey(),
            absl::StrCat("uid ", getuid()));
  EXPECT_EQ(Make(std::move(tcp.ours), Transport::kTcp)->PeerKey(), "tcp 127.0.0.1");
  EXPECT_EQ(Make(std::move(other.ours), Transport::kTcp)->PeerKey(), "tcp 127.0.0.1");
}

// A peer that can no longer be asked for still has some name.
TEST_F(SessionTest, NamesAPeerThatHasGone) {
  SocketPair tcp = SocketPair::Tcp();
  net::Reset(&tcp.peer);
  pollfd wait{tcp.ours.get(), POLLIN, 0};
  ASSERT_EQ(poll(&wait, 1, 20'000), 1);
  EXPECT_TRUE(absl::StartsWith(Make(std::move(tcp.ours), Transport::kTcp)->PeerName(), "tcp peer"));
  EXPECT_EQ(Make(net::UniqueFd(), Transport::kUnix)->PeerName(), "unix peer");
}

}  // namespace
}  // namespace objmapper::session
