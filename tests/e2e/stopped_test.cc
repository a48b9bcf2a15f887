// A server that is stopped for longer than its time-outs: SIGSTOP here; a frozen cgroup and a
// machine that is suspended look the same to it. What came meanwhile came in time.
//
// How it works: one server for each case; many connections are brought into a state each, the
// process is stopped, they say what they owe, the time-outs go by, and it goes on. It is stopped
// for less than a second over the time-out (then nothing but the look before the judgement saves
// anybody), or for more (then who was to speak has its time once more).
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <deque>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/writable.h"
#include "tests/net/sanitized.h"

namespace objmapper::e2e {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(net::kSanitized ? 5 : 2);
constexpr absl::Duration kOversleep = absl::Seconds(1);  // net::kOversleptNs
constexpr uint64_t kBig = 16 << 20;

class StoppedTest : public WritableTest {
 protected:
  void SetUp() override {
    WritableTest::SetUp();
    if (IsSkipped()) return;
    tree_.Add("small", "small object");
    tree_.AddSparseOnce("big", kBig);
    Start({absl::StrCat("--request_timeout=", absl::FormatDuration(kTimeout)),
           absl::StrCat("--idle_timeout=", absl::FormatDuration(kTimeout))});
  }

  void StopFor(absl::Duration time, const std::function<void()>& meanwhile) {
    Server().Signal(SIGSTOP);
    const std::string path = absl::StrCat("/proc/", Server().pid(), "/stat");
    const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
    for (std::string stat; !absl::StrContains(stat, ") T ");) {
      ASSERT_LT(absl::Now(), give_up) << stat;
      std::getline(std::ifstream(path), stat);
    }
    const absl::Time end = absl::Now() + time;
    meanwhile();
    absl::SleepFor(end - absl::Now());
    Server().Signal(SIGCONT);
  }

  // Asks: all but the last `rest` bytes now, and those when SendRests() is called.
  RawClient* AskInTwo(RawClient client, const Question& question, size_t rest) {
    RawClient* const kept = &clients_.emplace_back(std::move(client));
    std::vector<uint32_t> ids;
    const std::string bytes = kept->Encode({question}, &ids);
    rest = std::min(rest, bytes.size());
    kept->wire().Send(bytes.substr(0, bytes.size() - rest));
    rests_.push_back({kept, bytes.substr(bytes.size() - rest),
                      absl::StrCat(std::string(1, question.mode), " but for ", rest, " bytes")});
    return kept;
  }

  // Connections in every state in which a client is to speak: unknown, half known, idle, in the
  // middle of a request, of a body.
  void AskHalf() {
    constexpr size_t kAll = 1 << 20;
    const Question copy = {.mode = kCopy, .uri = "small"}, pass = {.mode = kFdPass, .uri = "small"};
    for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
      const auto v1 = [&] { return RawClient::V1(Connect(Server(), transport)); };
      const auto served = [&](const Question& question) {
        RawClient client = Client(transport);
        EXPECT_TRUE(client.Get(question).ok());
        return client;
      };
      AskInTwo(v1(), copy, kAll);
      AskInTwo(v1(), copy, 3);
      AskInTwo(Client(transport), copy, kAll);
      AskInTwo(Client(transport), copy, 12);  // of V2's header, without the mode
      AskInTwo(served(copy), copy, kAll);
      AskInTwo(served(copy), copy, 3);
      AskInTwo(served(copy), Put(absl::StrCat("put", rests_.size()), std::string(60000, 'p')),
               30000);
      if (transport == Transport::kTcp) continue;
      AskInTwo(served(copy), Put(absl::StrCat("put", rests_.size()), std::string(60000, 'p')),
               60000);
      AskInTwo(served(pass), pass, kAll);
      AskInTwo(served(pass), pass, 3);
    }
  }
  void SendRests() {
    for (const Rest& rest : rests_) rest.client->wire().Send(rest.bytes);
  }
  void ExpectAnswers() {
    for (const Rest& rest : rests_) {
      SCOPED_TRACE(rest.what);
      const Answer answer = rest.client->Next();
      EXPECT_TRUE(answer.ok()) << static_cast<int>(answer.kind) << ", " << answer.status
                               << ", reason " << answer.reason;
    }
  }

