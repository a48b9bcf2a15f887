// A server that has run out of descriptors, or may have no more of them in flight: it says so,
// never that the object is missing, and recovers by itself.
#include <gtest/gtest.h>
#include <sys/ioctl.h>

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

class ExhaustionTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    for (int i = 0; i < kObjects; ++i) {
      SharedTree().AddOnce(Uri(i), absl::StrCat("object ", i));
    }
  }

  static constexpr int kObjects = 64;
  static std::string Uri(int i) { return absl::StrCat("many/", i); }

  // UNAVAILABLE and when to try again; or, where the server found a way, a whole answer.
  static void ExpectUnavailableOr(const Answer& answer, const std::string& contents, int* refused) {
    if (answer.ok()) {
      EXPECT_EQ(answer.mode == kFdPass ? Contents(answer.fd.get()) : answer.body, contents);
      return;
    }
    ++*refused;
    ExpectRefused(answer, Status::kUnavailable);
    ASSERT_TRUE(answer.Has(kRetryAfterEntry));
    EXPECT_GT(answer.Number(kRetryAfterEntry), 0u);
  }

  // Returns when no more answers arrive by themselves: the server has sent all that it may.
  static void AwaitQuiet(std::vector<RawClient>& clients) {
    int64_t before = -1, unread = 0;
    while (unread != before) {
      absl::SleepFor(absl::Milliseconds(100));
      before = std::exchange(unread, 0);
      for (RawClient& client : clients) {
        int bytes = 0;
        ioctl(client.wire().fd(), FIONREAD, &bytes);
        unread += bytes;
      }
    }
  }

  static RawClient Batching(const ServerProcess& server) {
    return RawClient::V2(server.Unix(), kInOrder | kFdInHeader | kFdBatch, 1000);
  }
};

