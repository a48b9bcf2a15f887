// What sets the concurrency models apart, and the flags that bound them.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

class ModelsTest : public testing::Test {
 protected:
  void SetUp() override { SharedTree().AddOnce("small", "small object"); }

  // `model` with `flags`, which come last and so win.
  static ServerProcess With(absl::string_view model, std::vector<std::string> flags) {
    return ServerProcess(SharedTree().root(),
                         {.engine = absl::StrCat("model_", model), .flags = std::move(flags)});
  }
  static bool Answers(RawClient* client) {
    return client->Get({.mode = kFdPass, .uri = "small"}).ok();
  }
  // Whether something can be read from the server within a time in which a free one answers.
  static bool HasAnswer(RawClient* client) {
    pollfd wait{client->wire().fd(), POLLIN, 0};
    return poll(&wait, 1, 300) == 1;
  }
};

// A worker of thread_pool keeps its connection: with one worker the second connection waits until
// the first closes, however idle that is.
TEST_F(ModelsTest, ThreadPoolKeepsAConnectionUntilItCloses) {
  ServerProcess server = With("thread_pool", {"--pool_size=1"});
  RawClient second = RawClient::V1(server.Unix());
  {
    RawClient first = RawClient::V1(server.Unix());
    EXPECT_TRUE(Answers(&first));
    second.Ask({.mode = kFdPass, .uri = "small"});
    EXPECT_FALSE(HasAnswer(&second));
    EXPECT_TRUE(Answers(&first));
  }
  EXPECT_TRUE(second.Next().ok());
}

// --idle_timeout gives the worker back.
TEST_F(ModelsTest, IdleTimeoutFreesAWorkerOfThreadPool) {
  ServerProcess server = With("thread_pool", {"--pool_size=1", "--idle_timeout=500ms"});
  RawClient first = RawClient::V1(server.Unix());
  EXPECT_TRUE(Answers(&first));
  RawClient second = RawClient::V1(server.Unix());
  EXPECT_TRUE(Answers(&second));
  EXPECT_TRUE(first.wire().AtEnd());
}

// --max_queue_depth: what thread_pool cannot queue is told so, with the ids it used, and let go.
TEST_F(ModelsTest, ThreadPoolRefusesWhenItsQueueIsFull) {
  ServerProcess server = With("thread_pool", {"--pool_size=1", "--max_queue_depth=1"});
  RawClient first = RawClient::V1(server.Unix());
  EXPECT_TRUE(Answers(&first));
  RawClient queued = RawClient::V1(server.Unix());
  queued.Ask({.mode = kFdPass, .uri = "small"});
  EXPECT_FALSE(HasAnswer(&queued));
  for (const Dialect dialect : {Dialect::kV1, Dialect::kV2, Dialect::kV2FdBatch}) {
    RawClient refused = Open(server, Transport::kUnix, dialect);
    const Answer answer = refused.Get({.mode = kFdPass, .uri = "small"});
    ExpectRefused(answer, Status::kUnavailable);
    EXPECT_TRUE(answer.Has(kRetryAfterEntry));
    if (dialect != Dialect::kV1) {
      EXPECT_EQ(refused.Next().reason, kCloseNormal);
    }
    EXPECT_TRUE(refused.wire().AtEnd());
  }
}

// --max_threads: thread_per_connection refuses the connection that has no thread, and takes the
// next when one has ended.
TEST_F(ModelsTest, ThreadPerConnectionRefusesBeyondMaxThreads) {
  ServerProcess server = With("thread_per_connection", {"--max_threads=1"});
  {
    RawClient first = RawClient::V1(server.Unix());
    EXPECT_TRUE(Answers(&first));
    RawClient refused = RawClient::V1(server.Unix());
    ExpectRefused(refused.Get({.mode = kFdPass, .uri = "small"}), Status::kUnavailable);
    EXPECT_TRUE(refused.wire().AtEnd());
  }
  bool answered = false;
  const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
  while (!answered && absl::Now() < give_up) {
    RawClient next = RawClient::V1(server.Unix());
    answered = Answers(&next);
  }
  EXPECT_TRUE(answered);
}

