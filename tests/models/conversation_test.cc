// One turn answers everything that has arrived, and says how the conversation continues.
#include "models/conversation.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "net/retry_after.h"
#include "storage/tree/stat_cache.h"
#include "storage/tree/tree.h"
#include "tests/client/temporary_folder.h"
#include "tests/net/eventually.h"
#include "tests/net/socket_pair.h"
#include "tests/session/client_end.h"
#include "tests/storage/fake_remote.h"

namespace objmapper::models {
namespace {

using protocol::Dialect;
using protocol::Mode;
using protocol::Status;

class ClosingSwitchboard : public session::Switchboard {
 public:
  void Route(std::unique_ptr<session::Session>) override { FAIL() << "a model serves every mode"; }
  void Retire(std::unique_ptr<session::Session> session) override { session.reset(); }
};

class ConversationTest : public testing::Test {
 protected:
  // Begins, with the limits as they are then.
  session::ClientEnd Begin(Dialect dialect = Dialect::kV2) {
    folder_.Write("a", "object a");
    absl::StatusOr<storage::Tree> tree = storage::Tree::Open(folder_.path());
    EXPECT_TRUE(tree.ok()) << tree.status();
    tree_ = *std::move(tree);
    Options options;
    options.limits = &limits_;
    options.tree = &*tree_;
    options.index = &index_;
    options.connections = &counters_;
    options.switchboard = &switchboard_;
    context_ = std::make_unique<Context>(options);
    conversation_ = std::make_unique<Conversation>(context_.get());
    net::SocketPair pair = net::SocketPair::Unix();
    connection_ = std::make_unique<Connection>(MakeSession(
        std::move(pair.ours), session::Transport::kUnix, &limits_, &counters_, dialect));
    return session::ClientEnd(std::move(pair.peer), dialect, /*greeted=*/true);
  }
  Next Serve() { return conversation_->Serve(connection_.get()); }
  static std::string Ask(Mode mode, const std::string& uri = "a") {
    return session::RequestBytes(Dialect::kV2, {.mode = mode, .uri = uri});
  }

