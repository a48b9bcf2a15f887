// Many peers at once: slow ones, silent ones, and simply a thousand.
#include <gtest/gtest.h>
#include <sys/epoll.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

constexpr size_t kBig = 8 * 1024 * 1024;

class CrowdTest : public SetupTest {
 protected:
  void SetUp() override {
    SetupTest::SetUp();
    if (IsSkipped()) return;
    SharedTree().AddOnce("small", "small object");
    SharedTree().AddOnce("big", Pattern(8, kBig));
    server_ = std::make_unique<ServerProcess>(
        SharedTree().root(), ServerOptions{.engine = GetParam().engine,
                                           .flags = {"--max_connections=2000", "--pool_size=2"}});
    for (const char mode : Modes()) {
      EXPECT_TRUE(Connection().Get({.mode = mode, .uri = "small"}).ok());
      EXPECT_TRUE(Connection().Get({.mode = mode, .uri = "big"}).ok());
    }
  }

  std::string Modes() const { return GetParam().is_unix() ? "123" : "23"; }
  RawClient Connection() { return Open(*server_, GetParam().transport, GetParam().dialect); }

  // Somebody else is served all the while, in every mode, on old and new connections.
  void ExpectServesOthers() {
    RawClient kept = Connection();
    for (int round = 0; round < 10; ++round) {
      for (const char mode : Modes()) {
        for (const char* uri : {"small", "big"}) {
          EXPECT_TRUE(kept.Get({.mode = mode, .uri = uri}).ok());
          EXPECT_TRUE(Connection().Get({.mode = mode, .uri = uri}).ok());
        }
      }
    }
  }

  std::unique_ptr<ServerProcess> server_;
};

// Sixty-four clients that take their time, in every mode: nobody else waits for them, and in the
// end they have every byte, too.
TEST_P(CrowdTest, SlowReadersHoldUpNobody) {
  const std::string expected = Pattern(8, kBig);
  std::vector<RawClient> slow;
  std::vector<Answer> answers;
  for (int i = 0; i < 64; ++i) {
    const char mode = i % 2 == 0 ? kCopy : kSplice;
    slow.push_back(Connection());
    slow.back().AskAll({{.mode = mode, .uri = "big"}, {.mode = mode, .uri = "small"}});
    answers.push_back(slow.back().NextHead());
    EXPECT_TRUE(answers.back().ok());
    slow.back().ReadBody(&answers.back(), i);
  }
  ExpectServesOthers();
  for (size_t i = 0; i < slow.size(); ++i) {
    slow[i].ReadBody(&answers[i], kBig - answers[i].body.size());
    EXPECT_TRUE(answers[i].body == expected) << i;
    EXPECT_EQ(slow[i].Next().body, "small object");
    answers[i].body.clear();
    answers[i].body.shrink_to_fit();
  }
}

// Clients that leave their descriptors lying in the socket hold up nobody either.
TEST_P(CrowdTest, UnreadDescriptorsHoldUpNobody) {
  if (!GetParam().is_unix()) GTEST_SKIP() << "descriptors travel over Unix sockets alone";
  std::vector<RawClient> slow;
  constexpr int kEach = 64;  // as many as a client may ask at once
  for (int i = 0; i < 64; ++i) {
    slow.push_back(Connection());
    slow.back().AskAll(std::vector<Question>(kEach, Question{.mode = kFdPass, .uri = "small"}));
  }
  ExpectServesOthers();
  for (RawClient& client : slow) {
    for (int i = 0; i < kEach; ++i) EXPECT_TRUE(client.Next().ok());
  }
}

// Connections that say nothing cost a descriptor each, but no thread and nobody's time.
TEST_P(CrowdTest, SilentOpenersCostNoThread) {
  const int threads = server_->thread_count();
  const auto before = SettledDescriptors(*server_);
  std::vector<Wire> silent;
  for (int i = 0; i < 300; ++i) {
    silent.push_back(Connect(*server_, GetParam().transport));
    if (i % 3 == 1) silent.back().Send("O");  // the beginning of a HELLO
    if (i % 3 == 2) silent.back().Send("2");  // and of a V1 request
  }
  ExpectServesOthers();
  EXPECT_LE(server_->thread_count(), threads);
  silent.clear();
  ExpectDescriptorsBack(*server_, before);
}

// A thousand connections that ask all the time, on two workers: each of them gets its answers.
// Nobody stops asking before everybody has enough, so whoever is starved stays hungry for ever.
TEST_P(CrowdTest, NobodyStarvesAmongAThousand) {
  constexpr size_t kConnections = 1000;
  constexpr int kEnough = 10;
  std::vector<RawClient> clients;
  std::vector<int> answers(kConnections, 0);
  net::UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  const auto question = [&](size_t i) {
    // Most stay with one mode, some change all the time.
    const std::string modes = Modes();
    const size_t turn = i % 5 == 0 ? i + answers[i] : i;
    return Question{.mode = modes[turn % modes.size()], .uri = "small"};
  };
  for (size_t i = 0; i < kConnections; ++i) {
    clients.push_back(Connection());
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ASSERT_EQ(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, clients[i].wire().fd(), &event), 0);
  }
  for (size_t i = 0; i < kConnections; ++i) clients[i].Ask(question(i));

  size_t hungry = kConnections;
  const absl::Time give_up = absl::Now() + 2 * absl::FromChrono(kPatience);
  while (hungry > 0 && absl::Now() < give_up) {
    epoll_event ready[64];
    const int count = epoll_wait(epoll.get(), ready, 64, 1000);
    for (int k = 0; k < count; ++k) {
      const size_t i = ready[k].data.u64;
      ASSERT_TRUE(clients[i].Next().ok()) << "connection " << i;
      if (++answers[i] == kEnough) --hungry;
      clients[i].Ask(question(i));
    }
  }
  EXPECT_EQ(hungry, 0u) << "connections with fewer than " << kEnough << " answers";
}

INSTANTIATE_TEST_SUITE_P(All, CrowdTest,
                         testing::ValuesIn(Setups({Transport::kUnix, Transport::kTcp},
                                                  {Dialect::kV1, Dialect::kV2FdBatch})),
                         SetupName);

}  // namespace
}  // namespace objmapper::e2e
