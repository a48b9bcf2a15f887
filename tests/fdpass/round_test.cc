// Rounds, one by one on the test's own thread, on a kernel that can be told to refuse what is to be
// sent: what becomes of a message that was taken for sent, and had not gone.
#include "fdpass/round.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/event_fd.h"
#include "net/retry_after.h"
#include "session/tally.h"
#include "storage/tree/slow_opens.h"
#include "tests/fdpass/worker_fixture.h"
#include "tests/storage/fake_remote.h"

namespace objmapper::fdpass {
namespace {

// Passes all on to a real one. SendLater() takes everything, so that both engines are alike in
// that.
class RefusingKernel : public Kernel {
 public:
  explicit RefusingKernel(std::unique_ptr<Kernel> real) : real_(std::move(real)) {}

  // What the next message is refused with; 0: none.
  int refuse_with = 0;
  // As if all that was in flight had been lost.
  bool lose = false;
  int taken = 0;  // by SendLater()

  const char* name() const override { return real_->name(); }
  int Add(Socket* socket) override { return real_->Add(socket); }
  int SetInterest(Socket* socket, Interest interest) override {
    return real_->SetInterest(socket, interest);
  }
  void Remove(Socket* socket) override {
    std::erase_if(refused_, [socket](const Outgoing* out) { return out->socket == socket; });
    real_->Remove(socket);
  }
  void Wait(int64_t timeout_ns, Woken* woken) override {
    real_->Wait(refused_.empty() ? timeout_ns : 0, woken);
    woken->unsent.insert(woken->unsent.end(), refused_.begin(), refused_.end());
    refused_.clear();
  }
  ssize_t Receive(Socket* socket, absl::Span<char> buffer, size_t have) override {
    if (!lose) return real_->Receive(socket, buffer, have);
    errno = ECONNRESET;
    return -1;
  }
  void Exact(Socket* socket) override { real_->Exact(socket); }
  void Open(int directory, const char* name, bool seen_regular, int* result) override {
    real_->Open(directory, name, seen_regular, result);
  }
  void OpenAll() override { real_->OpenAll(); }
  void CutShort() override { real_->CutShort(); }
  bool wants_seen_regular() const override { return real_->wants_seen_regular(); }
  bool SendLater(Outgoing* out) override {
    if (refuse_with == 0) return real_->SendLater(out);
    ++taken;
    out->error = std::exchange(refuse_with, 0);
    out->bytes_sent = 0;
    std::vector<net::UniqueFd> closed;
    out->message.TakeOwnFds(&closed);
    refused_.push_back(out);
    return true;
  }
  void Close(net::UniqueFd fd) override { real_->Close(std::move(fd)); }

 private:
  const std::unique_ptr<Kernel> real_;
  std::vector<Outgoing*> refused_;
};

class RoundTest : public WorkerTest {
 protected:
  void SetUp() override {
    WriteObjects();
    options_.board = &board_;
    // "Elsewhere" is here, when the test says so.
    options_.run_slowly = [this](std::function<void()> work) { slow_.push_back(std::move(work)); };
    Prepare();
    absl::StatusOr<std::unique_ptr<Kernel>> kernel = GetParam() == Engine::kUring
                                                         ? MakeUringKernel(event_->fd())
                                                         : MakeEpollKernel(event_->fd());
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    kernel_ = std::make_unique<RefusingKernel>(*std::move(kernel));
    round_ = std::make_unique<Round>(
        options_, kernel_.get(), [this] { event_->Signal(); }, &counted_, &load_);
  }
  void TearDown() override {
    round_.reset();
    for (const auto& work : slow_) work();
    slow_.clear();
    kernel_.reset();
    event_.reset();
  }

