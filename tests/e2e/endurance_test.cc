// Long and hostile: what a server holds stays what it was, and who behaves is served.
//
// $OBJMAPPER_ENDURANCE multiplies what is done (1 when it is not set); docs/reliability.md has
// figures of a run with 20.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/e2e/matrix.h"
#include "tests/net/sanitized.h"

namespace objmapper::e2e {
namespace {

int Times() {
  const char* text = getenv("OBJMAPPER_ENDURANCE");
  return text == nullptr ? 1 : std::max(1, atoi(text));
}

// Sanitizers keep freed memory back, to see who uses it.
constexpr int64_t kGrowthMax = int64_t{net::kSanitized ? 768 : 8} << 20;

class EnduranceTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    tree_.Add("small", kSmall);
    tree_.Add("large", large_);
  }
  std::unique_ptr<ServerProcess> Start(std::vector<std::string> flags = {}) {
    flags.push_back("--max_connections=20000");
    return std::make_unique<ServerProcess>(
        tree_.root(),
        ServerOptions{.engine = GetParam(), .flags = std::move(flags), .socket_path = path_});
  }
  bool Get(RawClient* client, char mode) {
    const Answer answer = client->Get({.mode = mode, .uri = "small"});
    return answer.ok() && (mode == kFdPass ? Contents(answer.fd.get()) : answer.body) == kSmall;
  }

