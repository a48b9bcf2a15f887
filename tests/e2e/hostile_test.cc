// Peers that break the rules, or just break: they get a clear answer or an end, and cost the
// server nothing that stays.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

constexpr uint64_t kBig = 64 * 1024 * 1024;  // far more than sockets hold between two processes
constexpr char kObject[] = "small object";

class HostileTest : public SetupTest {
 protected:
  void SetUp() override {
    SetupTest::SetUp();
    SharedTree().AddOnce("small", kObject);
    SharedTree().AddSparseOnce("big", kBig);
    WarmUp(Server());
  }

  // Everything a server opens once and keeps: caches, pipes, whatever a lane sets up lazily.
  void WarmUp(const ServerProcess& server) {
    RawClient client = Open(server, GetParam().transport, GetParam().dialect);
    for (const char mode : {kCopy, kSplice, kFdPass}) {
      if (mode == kFdPass && !GetParam().is_unix()) continue;
      EXPECT_TRUE(client.Get({.mode = mode, .uri = "small"}).ok());
      EXPECT_TRUE(client.Get({.mode = mode, .uri = "big"}).ok());
    }
  }

  void ExpectServes(const ServerProcess& server) {
    RawClient client = Open(server, GetParam().transport, GetParam().dialect);
    for (const char mode : {kCopy, kSplice}) {
      EXPECT_EQ(client.Get({.mode = mode, .uri = "small"}).body, kObject);
    }
  }
};

// Descriptors sent to us never stay: whoever waits for their end sees it, with the connection still
// open. Their sender is told at once, by EPERM, and nothing of that message has come; where the
// kernel cannot do that the connection ends.
TEST_P(HostileTest, DescriptorsSentToUsAreClosed) {
  if (!GetParam().is_unix()) GTEST_SKIP() << "descriptors travel over Unix sockets alone";
  RawClient client = Client();
  const auto before = SettledDescriptors(Server());
  for (const size_t count : {1, 2, 3, 253}) {
    for (const char mode : {kCopy, kFdPass, kSplice, kStat}) {
      SCOPED_TRACE(testing::Message() << count << " on mode " << mode);
      int ends[2];
      ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
      net::UniqueFd read_end(ends[0]), write_end(ends[1]);
      client.Ask({.mode = kCopy, .uri = "small"});
      const Question question = {.mode = mode, .uri = "small"};
      const bool sent =
          client.wire().Send(GetParam().is_v2() ? V2Request(1, question) : V1Request(mode, "small"),
                             std::vector<int>(count, write_end.get()));
      EXPECT_TRUE(sent || errno == EPERM) << errno;
      if (!sent) client.Ask({.mode = kSplice, .uri = "small"});
      const Answer before_it = client.Next();
      if (!sent) {
        EXPECT_EQ(before_it.body, kObject);
        EXPECT_EQ(client.Next().body, kObject);
      } else {
        // What one receive brings together with descriptors is dropped with them: nobody knows on
        // which byte they came.
        EXPECT_TRUE(before_it.body == kObject || before_it.kind == Answer::Kind::kEnd);
        EXPECT_TRUE(client.wire().AtEnd());
        client = Client();
      }
      write_end.Reset();
      pollfd hung_up{read_end.get(), 0, 0};
      EXPECT_EQ(poll(&hung_up, 1, std::chrono::milliseconds(kPatience).count()), 1)
          << "somebody still holds the pipe's other end";
    }
  }
  ExpectDescriptorsBack(Server(), before);
}

// Also when they ride on the very first byte, which opens the dialect.
TEST_P(HostileTest, DescriptorsOnTheFirstByteAreClosed) {
  if (!GetParam().is_unix()) GTEST_SKIP() << "descriptors travel over Unix sockets alone";
  const auto before = SettledDescriptors(Server());
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  net::UniqueFd read_end(ends[0]), write_end(ends[1]);
  Wire wire = Server().Unix();
  wire.Send(GetParam().is_v2() ? Hello(kInOrder, 64) : V1Request(kCopy, "small"),
            {write_end.get()});
  write_end.Reset();
  pollfd hung_up{read_end.get(), 0, 0};
  EXPECT_EQ(poll(&hung_up, 1, std::chrono::milliseconds(kPatience).count()), 1);
  wire.Reset();
  ExpectDescriptorsBack(Server(), before);
}

// PUT_FD is refused, and still its descriptor is closed.
TEST_P(HostileTest, DescriptorOfARefusedPutFdIsClosed) {
  if (!GetParam().is_unix()) GTEST_SKIP() << "descriptors travel over Unix sockets alone";
  RawClient client = Client();
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  net::UniqueFd read_end(ends[0]), write_end(ends[1]);
  const Question question = {.mode = kPutFd, .uri = "small"};
  const bool sent = client.wire().Send(
      GetParam().is_v2() ? V2Request(1, question) : V1Request(kPutFd, "small"), {write_end.get()});
  EXPECT_TRUE(sent || errno == EPERM) << errno;
  write_end.Reset();
  pollfd hung_up{read_end.get(), 0, 0};
  EXPECT_EQ(poll(&hung_up, 1, std::chrono::milliseconds(kPatience).count()), 1);
  if (sent) client = Client();
  ExpectRefused(client.Get(question), Status::kUnsupportedOp);
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "small"}).body, kObject);
}

