// What both engines promise of sending: bytes, descriptors, and waiting for room.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "loop/engine.h"
#include "net/scm_rights.h"
#include "tests/copypath/pattern.h"
#include "tests/loop/engine_fixture.h"
#include "tests/net/open_fds.h"

namespace objmapper::loop {
namespace {

// ---- Sending ----

// One piece or as many as are allowed leave as one, in order; never told from inside Send().
TEST_P(EngineTest, SendsGathered) {
  for (const size_t count : {size_t{1}, size_t{2}, kPiecesMax}) {
    std::string bytes = copypath::Pattern(count * 100, 1);
    std::vector<iovec> pieces;
    for (size_t i = 0; i < count; ++i) pieces.push_back({&bytes[i * 100], 100});
    channel_->sent.clear();
    engine_->Send(channel_, absl::MakeSpan(pieces));
    EXPECT_TRUE(channel_->sent.empty());
    EXPECT_TRUE(Until([&] { return !channel_->sent.empty(); }));
    EXPECT_EQ(channel_->sent, std::vector<ssize_t>{static_cast<ssize_t>(bytes.size())});
    EXPECT_EQ(net::ReadBytes(peer(), bytes.size()), bytes);
  }
}

// Much more than the socket takes goes out in parts, as its reader makes room, and every part is
// accounted for.
TEST_P(EngineTest, SendsMuchToASlowReader) {
  std::string bytes = copypath::Pattern(5'000'000, 1);
  iovec piece{bytes.data(), bytes.size()};
  channel_->on_sent = [&](ssize_t result) {
    ASSERT_TRUE(result > 0 || result == -EAGAIN) << result;
    const size_t sent = result > 0 ? static_cast<size_t>(result) : 0;
    piece.iov_base = static_cast<char*>(piece.iov_base) + sent;
    piece.iov_len -= sent;
    if (piece.iov_len > 0) engine_->Send(channel_, absl::MakeSpan(&piece, 1));
  };
  engine_->Send(channel_, absl::MakeSpan(&piece, 1));
  std::string received;
  EXPECT_TRUE(Until([&] {
    received += net::ReadReady(peer());
    return received.size() >= bytes.size() && piece.iov_len == 0;
  }));
  EXPECT_TRUE(received == bytes);
}

// A send to a full socket waits for room, and nothing else waits for it.
TEST_P(EngineTest, FullSocketHoldsUpNobodyElse) {
  const std::string before = net::FillSocket(channel_->socket());
  char bytes[] = "late";
  iovec piece{bytes, 4};
  engine_->Send(channel_, absl::MakeSpan(&piece, 1));
  Recorder* other = NewChannel();
  engine_->StartReceiving(other);
  net::SendAll(other->pair.peer.get(), "hello");
  EXPECT_TRUE(Until([&] { return other->received == "hello"; }));
  WaitAWhile();
  EXPECT_TRUE(channel_->sent.empty() || !is_unix());
  std::string received;
  EXPECT_TRUE(Until([&] {
    received += net::ReadReady(peer());
    return !channel_->sent.empty() && received.size() == before.size() + 4;
  }));
  EXPECT_EQ(channel_->sent, std::vector<ssize_t>{4});
  EXPECT_EQ(received, before + "late");
}

// A handler may begin the next send, and the next.
TEST_P(EngineTest, SendsOnAfterEachOther) {
  char bytes[] = "x";
  iovec piece{bytes, 1};
  channel_->on_sent = [&](ssize_t) {
    if (channel_->sent.size() < 1000) engine_->Send(channel_, absl::MakeSpan(&piece, 1));
  };
  engine_->Send(channel_, absl::MakeSpan(&piece, 1));
  std::string received;
  EXPECT_TRUE(Until([&] {
    received += net::ReadReady(peer());
    return received.size() == 1000 && channel_->sent.size() == 1000;
  }));
  EXPECT_EQ(channel_->sent, std::vector<ssize_t>(1000, 1));
}

// A peer that has gone is an errno, and no signal.
TEST_P(EngineTest, SendToAGonePeer) {
  BreakPeer();
  char bytes[] = "x";
  iovec piece{bytes, 1};
  // A TCP peer's reset may be on its way still.
  channel_->on_sent = [&](ssize_t result) {
    if (result > 0) engine_->Send(channel_, absl::MakeSpan(&piece, 1));
  };
  engine_->Send(channel_, absl::MakeSpan(&piece, 1));
  EXPECT_TRUE(Until([&] { return !channel_->sent.empty() && channel_->sent.back() < 0; }));
  EXPECT_TRUE(channel_->sent.back() == -EPIPE || channel_->sent.back() == -ECONNRESET)
      << channel_->sent.back();
}

// ---- Sending descriptors ----

// Reads what has come to `peer`, descriptors included.
void Collect(int peer, std::string* bytes, std::vector<net::UniqueFd>* fds) {
  ASSERT_EQ(fcntl(peer, F_SETFL, O_NONBLOCK), 0);
  std::vector<char> buffer(65536);
  while (true) {
    const absl::StatusOr<net::Received> got =
        net::RecvWithFds(peer, absl::MakeSpan(buffer), net::kFdsPerMessageMax, fds);
    if (!got.ok()) {
      EXPECT_EQ(got.status().code(), absl::StatusCode::kResourceExhausted) << got.status();
      return;
    }
    EXPECT_FALSE(got->fds_lost);
    bytes->append(buffer.data(), got->bytes);
    if (got->bytes == 0) return;
  }
}

// Descriptors arrive once, with their bytes; a send without any that follows brings none.
TEST_P(EngineTest, SendsDescriptors) {
  if (!is_unix()) return;
  const ptrdiff_t before = net::OpenFds();
  for (const size_t count : {size_t{1}, net::kFdsPerMessageMax, size_t{2}, size_t{0}}) {
    const std::vector<int> numbers(count, STDIN_FILENO);
    char bytes[] = "one,two";
    iovec pieces[] = {{bytes, 4}, {bytes + 4, 3}};
    channel_->sent.clear();
    engine_->Send(channel_, absl::MakeSpan(pieces), numbers);
    EXPECT_TRUE(Until([&] { return !channel_->sent.empty(); }));
    EXPECT_EQ(channel_->sent, std::vector<ssize_t>{7});
    std::string received;
    std::vector<net::UniqueFd> fds;
    Collect(peer(), &received, &fds);
    EXPECT_EQ(received, "one,two");
    EXPECT_EQ(fds.size(), count);
  }
  EXPECT_EQ(net::OpenFds(), before);
}

// A message that goes in many parts brings its descriptors with the first, once: whoever sends the
// rest does so without them.
TEST_P(EngineTest, PartialSendsBringDescriptorsOnce) {
  if (!is_unix()) return;
  std::string bytes = copypath::Pattern(5'000'000, 1);
  iovec piece{bytes.data(), bytes.size()};
  const std::vector<int> numbers(3, STDIN_FILENO);
  channel_->on_sent = [&](ssize_t result) {
    ASSERT_TRUE(result > 0 || result == -EAGAIN) << result;
    const size_t sent = result > 0 ? static_cast<size_t>(result) : 0;
    piece.iov_base = static_cast<char*>(piece.iov_base) + sent;
    piece.iov_len -= sent;
    if (piece.iov_len == 0) return;
    const bool gone = piece.iov_len < bytes.size();
    engine_->Send(channel_, absl::MakeSpan(&piece, 1),
                  gone ? absl::Span<const int>() : absl::Span<const int>(numbers));
  };
  engine_->Send(channel_, absl::MakeSpan(&piece, 1), numbers);
  std::string received;
  std::vector<net::UniqueFd> fds;
  EXPECT_TRUE(Until([&] {
    Collect(peer(), &received, &fds);
    EXPECT_EQ(fds.size(), received.empty() ? 0u : 3u);
    return HasFailure() || (received.size() >= bytes.size() && piece.iov_len == 0);
  }));
  EXPECT_GT(channel_->sent.size(), 1u);
  EXPECT_TRUE(received == bytes);
}

// Descriptors wait with their bytes for room in a full socket.
TEST_P(EngineTest, DescriptorsWaitForRoom) {
  if (!is_unix()) return;
  const std::string before = net::FillSocket(channel_->socket());
  const std::vector<int> numbers(2, STDIN_FILENO);
  char bytes[] = "late";
  iovec piece{bytes, 4};
  channel_->on_sent = [&](ssize_t result) {
    if (result == -EAGAIN) engine_->Send(channel_, absl::MakeSpan(&piece, 1), numbers);
  };
  engine_->Send(channel_, absl::MakeSpan(&piece, 1), numbers);
  WaitAWhile();
  std::string received;
  std::vector<net::UniqueFd> fds;
  EXPECT_TRUE(Until([&] {
    Collect(peer(), &received, &fds);
    return received.size() >= before.size() + 4;
  }));
  EXPECT_EQ(received, before + "late");
  EXPECT_EQ(fds.size(), 2u);
}

// ---- Waiting for room ----

// AwaitWritable() tells once, and only when there is room.
TEST_P(EngineTest, AwaitsRoom) {
  engine_->AwaitWritable(channel_);
  EXPECT_EQ(channel_->writable, 0);
  EXPECT_TRUE(Until([&] { return channel_->writable == 1; }));
  WaitAWhile();
  EXPECT_EQ(channel_->writable, 1);

  net::FillSocket(channel_->socket());
  engine_->AwaitWritable(channel_);
  WaitAWhile();
  EXPECT_TRUE(channel_->writable == 1 || !is_unix());
  EXPECT_TRUE(Until([&] {
    net::ReadReady(peer());
    return channel_->writable == 2;
  }));
}

// A peer that goes while room is waited for ends the waiting.
TEST_P(EngineTest, AGonePeerEndsTheWaitForRoom) {
  net::FillSocket(channel_->socket());
  engine_->AwaitWritable(channel_);
  WaitAWhile();
  EXPECT_TRUE(channel_->writable == 0 || !is_unix());
  BreakPeer();
  EXPECT_TRUE(Until([&] { return channel_->writable == 1; }));
}

INSTANTIATE_ENGINE_TESTS();

}  // namespace
}  // namespace objmapper::loop