  static constexpr char kSmall[] = "bytes that anybody would recognize";
  const std::string large_ = Pattern(3, 200'000);
  ObjectTree tree_;
  TempDir directory_;
  const std::string path_ = directory_.path() + "/socket";
};

// Descriptors, threads and memory are the same after many requests as after few.
TEST_P(EnduranceTest, ManyRequestsLeaveNothing) {
  const int bursts = 1000 * Times();  // of 50 requests
  std::unique_ptr<ServerProcess> server = Start();
  std::vector<RawClient> clients;
  clients.push_back(RawClient::V2(server->Unix(), kInOrder | kFdInHeader | kFdBatch));
  clients.push_back(RawClient::V2(server->Tcp(), kInOrder));
  const auto burst = [&](int number) {
    const bool is_unix = number % 4 != 0;
    RawClient& client = clients[is_unix ? 0 : 1];
    std::vector<Question> questions;
    for (int i = 0; i < 50; ++i) {
      const char mode = i % 10 == 9              ? kSplice
                        : i % 10 == 8            ? kStat
                        : is_unix && i % 10 != 7 ? kFdPass
                                                 : kCopy;
      questions.push_back({.mode = mode,
                           .uri = number % 50 == 0 && i == 9 ? "large"
                                  : i % 25 == 24             ? "none"
                                                             : "small"});
    }
    client.AskAll(questions);
    for (int i = 0; i < 50; ++i) {
      const Answer answer = client.Next();
      ASSERT_TRUE(answer.ok() || questions[i].uri == "none")
          << "burst " << number << ", request " << i;
    }
  };
  int number = 0;
  for (; number < 300 && !HasFatalFailure(); ++number) burst(number);
  const auto descriptors = SettledDescriptors(*server);
  const int threads = server->thread_count();
  const int64_t resident = server->resident_bytes();
  for (; number < bursts && !HasFatalFailure(); ++number) burst(number);
  ExpectDescriptorsBack(*server, descriptors);
  EXPECT_EQ(server->thread_count(), threads);
  EXPECT_LT(server->resident_bytes() - resident, kGrowthMax);
  printf("%s: %d requests: RSS %ld -> %ld KiB, %d threads, %zu kinds of descriptors\n",
         GetParam().c_str(), bursts * 50, static_cast<long>(resident / 1024),
         static_cast<long>(server->resident_bytes() / 1024), threads, descriptors.size());
}

// Thousands of clients that have said half a request, and say a byte now and then, are beside
// others who are served all the while; in the end they are let go.
TEST_P(EnduranceTest, SlowlorisBesideService) {
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit before = limit;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const size_t wanted = std::min<size_t>(500 * static_cast<size_t>(Times()), 5000);
  const size_t slow_count = std::min<size_t>(wanted, (limit.rlim_max - 200) / 2);
  std::unique_ptr<ServerProcess> server = Start({"--request_timeout=3s"});
  const auto percentiles = [&] {
    RawClient client = RawClient::V1(server->Unix());
    std::vector<int64_t> took;
    for (int i = 0; i < 1000; ++i) {
      const absl::Time began = absl::Now();
      EXPECT_TRUE(Get(&client, i % 5 == 0 ? kCopy : kFdPass));
      took.push_back(absl::ToInt64Microseconds(absl::Now() - began));
    }
    std::sort(took.begin(), took.end());
    return std::pair(took[500], took[990]);
  };
  const auto alone = percentiles();
  std::vector<RawClient> slow;
  const std::string request = V1Request(kCopy, "small");
  for (size_t i = 0; i < slow_count; ++i) {
    slow.push_back(RawClient::V1(i % 2 == 0 ? server->Unix() : server->Tcp()));
    slow.back().wire().Send(request.substr(0, 1 + i % 3));
  }
  const auto beside = percentiles();
  printf(
      "%s: p50 %ld us, p99 %ld us; beside %zu slow clients p50 %ld us, p99 %ld us: %.2f and %.2f "
      "times\n",
      GetParam().c_str(), static_cast<long>(alone.first), static_cast<long>(alone.second),
      slow.size(), static_cast<long>(beside.first), static_cast<long>(beside.second),
      static_cast<double>(beside.first) / static_cast<double>(alone.first),
      static_cast<double>(beside.second) / static_cast<double>(alone.second));
  // A byte more does not buy more time: each gets the answer TIMEOUT, and the end.
  for (RawClient& client : slow) client.wire().Send(request.substr(3, 1));
  for (RawClient& client : slow) {
    const Answer answer = client.Next();
    if (answer.kind == Answer::Kind::kResponse) ExpectRefused(answer, Status::kTimeout);
    EXPECT_TRUE(client.wire().AtEnd());
  }
  slow.clear();
  EXPECT_TRUE(server->Running());
  setrlimit(RLIMIT_NOFILE, &before);
}

// Who takes descriptors and never closes them costs the server nothing; nor does who comes and goes
// without end.
TEST_P(EnduranceTest, HoardersAndComersAndGoers) {
  std::unique_ptr<ServerProcess> server = Start();
  RawClient hoarder = RawClient::V1(server->Unix());
  EXPECT_TRUE(Get(&hoarder, kFdPass));
  EXPECT_TRUE(Get(&hoarder, kCopy));
  const auto before = SettledDescriptors(*server);
  std::vector<net::UniqueFd> hoard;
  for (int i = 0; i < 400; ++i) {
    Answer answer = hoarder.Get({.mode = kFdPass, .uri = "small"});
    ASSERT_TRUE(answer.fd.valid());
    hoard.push_back(std::move(answer.fd));
  }
  for (int i = 0; i < 500 * Times(); ++i) {
    RawClient client = RawClient::V1(i % 2 == 0 ? server->Unix() : server->Tcp());
    if (i % 3 != 0) {
      EXPECT_TRUE(Get(&client, kCopy));
    }
    if (i % 5 == 0) client.wire().Reset();
  }
  ExpectDescriptorsBack(*server, before);
  EXPECT_TRUE(Get(&hoarder, kFdPass));
}

// Clients that are killed in the middle of anything take nothing with them.
TEST_P(EnduranceTest, KilledClients) {
  std::unique_ptr<ServerProcess> server = Start();
  {
    RawClient warm = RawClient::V1(server->Unix());
    for (const char mode : {kFdPass, kCopy, kSplice}) EXPECT_TRUE(Get(&warm, mode));
  }
  const auto before = SettledDescriptors(*server);
  std::minstd_rand random(1);
  for (int i = 0; i < 30 * Times(); ++i) {
    const pid_t child = fork();
    if (child == 0) {
      RawClient client = RawClient::V2(server->Unix(), kInOrder | kFdInHeader | kFdBatch);
      while (true) {
        client.AskAll(
            std::vector<Question>(20, {.mode = i % 2 == 0 ? kFdPass : kCopy, .uri = "large"}));
        for (int k = 0; k < 20; ++k) client.Next();
      }
    }
    absl::SleepFor(absl::Microseconds(random() % 20'000));
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(WTERMSIG(status), SIGKILL);
  }
  ExpectDescriptorsBack(*server, before);
  RawClient client = RawClient::V1(server->Unix());
  EXPECT_TRUE(Get(&client, kFdPass));
}

// A server that is killed under load and started again on the same socket serves the same clients
// again; what they got before that was right or cut, never wrong.
TEST_P(EnduranceTest, KilledServer) {
  std::unique_ptr<ServerProcess> server = Start();
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> right{0}, cut{0}, wrong{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&, c] {
      while (!stop) {
        net::UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        path_.copy(name.sun_path, sizeof(name.sun_path) - 1);
        if (connect(probe.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)) != 0) {
          absl::SleepFor(absl::Milliseconds(2));
          continue;
        }
        RawClient client = RawClient::V1(Wire::Adopt(std::move(probe)));
        while (!stop) {
          const char mode = c % 2 == 0 ? kCopy : kFdPass;
          const Answer answer = client.Get({.mode = mode, .uri = "large"});
          if (!answer.ok()) {
            ++cut;
            break;
          }
          const bool same = (mode == kFdPass ? Contents(answer.fd.get()) : answer.body) == large_;
          ++(same ? right : wrong);
        }
      }
    });
  }
  for (int round = 0; round < 3; ++round) {
    const uint64_t before = right;
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (right < before + 200 && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
    EXPECT_GE(right, before + 200) << "round " << round;
    EXPECT_EQ(server->Stop(SIGKILL), 128 + SIGKILL);
    server = Start();
  }
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(cut, 0u);
}

INSTANTIATE_TEST_SUITE_P(Engines, EnduranceTest, testing::ValuesIn(kEngines), EngineName);

}  // namespace
}  // namespace objmapper::e2e
