// Who is here, for how long, and how many: at times of the test's own.
#include "router/guests.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "net/clock.h"
#include "tests/net/open_fds.h"
#include "tests/net/socket_pair.h"
#include "tests/session/client_end.h"

namespace objmapper::router {
namespace {

using Kind = Source::Kind;

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr absl::Duration kSilent = absl::Seconds(1000);
constexpr absl::Duration kHalfSaid = absl::Seconds(100);
// Late by less than what a process that was stopped is given again.
constexpr int64_t kLateNs = kSecondNs / 2;

class GuestsTest : public testing::Test {
 protected:
  // No test leaves a descriptor or a session behind.
  ~GuestsTest() override {
    guests_.Clear();
    pairs_.clear();
    EXPECT_EQ(counters_.open, 0u);
    EXPECT_EQ(net::OpenFds(), open_fds_);
  }

  // Adds a connection; its client's end is the last of `pairs_`.
  void Add(Kind kind) {
    net::SocketPair& pair = pairs_.emplace_back(net::SocketPair::Unix());
    guests_.Add(kind, MakeSession(std::move(pair.ours), session::Transport::kUnix, &limits_,
                                  &counters_, protocol::Dialect::kV1));
  }
  // The only opener.
  Guest* AddOpener() {
    Add(Kind::kOpener);
    const std::vector<Guest*> openers = guests_.Openers();
    EXPECT_EQ(openers.size(), 1u);
    return openers.empty() ? nullptr : openers.front();
  }
  // What epoll tells of now.
  std::vector<Guest*> Told() {
    std::vector<Guest*> told;
    for (const epoll_event& event : epoll_.Wait(0))
      told.push_back(static_cast<Guest*>(static_cast<Source*>(event.data.ptr)));
    return told;
  }
  static int64_t In(absl::Duration duration) {
    return net::NowNs() + absl::ToInt64Nanoseconds(duration) + kLateNs;
  }

