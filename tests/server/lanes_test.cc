// The lanes that the flags ask for, with sessions of the test's own.
#include "server/lanes.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "copypath/pipe.h"
#include "server/flags/config.h"
#include "server/storage.h"
#include "tests/net/eventually.h"
#include "tests/net/open_fds.h"
#include "tests/net/socket_pair.h"
#include "tests/session/client_end.h"
#include "tests/session/collecting_switchboard.h"
#include "tests/storage/scratch_root.h"

namespace objmapper::server {
namespace {

using protocol::Dialect;
using protocol::Mode;
using protocol::Status;

class LanesTest : public testing::Test {
 protected:
  LanesTest() {
    signal(SIGPIPE, SIG_IGN);  // as the server has it
    scratch_.Write("a", "content");
    config_.root = scratch_.path();
    config_.catalog = false;
    config_.sizes.pool_size = 2;
    config_.sizes.splice_threads = 3;
    // It can be had everywhere.
    config_.fdpass_engine = config_.loop.engine = loop::EngineKind::kEpoll;
  }
  // No test leaves a descriptor or a session behind.
  ~LanesTest() override {
    lanes_.reset();
    switchboard_.Clear();
    EXPECT_EQ(counters_.open, 0u);
    storage_.reset();
    EXPECT_EQ(net::OpenFds(), open_fds_);
  }

  void Start() {
    auto storage = Storage::Open(config_);
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
    models::Options options{config_.loop, config_.sizes};
    options.limits = &limits_;
    options.tree = &storage_->tree();
    options.index = storage_->index();
    options.store = storage_->store();
    options.connections = &counters_;
    options.board = &board_;
    options.switchboard = &switchboard_;
    auto lanes = Lanes::Start(config_, options);
    ASSERT_TRUE(lanes.ok()) << lanes.status();
    lanes_ = *std::move(lanes);
  }

  // A session on the lane, and its client.
  session::ClientEnd Connect(session::Lane* lane) {
    net::SocketPair pair = net::SocketPair::Unix();
    lane->Adopt(MakeSession(std::move(pair.ours), session::Transport::kUnix, &limits_, &counters_,
                            Dialect::kV2));
    return session::ClientEnd(std::move(pair.peer), Dialect::kV2, /*greeted=*/true);
  }
  static void ExpectServed(session::ClientEnd* client, Mode mode) {
    client->Send(session::RequestBytes(Dialect::kV2, {.mode = mode, .uri = "a"}));
    const session::ServerMessage answer = client->Next();
    EXPECT_EQ(answer.status, Status::kOk) << answer.metadata.error.value_or("");
    if (mode == Mode::kFdPass) {
      EXPECT_TRUE(client->TakeFd().valid());
    } else {
      EXPECT_EQ(client->Body(answer.content_length), "content");
    }
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const Vitals::Lane& lane : lanes_->Read()) names.push_back(lane.name);
    return names;
  }

  const int kept_ = copypath::DevNull();  // opened once, and kept
  const ptrdiff_t open_fds_ = net::OpenFds();
  const storage::ScratchRoot scratch_;
  Config config_;
  session::SessionLimits limits_;
  session::ConnectionCounters counters_;
  session::TallyBoard board_;
  session::CollectingSwitchboard switchboard_;
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<Lanes> lanes_;
};

// A descriptor is the one lane's, bytes the other's.
TEST_F(LanesTest, TwoLanes) {
  Start();
  ASSERT_NE(lanes_->fdpass(), nullptr);
  ASSERT_NE(lanes_->others(), nullptr);
  EXPECT_NE(lanes_->fdpass(), lanes_->others());
  session::ClientEnd one = Connect(lanes_->fdpass());
  ExpectServed(&one, Mode::kFdPass);
  session::ClientEnd other = Connect(lanes_->others());
  ExpectServed(&other, Mode::kCopy);

  EXPECT_EQ(Names(), (std::vector<std::string>{"fdpass", "copypath"}));
  for (const Vitals::Lane& lane : lanes_->Read()) EXPECT_EQ(lane.engine, "epoll");
  EXPECT_EQ(lanes_->Read()[1].splice_threads, 3u);
  EXPECT_EQ(lanes_->Read()[1].cache_misses, 1u);
  EXPECT_EQ(lanes_->Shape(config_),
            "2 fdpass workers on epoll, 1 copy loop(s) on epoll, 3 splice threads");
}

// Where nobody can reach the fdpass lane there is none.
TEST_F(LanesTest, NoFdPassLane) {
  config_.fdpass_lane = false;
  config_.bulk_loops = 1;
  Start();
  EXPECT_EQ(lanes_->fdpass(), nullptr);
  session::ClientEnd client = Connect(lanes_->others());
  ExpectServed(&client, Mode::kCopy);
  EXPECT_EQ(Names(), std::vector<std::string>{"copypath"});
  EXPECT_EQ(lanes_->Shape(config_),
            "no fdpass lane (no Unix socket), 1 copy loop(s) and 1 for large bodies over TCP on "
            "epoll, 3 splice threads");
}

// A model serves all.
TEST_F(LanesTest, AModel) {
  config_.model = models::Model::kThreadPool;
  Start();
  EXPECT_EQ(lanes_->fdpass(), nullptr);
  session::ClientEnd client = Connect(lanes_->others());
  ExpectServed(&client, Mode::kFdPass);
  ExpectServed(&client, Mode::kCopy);
  EXPECT_EQ(Names(), std::vector<std::string>{"model"});
  EXPECT_TRUE(absl::StrContains(lanes_->Shape(config_), "2"));
}

// Each lane says goodbye to those that owe nothing, and its loops go round when they are asked to.
TEST_F(LanesTest, AllDrainAndAnswer) {
  Start();
  session::ClientEnd one = Connect(lanes_->fdpass());
  session::ClientEnd other = Connect(lanes_->others());
  lanes_->AskPulse();
  EXPECT_TRUE(net::Eventually([this] { return lanes_->WithoutPulse().empty(); }));
  EXPECT_EQ(lanes_->WithoutThreads(absl::Seconds(60)), "");
  lanes_->Drain();
  for (session::ClientEnd* client : {&one, &other})
    EXPECT_TRUE(client->Next().Closes(protocol::CloseReason::kShuttingDown));
  EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
  EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
}

// Who is still connected when they end is cut off.
TEST_F(LanesTest, TheEndIsAtOnce) {
  Start();
  session::ClientEnd one = Connect(lanes_->fdpass());
  session::ClientEnd other = Connect(lanes_->others());
  ExpectServed(&one, Mode::kFdPass);
  ExpectServed(&other, Mode::kCopy);
  lanes_.reset();
  EXPECT_TRUE(one.AtEnd());
  EXPECT_TRUE(other.AtEnd());
}

}  // namespace
}  // namespace objmapper::server
