// Each operation of the ring completes once, with the result of the system call that it stands for.
#include "net/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <deque>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "net/clock.h"
#include "net/event_fd.h"
#include "net/scm_rights.h"
#include "tests/net/open_fds.h"
#include "tests/net/socket_pair.h"

namespace objmapper::net {
namespace {

// Operations are told apart by these; bit 0 is the ring's.
constexpr uint64_t kReceive = 2;
constexpr uint64_t kCancel = 4;
constexpr uint64_t kSend = 6;
constexpr uint64_t kOther = 8;

class RingTest : public testing::Test {
 protected:
  // What an Event said, with the bytes it pointed to.
  struct Seen {
    uint64_t user_data = 0;
    int result = 0;
    bool more = false;
    int buffer = -1;
    std::string bytes;
    bool fds_refused = false;
  };

  void SetUp() override { MakeRing({}); }

  void MakeRing(const Ring::Options& options) {
    ring_.reset();
    absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create(options);
    if (!ring.ok()) GTEST_SKIP() << "no io_uring here: " << ring.status();
    ring_ = *std::move(ring);
  }

  // The next `count` completions; a failure when they do not come. Receive buffers go back at once,
  // unless `keep_buffers`.
  std::vector<Seen> Await(size_t count, bool keep_buffers = false) {
    const int64_t give_up_ns = NowNs() + 20'000'000'000;
    while (seen_.size() < count && NowNs() < give_up_ns) Collect(100'000'000, keep_buffers);
    EXPECT_GE(seen_.size(), count);
    if (seen_.size() < count) seen_.resize(count);
    const std::vector<Seen> next(seen_.begin(), seen_.begin() + static_cast<ptrdiff_t>(count));
    seen_.erase(seen_.begin(), seen_.begin() + static_cast<ptrdiff_t>(count));
    return next;
  }
  // Whether nothing completes that nobody waits for; looks several times.
  bool Quiet() {
    for (int i = 0; i < 3; ++i) Collect(5'000'000, /*keep_buffers=*/false);
    return seen_.empty();
  }
  void Collect(int64_t timeout_ns, bool keep_buffers) {
    for (const Ring::Event& event : ring_->Wait(timeout_ns)) {
      seen_.push_back({event.user_data, event.result, event.more, event.buffer,
                       std::string(event.bytes), event.fds_refused});
      if (event.buffer >= 0 && !keep_buffers) ring_->ReturnBuffer(event.buffer);
    }
  }

