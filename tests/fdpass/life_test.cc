// Who is here, who is blocked and by what, who is late, and who leaves: without a round, on a
// kernel that only notes what it is told, and at times that the test says.
#include "fdpass/life.h"

#include <errno.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/fdpass/worker_fixture.h"

namespace objmapper::fdpass {
namespace {

using protocol::CloseReason;
using session::Burst;
using Blocked = Peer::Blocked;

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kIdleNs = 10 * kSecondNs;
constexpr int64_t kRequestNs = 5 * kSecondNs;

class NotingKernel : public Kernel {
 public:
  int add_error = 0;
  int interest_error = 0;
  std::map<Socket*, Interest> interest;  // of all that it looks after
  std::set<Socket*> exact;
  size_t closed = 0;

  const char* name() const override { return "noting"; }
  int Add(Socket* socket) override {
    if (add_error == 0) interest[socket] = Interest::kRequests;
    return add_error;
  }
  int SetInterest(Socket* socket, Interest what) override {
    if (interest_error == 0) interest[socket] = what;
    return interest_error;
  }
  void Remove(Socket* socket) override { interest.erase(socket); }
  void Exact(Socket* socket) override { exact.insert(socket); }
  void Close(net::UniqueFd fd) override {
    fd.Reset();
    ++closed;
  }
  // The round's:
  void Wait(int64_t, Woken*) override {}
  ssize_t Receive(Socket*, absl::Span<char>, size_t) override { return 0; }
  void Open(int, const char*, bool, int* result) override { *result = -EAGAIN; }
  void OpenAll() override {}
  void CutShort() override {}
  bool wants_seen_regular() const override { return false; }
  bool SendLater(Outgoing*) override { return false; }
};

class LifeTest : public WorkerTestOn {
 protected:
  LifeTest() : WorkerTestOn(Engine::kEpoll) {
    limits_.idle_timeout = absl::Nanoseconds(kIdleNs);
    limits_.request_timeout = absl::Nanoseconds(kRequestNs);
  }
  void SetUp() override {
    WriteObjects();
    Prepare();
    Opener::Options options;
    options.tree = &*tree_;
    // "Elsewhere" is here, when the test says so.
    options.run_slowly = [this](std::function<void()> work) { slow_.push_back(std::move(work)); };
    opener_ = std::make_unique<Opener>(options, &kernel_, [] {});
    life_ = std::make_unique<Life>(&options_, &kernel_, opener_.get(), &counted_, &load_, &tally_,
                                   &now_);
  }
  void TearDown() override {
    life_.reset();
    RunSlowly();
    opener_.reset();
    EXPECT_EQ(load_, 0u);
    EXPECT_TRUE(kernel_.interest.empty()) << "one that has gone is looked after";
  }

  // A peer that has had its first turn, and its client.
  Peer* Join(std::unique_ptr<ClientEnd>* client, int send_bytes = 0) {
    net::SocketPair pair = net::SocketPair::Unix();
    if (send_bytes != 0) {
      EXPECT_EQ(setsockopt(pair.ours.get(), SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes)),
                0);
    }
    *client = std::make_unique<ClientEnd>(std::move(pair.peer), Dialect::kV2, /*greeted=*/true);
    load_.fetch_add(1);
    life_->Welcome(MakeSession(std::move(pair.ours), session::Transport::kUnix, &limits_,
                               &counters_, Dialect::kV2));
    const std::vector<Peer*> again = life_->TakeAgain();
    if (again.size() == 1) return again.front();
    ADD_FAILURE() << "the one that has come has no turn";
    return nullptr;
  }
  // One whose client is never looked at.
  Peer* Join() {
    others_.emplace_back();
    return Join(&others_.back());
  }
  void At(int64_t ns) { now_.now_ns = now_.looked_ns = ns; }
  void ExpireAt(int64_t ns) {
    At(ns);
    life_->Expire();
  }
  void RunSlowly() {
    for (std::function<void()>& work : std::exchange(slow_, {})) work();
  }
  static StoredRequest Stored(int i, Mode mode = Mode::kFdPass) {
    StoredRequest stored;
    stored.request.mode = mode;
    stored.uri = Uri(i);
    return stored;
  }
  static net::UniqueFd Devnull() { return net::UniqueFd(dup(STDIN_FILENO)); }
  void Conclude(Peer* peer, Burst::End how) { life_->Conclude(peer, how, {}); }

