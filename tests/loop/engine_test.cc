// What both engines promise: receiving, writing, and waiting for it all. Sending:
// engine_send_test.cc.
#include "loop/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "net/scm_rights.h"
#include "tests/copypath/pattern.h"
#include "tests/loop/engine_fixture.h"
#include "tests/net/open_fds.h"

namespace objmapper::loop {
namespace {

// ---- Receiving ----

// What arrives is told in order and whole, and then the end; never from inside a call that begins
// something.
TEST_P(EngineTest, Receives) {
  net::SendAll(peer(), "first,");
  engine_->StartReceiving(channel_);
  EXPECT_EQ(channel_->received, "");
  EXPECT_TRUE(Until([&] { return channel_->received == "first,"; }));
  net::SendAll(peer(), "second");
  EXPECT_TRUE(Until([&] { return channel_->received == "first,second"; }));
  channel_->pair.peer.Reset();
  EXPECT_TRUE(Until([&] { return channel_->end.has_value(); }));
  EXPECT_EQ(channel_->end, 0);
  EXPECT_EQ(channel_->received, "first,second");
  EXPECT_TRUE(channel_->refused.empty());
}

// Nothing is received before it is wanted.
TEST_P(EngineTest, DoesNotReceiveUnasked) {
  net::SendAll(peer(), "bytes");
  WaitAWhile();
  EXPECT_EQ(channel_->received, "");
}

// However much arrives, every byte is told, and all of them before the end.
TEST_P(EngineTest, ReceivesMuch) {
  const std::string bytes = copypath::Pattern(5'000'000, 1);
  std::thread sender([&] {
    net::SendAll(peer(), bytes);
    shutdown(peer(), SHUT_WR);
  });
  engine_->StartReceiving(channel_);
  EXPECT_TRUE(Until([&] { return channel_->end.has_value(); }));
  sender.join();
  EXPECT_EQ(channel_->end, 0);
  EXPECT_TRUE(channel_->received == bytes);
}

// After stopping, what comes later stays in the socket, until receiving is begun again.
TEST_P(EngineTest, StopsAndGoesOn) {
  engine_->StartReceiving(channel_);
  net::SendAll(peer(), "early,");
  EXPECT_TRUE(Until([&] { return channel_->received == "early,"; }));
  engine_->StopReceiving(channel_);
  WaitAWhile();
  net::SendAll(peer(), "later");
  WaitAWhile();
  EXPECT_EQ(channel_->received, "early,");
  engine_->StartReceiving(channel_);
  EXPECT_TRUE(Until([&] { return channel_->received == "early,later"; }));
}

// Starting and stopping in quick succession loses nothing and doubles nothing; the last word
// counts.
TEST_P(EngineTest, ChangesOfMindLoseNothing) {
  const std::string bytes = copypath::Pattern(3000, 1);
  size_t sent = 0;
  for (int i = 0; i < 100; ++i) {
    engine_->StartReceiving(channel_);
    net::SendAll(peer(), absl::string_view(bytes).substr(sent, 30));
    sent += 30;
    if (i % 3 == 0) Wait(0);
    engine_->StopReceiving(channel_);
    if (i % 5 == 0) Wait(0);
  }
  engine_->StartReceiving(channel_);
  EXPECT_TRUE(Until([&] { return channel_->received.size() >= bytes.size(); }));
  WaitAWhile();
  EXPECT_TRUE(channel_->received == bytes);
}

// A handler may stop its own receiving: the next bytes wait.
TEST_P(EngineTest, AHandlerMayStop) {
  channel_->on_received = [&] { engine_->StopReceiving(channel_); };
  engine_->StartReceiving(channel_);
  net::SendAll(peer(), "one");
  EXPECT_TRUE(Until([&] { return channel_->received == "one"; }));
  WaitAWhile();
  net::SendAll(peer(), "two");
  WaitAWhile();
  EXPECT_EQ(channel_->received, "one");
  engine_->StartReceiving(channel_);
  EXPECT_TRUE(Until([&] { return channel_->received == "onetwo"; }));
}

// A half-closed peer has ended its bytes, not the connection: answers still go.
TEST_P(EngineTest, HalfClosedPeerStillReads) {
  engine_->StartReceiving(channel_);
  ASSERT_EQ(shutdown(peer(), SHUT_WR), 0);
  EXPECT_TRUE(Until([&] { return channel_->end.has_value(); }));
  EXPECT_EQ(channel_->end, 0);
  char bytes[] = "answer";
  iovec piece{bytes, 6};
  engine_->Send(channel_, absl::MakeSpan(&piece, 1));
  EXPECT_TRUE(Until([&] { return channel_->sent.size() == 1; }));
  EXPECT_EQ(net::ReadBytes(peer(), 6), "answer");
  engine_->StartReceiving(channel_);  // no effect any more
  WaitAWhile();
}

// A broken connection is told with its errno.
TEST_P(EngineTest, ResetIsAnErrno) {
  if (is_unix()) return;  // a Unix socket has no resets from a peer that had nothing unread
  engine_->StartReceiving(channel_);
  Wait(0);
  BreakPeer();
  EXPECT_TRUE(Until([&] { return channel_->end.has_value(); }));
  EXPECT_EQ(channel_->end, ECONNRESET);
}

// Descriptors are dropped by the kernel, and told with the bytes that they rode on.
TEST_P(EngineTest, DescriptorsAreRefused) {
  if (!is_unix()) return;
  const ptrdiff_t before = net::OpenFds();
  engine_->StartReceiving(channel_);
  ASSERT_EQ(net::SendWithFds(peer(), "loaded,", {STDIN_FILENO, STDOUT_FILENO}), 7);
  EXPECT_TRUE(Until([&] { return channel_->received == "loaded,"; }));
  EXPECT_EQ(channel_->refused, std::vector<size_t>{7});
  net::SendAll(peer(), "plain");
  EXPECT_TRUE(Until([&] { return channel_->received == "loaded,plain"; }));
  EXPECT_EQ(channel_->refused, std::vector<size_t>{7});
  EXPECT_EQ(net::OpenFds(), before);
}

// More channels with bytes than there are receive buffers or room for events: all of them get
// theirs.
TEST_P(EngineTest, ManyChannelsAtOnce) {
  std::vector<Recorder*> channels;
  for (int i = 0; i < 300; ++i) {
    channels.push_back(NewChannel());
    engine_->StartReceiving(channels.back());
  }
  Wait(0);
  for (int i = 0; i < 300; ++i) {
    net::SendAll(channels[i]->pair.peer.get(), std::string(9000, static_cast<char>('a' + i % 26)));
  }
  for (int i = 0; i < 300; ++i) {
    EXPECT_TRUE(Until([&] { return channels[i]->received.size() == 9000; })) << i;
    EXPECT_EQ(channels[i]->received, std::string(9000, static_cast<char>('a' + i % 26)));
  }
}

// ---- The loop's own event, and waiting ----

// Wait() says whether the event was signalled, also when channels have something to tell.
TEST_P(EngineTest, TellsOfTheEvent) {
  EXPECT_FALSE(Wait(0));
  event_.Signal();
  EXPECT_TRUE(Until([&] { return Wait(10'000'000); }));
  event_.Clear();
  Wait(0);  // what was known before is told at most once more
  EXPECT_FALSE(Wait(0));
  engine_->StartReceiving(channel_);
  net::SendAll(peer(), "bytes");
  event_.Signal();
  bool event_seen = false;
  EXPECT_TRUE(Until([&] {
    event_seen = Wait(10'000'000) || event_seen;
    return event_seen && channel_->received == "bytes";
  }));
}

// A peer that has said all and then left for good does not keep the loop awake: with nothing to
// tell it sleeps until its event, where one that spins would come back many thousand times.
TEST_P(EngineTest, SleepsBesideAGonePeer) {
  engine_->StartReceiving(channel_);
  ASSERT_EQ(shutdown(peer(), SHUT_WR), 0);
  EXPECT_TRUE(Until([&] { return channel_->end.has_value(); }));
  BreakPeer();
  WaitAWhile();
  std::thread waker([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    event_.Signal();
  });
  int woken_for_nothing = 0;
  while (!Wait(-1)) ++woken_for_nothing;
  EXPECT_LT(woken_for_nothing, 10);
  waker.join();
}

// ---- Writing ----

class Writing : public Write {
 public:
  void OnWritten(ssize_t result_in) override {
    EXPECT_FALSE(result.has_value()) << "an end comes once";
    result = result_in;
  }
  std::optional<ssize_t> result;
};

class OnEachEngineTest : public EngineTestBase, public testing::WithParamInterface<EngineName> {
 protected:
  void SetUp() override { MakeEngine(GetParam()); }
};

// Parts of a file are written where they belong, in any order.
TEST_P(OnEachEngineTest, Writes) {
  const net::UniqueFd file(memfd_create("file", MFD_CLOEXEC));
  Writing second, first;
  engine_->BeginWrite(&second, file.get(), "5678", 4, 4);
  engine_->BeginWrite(&first, file.get(), "1234", 4, 0);
  EXPECT_FALSE(second.result.has_value()) << "told from inside the call";
  ASSERT_TRUE(Until([&] { return first.result.has_value() && second.result.has_value(); }));
  EXPECT_EQ(first.result, 4);
  EXPECT_EQ(second.result, 4);
  char content[9] = {};
  EXPECT_EQ(pread(file.get(), content, sizeof(content), 0), 8);
  EXPECT_STREQ(content, "12345678");
}

// What cannot be written is an errno.
TEST_P(OnEachEngineTest, WritesNot) {
  const net::UniqueFd read_only(open("/dev/null", O_RDONLY | O_CLOEXEC));
  Writing writing;
  engine_->BeginWrite(&writing, read_only.get(), "x", 1, 0);
  ASSERT_TRUE(Until([&] { return writing.result.has_value(); }));
  EXPECT_EQ(writing.result, -EBADF);
}

// Sending from a mapping whose file was cut is an errno, not a signal, and the channel lives on.
TEST_P(OnEachEngineTest, SendingBeyondTheEndIsEfault) {
  constexpr size_t kBytes = 4096;
  const net::UniqueFd file(memfd_create("file", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(file.get(), kBytes), 0);
  void* const map = mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, file.get(), 0);
  ASSERT_NE(map, MAP_FAILED);
  ASSERT_EQ(ftruncate(file.get(), 0), 0);
  Recorder* channel = NewChannel(Transport::kUnix);
  iovec piece{map, kBytes};
  engine_->Send(channel, absl::MakeSpan(&piece, 1));
  EXPECT_TRUE(Until([&] { return channel->sent.size() == 1; }));
  EXPECT_EQ(channel->sent[0], -EFAULT);
  char bytes[] = "x";
  piece = {bytes, 1};
  engine_->Send(channel, absl::MakeSpan(&piece, 1));
  EXPECT_TRUE(Until([&] { return channel->sent.size() == 2; }));
  EXPECT_EQ(channel->sent[1], 1);
  munmap(map, kBytes);
}

// Where descriptors may come they are left where they are, with the bytes that they ride on and
// what was sent before in the same read, and receiving stops; what comes before is received as
// ever, and so is what comes behind when they are gone.
TEST_P(OnEachEngineTest, LeavesDescriptors) {
  Recorder* channel = NewChannel(Transport::kUnix, /*may_bring_fds=*/true);
  const net::UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const ptrdiff_t open_fds = net::OpenFds();
  engine_->StartReceiving(channel);
  ASSERT_EQ(net::SendWithFds(channel->pair.peer.get(), "plain", {}), 5);
  ASSERT_TRUE(Until([&] { return channel->received == "plain"; }));
  EXPECT_TRUE(channel->fds_wait.empty());
  const std::vector<int> many(9, null.get());
  ASSERT_EQ(net::SendWithFds(channel->pair.peer.get(), "nine", many), 4);
  ASSERT_EQ(net::SendWithFds(channel->pair.peer.get(), "behind", {}), 6);
  ASSERT_TRUE(Until([&] { return !channel->fds_wait.empty(); }));
  EXPECT_EQ(channel->fds_wait, (std::vector<size_t>{4}));
  EXPECT_EQ(channel->received, "plain");
  EXPECT_EQ(net::OpenFds(), open_fds);
  char bytes[4];
  std::vector<net::UniqueFd> fds;
  bool lost = false;
  ASSERT_EQ(
      net::RecvAllFds(channel->pair.ours.get(), absl::MakeSpan(bytes), MSG_DONTWAIT, &fds, &lost),
      4);
  EXPECT_EQ(fds.size(), 9u);
  EXPECT_FALSE(lost);
  engine_->StartReceiving(channel);
  ASSERT_TRUE(Until([&] { return channel->received == "plainbehind"; }));
  channel->pair.peer.Reset();
  ASSERT_TRUE(Until([&] { return channel->end.has_value(); }));
  EXPECT_EQ(channel->end, 0);
}

INSTANTIATE_TEST_SUITE_P(Engines, OnEachEngineTest,
                         testing::Values(EngineName::kUring, EngineName::kEpoll),
                         [](const auto& info) { return NameOf(info.param); });

INSTANTIATE_ENGINE_TESTS();

}  // namespace
}  // namespace objmapper::loop
