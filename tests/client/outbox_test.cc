// What is queued goes out whole and in order, unless the server has something to say first.
#include "client/outbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "client/error.h"
#include "net/scm_rights.h"
#include "tests/client/fake_server.h"
#include "tests/net/socket_pair.h"

namespace objmapper::client {
namespace {

// More than a socket takes.
constexpr size_t kMuch = 8 * 1024 * 1024;

class OutboxTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(stream_.SetTimeout(absl::Seconds(20)).ok()); }
  std::string Received(size_t bytes) { return net::ReadBytes(pair_.peer.get(), bytes); }

  net::SocketPair pair_ = net::SocketPair::Unix();
  Stream stream_{std::move(pair_.ours), "unix:/there", /*is_unix=*/true};
  Outbox outbox_{&stream_, absl::Seconds(20)};
};

// Nothing goes before it is told to, and then everything, in one order.
TEST_F(OutboxTest, SendsWhatIsQueued) {
  outbox_.bytes()->append("request");
  const absl::Span<char> room = outbox_.Room(4);
  std::string("body").copy(room.data(), room.size());
  EXPECT_EQ(outbox_.unsent(), 11u);
  EXPECT_EQ(net::ReadReady(pair_.peer.get()), "");
  ASSERT_TRUE(outbox_.Flush().ok());
  EXPECT_EQ(outbox_.unsent(), 0u);
  EXPECT_EQ(Received(11), "requestbody");
  outbox_.bytes()->append("another");
  ASSERT_TRUE(outbox_.FlushOrAwaitInput().ok());
  EXPECT_EQ(Received(7), "another");
}

// A server that speaks while its own socket is full is heard; the rest goes afterwards.
TEST_F(OutboxTest, HearsTheServerWhileItSends) {
  const std::string much(kMuch, 'm');
  *outbox_.bytes() = much;
  net::SendAll(pair_.peer.get(), "!");
  ASSERT_TRUE(outbox_.FlushOrAwaitInput().ok());
  EXPECT_GT(outbox_.unsent(), 0u);
  EXPECT_LT(outbox_.unsent(), much.size());
  std::string got;
  std::thread reader([&] { got = Received(much.size()); });
  EXPECT_TRUE(outbox_.Flush().ok());
  reader.join();
  EXPECT_TRUE(got == much);
  EXPECT_EQ(outbox_.unsent(), 0u);
}

// An answer that has been read comes before anything else is sent.
TEST_F(OutboxTest, NothingIsSentBeforeAnAnswerThatIsThere) {
  net::SendAll(pair_.peer.get(), "!");
  net::Patience patience = stream_.patience();
  ASSERT_TRUE(stream_.Fill(&patience, /*began=*/true).ok());
  outbox_.bytes()->append("request");
  ASSERT_TRUE(outbox_.FlushOrAwaitInput().ok());
  EXPECT_EQ(outbox_.unsent(), 7u);
  stream_.Consume(1);
  ASSERT_TRUE(outbox_.FlushOrAwaitInput().ok());
  EXPECT_EQ(Received(7), "request");
}

// A server that has gone may have said why: that is still to be read.
TEST_F(OutboxTest, APeerThatIsGoneIsStillHeard) {
  net::SendAll(pair_.peer.get(), "why");
  pair_.peer.Reset();
  outbox_.bytes()->append("request");
  EXPECT_TRUE(outbox_.Flush().ok());
  EXPECT_EQ(outbox_.unsent(), 0u);
  EXPECT_TRUE(stream_.broken().ok());
  net::Patience patience = stream_.patience();
  ASSERT_TRUE(stream_.Fill(&patience, /*began=*/true).ok());
  EXPECT_EQ(stream_.input(), "why");
}

// One that takes nothing is not waited for for ever; then the stream is broken, and nothing more is
// sent.
TEST_F(OutboxTest, WhoTakesNothingEndsTheStream) {
  Outbox outbox(&stream_, absl::Milliseconds(50));
  outbox.bytes()->assign(kMuch, 'm');
  const absl::Status status = outbox.Flush();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_EQ(status.message(), "unix:/there read nothing for 50ms");
  EXPECT_EQ(SourceOf(status), ErrorSource::kConnection);
  EXPECT_FALSE(stream_.broken().ok());
  EXPECT_EQ(outbox.Flush(), stream_.broken());
  EXPECT_EQ(outbox.FlushOrAwaitInput(), stream_.broken());
}

// A descriptor goes with the first byte, once, and stays the caller's.
TEST_F(OutboxTest, ADescriptorGoesOnce) {
  const net::UniqueFd file = FileWith("content");
  outbox_.bytes()->append("put");
  ASSERT_TRUE(outbox_.FlushWithFd(file.get()).ok());
  outbox_.bytes()->append("next");
  ASSERT_TRUE(outbox_.Flush().ok());
  char bytes[16];
  std::vector<net::UniqueFd> fds;
  absl::StatusOr<net::Received> got =
      net::RecvWithFds(pair_.peer.get(), absl::MakeSpan(bytes), 4, &fds);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(std::string(bytes, got->bytes), "put");  // a read stops behind such a message
  ASSERT_EQ(fds.size(), 1u);
  EXPECT_EQ(ContentOf(fds[0].get()), "content");
  EXPECT_EQ(ContentOf(file.get()), "content");
  EXPECT_EQ(Received(4), "next");
}

// ---- Files ----

class SendFileTest : public OutboxTest {
 protected:
  // How much went out of a file of `bytes` bytes that is said to have `length`.
  absl::StatusOr<uint64_t> Send(size_t bytes, size_t length) {
    const net::UniqueFd file = FileWith(std::string(bytes, 'f'));
    const absl::StatusOr<uint64_t> sent =
        outbox_.SendFile(file.get(), length, [this](uint64_t done, uint64_t) { progress_ = done; });
    EXPECT_TRUE(!stream_.broken().ok() || (fcntl(stream_.socket(), F_GETFL) & O_NONBLOCK) == 0);
    return sent;
  }
  uint64_t progress_ = 0;
};

// The file comes behind what was queued, as far as it was asked for.
TEST_F(SendFileTest, FollowsTheRequest) {
  outbox_.bytes()->append("request");
  std::string got;
  std::thread reader([&] { got = Received(7 + kMuch); });
  const absl::StatusOr<uint64_t> sent = Send(kMuch + 1, kMuch);
  reader.join();
  EXPECT_EQ(sent.value_or(0), kMuch);
  EXPECT_EQ(progress_, kMuch);
  EXPECT_TRUE(got == "request" + std::string(kMuch, 'f'));
  EXPECT_EQ(net::ReadReady(pair_.peer.get()), "");
}

// It stops when the server says something.
TEST_F(SendFileTest, StopsForAnAnswer) {
  net::SendAll(pair_.peer.get(), "!");
  EXPECT_EQ(Send(kMuch, kMuch).value_or(1), 0u);
  EXPECT_TRUE(stream_.broken().ok());
}

// A file that ends too soon leaves a promise that nothing can keep.
TEST_F(SendFileTest, AFileThatEndsTooSoonBreaksTheStream) {
  const absl::Status status = Send(10, 11).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "10 of the 11")) << status;
  EXPECT_FALSE(stream_.broken().ok());
}

// A peer that has gone is no signal and no error of the file's: what it said is to be read.
TEST_F(SendFileTest, APeerThatIsGone) {
  pair_.peer.Reset();
  EXPECT_EQ(Send(10, 10).value_or(1), 0u);
  EXPECT_TRUE(stream_.broken().ok());
}

}  // namespace
}  // namespace objmapper::client