  NotingKernel kernel_;
  std::vector<std::function<void()>> slow_;
  std::unique_ptr<Opener> opener_;
  WorkerCounters counted_;
  std::atomic<size_t> load_{0};
  session::TallyLease tally_{nullptr, "test"};
  Now now_;
  std::unique_ptr<Life> life_;
  std::vector<std::unique_ptr<ClientEnd>> others_;
};

// ---- Coming and turns ----

// However often one is to have a turn again, it has one.
TEST_F(LifeTest, OneTurnARound) {
  Peer* const first = Join();
  Peer* const second = Join();
  EXPECT_EQ(kernel_.interest[first], Interest::kRequests);
  EXPECT_EQ(life_->waiting(), 0u);
  life_->Again(first);
  life_->Again(second);
  life_->Again(first);
  EXPECT_EQ(life_->waiting(), 2u);
  EXPECT_EQ(life_->TakeAgain(), (std::vector<Peer*>{first, second}));
  EXPECT_EQ(life_->waiting(), 0u);
  life_->Again(first);
  EXPECT_EQ(life_->TakeAgain(), std::vector<Peer*>{first});
}

// One that the kernel cannot look after is not here: it is hung up on, and no load.
TEST_F(LifeTest, OneThatCannotBeLookedAfter) {
  kernel_.add_error = ENOMEM;
  net::SocketPair pair = net::SocketPair::Unix();
  ClientEnd client(std::move(pair.peer), Dialect::kV2, /*greeted=*/true);
  load_.fetch_add(1);
  life_->Welcome(MakeSession(std::move(pair.ours), session::Transport::kUnix, &limits_, &counters_,
                             Dialect::kV2));
  EXPECT_TRUE(life_->empty());
  EXPECT_EQ(load_, 0u);
  EXPECT_TRUE(client.AtEnd());
}

// Only who is owed nothing and waits for nothing can be given to another worker, and no more of
// them than are wanted.
TEST_F(LifeTest, GivesAwayTheFree) {
  Peer* const full = Join();
  life_->Block(full, Blocked::kSocketFull);
  Join()->stored.push_back(Stored(1));
  Join()->ending = true;
  Join()->session->peer_done = true;
  Join()->session->fds_wait = true;
  std::set<session::Session*> free;
  for (int i = 0; i < 3; ++i) free.insert(Join()->session.get());
  std::set<session::Session*> given;
  std::vector<std::unique_ptr<session::Session>> taken;
  const auto take = [&](std::unique_ptr<session::Session> session) {
    given.insert(session.get());
    EXPECT_EQ(session->handed_ns, 7);
    taken.push_back(std::move(session));
  };
  At(7);
  EXPECT_EQ(life_->GiveAway(2, take), 2u);
  EXPECT_EQ(given.size(), 2u);
  EXPECT_EQ(life_->GiveAway(2, take), 1u);
  EXPECT_EQ(given, free);
  EXPECT_EQ(load_, 5u);
  Join();
  life_->Drain();
  EXPECT_EQ(life_->GiveAway(2, take), 0u);
}

// Who drains looks at everybody, exactly: nothing that a peer has sent already is missed.
TEST_F(LifeTest, DrainLooksAtEverybody) {
  Peer* const free = Join();
  Peer* const full = Join();
  life_->Block(full, Blocked::kSocketFull);
  life_->Drain();
  EXPECT_TRUE(life_->draining());
  const std::vector<Peer*> again = life_->TakeAgain();
  EXPECT_EQ(std::set<Peer*>(again.begin(), again.end()), (std::set<Peer*>{free, full}));
  EXPECT_EQ(kernel_.exact, std::set<Socket*>{free});
  Peer* const late = Join();
  EXPECT_EQ(kernel_.exact, (std::set<Socket*>{free, late}));
}

// ---- Blocked ----

// Nothing is read from one that does not take its answers: it is waited for room, or for the
// kernel, or for nothing at all.
TEST_F(LifeTest, ABlockedOneIsNotListenedTo) {
  Peer* const socket_full = Join();
  Peer* const kernel_full = Join();
  Peer* const opening = Join();
  life_->BlockFor(socket_full, EAGAIN);
  life_->BlockFor(kernel_full, ETOOMANYREFS);
  life_->Block(opening, Blocked::kOpening);
  EXPECT_EQ(socket_full->blocked, Blocked::kSocketFull);
  EXPECT_EQ(kernel_full->blocked, Blocked::kKernelFull);
  EXPECT_EQ(kernel_.interest[socket_full], Interest::kRoom);
  EXPECT_EQ(kernel_.interest[kernel_full], Interest::kNothing);
  EXPECT_EQ(kernel_.interest[opening], Interest::kNothing);
}

// A kernel that was full is tried again after a moment, though nobody says that it is not any more.
TEST_F(LifeTest, AFullKernelIsTriedAgain) {
  Peer* const peer = Join();
  life_->BlockFor(peer, ENOBUFS);
  EXPECT_LE(life_->NextDeadlineNs(), kSecondNs / 100);
  ExpireAt(1);
  EXPECT_EQ(life_->waiting(), 0u);
  ExpireAt(kSecondNs / 100);
  EXPECT_EQ(life_->TakeAgain(), std::vector<Peer*>{peer});
}

// While it is the server that is late, its peers have all the time there is.
TEST_F(LifeTest, WhoWaitsForUsIsNeverLate) {
  Peer* const peer = Join();
  life_->Block(peer, Blocked::kOpening);
  life_->UpdateDeadline(peer, /*progress=*/true);
  EXPECT_EQ(life_->NextDeadlineNs(), net::kNever);
  ExpireAt(1000 * kIdleNs);
  EXPECT_FALSE(life_->empty());
}

// ---- Debts ----

// What is owed goes in its order, with its descriptor on the byte behind it, and is closed here.
TEST_F(LifeTest, DebtsArePaidInOrder) {
  std::unique_ptr<ClientEnd> client;
  Peer* const peer = Join(&client);
  peer->out = "rest of a message";
  peer->out_fd = Devnull();
  EXPECT_TRUE(life_->PayDebts(peer));
  EXPECT_EQ(client->Body(18), "rest of a messageX");
  EXPECT_TRUE(client->TakeFd().valid());
  EXPECT_TRUE(peer->out.empty());
  EXPECT_FALSE(peer->out_fd.valid());
  EXPECT_EQ(kernel_.closed, 1u);
  EXPECT_EQ(counted_.messages, 1u);
  EXPECT_TRUE(life_->PayDebts(peer)) << "nothing is owed";
}

// What does not go now stays owed, and the peer blocked; the descriptor waits with it.
TEST_F(LifeTest, DebtsThatDoNotFit) {
  std::unique_ptr<ClientEnd> client;
  Peer* const peer = Join(&client, /*send_bytes=*/1);
  const std::string much(1 << 20, 'm');
  peer->out = much;
  peer->out_fd = Devnull();
  EXPECT_FALSE(life_->PayDebts(peer));
  EXPECT_EQ(peer->blocked, Blocked::kSocketFull);
  EXPECT_LT(peer->out.size(), much.size());
  EXPECT_TRUE(peer->out_fd.valid());
  std::string got;
  EXPECT_TRUE(net::Eventually([&] {
    got += net::ReadReady(client->fd());
    return life_->PayDebts(peer);
  }));
  got += net::ReadReady(client->fd());
  EXPECT_TRUE(got == much + "X");
}

// Who has gone is owed nothing.
TEST_F(LifeTest, DebtsToWhoHasGone) {
  std::unique_ptr<ClientEnd> client;
  Peer* const peer = Join(&client);
  peer->out = "rest";
  client->Close();
  EXPECT_FALSE(life_->PayDebts(peer));
  EXPECT_TRUE(life_->empty());
  EXPECT_EQ(load_, 0u);
}

// ---- Opening apart ----

// Some of what waits behind a slow open is opened with it, but not all; what brings no descriptor
// is left out, and nothing is opened twice.
TEST_F(LifeTest, OpensSomeAhead) {
  Peer* const peer = Join();
  for (int i = 0; i < 20; ++i) peer->stored.push_back(Stored(i));
  peer->stored[1].request.mode = Mode::kStat;
  peer->stored[2].request.refusal = Status::kPermissionDenied;
  life_->OpenApart(peer);
  life_->OpenApart(peer);
  EXPECT_EQ(slow_.size(), 6u) << "the first 8, but for two";
  EXPECT_EQ(peer->stored[1].opening.ticket, 0u);
  EXPECT_EQ(peer->stored[2].opening.ticket, 0u);
  EXPECT_NE(peer->stored[7].opening.ticket, 0u);
  EXPECT_EQ(peer->stored[8].opening.ticket, 0u);
}

// Each gets what it waits for, and a turn.
TEST_F(LifeTest, GivesWhatWasOpenedToWhoWaits) {
  Peer* const first = Join();
  Peer* const second = Join();
  first->stored.push_back(Stored(1));
  first->stored.push_back(Stored(2));
  second->stored.push_back(Stored(3));
  life_->OpenApart(first);
  life_->OpenApart(second);
  life_->TakeOpened();
  EXPECT_EQ(life_->waiting(), 0u);
  RunSlowly();
  life_->TakeOpened();
  EXPECT_EQ(life_->waiting(), 2u);
  const auto content = [](const StoredRequest& stored) {
    return stored.opening.apart.has_value() && stored.opening.apart->ok()
               ? ContentOf((*stored.opening.apart)->fd)
               : "none";
  };
  EXPECT_EQ(content(first->stored[0]), Content(1));
  EXPECT_EQ(content(first->stored[1]), Content(2));
  EXPECT_EQ(content(second->stored[0]), Content(3));
}

// What was opened for one that has gone since, before it came or after, is closed where that may
// wait.
TEST_F(LifeTest, WhatNobodyWaitsForIsClosedElsewhere) {
  const ptrdiff_t before = net::OpenFds();
  std::unique_ptr<ClientEnd> client;
  Peer* const peer = Join(&client);
  peer->stored.push_back(Stored(1));
  peer->stored.push_back(Stored(2));
  life_->OpenApart(peer);
  slow_.front()();
  slow_.erase(slow_.begin());
  life_->TakeOpened();
  ASSERT_TRUE(peer->stored[0].opening.apart.has_value());
  life_->Release(peer);
  RunSlowly();
  life_->TakeOpened();
  EXPECT_EQ(life_->waiting(), 0u);
  EXPECT_EQ(net::OpenFds(), before + 2) << "the client, and what is to be closed elsewhere";
  RunSlowly();
  client.reset();
  EXPECT_EQ(net::OpenFds(), before);
}

// ---- The end of a turn ----

// One that has said all for now is listened to.
TEST_F(LifeTest, GoesOn) {
  Peer* const peer = Join();
  life_->Block(peer, Blocked::kSocketFull);
  peer->blocked = Blocked::kNo;
  Conclude(peer, Burst::End::kNeedMore);
  EXPECT_EQ(kernel_.interest[peer], Interest::kRequests);
  EXPECT_EQ(life_->waiting(), 0u);
}

// One that may have said more has another turn; not while it is blocked.
TEST_F(LifeTest, HasAnotherTurn) {
  Peer* const peer = Join();
  Conclude(peer, Burst::End::kFull);
  EXPECT_EQ(life_->TakeAgain(), std::vector<Peer*>{peer});
  life_->Block(peer, Blocked::kSocketFull);
  Conclude(peer, Burst::End::kFull);
  EXPECT_EQ(life_->waiting(), 0u);
  EXPECT_EQ(kernel_.interest[peer], Interest::kRoom);
}

// One that wants another lane's leaves, once what it is owed has gone.
TEST_F(LifeTest, IsRouted) {
  Peer* const peer = Join();
  session::Session* const session = peer->session.get();
  life_->Block(peer, Blocked::kSocketFull);
  Conclude(peer, Burst::End::kOtherLane);
  EXPECT_FALSE(life_->empty());
  peer->blocked = Blocked::kNo;
  Conclude(peer, Burst::End::kOtherLane);
  EXPECT_TRUE(life_->empty());
  EXPECT_EQ(switchboard_.AwaitRouted().get(), session);
  EXPECT_EQ(load_, 0u);
}

// The last word comes behind all that is owed, and then the end.
TEST_F(LifeTest, TheLastWordIsLast) {
  std::unique_ptr<ClientEnd> client;
  Peer* const peer = Join(&client);
  life_->Block(peer, Blocked::kSocketFull);
  Conclude(peer, Burst::End::kClose);
  EXPECT_TRUE(peer->ending);
  EXPECT_FALSE(life_->empty());
  EXPECT_EQ(net::ReadReady(client->fd()), "");
  peer->blocked = Blocked::kNo;
  Conclude(peer, Burst::End::kNeedMore);
  EXPECT_TRUE(life_->empty());
  EXPECT_EQ(client->Next().kind, session::ServerMessage::Kind::kCloseAck);
  EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
  EXPECT_TRUE(client->AtEnd());
}

// One that the kernel will not wait for any more has gone.
TEST_F(LifeTest, CannotBeListenedTo) {
  std::unique_ptr<ClientEnd> client;
  Peer* const peer = Join(&client);
  kernel_.interest_error = ENOMEM;
  Conclude(peer, Burst::End::kNeedMore);
  EXPECT_TRUE(life_->empty());
  EXPECT_TRUE(client->AtEnd());
}

// ---- Time ----

// One that asks nothing for so long is told so; nobody is, before.
TEST_F(LifeTest, TheIdleAreSentAway) {
  std::unique_ptr<ClientEnd> client;
  Join(&client);
  EXPECT_EQ(life_->NextDeadlineNs(), kIdleNs);
  ExpireAt(kIdleNs - 1);
  EXPECT_FALSE(life_->empty());
  ExpireAt(kIdleNs);
  EXPECT_TRUE(life_->empty());
  EXPECT_EQ(counters_.timed_out, 1u);
  EXPECT_TRUE(client->Next().Closes(CloseReason::kIdleTimeout));
  EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
}

// Half a request has less time, which more of it prolongs, and no progress does not.
TEST_F(LifeTest, HalfARequestIsNotWaitedForLong) {
  std::unique_ptr<ClientEnd> client;
  Peer* const peer = Join(&client);
  peer->session->unread = "h";
  life_->UpdateDeadline(peer, /*progress=*/true);
  At(kSecondNs);
  life_->UpdateDeadline(peer, /*progress=*/false);
  At(2 * kSecondNs);
  life_->UpdateDeadline(peer, /*progress=*/true);
  ExpireAt(kRequestNs + kSecondNs);
  EXPECT_FALSE(life_->empty());
  ExpireAt(kRequestNs + 2 * kSecondNs);
  EXPECT_TRUE(life_->empty());
  EXPECT_TRUE(client->Next().Refuses(Status::kTimeout));
  EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
}

// What is in its socket already came in time, and it has its time once more for it; once.
TEST_F(LifeTest, WhoHasMoreToSayIsExcusedOnce) {
  std::unique_ptr<ClientEnd> client;
  Join(&client);
  client->Send("more");
  ExpireAt(kIdleNs);
  EXPECT_FALSE(life_->empty());
  EXPECT_EQ(life_->NextDeadlineNs(), 2 * kIdleNs);
  ExpireAt(2 * kIdleNs);
  EXPECT_TRUE(life_->empty());
  EXPECT_EQ(counters_.timed_out, 1u);
}

// One that does not read its answers is hung up on; one that reads a little of them is not, though
// there is no room yet.
TEST_F(LifeTest, WhoReadsALittleHasItsTimeOnceMore) {
  std::unique_ptr<ClientEnd> client;
  Peer* const peer = Join(&client);
  net::FillSocket(peer->session->fd());
  life_->BlockFor(peer, EAGAIN);
  char some[65536];
  ASSERT_GT(recv(client->fd(), some, sizeof(some), 0), 0);
  ExpireAt(kRequestNs);
  EXPECT_FALSE(life_->empty());
  EXPECT_EQ(counters_.timed_out, 0u);
  ExpireAt(2 * kRequestNs);
  EXPECT_TRUE(life_->empty());
  EXPECT_EQ(counters_.timed_out, 1u);
}

// Those that are still here at the end are closed with it.
TEST_F(LifeTest, TheEndClosesEverybody) {
  std::unique_ptr<ClientEnd> client;
  Join(&client);
  life_.reset();
  EXPECT_EQ(load_, 0u);
  EXPECT_TRUE(client->AtEnd());
}

}  // namespace
}  // namespace objmapper::fdpass
