// What a stream reads, for how long it waits, and what is left of it once it is broken.
#include "client/stream.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "client/error.h"
#include "net/scm_rights.h"
#include "tests/client/fake_server.h"
#include "tests/net/open_fds.h"
#include "tests/net/socket_pair.h"

namespace objmapper::client {
namespace {

constexpr absl::Duration kShort = absl::Milliseconds(50);

class StreamTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(stream_.SetTimeout(absl::Seconds(20)).ok()); }
  absl::Status Fill() {
    net::Patience patience = stream_.patience();
    return stream_.Fill(&patience, /*began=*/true);
  }
  void Send(absl::string_view bytes) { net::SendAll(pair_.peer.get(), bytes); }
  // With a descriptor of a file on the first byte.
  void SendWithFile(absl::string_view bytes, absl::string_view content) {
    const net::UniqueFd file = FileWith(content);
    const int number = file.get();
    ASSERT_GT(net::SendWithFds(pair_.peer.get(), bytes, absl::MakeConstSpan(&number, 1)), 0);
  }
  // A body's next bytes.
  std::string Body(size_t bytes) {
    std::string out(bytes, '\0');
    const absl::StatusOr<size_t> got = stream_.ReadBody(absl::MakeSpan(&out[0], bytes));
    EXPECT_TRUE(got.ok()) << got.status();
    out.resize(got.value_or(0));
    return out;
  }

  net::SocketPair pair_ = net::SocketPair::Unix();
  Stream stream_{std::move(pair_.ours), "unix:/there", /*is_unix=*/true};
};

// What is read is added to what was not consumed.
TEST_F(StreamTest, InputGrowsAtItsEnd) {
  EXPECT_FALSE(stream_.has_input());
  Send("abc");
  ASSERT_TRUE(Fill().ok());
  EXPECT_EQ(stream_.input(), "abc");
  stream_.Consume(2);
  Send("de");
  ASSERT_TRUE(Fill().ok());
  EXPECT_EQ(stream_.input(), "cde");
  stream_.Consume(3);
  EXPECT_FALSE(stream_.has_input());
}

// There is an answer once bytes have come, read or not, and when the server has hung up.
TEST_F(StreamTest, KnowsWhenThereIsAnAnswer) {
  EXPECT_FALSE(stream_.HasAnswer());
  Send("a");
  EXPECT_TRUE(stream_.HasAnswer());
  ASSERT_TRUE(Fill().ok());
  EXPECT_TRUE(stream_.HasAnswer());
  stream_.Consume(1);
  EXPECT_FALSE(stream_.HasAnswer());
  pair_.peer.Reset();
  EXPECT_TRUE(stream_.HasAnswer());
}

// A body begins in the input. A large piece of it goes straight to where it is wanted; a small one
// is read together with what comes behind it, which stays.
TEST_F(StreamTest, ABodyBeginsInTheInput) {
  Send("head");
  ASSERT_TRUE(Fill().ok());
  stream_.Consume(2);
  const std::string large(8192, 'x');
  Send(large + "tail" + "next");
  EXPECT_EQ(Body(8192), "ad");
  EXPECT_EQ(Body(8192), large);
  EXPECT_FALSE(stream_.has_input());
  EXPECT_EQ(Body(4), "tail");
  EXPECT_EQ(stream_.input(), "next");
}

// The end of the connection says where it came.
TEST_F(StreamTest, EndWithoutAnAnswer) {
  pair_.peer.Reset();
  const absl::Status status = Fill();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_EQ(SourceOf(status), ErrorSource::kConnection);
  EXPECT_EQ(status.message(), "unix:/there closed the connection without an answer");
}

TEST_F(StreamTest, EndInAnAnswer) {
  Send("a");
  ASSERT_TRUE(Fill().ok());
  pair_.peer.Reset();
  EXPECT_EQ(Fill().message(), "unix:/there closed the connection in the middle of an answer");
}

