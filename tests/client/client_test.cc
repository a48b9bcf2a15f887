// Single calls against a scripted server: descriptors in both dialects, ranges, errors, and no
// descriptor left open.
#include "client/client.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "client/error.h"
#include "protocol/objm/encode.h"
#include "tests/client/fake_server.h"
#include "tests/net/open_fds.h"

namespace objmapper::client {
namespace {

using protocol::MetadataType;
using protocol::MetadataWriter;
using protocol::Mode;
using Offer = protocol::RequestParser::Offer;

constexpr uint16_t kNoFdInHeader = protocol::kPipelining | protocol::kRange;

Options V1() {
  Options options;
  options.dialect = protocol::Dialect::kV1;
  return options;
}

// No descriptor outlives a test, on either side.
class ClientTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(net::OpenFds(), before_); }

  static Client Connected(const FakeServer& server, const Options& options = Options()) {
    absl::StatusOr<Client> client = Client::Connect(server.url(), options);
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }

 private:
  const ptrdiff_t before_ = net::OpenFds();
};

// ---- Descriptors ----

// With FD_IN_HEADER one message brings all: the size is the header's content_length, and the
// descriptor names the object.
TEST_F(ClientTest, FdInHeader) {
  FakeServer server([](Peer& peer) {
    const Asked asked = peer.ReadRequest();
    EXPECT_EQ(asked.request.mode, Mode::kFdPass);
    EXPECT_EQ(asked.uri, "a/b");
    const net::UniqueFd file = FileWith("hello");
    peer.Send(Ok(asked.id, 5), {file.get()});
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  absl::StatusOr<FdObject> object = client.GetFd("a/b");
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(object->info.size, 5u);
  EXPECT_EQ(object->info.length, 5u);
  EXPECT_EQ(ContentOf(object->fd.get()), "hello");
  EXPECT_EQ(fcntl(object->fd.get(), F_GETFD), FD_CLOEXEC);
}

// Without FD_IN_HEADER the descriptor rides on a byte of its own, and its size is the file's.
TEST_F(ClientTest, FdOnItsOwnByte) {
  FakeServer server(
      [](Peer& peer) {
        const Asked asked = peer.ReadRequest();
        const net::UniqueFd file = FileWith("hello");
        peer.Send(Ok(asked.id, 0));
        peer.Send("X", {file.get()});
        const Asked again = peer.ReadRequest();
        peer.Send(Ok(again.id, 0));
        peer.Send("X", {file.get()});
        peer.AwaitEnd();
      },
      Offer{kNoFdInHeader, 64});
  Client client = Connected(server);
  for (int i = 0; i < 2; ++i) {
    absl::StatusOr<FdObject> object = client.GetFd("a");
    ASSERT_TRUE(object.ok()) << object.status();
    EXPECT_EQ(object->info.size, 5u);
    EXPECT_EQ(ContentOf(object->fd.get()), "hello");
  }
}

// V1 needs no handshake; its header and its descriptor may arrive in one read or byte by byte.
TEST_F(ClientTest, FdInV1) {
  FakeServer server([](Peer& peer) {
    const net::UniqueFd file = FileWith("hello");
    peer.ReadRequest();
    peer.Send(OkV1(0));
    peer.Send("X", {file.get()});
    peer.ReadRequest();
    peer.SendByteByByte(OkV1(0));
    peer.Send("X", {file.get()});
    peer.AwaitEnd();
  });
  Client client = Connected(server, V1());
  for (int i = 0; i < 2; ++i) {
    absl::StatusOr<FdObject> object = client.GetFd("a");
    ASSERT_TRUE(object.ok()) << object.status();
    EXPECT_EQ(object->info.size, 5u);
    EXPECT_EQ(ContentOf(object->fd.get()), "hello");
  }
}

// A range of a descriptor comes back as numbers; the descriptor is the whole object's.
TEST_F(ClientTest, FdRange) {
  FakeServer server([](Peer& peer) {
    const net::UniqueFd file = FileWith("0123456789");
    const Asked asked = peer.ReadRequest();
    EXPECT_TRUE(asked.request.has_range());
    EXPECT_EQ(asked.request.offset, 6u);
    EXPECT_EQ(asked.request.length, 100u);
    peer.Send(Ok(asked.id, 4, [](MetadataWriter& m) { m.AddRange(6, 4); }), {file.get()});
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  absl::StatusOr<FdObject> object = client.GetFd("a", Range{6, 100});
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(object->info.size, 10u);
  EXPECT_EQ(object->info.offset, 6u);
  EXPECT_EQ(object->info.length, 4u);
  EXPECT_EQ(ContentOf(object->fd.get()), "0123456789");
}

// A part that was not asked for must not pass for the one that was.
TEST_F(ClientTest, AnotherRangeIsRefused) {
  const Metadata granted = [](MetadataWriter& m) { m.AddRange(5, 4); };
  for (const bool as_fd : {true, false}) {
    FakeServer server([&](Peer& peer) {
      const net::UniqueFd file = FileWith("0123456789");
      const Asked asked = peer.ReadRequest();
      peer.Send(Ok(asked.id, 4, granted),
                as_fd ? std::vector<int>{file.get()} : std::vector<int>());
      peer.AwaitEnd();
    });
    Client client = Connected(server);
    const absl::Status status = as_fd ? client.GetFd("a", Range{6, 4}).status()
                                      : client.GetBytes("a", Mode::kCopy, Range{6, 4}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), "asked for 4 bytes at 6")) << status;
    EXPECT_FALSE(client.status().ok());
  }
}

// An error is the server's word on this request: the client goes on.
TEST_F(ClientTest, ServerErrorsLeaveTheClientUsable) {
  FakeServer server([](Peer& peer) {
    peer.Send(Error(peer.ReadRequest().id, protocol::Status::kNotFound, "no such object"));
    peer.Send(Error(peer.ReadRequest().id, protocol::Status::kUnavailable, "queue full", 40));
    peer.Send(Error(peer.ReadRequest().id, protocol::Status::kRangeNotSatisfiable, "5 bytes"));
    peer.Send(Ok(peer.ReadRequest().id, 2) + "ok");
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  const absl::Status missing = client.GetFd("a\nb").status();
  EXPECT_EQ(missing.message(), "OP_FDPASS \"a\\x0ab\": NOT_FOUND: no such object");
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(SourceOf(missing), ErrorSource::kServer);
  const absl::Status busy = client.GetBytes("b").status();
  EXPECT_EQ(WireStatusOf(busy), protocol::Status::kUnavailable);
  EXPECT_EQ(RetryAfter(busy), absl::Milliseconds(40));
  EXPECT_EQ(client.GetFd("c", Range{9, 1}).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(client.status().ok());
  EXPECT_EQ(client.GetBytes("d").value(), "ok");
}

// Behind some errors the server hangs up: the error says so, and later calls do.
TEST_F(ClientTest, LastAnswerSaysThatItIsTheLast) {
  FakeServer server([](Peer& peer) {
    peer.Send(Error(peer.ReadRequest().id, protocol::Status::kProtocolError, "garbage"));
  });
  Client client = Connected(server);
  const absl::Status status = client.GetFd("a").status();
  EXPECT_EQ(WireStatusOf(status), protocol::Status::kProtocolError);
  EXPECT_TRUE(absl::StrContains(status.message(), "last answer of this connection")) << status;
  EXPECT_TRUE(absl::StrContains(client.GetFd("b").status().message(), "hung up after it answered"));
}

// At RLIMIT_NOFILE the kernel drops the descriptor. The error says so, and the client goes on: the
// next descriptor is the next answer's.
TEST_F(ClientTest, LostDescriptorNamesTheLimit) {
  FakeServer server([](Peer& peer) {
    const net::UniqueFd file = FileWith("hello");
    const net::UniqueFd other = FileWith("world!");
    const Asked asked = peer.ReadRequest();
    peer.Send(Ok(asked.id, 5), {file.get()});
    const Asked again = peer.ReadRequest();
    peer.Send(Ok(again.id, 6), {other.get()});
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  // The handshake is over, so the server's thread has opened all that it will.
  rlimit old_limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old_limit), 0);
  std::vector<net::UniqueFd> hoard;
  rlimit limit = old_limit;
  limit.rlim_cur = 64;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  for (int fd; (fd = dup(STDIN_FILENO)) >= 0;) hoard.emplace_back(fd);
  absl::StatusOr<FdObject> object = client.GetFd("a/b");
  hoard.clear();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &old_limit), 0);

  EXPECT_EQ(object.status().code(), absl::StatusCode::kResourceExhausted) << object.status();
  EXPECT_EQ(SourceOf(object.status()), ErrorSource::kLocal);
  for (const char* piece : {"a/b", "RLIMIT_NOFILE (64 descriptors", "ulimit -n"}) {
    EXPECT_TRUE(absl::StrContains(object.status().message(), piece)) << object.status();
  }
  object = client.GetFd("c");
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(ContentOf(object->fd.get()), "world!");
}

// ---- Bytes ----

class BytesTest : public ClientTest, public testing::WithParamInterface<Transport> {};

// Bytes arrive whole, small or larger than any buffer, in every split, by COPY and by SPLICE.
TEST_P(BytesTest, ArriveWhole) {
  const std::string sizes[] = {"",
                               "x",
                               std::string(4095, 'a'),
                               std::string(4097, 'b'),
                               std::string(70000, 'c'),
                               std::string(1 << 20, 'd')};
  FakeServer server(
      [&sizes](Peer& peer) {
        for (const std::string& body : sizes) {
          const Asked asked = peer.ReadRequest();
          EXPECT_EQ(asked.request.mode, Mode::kSplice);
          peer.Send(Ok(asked.id, body.size()) + body);
          const Asked again = peer.ReadRequest();
          EXPECT_EQ(again.request.mode, Mode::kCopy);
          const std::string answer = Ok(again.id, body.size()) + body;
          peer.SendByteByByte(answer.substr(0, 100));
          if (answer.size() > 100) peer.Send(answer.substr(100));
        }
        peer.AwaitEnd();
      },
      {}, GetParam());
  Client client = Connected(server);
  for (const std::string& body : sizes) {
    for (const Mode mode : {Mode::kSplice, Mode::kCopy}) {
      absl::StatusOr<std::string> bytes = client.GetBytes("a", mode);
      ASSERT_TRUE(bytes.ok()) << bytes.status();
      EXPECT_EQ(*bytes, body);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Transports, BytesTest, testing::Values(Transport::kUnix, Transport::kTcp));

TEST_F(ClientTest, BytesInV1) {
  FakeServer server([](Peer& peer) {
    peer.ReadRequest();
    peer.Send(OkV1(5) + "hello");
    peer.ReadRequest();
    peer.Send(OkV1(0));
    peer.AwaitEnd();
  });
  Client client = Connected(server, V1());
  absl::StatusOr<std::string> bytes = client.GetBytes("a");
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(*bytes, "hello");
  bytes = client.GetBytes("empty");
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(*bytes, "");
}

// A body can be read piece by piece into the caller's buffer, and knows the whole object's size.
TEST_F(ClientTest, BodyByPieces) {
  FakeServer server([](Peer& peer) {
    const Asked asked = peer.ReadRequest();
    peer.Send(Ok(asked.id, 4,
                 [](MetadataWriter& m) {
                   m.AddU64(MetadataType::kSize, 10);
                   m.AddRange(3, 4);
                   m.AddText(MetadataType::kEtag, "tag");
                 }) +
              "3456");
    const Asked again = peer.ReadRequest();
    peer.Send(Ok(again.id, 2) + "ok");
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  std::string got;
  {
    absl::StatusOr<Body> body = client.OpenBody("a", Mode::kCopy, Range{3, 4});
    ASSERT_TRUE(body.ok()) << body.status();
    EXPECT_EQ(body->info().size, 10u);
    EXPECT_EQ(body->info().offset, 3u);
    EXPECT_EQ(body->info().length, 4u);
    EXPECT_EQ(body->info().etag, "tag");
    char byte;
    while (body->left() > 0) {
      absl::StatusOr<size_t> n = body->Read(absl::MakeSpan(&byte, 1));
      ASSERT_TRUE(n.ok()) << n.status();
      ASSERT_EQ(*n, 1u);
      got.push_back(byte);
    }
    EXPECT_EQ(body->Read(absl::MakeSpan(&byte, 1)).value(), 0u);
  }
  EXPECT_EQ(got, "3456");
  EXPECT_EQ(client.GetBytes("b").value(), "ok");
}

// A body that is left unread would be taken for the next answer: the client refuses to go on.
TEST_F(ClientTest, AbandonedBodyEndsTheClient) {
  FakeServer server([](Peer& peer) {
    const Asked asked = peer.ReadRequest();
    peer.Send(Ok(asked.id, 5) + "hello");
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  ASSERT_TRUE(client.OpenBody("a").ok());
  const absl::Status status = client.GetBytes("b").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(status.message(), "5 of its bytes were left unread")) << status;
}

// A server's word alone does not make the client allocate.
TEST_F(ClientTest, BytesMaxRefusesHugeAnswers) {
  FakeServer server([](Peer& peer) {
    const Asked asked = peer.ReadRequest();
    peer.Send(Ok(asked.id, uint64_t{1} << 60));
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  const absl::Status status = client.GetBytes("huge").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(absl::StrContains(status.message(), "bytes_max")) << status;
  EXPECT_FALSE(client.status().ok());
}

// ---- Stat and ping ----

TEST_F(ClientTest, Stat) {
  FakeServer server([](Peer& peer) {
    const Asked asked = peer.ReadRequest();
    EXPECT_EQ(asked.request.mode, Mode::kStat);
    peer.Send(Ok(asked.id, 0, [](MetadataWriter& m) {
      m.AddU64(MetadataType::kSize, 123);
      m.AddU64(MetadataType::kMtime, 456);
      m.AddText(MetadataType::kMime, "text/plain");
      m.AddU8(MetadataType::kBackend, 2);
      m.AddU32(MetadataType::kLatency, 7);
    }));
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  absl::StatusOr<ObjectInfo> info = client.Stat("a");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->size, 123u);
  EXPECT_EQ(info->length, 123u);
  EXPECT_EQ(info->mtime_s, 456u);
  EXPECT_EQ(info->mime, "text/plain");
  EXPECT_EQ(info->backend, 2);
  EXPECT_EQ(info->latency_us, 7u);
  EXPECT_FALSE(info->etag.has_value());
}

// What a server says of its freshness is told, of a stat and of a body.
TEST_F(ClientTest, Stale) {
  const Metadata says = [](MetadataWriter& m) {
    m.AddU64(MetadataType::kSize, 2);
    m.AddText(MetadataType::kStale, "");
  };
  const Metadata says_nothing = [](MetadataWriter& m) { m.AddU64(MetadataType::kSize, 2); };
  FakeServer server([&](Peer& peer) {
    for (const Metadata& said : {says, says_nothing}) {
      peer.Send(Ok(peer.ReadRequest().id, 0, said));
      peer.Send(Ok(peer.ReadRequest().id, 2, said) + "ok");
    }
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  for (const bool stale : {true, false}) {
    const absl::StatusOr<ObjectInfo> info = client.Stat("a");
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_EQ(info->stale, stale);
    absl::StatusOr<Body> body = client.OpenBody("a");
    ASSERT_TRUE(body.ok()) << body.status();
    EXPECT_EQ(body->info().stale, stale);
    char bytes[2];
    EXPECT_EQ(body->Read(absl::MakeSpan(bytes)).value_or(0), 2u);
  }
}

// Any answer is an answer.
TEST_F(ClientTest, PingCountsErrorsAsAnswers) {
  FakeServer server([](Peer& peer) {
    const Asked asked = peer.ReadRequest();
    peer.Send(Error(asked.id, protocol::Status::kInvalidRequest, "a URI must not hold NUL"));
    const Asked again = peer.ReadRequest();
    peer.Send(Ok(again.id, 0));
    peer.ReadRequest();
  });
  Client client = Connected(server);
  EXPECT_TRUE(client.Ping().ok());
  EXPECT_TRUE(client.Ping().ok());
  EXPECT_FALSE(client.Ping().ok());  // the script hangs up instead
}

// ---- What the client refuses to send ----

TEST_F(ClientTest, BadCallsAskNothing) {
  FakeServer server(
      [](Peer& peer) {
        const Asked asked = peer.ReadRequest();
        EXPECT_EQ(asked.uri, "good");
        peer.Send(Ok(asked.id, 2) + "ok");
        peer.AwaitEnd();
      },
      Offer{protocol::kPipelining, 64});
  Client client = Connected(server);
  EXPECT_EQ(client.GetFd("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(client.GetBytes(std::string(4097, 'u')).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(client.GetBytes("a", Mode::kFdPass).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(client.GetBytes("a", Mode::kCopy, Range{1, 2}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(client.GetBytes("good").value(), "ok");
}

// Descriptors do not pass through TCP: neither offered in the handshake nor asked for.
TEST_F(ClientTest, TcpHasNoDescriptors) {
  FakeServer server(
      [](Peer& peer) {
        const Asked asked = peer.ReadRequest();
        EXPECT_EQ(asked.uri, "good");
        peer.Send(Ok(asked.id, 2) + "ok");
        peer.AwaitEnd();
      },
      {}, Transport::kTcp);
  Client client = Connected(server);
  EXPECT_EQ(client.capabilities() & (protocol::kFdInHeader | protocol::kFdBatch), 0);
  EXPECT_FALSE(client.is_unix());
  const absl::Status status = client.GetFd("a").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(status.message(), "only through Unix sockets")) << status;
  EXPECT_EQ(client.GetBytes("good").value(), "ok");
}

// ---- Goodbye ----

TEST_F(ClientTest, CloseWaitsForTheAcknowledgement) {
  FakeServer server([](Peer& peer) {
    const Asked asked = peer.ReadRequest();
    peer.Send(Ok(asked.id, 2) + "ok");
    peer.ReadClose();
    char ack[protocol::kCloseAckBytes];
    peer.Send(std::string(ack, protocol::EncodeCloseAck(0, ack)));
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  ASSERT_TRUE(client.GetBytes("a").ok());
  EXPECT_TRUE(client.Close().ok());
  const absl::Status status = client.GetBytes("a").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(status.message(), "this side closed it")) << status;
}

}  // namespace
}  // namespace objmapper::client
