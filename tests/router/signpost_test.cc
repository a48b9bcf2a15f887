// Where connections go, by what is known of their next request.
#include "router/signpost.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "session/http.h"
#include "tests/net/socket_pair.h"
#include "tests/router/demultiplexer_fixture.h"
#include "tests/session/client_end.h"

namespace objmapper::router {
namespace {

using protocol::Dialect;
using protocol::Mode;
using session::Transport;

class SignpostTest : public testing::Test {
 protected:
  // No test leaves a session that it did not look for.
  ~SignpostTest() override { EXPECT_EQ(counters_.open, 0u); }

  std::unique_ptr<session::Session> Session(Transport transport, const std::string& unread = "") {
    net::SocketPair pair =
        transport == Transport::kUnix ? net::SocketPair::Unix() : net::SocketPair::Tcp();
    auto session = MakeSession(std::move(pair.ours), transport, &limits_, &counters_, Dialect::kV1);
    session->unread = unread;
    return session;
  }
  // The lane to which the one session has been sent.
  CollectingLane* Got() {
    EXPECT_EQ(fdpass_.size() + copypath_.size(), 1u);
    CollectingLane* const lane = fdpass_.size() > 0 ? &fdpass_ : &copypath_;
    const auto session = lane->Await();
    EXPECT_GT(session->handed_ns, 0) << "when it was is not noted";
    return lane;
  }

  session::SessionLimits limits_;
  session::ConnectionCounters counters_;
  CollectingLane fdpass_, copypath_;
  const Signpost signpost_{&fdpass_, &copypath_, /*writable=*/true};
};

// The mode tells; what any lane answers goes where its transport belongs.
TEST_F(SignpostTest, ByMode) {
  const struct {
    Mode mode;
    Transport transport;
    CollectingLane* lane;
  } cases[] = {
      {Mode::kFdPass, Transport::kUnix, &fdpass_},   {Mode::kFdPass, Transport::kTcp, &copypath_},
      {Mode::kCopy, Transport::kUnix, &copypath_},   {Mode::kCopy, Transport::kTcp, &copypath_},
      {Mode::kStat, Transport::kUnix, &fdpass_},     {Mode::kStat, Transport::kTcp, &copypath_},
      {Mode::kDelete, Transport::kUnix, &copypath_}, {Mode::kDelete, Transport::kTcp, &copypath_},
  };
  for (const auto& c : cases) {
    signpost_.SendFor(c.mode, Session(c.transport));
    EXPECT_EQ(Got(), c.lane) << ModeName(c.mode) << (c.transport == Transport::kUnix ? "" : "/TCP");
  }
}

// A server that stores nothing refuses to: any lane can.
TEST_F(SignpostTest, NotWritable) {
  const Signpost signpost(&fdpass_, &copypath_, /*writable=*/false);
  signpost.SendFor(Mode::kDelete, Session(Transport::kUnix));
  EXPECT_EQ(Got(), &fdpass_);
}

TEST_F(SignpostTest, Home) {
  signpost_.SendHome(Session(Transport::kUnix));
  EXPECT_EQ(Got(), &fdpass_);
  signpost_.SendHome(Session(Transport::kTcp));
  EXPECT_EQ(Got(), &copypath_);
}

// The front of what is unread tells, as soon as its mode is there.
TEST_F(SignpostTest, ByUnread) {
  const std::string copy = session::RequestBytes(Dialect::kV1, {.mode = Mode::kCopy, .uri = "a"});
  const std::string fdpass =
      session::RequestBytes(Dialect::kV1, {.mode = Mode::kFdPass, .uri = "a"});
  const struct {
    std::string unread;
    CollectingLane* lane;
  } cases[] = {{copy + fdpass, &copypath_},
               {copy.substr(0, 1), &copypath_},
               {fdpass + copy, &fdpass_},
               {"", &fdpass_}};
  for (const auto& c : cases) {
    signpost_.SendByUnread(Session(Transport::kUnix, c.unread));
    EXPECT_EQ(Got(), c.lane) << c.unread;
  }
}

// HTTP is the copypath's, and so are descriptors that wait to be taken in, whatever is unread.
TEST_F(SignpostTest, HttpAndDescriptorsThatWait) {
  const std::string fdpass =
      session::RequestBytes(Dialect::kV1, {.mode = Mode::kFdPass, .uri = "a"});
  auto waiting = Session(Transport::kUnix, fdpass);
  waiting->fds_wait = true;
  signpost_.SendByUnread(std::move(waiting));
  EXPECT_EQ(Got(), &copypath_);
  auto http = Session(Transport::kUnix, fdpass);
  http->http = std::make_unique<session::Http>();
  signpost_.SendByUnread(std::move(http));
  EXPECT_EQ(Got(), &copypath_);
}

// Without an fdpass lane the copypath gets everything.
TEST_F(SignpostTest, OneLane) {
  const Signpost signpost(nullptr, &copypath_, /*writable=*/true);
  for (const Mode mode : {Mode::kFdPass, Mode::kStat, Mode::kCopy}) {
    signpost.SendFor(mode, Session(Transport::kUnix));
    EXPECT_EQ(Got(), &copypath_) << ModeName(mode);
    signpost.SendByUnread(
        Session(Transport::kUnix, session::RequestBytes(Dialect::kV1, {.mode = mode, .uri = "a"})));
    EXPECT_EQ(Got(), &copypath_) << ModeName(mode);
  }
  signpost.SendHome(Session(Transport::kUnix));
  EXPECT_EQ(Got(), &copypath_);
}

}  // namespace
}  // namespace objmapper::router