  std::deque<Seen> seen_;  // completed, and not yet asked for
  std::unique_ptr<Ring> ring_;
};

class RingSocketTest : public RingTest, public testing::WithParamInterface<bool> {
 protected:
  bool is_unix() const { return GetParam(); }
  Ring::Receive what() const {
    return is_unix() ? Ring::Receive::kRefuseFds : Ring::Receive::kBytes;
  }
  SocketPair pair_ = GetParam() ? SocketPair::Unix() : SocketPair::Tcp();
};

// ---- Receiving ----

// One operation receives whatever comes, again and again, and tells of the end of the stream.
TEST_P(RingSocketTest, ReceivesUntilTheEnd) {
  ring_->ReceiveMultishot(pair_.ours.get(), what(), kReceive);
  for (const char* bytes : {"first", "second"}) {
    SendAll(pair_.peer.get(), bytes);
    const Seen seen = Await(1)[0];
    EXPECT_EQ(seen.user_data, kReceive);
    EXPECT_EQ(seen.bytes, bytes);
    EXPECT_EQ(seen.result, static_cast<int>(seen.bytes.size()));
    EXPECT_TRUE(seen.more);
    EXPECT_FALSE(seen.fds_refused);
  }
  pair_.peer.Reset();
  const Seen end = Await(1)[0];
  EXPECT_EQ(end.result, 0);
  EXPECT_EQ(end.bytes, "");
  EXPECT_FALSE(end.more);
}

// Bytes that came before the operation was queued are received as those that come after it.
TEST_P(RingSocketTest, ReceivesWhatIsThereAlready) {
  SendAll(pair_.peer.get(), "early");
  pair_.peer.Reset();
  ring_->ReceiveMultishot(pair_.ours.get(), what(), kReceive);
  const std::vector<Seen> seen = Await(2);
  EXPECT_EQ(seen[0].bytes, "early");
  EXPECT_EQ(seen[1].result, 0);
  EXPECT_FALSE(seen[1].more);
}

// A broken descriptor ends it with its errno.
TEST_P(RingSocketTest, ReceiveFromNoSocketFails) {
  const EventFd no_socket;
  ring_->ReceiveMultishot(no_socket.fd(), what(), kReceive);
  const Seen seen = Await(1)[0];
  EXPECT_EQ(seen.result, -ENOTSOCK);
  EXPECT_FALSE(seen.more);
}

// When every buffer is in use the receive ends with -ENOBUFS; begun again after some were returned,
// it goes on with the next byte.
TEST_P(RingSocketTest, RunsOutOfBuffersAndGoesOn) {
  MakeRing({.receive_buffers = 2, .receive_buffer_bytes = 64});
  if (ring_ == nullptr) return;
  std::string sent(1000, '\0');
  std::iota(sent.begin(), sent.end(), 0);
  SendAll(pair_.peer.get(), sent);
  std::string received;
  int times_out = 0;
  while (received.size() < sent.size() && times_out < 100) {
    ring_->ReceiveMultishot(pair_.ours.get(), what(), kReceive);
    // Two buffers' worth, and then the news that there is no third; the last round may get less.
    std::vector<int> buffers;
    bool more = true;
    while (more && received.size() < sent.size()) {
      const Seen seen = Await(1, /*keep_buffers=*/true)[0];
      more = seen.more;
      received += seen.bytes;
      if (seen.buffer >= 0) buffers.push_back(seen.buffer);
      if (!seen.more) {
        EXPECT_EQ(seen.result, -ENOBUFS);
        EXPECT_EQ(buffers.size(), 2u);
        ++times_out;
      }
    }
    for (int buffer : buffers) ring_->ReturnBuffer(buffer);
  }
  EXPECT_EQ(received, sent);
  EXPECT_GE(times_out, 7);  // 1000 bytes in rounds of at most 128
}

// A cancelled receive ends, and what comes later stays in the socket for somebody else.
TEST_P(RingSocketTest, CancelledReceiveLeavesTheRest) {
  ring_->ReceiveMultishot(pair_.ours.get(), what(), kReceive);
  EXPECT_TRUE(Quiet());
  ring_->CancelReceive(what(), kReceive, kCancel);
  std::set<uint64_t> ended;
  for (const Seen& seen : Await(2)) {
    EXPECT_FALSE(seen.more);
    EXPECT_EQ(seen.result, seen.user_data == kReceive ? -ECANCELED : 0);
    ended.insert(seen.user_data);
  }
  EXPECT_EQ(ended, (std::set<uint64_t>{kReceive, kCancel}));
  SendAll(pair_.peer.get(), "later");
  EXPECT_TRUE(Quiet());
  EXPECT_EQ(ReadReady(pair_.ours.get()), "later");
}

// A receive that is cancelled in the same breath as it was begun has what had arrived, then ends.
TEST_P(RingSocketTest, CancelLosesNothingThatWasReceived) {
  SendAll(pair_.peer.get(), "early");
  ring_->ReceiveMultishot(pair_.ours.get(), what(), kReceive);
  ring_->CancelReceive(what(), kReceive, kCancel);
  bool receive_ended = false, cancel_ended = false;
  std::string received;
  while (!receive_ended || !cancel_ended) {
    const Seen seen = Await(1)[0];
    if (seen.user_data == 0) break;  // Await() has failed
    received += seen.bytes;
    if (seen.user_data == kReceive) receive_ended = !seen.more;
    if (seen.user_data == kCancel) cancel_ended = true;
  }
  EXPECT_EQ(received + ReadReady(pair_.ours.get()), "early");
}

// A cancel that finds nothing says so with -ENOENT, as soon as it is submitted.
TEST_P(RingSocketTest, CancelOfNothingCompletes) {
  ring_->CancelReceive(what(), kReceive, kCancel);
  const Seen seen = Await(1)[0];
  EXPECT_EQ(seen.user_data, kCancel);
  EXPECT_EQ(seen.result, -ENOENT);
}

// ---- Sending ----

// A send takes its bytes from where they are.
TEST_P(RingSocketTest, Sends) {
  const std::string bytes = "some bytes";
  ring_->Send(pair_.ours.get(), bytes.data(), bytes.size(), /*poll_first=*/false, kSend);
  const Seen seen = Await(1)[0];
  EXPECT_EQ(seen.user_data, kSend);
  EXPECT_EQ(seen.result, static_cast<int>(bytes.size()));
  EXPECT_FALSE(seen.more);
  EXPECT_EQ(seen.buffer, -1);
  EXPECT_EQ(ReadReady(pair_.peer.get()), bytes);
}

// A message gathers its pieces in order.
TEST_P(RingSocketTest, SendsGathered) {
  char one[] = "one,", two[] = "two,", three[] = "three";
  iovec pieces[] = {{one, 4}, {two, 4}, {three, 5}};
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = 3;
  ring_->SendMessage(pair_.ours.get(), &message, /*poll_first=*/false, kSend);
  EXPECT_EQ(Await(1)[0].result, 13);
  EXPECT_EQ(ReadReady(pair_.peer.get()), "one,two,three");
}

// A send to a full socket waits for room and then goes out, with or without looking first, alone or
// gathered.
TEST_P(RingSocketTest, FullSocketIsWaitedFor) {
  std::string expected = FillSocket(pair_.ours.get());
  char bytes[] = "x";
  iovec piece{bytes, 1};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  for (const bool poll_first : {false, true}) {
    for (const bool gathered : {false, true}) {
      if (gathered) {
        ring_->SendMessage(pair_.ours.get(), &message, poll_first, kSend);
      } else {
        ring_->Send(pair_.ours.get(), bytes, 1, poll_first, kSend);
      }
      EXPECT_TRUE(Quiet() || !is_unix());
      expected += "x";
      // Reads while the ring sends: the last byte comes only after room was made.
      std::string received;
      const int64_t give_up_ns = NowNs() + 20'000'000'000;
      while ((received.size() < expected.size() || seen_.empty()) && NowNs() < give_up_ns) {
        received += ReadReady(pair_.peer.get());
        Collect(1'000'000, /*keep_buffers=*/false);
      }
      EXPECT_EQ(received, expected);
      EXPECT_EQ(Await(1)[0].result, 1);
      expected = FillSocket(pair_.ours.get());
    }
  }
}

// A send to a peer that has gone is -EPIPE or -ECONNRESET, and no signal.
TEST_P(RingSocketTest, GonePeerIsAnErrno) {
  if (is_unix()) {
    pair_.peer.Reset();
  } else {
    Reset(&pair_.peer);
  }
  const std::string bytes = "x";
  ring_->Send(pair_.ours.get(), bytes.data(), 1, /*poll_first=*/false, kSend);
  const int result = Await(1)[0].result;
  EXPECT_TRUE(result == -EPIPE || result == -ECONNRESET) << result;
}

INSTANTIATE_TEST_SUITE_P(Transports, RingSocketTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Unix" : "Tcp"; });

// Descriptors that come along are dropped by the kernel and reported with the bytes they rode on;
// they never enter this process's table, and those after them are not blamed.
TEST_F(RingTest, DescriptorsAreRefused) {
  SocketPair pair = SocketPair::Unix();
  const UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const ptrdiff_t open_fds = OpenFds();
  ring_->ReceiveMultishot(pair.ours.get(), Ring::Receive::kRefuseFds, kReceive);
  ASSERT_EQ(SendWithFds(pair.peer.get(), "loaded", {null.get(), null.get()}), 6);
  const Seen loaded = Await(1)[0];
  EXPECT_EQ(loaded.bytes, "loaded");
  EXPECT_TRUE(loaded.fds_refused);
  EXPECT_TRUE(loaded.more);
  SendAll(pair.peer.get(), "plain");
  const Seen plain = Await(1)[0];
  EXPECT_EQ(plain.bytes, "plain");
  EXPECT_FALSE(plain.fds_refused);
  EXPECT_EQ(OpenFds(), open_fds);
}

// A peer's reset ends the receive with its errno.
TEST_F(RingTest, ResetEndsTheReceive) {
  SocketPair pair = SocketPair::Tcp();
  ring_->ReceiveMultishot(pair.ours.get(), Ring::Receive::kBytes, kReceive);
  EXPECT_TRUE(Quiet());
  Reset(&pair.peer);
  const Seen seen = Await(1)[0];
  EXPECT_EQ(seen.result, -ECONNRESET);
  EXPECT_FALSE(seen.more);
}

// ---- Polling ----

// A poll tells once, when the descriptor is ready, what it is ready for.
TEST_F(RingTest, PollsOnce) {
  EventFd event;
  ring_->PollOnce(event.fd(), POLLIN, kOther);
  EXPECT_TRUE(Quiet());
  event.Signal();
  const Seen seen = Await(1)[0];
  EXPECT_EQ(seen.user_data, kOther);
  EXPECT_EQ(seen.result, POLLIN);
  EXPECT_FALSE(seen.more);
  event.Clear();
  event.Signal();
  EXPECT_TRUE(Quiet());
}

// ---- The queues ----

// Far more operations than the submission queue has entries, and than the completion queue holds,
// all complete, each once.
TEST_F(RingTest, MoreOperationsThanEntries) {
  MakeRing({.entries = 4});
  if (ring_ == nullptr) return;
  EventFd event;
  event.Signal();
  std::set<uint64_t> expected, completed;
  for (uint64_t i = 1; i <= 1000; ++i) {
    ring_->PollOnce(event.fd(), POLLIN, i * 2);
    expected.insert(i * 2);
  }
  for (const Seen& seen : Await(1000)) completed.insert(seen.user_data);
  EXPECT_EQ(completed, expected);
  EXPECT_TRUE(Quiet());
}

// Queueing while completions are handled disturbs none of them: not the span that is being walked,
// nor the received bytes it points to.
TEST_F(RingTest, OperationsMayBeQueuedWhileEventsAreHandled) {
  MakeRing({.entries = 4});
  if (ring_ == nullptr) return;
  EventFd event;
  event.Signal();
  SocketPair pair = SocketPair::Unix();
  SendAll(pair.peer.get(), "received");
  ring_->ReceiveMultishot(pair.ours.get(), Ring::Receive::kRefuseFds, kReceive);
  for (uint64_t i = 1; i <= 3; ++i) ring_->PollOnce(event.fd(), POLLIN, 1000 + i * 2);
  std::set<uint64_t> handled;
  std::string received;
  uint64_t next = 2000;
  size_t expected = 4;
  const int64_t give_up_ns = NowNs() + 20'000'000'000;
  while (handled.size() < expected && NowNs() < give_up_ns) {
    for (const Ring::Event& e : ring_->Wait(100'000'000)) {
      if (next < 4000) {
        for (int i = 0; i < 20; ++i, ++expected) ring_->PollOnce(event.fd(), POLLIN, next += 2);
      }
      EXPECT_TRUE(handled.insert(e.user_data).second) << e.user_data << " came twice";
      received.append(e.bytes.data(), e.bytes.size());
    }
  }
  EXPECT_EQ(handled.size(), expected);
  EXPECT_EQ(received, "received");
}

// A wait in which nothing happens ends, without an event.
TEST_F(RingTest, WaitEndsWithoutEvents) {
  EXPECT_TRUE(ring_->Wait(0).empty());
  EXPECT_TRUE(ring_->Wait(1'000'000).empty());
}

// A ring that dies with operations in flight ends them; nothing of it is left.
TEST_F(RingTest, DiesWithOperationsInFlight) {
  SocketPair pair = SocketPair::Unix();
  EventFd event;
  ring_.reset();
  const ptrdiff_t open_fds = OpenFds();
  MakeRing({});
  ring_->ReceiveMultishot(pair.ours.get(), Ring::Receive::kRefuseFds, kReceive);
  ring_->PollOnce(event.fd(), POLLIN, kOther);
  EXPECT_TRUE(Quiet());
  ring_.reset();
  EXPECT_EQ(OpenFds(), open_fds);
}

}  // namespace
}  // namespace objmapper::net