// EMFILE on open: UNAVAILABLE in every mode and dialect; once there is room again, the same
// connections are served as if nothing had been.
TEST_P(ExhaustionTest, NoDescriptorLeftIsUnavailable) {
  ServerProcess server(SharedTree().root(), {.engine = GetParam()});
  SharedTree().AddOnce("warm", "up");
  std::vector<RawClient> clients;
  for (const Dialect dialect : kAllDialects) {
    for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
      clients.push_back(Open(server, transport, dialect));
      // Each is owned by whoever will serve it.
      EXPECT_TRUE(clients.back().Get({.mode = kCopy, .uri = "warm"}).ok());
      EXPECT_TRUE(clients.back().Get({.mode = kSplice, .uri = "warm"}).ok());
    }
  }
  const auto before = SettledDescriptors(server);
  server.LimitDescriptors(server.LowestFreeDescriptor());
  int refused = 0, next_object = 0;
  for (size_t i = 0; i < clients.size(); ++i) {
    for (const char mode : {kFdPass, kCopy, kSplice, kFdPass}) {
      if (mode == kFdPass && i % 2 != 0) continue;  // TCP
      SCOPED_TRACE(testing::Message() << "client " << i << ", mode " << mode);
      const int object = next_object++ % kObjects;  // one that no cache has met
      ExpectUnavailableOr(clients[i].Get({.mode = mode, .uri = Uri(object)}),
                          absl::StrCat("object ", object), &refused);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(refused, 0);
  ExpectDescriptorsBack(server, before);

  rlimit own{};
  getrlimit(RLIMIT_NOFILE, &own);
  server.LimitDescriptors(own.rlim_cur);
  for (size_t i = 0; i < clients.size(); ++i) {
    for (const char mode : {kFdPass, kCopy, kSplice}) {
      if (mode == kFdPass && i % 2 != 0) continue;
      EXPECT_TRUE(clients[i].Get({.mode = mode, .uri = Uri(3)}).ok());
    }
  }
}

// EMFILE on accept: those who are connected are served on; newcomers wait or are told, but the
// server does not burn a core over them; and then newcomers are served again.
TEST_P(ExhaustionTest, NoDescriptorLeftForNewConnections) {
  ServerProcess server(SharedTree().root(), {.engine = GetParam()});
  RawClient old = RawClient::V1(server.Unix());
  EXPECT_TRUE(old.Get({.mode = kCopy, .uri = Uri(1)}).ok());
  const auto before = SettledDescriptors(server);
  server.LimitDescriptors(server.LowestFreeDescriptor());
  {
    std::vector<RawClient> waiting;
    for (int i = 0; i < 20; ++i) {
      waiting.push_back(RawClient::V1(i % 2 == 0 ? server.Unix() : server.Tcp()));
      waiting.back().Ask({.mode = kStat, .uri = Uri(1)});
    }
    const absl::Duration busy = server.cpu_time();
    const absl::Time start = absl::Now();
    absl::SleepFor(absl::Seconds(1));
    EXPECT_LT(server.cpu_time() - busy, (absl::Now() - start) / 2)
        << "spinning on connections it cannot accept";
    int refused = 0;  // UNAVAILABLE is an answer, too
    ExpectUnavailableOr(old.Get({.mode = kCopy, .uri = Uri(1)}), "object 1", &refused);

    rlimit own{};
    getrlimit(RLIMIT_NOFILE, &own);
    server.LimitDescriptors(own.rlim_cur);
    for (RawClient& client : waiting) {
      const Answer answer = client.Next();
      EXPECT_TRUE(answer.status == Status::kOk || answer.status == Status::kUnavailable)
          << answer.status;
    }
  }
  EXPECT_TRUE(RawClient::V1(server.Unix()).Get({.mode = kFdPass, .uri = Uri(1)}).ok());
  EXPECT_TRUE(RawClient::V1(server.Tcp()).Get({.mode = kCopy, .uri = Uri(1)}).ok());
  ExpectDescriptorsBack(server, before);
}

// ETOOMANYREFS (unix(7)): an unprivileged server may have no more descriptors in flight than
// RLIMIT_NOFILE. With many times that many asked for and nobody reading, answers wait or are
// UNAVAILABLE; every OK still brings its own descriptor, and other modes go on meanwhile.
TEST_P(ExhaustionTest, TooManyDescriptorsInFlight) {
  constexpr int kClients = 12, kEach = 400;
  ServerProcess server(SharedTree().root(), {.engine = GetParam(),
                                             .flags = {"--max_pipeline=1000"},
                                             .descriptors_max = 1000,
                                             .as_nobody = true});
  RawClient other = RawClient::V1(server.Unix());
  const auto expect_serves_other = [&] {
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(other.Get({.mode = i % 2 == 0 ? kCopy : kSplice, .uri = Uri(i)}).body,
                absl::StrCat("object ", i));
    }
  };
  expect_serves_other();
  const auto before = SettledDescriptors(server);

  std::vector<RawClient> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.push_back(c % 3 == 0 ? RawClient::V1(server.Unix()) : Batching(server));
    std::vector<Question> questions;
    for (int i = 0; i < kEach; ++i) {
      questions.push_back({.mode = kFdPass, .uri = Uri((c + i) % kObjects)});
    }
    clients[c].AskAll(questions);
  }
  AwaitQuiet(clients);
  expect_serves_other();

  // All at once: an answer that waits may be waiting for other clients to take theirs.
  std::vector<std::thread> readers;
  for (int c = 0; c < kClients; ++c) {
    readers.emplace_back([&client = clients[c], c] {
      int refused = 0;
      for (int i = 0; i < kEach; ++i) {
        SCOPED_TRACE(testing::Message() << "client " << c << ", answer " << i);
        const Answer answer = client.Next();
        ExpectUnavailableOr(answer, absl::StrCat("object ", (c + i) % kObjects), &refused);
        if (answer.kind != Answer::Kind::kResponse || answer.cut) return;
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  for (RawClient& client : clients) {
    EXPECT_TRUE(client.Get({.mode = kFdPass, .uri = Uri(5)}).ok());
  }
  clients.clear();
  ExpectDescriptorsBack(server, before);
}

INSTANTIATE_TEST_SUITE_P(All, ExhaustionTest, testing::ValuesIn(kEngines), EngineName);

}  // namespace
}  // namespace objmapper::e2e