// "Nothing more will come" is no reason not to answer what came.
TEST_P(HostileTest, HalfClosedClientGetsItsAnswers) {
  for (const char mode : {kCopy, kSplice, kStat, kFdPass}) {
    if (mode == kFdPass && !GetParam().is_unix()) continue;
    SCOPED_TRACE(mode);
    RawClient client = Client();
    client.AskAll({{.mode = mode, .uri = "big"},
                   {.mode = mode, .uri = "missing"},
                   {.mode = mode, .uri = "small"}});
    client.wire().HalfClose();
    const Answer big = client.Next();
    EXPECT_TRUE(big.ok());
    if (mode == kCopy || mode == kSplice) {
      EXPECT_EQ(big.body.size(), kBig);
    }
    ExpectRefused(client.Next(), Status::kNotFound);
    EXPECT_TRUE(client.Next().ok());
    const Answer end = client.Next();  // V2 may be told so first
    if (end.kind == Answer::Kind::kClose) {
      EXPECT_TRUE(client.wire().AtEnd());
    } else {
      EXPECT_EQ(end.kind, Answer::Kind::kEnd);
    }
  }
}

// A request that ends in the middle is no request; those before it are answered.
TEST_P(HostileTest, EndInsideARequestIsAProtocolError) {
  RawClient client = Client();
  std::vector<uint32_t> ids;
  std::string bytes =
      client.Encode({{.mode = kCopy, .uri = "small"}, {.mode = kCopy, .uri = "never sent"}}, &ids);
  bytes.resize(bytes.size() - 5);
  client.wire().Send(bytes);
  client.wire().HalfClose();
  EXPECT_EQ(client.Next().body, kObject);
  const Answer answer = client.Next();
  ExpectRefused(answer, Status::kProtocolError);
  if (GetParam().is_v2()) {
    EXPECT_EQ(client.Next().reason, kCloseProtocolError);
  }
  EXPECT_TRUE(client.wire().AtEnd());
}

// Clients that leave in the middle of a body, politely or not, leave nothing behind.
TEST_P(HostileTest, ClientsThatLeaveInsideABodyCostNothing) {
  const auto before = SettledDescriptors(Server());
  for (int round = 0; round < 20; ++round) {
    for (const char mode : {kCopy, kSplice}) {
      RawClient client = Client();
      client.AskAll({{.mode = mode, .uri = "big"}, {.mode = mode, .uri = "big"}});
      if (round % 3 != 0) {
        Answer answer = client.NextHead();
        EXPECT_TRUE(answer.ok());
        client.ReadBody(&answer, 1 + round * 50000);
      }
      if (round % 2 == 0) client.wire().Reset();  // else its destructor closes in the usual way
    }
  }
  ExpectServes(Server());
  ExpectDescriptorsBack(Server(), before);
}

// The same with answers that carry descriptors nobody took.
TEST_P(HostileTest, ClientsThatLeaveDescriptorsUnreadCostNothing) {
  if (!GetParam().is_unix()) GTEST_SKIP() << "descriptors travel over Unix sockets alone";
  const auto before = SettledDescriptors(Server());
  for (int round = 0; round < 20; ++round) {
    RawClient client = Client();
    client.AskAll(std::vector<Question>(60, Question{.mode = kFdPass, .uri = "small"}));
    if (round % 2 == 0) {
      EXPECT_TRUE(client.Next().ok());
    }
  }
  ExpectServes(Server());
  ExpectDescriptorsBack(Server(), before);
}

// A client that is killed does not say goodbye; the kernel closes its sockets.
TEST_P(HostileTest, KilledClientCostsNothing) {
  const auto before = SettledDescriptors(Server());
  {
    std::vector<RawClient> clients;
    for (const char mode : {kCopy, kSplice, kStat, kFdPass}) {
      clients.push_back(Client());
      clients.back().AskAll(std::vector<Question>(20, Question{.mode = mode, .uri = "big"}));
      if (mode == kCopy) clients.back().NextHead();
    }
    // The child inherits the sockets and does nothing but hold them.
    const pid_t holder = fork();
    if (holder == 0) {
      while (true) pause();
    }
    clients.clear();
    ASSERT_GT(holder, 0);
    ExpectServes(Server());
    kill(holder, SIGKILL);
    waitpid(holder, nullptr, 0);
  }
  ExpectServes(Server());
  ExpectDescriptorsBack(Server(), before);
}

INSTANTIATE_TEST_SUITE_P(All, HostileTest,
                         testing::ValuesIn(Setups({Transport::kUnix, Transport::kTcp},
                                                  {Dialect::kV1, Dialect::kV2})),
                         SetupName);

}  // namespace
}  // namespace objmapper::e2e