  ClientEnd Connect(uint16_t capabilities = kBatch) {
    net::SocketPair pair = net::SocketPair::Unix();
    load_.fetch_add(1);
    servers_end_ = pair.ours.get();
    round_->Welcome(MakeSession(std::move(pair.ours), session::Transport::kUnix, &limits_,
                                &counters_, Dialect::kV2, capabilities));
    Step();
    return ClientEnd(std::move(pair.peer), Dialect::kV2, /*greeted=*/true);
  }
  void Step() {
    round_->Wait();
    round_->Settle();
    round_->Serve();
  }
  // From now on objects are opened apart.
  void OpensAreSlow() {
    struct stat folder;
    ASSERT_EQ(stat(folder_.path().c_str(), &folder), 0);
    tree_->slow_opens().Note(folder.st_dev, storage::SlowOpens::kSlowNs, /*sure=*/true);
  }
  // Opens the nth of those that wait for it.
  void OpenNth(size_t n) {
    ASSERT_LT(n, slow_.size());
    const auto work = std::move(slow_[n]);
    slow_.erase(slow_.begin() + static_cast<ptrdiff_t>(n));
    work();
  }
  uint64_t Answers(Status status) {
    return board_.Read()
        .ways[static_cast<size_t>(session::Way::kFdPass)]
        .by_status[static_cast<size_t>(status)];
  }