  net::Epoll epoll_;
  const ptrdiff_t open_fds_ = net::OpenFds();
  session::SessionLimits limits_;
  session::ConnectionCounters counters_;
  Guests guests_{&epoll_, kSilent, kHalfSaid};
  std::vector<net::SocketPair> pairs_;
};

// What comes for a guest is told once, though it stays in the socket; of one that has gone nothing
// is told, nor is its time up.
TEST_F(GuestsTest, ComesAndGoes) {
  EXPECT_EQ(guests_.NextExpiryNs(), net::kNever);
  Guest* const guest = AddOpener();
  EXPECT_TRUE(guests_.Has(guest));
  EXPECT_EQ(Told(), std::vector<Guest*>());
  net::SendAll(pairs_[0].peer.get(), "1");
  EXPECT_EQ(Told(), std::vector<Guest*>{guest});
  EXPECT_EQ(Told(), std::vector<Guest*>());
  net::SendAll(pairs_[0].peer.get(), "2");
  EXPECT_EQ(Told(), std::vector<Guest*>{guest});

  const std::unique_ptr<session::Session> session = guests_.Remove(guest);
  ASSERT_NE(session, nullptr);
  EXPECT_FALSE(guests_.Has(guest));
  EXPECT_EQ(guests_.NextExpiryNs(), net::kNever);
  net::SendAll(pairs_[0].peer.get(), "3");
  EXPECT_EQ(Told(), std::vector<Guest*>());
  EXPECT_EQ(net::ReadBytes(session->fd(), 3), "123");
}

// A silent opener is late when its time is over, and then no time of it runs.
TEST_F(GuestsTest, ASilentOpener) {
  Guest* const guest = AddOpener();
  EXPECT_TRUE(guests_.IsSilent(guest));
  EXPECT_EQ(guests_.PopLate(/*half_said=*/false, net::NowNs()), nullptr);
  EXPECT_EQ(guests_.PopLate(/*half_said=*/true, In(kSilent)), nullptr);
  EXPECT_EQ(guests_.PopLate(/*half_said=*/false, In(kSilent)), guest);
  EXPECT_FALSE(guests_.IsSilent(guest));
  EXPECT_EQ(guests_.NextExpiryNs(), net::kNever);
  EXPECT_TRUE(guests_.Has(guest));
}

// With the first byte of a request the time for the rest of it begins, and the next bytes do not
// begin it anew; HELLO does, as a silence.
TEST_F(GuestsTest, HalfSaid) {
  Guest* const guest = AddOpener();
  guests_.HalfSaid(guest);
  EXPECT_FALSE(guests_.IsSilent(guest));
  EXPECT_TRUE(guests_.IsHalfSaid(guest));
  const int64_t expiry_ns = guests_.NextExpiryNs();
  const int64_t started_ns = guest->deadline.started_ns;
  EXPECT_LT(expiry_ns, In(kHalfSaid));
  guests_.HalfSaid(guest);
  EXPECT_EQ(guest->deadline.started_ns, started_ns);

  guests_.Greeted(guest);
  EXPECT_TRUE(guests_.IsSilent(guest));
  EXPECT_FALSE(guests_.IsHalfSaid(guest));
  EXPECT_GT(guests_.NextExpiryNs(), expiry_ns);
  guests_.HalfSaid(guest);
  EXPECT_EQ(guests_.PopLate(/*half_said=*/true, In(kHalfSaid)), guest);
  EXPECT_FALSE(guests_.IsHalfSaid(guest));
}

// 0 is no bound.
TEST_F(GuestsTest, ForEver) {
  Guests guests(&epoll_, absl::ZeroDuration(), absl::ZeroDuration());
  net::SocketPair pair = net::SocketPair::Unix();
  guests.Add(Kind::kOpener, MakeSession(std::move(pair.ours), session::Transport::kUnix, &limits_,
                                        &counters_, protocol::Dialect::kV1));
  EXPECT_EQ(guests.NextExpiryNs(), net::kNever);
  guests.HalfSaid(guests.Openers().front());
  EXPECT_EQ(guests.NextExpiryNs(), net::kNever);
}

// Those that leave are no openers, and go when their time is over, which is short.
TEST_F(GuestsTest, ThoseThatLeave) {
  Add(Kind::kLingerer);
  Add(Kind::kRefused);
  EXPECT_TRUE(guests_.Openers().empty());
  EXPECT_EQ(guests_.PopLeft(net::NowNs() - kSecondNs), nullptr);
  const int64_t later_ns = In(absl::Seconds(60));
  EXPECT_EQ(guests_.PopLate(/*half_said=*/false, later_ns), nullptr);
  Guest* const lingerer = guests_.PopLeft(later_ns);
  ASSERT_NE(lingerer, nullptr);
  EXPECT_EQ(lingerer->kind, Kind::kLingerer);
  guests_.Remove(lingerer);
  Guest* const refused = guests_.PopLeft(later_ns);
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->kind, Kind::kRefused);
  guests_.Remove(refused);
  EXPECT_EQ(guests_.PopLeft(later_ns), nullptr);
}

// A flood of those that are not let in takes few descriptors; openers are not counted with them.
TEST_F(GuestsTest, ManyThatAreRefused) {
  constexpr int kMost = 64;
  for (int i = 0; i < kMost; ++i) Add(Kind::kRefused);
  EXPECT_EQ(counters_.open, static_cast<uint64_t>(kMost));
  Add(Kind::kRefused);
  EXPECT_EQ(counters_.open, static_cast<uint64_t>(kMost));
  EXPECT_EQ(net::ReadToEnd(pairs_.back().peer.get()), "") << "closed at once";
  guests_.Remove(guests_.PopLeft(In(absl::Seconds(60))));
  Add(Kind::kRefused);
  AddOpener();
  EXPECT_EQ(counters_.open, static_cast<uint64_t>(kMost) + 1);
}

// All are closed together, whatever they are at.
TEST_F(GuestsTest, Clear) {
  guests_.HalfSaid(AddOpener());
  for (const Kind kind : {Kind::kOpener, Kind::kLingerer, Kind::kRefused, Kind::kUntold}) Add(kind);
  EXPECT_EQ(counters_.open, 5u);
  guests_.Clear();
  EXPECT_EQ(counters_.open, 0u);
  EXPECT_EQ(guests_.NextExpiryNs(), net::kNever);
  for (const net::SocketPair& pair : pairs_) EXPECT_EQ(net::ReadToEnd(pair.peer.get()), "");
}

}  // namespace
}  // namespace objmapper::router