  const client::TemporaryFolder folder_;
  session::SessionLimits limits_;
  session::ConnectionCounters counters_;
  ClosingSwitchboard switchboard_;
  storage::StatCache index_{100, absl::Seconds(60)};
  std::optional<storage::Tree> tree_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<Conversation> conversation_;
  std::unique_ptr<Connection> connection_;
};

// One turn answers all that has come, whatever its modes.
TEST_F(ConversationTest, TurnAnswersEveryMode) {
  session::ClientEnd client = Begin();
  client.Send(Ask(Mode::kStat) + Ask(Mode::kFdPass) + Ask(Mode::kCopy) + Ask(Mode::kFdPass) +
              Ask(Mode::kSplice) + Ask(Mode::kCopy, "missing"));
  EXPECT_EQ(Serve(), Next::kWait);
  EXPECT_EQ(client.Next().metadata.size, 8u);
  EXPECT_EQ(client.Next().content_length, 8u);
  EXPECT_EQ(client.Next().status, Status::kOk);
  EXPECT_EQ(client.Body(8), "object a");
  EXPECT_EQ(client.Next().status, Status::kOk);
  EXPECT_EQ(client.Next().status, Status::kOk);
  EXPECT_EQ(client.Body(8), "object a");
  EXPECT_TRUE(client.Next().Refuses(Status::kNotFound));
  EXPECT_TRUE(client.TakeFd().valid());
  EXPECT_TRUE(client.TakeFd().valid());
}

// What is here is not handed out before it has been compared with what is elsewhere: the thread
// waits for that. If it cannot be done, the answer says when to come again.
TEST_F(ConversationTest, WaitsForWhatMustBeChecked) {
  session::ClientEnd client = Begin();
  ASSERT_EQ(mkdir(folder_.Path("far").c_str(), 0755), 0);
  storage::FakeRemote remote(folder_.path());
  tree_->SetRemote(&remote);
  for (const Mode mode : {Mode::kStat, Mode::kCopy, Mode::kFdPass}) {
    SCOPED_TRACE(static_cast<int>(mode));
    folder_.Write("far/a", "old");
    remote.SetDue("far/a", false);
    client.Send(Ask(mode, "far/a"));
    EXPECT_EQ(Serve(), Next::kWait);
    EXPECT_EQ(client.Next().status, Status::kOk);
    if (mode == Mode::kCopy) {
      EXPECT_EQ(client.Body(3), "old");
    }
    if (mode == Mode::kFdPass) {
      EXPECT_TRUE(client.TakeFd().valid());
    }

    remote.SetDue("far/a", true);
    const auto serve_while = [&](absl::FunctionRef<void()> remote_answers) {
      client.Send(Ask(mode, "far/a"));
      std::thread serves([this] { EXPECT_EQ(Serve(), Next::kWait); });
      EXPECT_TRUE(net::Eventually([&] { return !remote.Asked().empty(); }));
      remote_answers();
      serves.join();
    };
    serve_while([&] { remote.Brought("far/a", "another"); });
    const session::ServerMessage answer = client.Next();
    EXPECT_EQ(answer.status, Status::kOk) << answer.metadata.error.value_or("");
    if (mode == Mode::kStat) {
      EXPECT_EQ(answer.metadata.size, 7u);
    }
    if (mode == Mode::kCopy) {
      EXPECT_EQ(client.Body(7), "another");
    }
    if (mode == Mode::kFdPass) {
      EXPECT_TRUE(client.TakeFd().valid());
    }
    serve_while([&] {
      remote.End("far/a", net::WithRetryAfter(absl::ResourceExhaustedError("out of order"),
                                              absl::Milliseconds(4321)));
    });
    const session::ServerMessage trouble = client.Next();
    EXPECT_TRUE(trouble.Refuses(Status::kUnavailable));
    EXPECT_EQ(trouble.metadata.retry_after_ms, 4321u);
  }
}

// A byte now and then does not move the deadline of half a request; its answer does.
TEST_F(ConversationTest, HalfARequestKeepsItsDeadline) {
  session::ClientEnd client = Begin();
  const std::string request = Ask(Mode::kStat);
  client.Send(request.substr(0, 3));
  EXPECT_EQ(Serve(), Next::kWait);
  EXPECT_TRUE(connection_->half_said);
  const int64_t deadline_ns = connection_->deadline_ns;
  client.Send(request.substr(3, 1));
  EXPECT_EQ(Serve(), Next::kWait);
  EXPECT_EQ(connection_->deadline_ns, deadline_ns);
  client.Send(request.substr(4));
  EXPECT_EQ(Serve(), Next::kWait);
  EXPECT_FALSE(connection_->half_said);
  EXPECT_GT(connection_->deadline_ns, deadline_ns);
}

// Who reads nothing for --request_timeout is let go, and counted.
TEST_F(ConversationTest, ReaderThatStopsIsLetGo) {
  limits_.request_timeout = absl::Milliseconds(50);
  folder_.Write("big", std::string(8 << 20, 'b'));
  session::ClientEnd client = Begin();
  client.Send(Ask(Mode::kCopy, "big"));
  EXPECT_EQ(Serve(), Next::kEnded);
  EXPECT_EQ(connection_->session, nullptr);
  EXPECT_EQ(counters_.timed_out, 1u);
}

// Stop() reaches a thread that waits for its client to read, and one that waits for a request.
TEST_F(ConversationTest, StopEndsEveryWait) {
  folder_.Write("big", std::string(8 << 20, 'b'));
  for (const std::string& said : {Ask(Mode::kCopy, "big"), std::string()}) {
    session::ClientEnd client = Begin();
    client.Send(said.empty() ? Ask(Mode::kStat) : said);
    std::thread server([&] { conversation_->ServeToTheEnd(connection_.get()); });
    EXPECT_EQ(client.Next().status, Status::kOk);  // it is at work
    context_->phase.Stop();
    server.join();
    EXPECT_EQ(connection_->session, nullptr);
  }
}

// Draining: what was asked is answered, then the client is told.
TEST_F(ConversationTest, DrainAnswersFirst) {
  session::ClientEnd client = Begin();
  client.Send(Ask(Mode::kStat));
  context_->phase.Drain();
  conversation_->ServeToTheEnd(connection_.get());
  EXPECT_EQ(client.Next().status, Status::kOk);
  EXPECT_TRUE(client.Next().Closes(protocol::CloseReason::kShuttingDown));
  EXPECT_TRUE(client.AtEnd());
}

}  // namespace
}  // namespace objmapper::models