  std::unique_ptr<net::EventFd> event_ = std::make_unique<net::EventFd>();
  session::TallyBoard board_;
  WorkerCounters counted_;
  std::atomic<size_t> load_{0};
  std::unique_ptr<RefusingKernel> kernel_;
  std::unique_ptr<Round> round_;
  Kernel::Woken woken_;
  std::vector<std::function<void()>> slow_;
  int servers_end_ = -1;  // of the last that connected
};

// An answer counts as given as soon as the kernel has it, with no further round.
TEST_P(RoundTest, CountsAtOnce) {
  ClientEnd client = Connect();
  client.Send(Requests(Dialect::kV2, 3));
  Step();
  EXPECT_EQ(counted_.requests, 3u);
  EXPECT_EQ(Answers(Status::kOk), 3u);
}

// No room: the answers are made again when there is some, in order, each once, and counted once;
// meanwhile no object is open.
TEST_P(RoundTest, WhatFoundNoRoomIsMadeAgain) {
  ClientEnd client = Connect();
  const ptrdiff_t before = net::OpenFds();
  client.Send(Requests(Dialect::kV2, 5));
  kernel_->refuse_with = EAGAIN;
  Step();
  ASSERT_EQ(kernel_->taken, 1);
  Step();  // learns of it, and waits for room, which there is
  EXPECT_EQ(net::OpenFds(), before);
  EXPECT_EQ(counted_.requests, 0u);
  EXPECT_EQ(Answers(Status::kOk), 0u);
  EXPECT_EQ(counted_.blocked, 1u);
  client.Send(RequestBytes(Dialect::kV2, {.mode = Mode::kFdPass, .uri = Uri(5), .id = 5}));
  EXPECT_TRUE(net::Eventually([&] {
    Step();
    return counted_.requests == 6;
  }));
  kernel_->Wait(0, &woken_);
  for (int i = 0; i < 6; ++i) ExpectAnswer(&client, i, /*in_header=*/true);
  EXPECT_EQ(client.fds_waiting(), 0u);
  EXPECT_EQ(Answers(Status::kOk), 6u);
}

// No memory in the kernel: once more after a moment, though nobody wakes the round.
TEST_P(RoundTest, AFullKernelIsTriedAgain) {
  ClientEnd client = Connect();
  client.Send(Requests(Dialect::kV2, 2));
  kernel_->refuse_with = ENOBUFS;
  while (counted_.requests != 2 || kernel_->taken == 0 || counted_.blocked == 0) Step();
  kernel_->Wait(0, &woken_);
  for (int i = 0; i < 2; ++i) ExpectAnswer(&client, i, /*in_header=*/true);
}

// Too many descriptors in flight: the client is told so, and only that.
TEST_P(RoundTest, TooManyInFlight) {
  ClientEnd client = Connect();
  client.Send(Requests(Dialect::kV2, 3));
  kernel_->refuse_with = ETOOMANYREFS;
  Step();
  Step();
  for (int i = 0; i < 3; ++i) {
    const session::ServerMessage answer = client.Next();
    EXPECT_TRUE(answer.Refuses(Status::kUnavailable));
    EXPECT_EQ(answer.id, static_cast<uint32_t>(i));
  }
  EXPECT_EQ(client.fds_waiting(), 0u);
  EXPECT_EQ(Answers(Status::kOk), 0u);
  EXPECT_EQ(Answers(Status::kUnavailable), 3u);
  EXPECT_EQ(counted_.errors, 3u);
}

// Nobody there: the connection has gone, and nothing was answered.
TEST_P(RoundTest, ThePeerHasGone) {
  ClientEnd client = Connect();
  client.Send(Requests(Dialect::kV2, 3));
  kernel_->refuse_with = EPIPE;
  Step();
  Step();
  EXPECT_EQ(load_, 0u);
  EXPECT_EQ(counters_.open, 0u);
  EXPECT_EQ(Answers(Status::kOk), 0u);
}

// Where nobody knows what was lost of a connection it ends; the round goes on with the others.
TEST_P(RoundTest, LossEndsThoseThatLost) {
  ClientEnd lost = Connect();
  ClientEnd other = Connect();
  lost.Send(Requests(Dialect::kV2, 1));
  kernel_->lose = true;
  Step();
  kernel_->lose = false;
  char byte;
  EXPECT_LE(recv(lost.fd(), &byte, 1, 0), 0);
  EXPECT_EQ(load_, 1u);
  other.Send(Requests(Dialect::kV2, 2));
  while (counted_.requests != 2) Step();
  kernel_->Wait(0, &woken_);
  for (int i = 0; i < 2; ++i) ExpectAnswer(&other, i, /*in_header=*/true);
}

// What is said last comes behind all answers: with CLOSE in the same breath nothing is left to
// later.
TEST_P(RoundTest, NothingIsLeftToLaterBehindAFarewell) {
  ClientEnd client = Connect();
  char close[protocol::kCloseBytes];
  protocol::EncodeClose(protocol::CloseReason::kNormal, close);
  client.Send(Requests(Dialect::kV2, 2) + std::string(close, sizeof(close)));
  kernel_->refuse_with = EAGAIN;
  Step();
  EXPECT_EQ(kernel_->taken, 0);
  for (int i = 0; i < 2; ++i) ExpectAnswer(&client, i, /*in_header=*/true);
  EXPECT_EQ(client.Next().kind, session::ServerMessage::Kind::kCloseAck);
}

// Objects that are opened apart are there in any order; each is answered, in its own.
TEST_P(RoundTest, OpenedApartInAnyOrder) {
  ClientEnd client = Connect();
  OpensAreSlow();
  client.Send(Requests(Dialect::kV2, 5));
  Step();
  ASSERT_EQ(slow_.size(), 5u);
  OpenNth(0);
  OpenNth(1);  // 2: it is there, and so is 0, but 1 is not
  OpenNth(2);  // 4
  Step();
  EXPECT_EQ(counted_.requests, 1u);
  OpenNth(0);  // 1
  Step();
  EXPECT_EQ(counted_.requests, 3u);
  OpenNth(0);  // 3
  Step();
  EXPECT_EQ(counted_.requests, 5u);
  EXPECT_EQ(slow_.size(), 5u) << "to be closed apart, each once, and nothing to be opened again";
  kernel_->Wait(0, &woken_);
  for (int i = 0; i < 5; ++i) ExpectAnswer(&client, i, /*in_header=*/true);
  EXPECT_EQ(client.fds_waiting(), 0u);
}

// What is elsewhere is brought, and nobody else waits for it; on its own connection answers keep
// their order. Trouble is never NOT_FOUND.
TEST_P(RoundTest, BringsWhatIsElsewhere) {
  ASSERT_EQ(mkdir((folder_.path() + "/far").c_str(), 0755), 0);
  storage::FakeRemote remote(folder_.path());
  tree_->SetRemote(&remote);
  ClientEnd client = Connect();
  ClientEnd other = Connect();
  client.Send(RequestBytes(Dialect::kV2, {.mode = Mode::kFdPass, .uri = "far/a", .id = 0}) +
              RequestBytes(Dialect::kV2, {.mode = Mode::kFdPass, .uri = Uri(1), .id = 1}) +
              RequestBytes(Dialect::kV2, {.mode = Mode::kFdPass, .uri = "far/b", .id = 2}) +
              RequestBytes(Dialect::kV2, {.mode = Mode::kFdPass, .uri = "far/c", .id = 3}));
  // Whoever has a thread for it.
  const auto go_on_until = [&](uint64_t answers) {
    return net::Eventually([&] {
      while (!slow_.empty()) OpenNth(0);
      Step();
      return counted_.requests == answers;
    });
  };
  EXPECT_TRUE(net::Eventually([&] {
    Step();
    while (!slow_.empty()) OpenNth(0);
    return remote.Asked() == std::vector<std::string>{"far/a", "far/b", "far/c"};
  }));
  EXPECT_EQ(counted_.requests, 0u);
  other.Send(RequestBytes(Dialect::kV2, {.mode = Mode::kFdPass, .uri = Uri(0), .id = 0}));
  EXPECT_TRUE(go_on_until(1));
  kernel_->Wait(0, &woken_);
  ExpectAnswer(&other, 0, /*in_header=*/true);
  remote.End("far/b", absl::ResourceExhaustedError("the origin is out of order"));
  remote.End("far/c", absl::NotFoundError("nor there"));
  remote.Brought("far/a", Content(0));
  EXPECT_TRUE(go_on_until(5));
  kernel_->Wait(0, &woken_);
  for (int i = 0; i < 2; ++i) ExpectAnswer(&client, i, /*in_header=*/true);
  const session::ServerMessage trouble = client.Next();
  EXPECT_TRUE(trouble.Refuses(Status::kUnavailable));
  EXPECT_EQ(trouble.metadata.error, "the origin is out of order");
  EXPECT_TRUE(client.Next().Refuses(Status::kNotFound));
  EXPECT_EQ(client.fds_waiting(), 0u);
}

// What is here is not handed out before it has been compared with what is there: with others of its
// round, shared, and told of.
TEST_P(RoundTest, ChecksWhatIsHere) {
  ASSERT_EQ(mkdir((folder_.path() + "/far").c_str(), 0755), 0);
  folder_.Write("far/a", "old");
  storage::FakeRemote remote(folder_.path());
  tree_->SetRemote(&remote);
  uint64_t answers = 0;
  for (const size_t shared : {size_t{0}, size_t{10}}) {
    for (const Mode mode : {Mode::kFdPass, Mode::kStat}) {
      SCOPED_TRACE(absl::StrCat(shared, " shared, mode ", static_cast<int>(mode)));
      round_.reset();
      options_.shared_fds = shared;
      round_ = std::make_unique<Round>(
          options_, kernel_.get(), [this] { event_->Signal(); }, &counted_, &load_);
      ClientEnd client = Connect();
      const auto ask = [&] {
        client.Send(RequestBytes(Dialect::kV2, {.mode = mode, .uri = "far/a", .id = 0}));
      };
      const auto expect = [&](absl::string_view content) {
        ++answers;
        EXPECT_TRUE(net::Eventually([&] {
          while (!slow_.empty()) OpenNth(0);
          Step();
          return counted_.requests == answers;
        }));
        kernel_->Wait(0, &woken_);
        const session::ServerMessage answer = client.Next();
        ASSERT_EQ(answer.status, Status::kOk) << answer.metadata.error.value_or("");
        if (mode == Mode::kStat) {
          EXPECT_EQ(answer.metadata.size, content.size());
        } else {
          EXPECT_EQ(answer.content_length, content.size());
          EXPECT_TRUE(client.TakeFd().valid());
        }
      };
      const auto is_asked = [&] {
        return net::Eventually([&] {
          Step();
          while (!slow_.empty()) OpenNth(0);
          return !remote.Asked().empty();
        });
      };
      folder_.Write("far/a", "old");
      ask();
      expect("old");
      remote.SetDue("far/a", true);
      ask();
      ASSERT_TRUE(is_asked());
      EXPECT_EQ(counted_.requests, answers);
      remote.Brought("far/a", "another");
      expect("another");
      ask();
      ASSERT_TRUE(is_asked());
      remote.End("far/a",
                 net::WithRetryAfter(absl::ResourceExhaustedError("the origin is out of order"),
                                     absl::Milliseconds(4321)));
      ++answers;
      EXPECT_TRUE(net::Eventually([&] {
        Step();
        return counted_.requests == answers;
      }));
      kernel_->Wait(0, &woken_);
      const session::ServerMessage trouble = client.Next();
      EXPECT_TRUE(trouble.Refuses(Status::kUnavailable));
      EXPECT_EQ(trouble.metadata.error, "the origin is out of order");
      EXPECT_EQ(trouble.metadata.retry_after_ms, 4321u);
      remote.SetDue("far/a", false);
    }
  }
}

// A peer that leaves meanwhile is not waited for, and what comes for it is closed.
TEST_P(RoundTest, WhoLeavesIsNotWaitedFor) {
  ASSERT_EQ(mkdir((folder_.path() + "/far").c_str(), 0755), 0);
  storage::FakeRemote remote(folder_.path());
  tree_->SetRemote(&remote);
  {
    ClientEnd client = Connect();
    client.Send(RequestBytes(Dialect::kV2, {.mode = Mode::kFdPass, .uri = "far/a", .id = 0}));
    EXPECT_TRUE(net::Eventually([&] {
      Step();
      while (!slow_.empty()) OpenNth(0);
      return !remote.Asked().empty();
    }));
  }
  round_.reset();  // the worker ends
  remote.Brought("far/a", "content");
  while (!slow_.empty()) OpenNth(0);
}

// What was opened apart for a peer that takes no more is answered when it does.
TEST_P(RoundTest, OpenedApartForWhoIsFull) {
  ClientEnd client = Connect(protocol::kPipelining);
  client.Send(Requests(Dialect::kV2, 1));
  Step();
  kernel_->Wait(0, &woken_);
  ExpectAnswer(&client, 0, /*in_header=*/false);
  OpensAreSlow();
  while (send(servers_end_, "x", 1, MSG_DONTWAIT) == 1) {
  }
  client.Send(Requests(Dialect::kV2, 3));
  Step();
  ASSERT_EQ(slow_.size(), 3u);
  for (int i = 0; i < 3; ++i) OpenNth(0);
  Step();
  EXPECT_EQ(counted_.requests, 1u);
  EXPECT_GT(counted_.blocked, 0u);
  char filler[4096];
  while (recv(client.fd(), filler, sizeof(filler), MSG_DONTWAIT) > 0) {
  }
  EXPECT_TRUE(net::Eventually([&] {
    Step();
    while (!slow_.empty()) OpenNth(0);
    return counted_.requests == 4;
  }));
  kernel_->Wait(0, &woken_);
  for (int i = 0; i < 3; ++i) ExpectAnswer(&client, i, /*in_header=*/false);
}

// A client with much to ask has its share of each round, and no more.
TEST_P(RoundTest, TheBudgetIsFair) {
  ClientEnd busy = Connect();
  ClientEnd other = Connect();
  busy.Send(Requests(Dialect::kV2, 1000));
  other.Send(Requests(Dialect::kV2, 1));
  uint64_t when_other = 0;
  EXPECT_TRUE(net::Eventually([&] {
    const uint64_t before = counted_.requests;
    Step();
    EXPECT_LE(counted_.requests - before, uint64_t{protocol::kFdsPerMessageMax});
    if (when_other == 0 && recv(other.fd(), &when_other, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
      when_other = counted_.requests;
    return counted_.requests == 1001;
  }));
  EXPECT_GT(when_other, 0u);
  // The busy one's share fills the first round; what the second makes goes out with the third.
  EXPECT_LE(when_other, 3 * protocol::kFdsPerMessageMax + 1);
}

INSTANTIATE_TEST_SUITE_P(Kernels, RoundTest, testing::ValuesIn(kEngines),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace objmapper::fdpass