  // Until so many bytes lie in the client's socket.
  static void AwaitBytes(RawClient& client, int bytes) {
    const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
    int there = 0;
    while (ioctl(client.wire().fd(), FIONREAD, &there) == 0 && there < bytes) {
      ASSERT_LT(absl::Now(), give_up);
      absl::SleepFor(absl::Milliseconds(1));
    }
  }

  struct Rest {
    RawClient* client;
    std::string bytes;
    std::string what;
  };
  std::deque<RawClient> clients_;  // which stay where they are
  std::vector<Rest> rests_;
};

// What lies in the sockets is served, by who wakes up behind all of his deadlines.
TEST_P(StoppedTest, WhatCameMeanwhileCameInTime) {
  AskHalf();
  // HELLO in two.
  Wire wire = Server().Unix();
  const std::string hello = Hello(kInOrder, 64);
  wire.Send(hello.substr(0, 4));
  // Who has read, though not so much that there is room; and who has not, is as late as ever.
  RawClient reader = Client();
  reader.Ask({.mode = kCopy, .uri = "big"});
  Answer big = reader.NextHead();
  AwaitBytes(reader, 65536);
  StopFor(kTimeout + absl::Milliseconds(400), [&] {
    SendRests();
    wire.Send(hello.substr(4));
    reader.ReadBody(&big, 65536);
  });
  ExpectAnswers();
  EXPECT_EQ(wire.Read(10).substr(0, 4), "OBJM");
  reader.ReadBody(&big, kBig - big.body.size());
  EXPECT_FALSE(big.cut);
  EXPECT_EQ(big.body.size(), kBig);
}

// Bytes may be on their way still, and who sends them may have been stopped with the server: there
// is time once more, once.
TEST_P(StoppedTest, WhoWasStoppedWithItHasItsTimeOnceMore) {
  AskHalf();
  RawClient silent = Client(), half = Client();
  half.wire().Send("\1");
  RawClient reader = Client();
  reader.Ask({.mode = kCopy, .uri = "big"});
  Answer big = reader.NextHead();
  StopFor(kTimeout + kOversleep + absl::Milliseconds(400), [] {});
  absl::SleepFor(absl::Milliseconds(100));
  SendRests();
  reader.ReadBody(&big, kBig);
  EXPECT_FALSE(big.cut);
  ExpectAnswers();
  // Who says nothing in that time either is told so.
  EXPECT_EQ(silent.Next().reason, kCloseIdle);
  EXPECT_EQ(half.Next().status, Status::kTimeout);
}

// So many that no single look of any loop takes all of them.
class StoppedCrowdTest : public StoppedTest {};

TEST_P(StoppedCrowdTest, OfManyNobodyIsForgotten) {
  for (int i = 0; i < 300; ++i)
    AskInTwo(Client(), {.mode = i % 2 == 0 ? kCopy : kFdPass, .uri = "small"}, 1 << 20);
  StopFor(kTimeout + absl::Milliseconds(400), [&] { SendRests(); });
  ExpectAnswers();
}

// A drain that was stopped goes on to its end: what is owed is still taken.
class StoppedDrainTest : public EngineTest {};

TEST_P(StoppedDrainTest, ADrainGoesOn) {
  ServerProcess server(SharedTree().root(),
                       {.engine = GetParam(), .flags = {"--drain_timeout=1500ms"}});
  SharedTree().AddSparseOnce("big", kBig);
  RawClient reader = RawClient::V2(server.Unix(), kInOrder);
  reader.Ask({.mode = kCopy, .uri = "big"});
  Answer big = reader.NextHead();
  server.Signal(SIGTERM);
  EXPECT_TRUE(server.WaitForLog("draining"));
  server.Signal(SIGSTOP);
  // longer than --drain_timeout, and what threads that are cut off get beyond it
  absl::SleepFor(absl::Seconds(5));
  server.Signal(SIGCONT);
  reader.ReadBody(&big, kBig);
  EXPECT_FALSE(big.cut);
  EXPECT_EQ(server.WaitForExit(), 0);
}

INSTANTIATE_TEST_SUITE_P(All, StoppedDrainTest, testing::ValuesIn(kEngines), EngineName);
INSTANTIATE_TEST_SUITE_P(All, StoppedTest, testing::ValuesIn(kEverything), EngineName);
INSTANTIATE_TEST_SUITE_P(All, StoppedCrowdTest,
                         testing::Values("uring", "epoll", "model_accept_pool"), EngineName);

}  // namespace
}  // namespace objmapper::e2e