// --max_threads: thread_per_request lets requests wait, and answers them all.
TEST_F(ModelsTest, ThreadPerRequestNeverHasMoreThanMaxThreads) {
  SharedTree().AddSparseOnce("big", 64 << 20);
  ServerProcess server = With("thread_per_request", {"--max_threads=2"});
  const int idle_threads = server.thread_count();
  // Two who do not read hold a thread each. While threads come and go no count would be exact: one
  // that has signed off still has to leave the kernel.
  std::vector<RawClient> stuck;
  for (int i = 0; i < 2; ++i) {
    stuck.push_back(RawClient::V1(server.Unix()));
    stuck.back().Ask({.mode = kCopy, .uri = "big"});
    EXPECT_TRUE(stuck.back().NextHead().ok());
  }
  std::vector<RawClient> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(RawClient::V1(server.Unix()));
    clients.back().Ask({.mode = kFdPass, .uri = "small"});
  }
  EXPECT_FALSE(HasAnswer(&clients.front()));
  EXPECT_EQ(server.thread_count(), idle_threads + 2);
  stuck.clear();
  for (RawClient& client : clients) EXPECT_TRUE(client.Next().ok());
}

// These serve more idle connections than they have workers, with the threads they began with.
TEST_F(ModelsTest, ConnectionsCostNoThreads) {
  for (const char* model : {"accept_pool", "work_stealing", "seda"}) {
    SCOPED_TRACE(model);
    ServerProcess server = With(model, {"--pool_size=2"});
    const int threads = server.thread_count();
    std::vector<RawClient> clients;
    for (int i = 0; i < 100; ++i) {
      clients.push_back(RawClient::V1(server.Unix()));
      EXPECT_TRUE(Answers(&clients.back()));
    }
    for (RawClient& client : clients) EXPECT_TRUE(Answers(&client));
    EXPECT_EQ(server.thread_count(), threads);
  }
}

// A client that does not read holds one worker of these; the others still serve everybody.
TEST_F(ModelsTest, AStuckClientHoldsOneWorkerAlone) {
  SharedTree().AddSparseOnce("big", 64 << 20);
  for (const char* model : {"accept_pool", "work_stealing", "seda"}) {
    SCOPED_TRACE(model);
    ServerProcess server = With(model, {"--pool_size=2", "--drain_timeout=100ms"});
    RawClient stuck = RawClient::V1(server.Unix());
    stuck.Ask({.mode = kCopy, .uri = "big"});
    EXPECT_TRUE(stuck.NextHead().ok());
    for (int i = 0; i < 20; ++i) {
      RawClient other = RawClient::V1(server.Unix());
      EXPECT_TRUE(Answers(&other));
      EXPECT_TRUE(Answers(&other));
    }
    EXPECT_EQ(server.Stop(SIGTERM), 0);  // and does not keep the server from ending
  }
}

// A flag that the model cannot use is named, with the model; one that it can use is not.
TEST_F(ModelsTest, FlagsWithoutEffectAreNamed) {
  ServerProcess server = With("thread_per_connection", {"--max_threads=5", "--busy_poll_us=7"});
  EXPECT_TRUE(absl::StrContains(
      server.log(),
      "--busy_poll_us=7 has no effect with --concurrency_model=thread_per_connection"));
  EXPECT_FALSE(absl::StrContains(server.log(), "--max_threads=5 has no effect"));
  ServerProcess routing(SharedTree().root(), {.flags = {"--max_queue_depth=5", "--pool_size=1"}});
  EXPECT_TRUE(absl::StrContains(
      routing.log(), "--max_queue_depth=5 has no effect with --concurrency_model=mode_routing"));
  EXPECT_FALSE(absl::StrContains(routing.log(), "--pool_size=1 has no effect"));
}

// A flag whose meaning the model would betray is refused.
TEST_F(ModelsTest, SharingIsRefusedWhereNothingIsShared) {
  const auto refusal = ServerProcess::StartRefused(
      SharedTree().root(), {.engine = "model_seda", .flags = {"--fd_sharing=always"}});
  EXPECT_EQ(refusal.exit_status, 2);
  EXPECT_TRUE(absl::StrContains(refusal.log, "--fd_sharing=always is not valid"));
  EXPECT_TRUE(absl::StrContains(refusal.log, "seda"));
}

}  // namespace
}  // namespace objmapper::e2e