TEST_F(StreamTest, EndInABody) {
  pair_.peer.Reset();
  char out[10];
  const absl::Status status = stream_.ReadBody(absl::MakeSpan(out)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_EQ(SourceOf(status), ErrorSource::kConnection);
}

// A server that says nothing for so long is not waited for any more.
TEST_F(StreamTest, SilenceEndsIt) {
  ASSERT_TRUE(stream_.SetTimeout(kShort).ok());
  const absl::Status status = Fill();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_EQ(status.message(), "unix:/there was silent for 50ms");
  EXPECT_FALSE(stream_.broken().ok());
}

// Where one is due, a descriptor is taken with the bytes that it rides on.
TEST_F(StreamTest, TakesTheDescriptorsThatAreDue) {
  stream_.LetFdsCome(true);
  stream_.fds().Expect();
  SendWithFile("a", "content");
  ASSERT_TRUE(Fill().ok());
  EXPECT_EQ(stream_.input(), "a");
  EXPECT_EQ(ContentOf(stream_.fds().Take().get()), "content");
}

// Where none is due, one ends the stream, and is not kept.
TEST_F(StreamTest, OtherDescriptorsEndIt) {
  const ptrdiff_t before = net::OpenFds();
  stream_.LetFdsCome(true);
  SendWithFile("a", "content");
  const absl::Status status = Fill();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "more descriptors than OK answers")) << status;
  EXPECT_EQ(net::OpenFds(), before - 1) << "the socket has gone too";
}

// Broken is broken: the socket and all that came is let go of, every call says why, and the first
// reason is kept.
TEST_F(StreamTest, BrokenForEver) {
  const ptrdiff_t before = net::OpenFds();
  stream_.LetFdsCome(true);
  stream_.fds().Expect();
  SendWithFile("a", "content");
  ASSERT_TRUE(Fill().ok());
  EXPECT_EQ(net::OpenFds(), before + 1);
  const absl::Status why = stream_.BreakAsWrong("it counts ", 1, " and says ", 2);
  EXPECT_EQ(why.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(why.message(), "it counts 1 and says 2");
  EXPECT_EQ(SourceOf(why), ErrorSource::kConnection);
  EXPECT_EQ(net::OpenFds(), before - 1);
  EXPECT_FALSE(stream_.has_input());

  stream_.Abandon("another reason");
  const absl::Status later = stream_.broken();
  EXPECT_EQ(later.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(SourceOf(later), ErrorSource::kConnection);
  EXPECT_TRUE(absl::StrContains(later.message(), "it counts 1 and says 2")) << later;
  EXPECT_EQ(Fill(), later);
  char out[10];
  EXPECT_EQ(stream_.ReadBody(absl::MakeSpan(out)).status(), later);
}

// ---- Connecting ----

// Who listens must be one of those that may; where that cannot be known, nobody is called.
TEST(StreamConnectTest, OnlyToWhoMayListen) {
  FakeServer server([](Peer& peer) { peer.AwaitEnd(); });
  Options options;
  options.server_uids = {getuid() + 1};
  const absl::Status status = Stream::Connect(server.url(), options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), server.url())) << status;
  EXPECT_EQ(Stream::Connect("tcp://127.0.0.1:1", options).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// A stream that was connected knows whom to, and by what.
TEST(StreamConnectTest, KnowsTheServer) {
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    FakeServer server([](Peer& peer) { peer.AwaitEnd(); }, {}, transport);
    Options options;
    if (transport == Transport::kUnix) options.server_uids = {getuid() + 1, getuid()};
    const auto stream = Stream::Connect(server.url(), options);
    ASSERT_TRUE(stream.ok()) << stream.status();
    EXPECT_EQ((*stream)->url(), server.url());
    EXPECT_EQ((*stream)->is_unix(), transport == Transport::kUnix);
    EXPECT_TRUE((*stream)->broken().ok());
  }
}

}  // namespace
}  // namespace objmapper::client
