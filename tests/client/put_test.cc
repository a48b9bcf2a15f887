// Storing, removing and listing, against a server that plays a script.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "client/client.h"
#include "client/error.h"
#include "tests/client/fake_server.h"
#include "tests/net/open_fds.h"

namespace objmapper::client {
namespace {

using protocol::MetadataType;
using protocol::MetadataWriter;
using protocol::Mode;
using Offer = protocol::RequestParser::Offer;

// No two stretches of it are alike.
std::string Bytes(size_t size) {
  std::string bytes(size, '\0');
  uint64_t state = size + 1;
  for (char& byte : bytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

// No descriptor outlives a test, on either side.
class PutTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(net::OpenFds(), before_); }

  static Client Connected(const FakeServer& server, const Options& options = Options()) {
    absl::StatusOr<Client> client = Client::Connect(server.url(), options);
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }

  // Takes one PUT and answers as a server that has stored it. Returns its body.
  static std::string TakePut(Peer& peer) {
    const Asked asked = peer.ReadRequest();
    EXPECT_EQ(asked.request.mode, Mode::kPut);
    std::string body = peer.ReadBody(asked.request.body_length);
    peer.Send(Ok(asked.id, 0, [&](MetadataWriter& metadata) {
      metadata.AddU64(MetadataType::kSize, body.size());
      metadata.AddText(MetadataType::kEtag, "e1");
    }));
    return body;
  }

 private:
  const ptrdiff_t before_ = net::OpenFds();
};

// Bytes of any size arrive as they are, whichever way they are given, one object after the other on
// one connection: in one message with the request, in several, by sendfile(2) and by a callback
// that brings little at a time.
TEST_F(PutTest, BodiesOfAllSizesFromAllSources) {
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{256 * 1024}, size_t{256 * 1024 + 1}, size_t{9'000'001}}) {
    const std::string bytes = Bytes(size);
    FakeServer server([&](Peer& peer) {
      for (int i = 0; i < 3; ++i) EXPECT_TRUE(TakePut(peer) == bytes) << i << " " << size;
      peer.AwaitEnd();
    });
    Client client = Connected(server);
    const absl::StatusOr<ObjectInfo> from_memory = client.Put("a", bytes);
    ASSERT_TRUE(from_memory.ok()) << from_memory.status();
    EXPECT_EQ(from_memory->size, size);
    EXPECT_EQ(from_memory->length, size);
    EXPECT_EQ(from_memory->etag, "e1");

    uint64_t told = 1;
    PutOptions options;
    options.progress = [&](uint64_t done, uint64_t total) {
      told = done;
      EXPECT_EQ(total, size);
    };
    const net::UniqueFd file = FileWith(bytes);
    ASSERT_TRUE(client.PutFile("b", file.get(), options).ok());
    if (size > 0) {
      EXPECT_EQ(told, size);
    }
    EXPECT_EQ(lseek(file.get(), 0, SEEK_CUR), static_cast<off_t>(size)) << "its offset was moved";

    const PutSource source = [&](uint64_t offset, absl::Span<char> out) -> absl::StatusOr<size_t> {
      return bytes.copy(out.data(), std::min<size_t>(out.size(), 70'000), offset);
    };
    ASSERT_TRUE(client.PutFrom("c", size, source).ok());
  }
}

// A condition goes along, and what it comes to is told apart; one that makes no sense, or that the
// server would skip, is not sent.
TEST_F(PutTest, Conditions) {
  FakeServer server([](Peer& peer) {
    const Asked absent = peer.ReadRequest();
    EXPECT_TRUE(absent.request.conditions != nullptr && absent.request.conditions->if_absent);
    peer.ReadBody(absent.request.body_length);
    peer.Send(Error(absent.id, protocol::Status::kPreconditionFailed, "is there"));
    const Asked match = peer.ReadRequest();
    EXPECT_EQ(match.request.conditions != nullptr ? match.request.conditions->if_match : "", "e1");
    peer.ReadBody(match.request.body_length);
    peer.Send(Ok(match.id, 0));
    const Asked removed = peer.ReadRequest();
    EXPECT_EQ(removed.request.conditions != nullptr ? removed.request.conditions->if_match : "",
              "e2");
    peer.Send(Ok(removed.id, 0));
    const Asked read = peer.ReadRequest();
    EXPECT_EQ(read.request.conditions != nullptr ? read.request.conditions->if_none_match : "",
              "e3");
    peer.Send(Error(read.id, protocol::Status::kNotModified, "it is"));
    const Asked none = peer.ReadRequest();
    EXPECT_EQ(none.request.conditions, nullptr);
    peer.Send(Ok(none.id, 0));
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  PutOptions options;
  options.if_absent = true;
  const absl::Status failed = client.Put("a", "x", options).status();
  EXPECT_EQ(failed.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(WireStatusOf(failed), protocol::Status::kPreconditionFailed);
  options.if_match = "e1";
  EXPECT_TRUE(absl::IsInvalidArgument(client.Put("a", "x", options).status()));
  options.if_absent = false;
  EXPECT_TRUE(client.Put("a", "x", options).ok());
  EXPECT_TRUE(client.Delete("a", "e2").ok());
  EXPECT_EQ(client.GetBytes("a", Mode::kCopy, std::nullopt, "e3").status().code(),
            absl::StatusCode::kAlreadyExists);
  options.if_match = std::string(65, 'e');
  EXPECT_TRUE(absl::IsInvalidArgument(client.Put("a", "x", options).status()));
  EXPECT_TRUE(client.Delete("a").ok());
}

TEST_F(PutTest, ConditionsThatTheServerWouldSkip) {
  FakeServer server([](Peer& peer) { peer.ReadHello(), peer.AnswerHello(), peer.AwaitEnd(); },
                    Offer{protocol::kAllCapabilities & ~protocol::kConditions});
  Client client = Connected(server);
  PutOptions options;
  options.if_absent = true;
  EXPECT_TRUE(absl::IsFailedPrecondition(client.Put("a", "x", options).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(client.Delete("a", "e")));
  EXPECT_TRUE(absl::IsFailedPrecondition(client.GetFd("a", std::nullopt, "e").status()));
}

// A time to live goes along in whole seconds; without one nothing does.
TEST_F(PutTest, TimeToLive) {
  FakeServer server([](Peer& peer) {
    for (const uint32_t expected : {0u, 1u, 600u, 4294967295u}) {
      const Asked asked = peer.ReadRequest();
      EXPECT_EQ(asked.request.ttl_s, expected);
      EXPECT_EQ(peer.ReadBody(asked.request.body_length), "x");
      peer.Send(Ok(asked.id, 0));
    }
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  for (const absl::Duration ttl : {absl::InfiniteDuration(), absl::Milliseconds(1),
                                   absl::Minutes(10), absl::Seconds(4294967295)}) {
    PutOptions options;
    options.ttl = ttl;
    EXPECT_TRUE(client.Put("a", "x", options).ok()) << ttl;
  }
  for (const absl::Duration ttl :
       {absl::ZeroDuration(), absl::Seconds(-1), absl::Seconds(4294967296)}) {
    PutOptions options;
    options.ttl = ttl;
    EXPECT_EQ(client.Put("a", "x", options).status().code(), absl::StatusCode::kInvalidArgument)
        << ttl;
  }
}

// A refusal that leaves little to send costs nothing: the rest is sent, and the connection goes on.
TEST_F(PutTest, SmallRefusedBodyKeepsTheConnection) {
  FakeServer server([](Peer& peer) {
    const Asked asked = peer.ReadRequest();
    peer.Send(Error(asked.id, protocol::Status::kConflict, "it is a directory"));
    peer.ReadBody(asked.request.body_length);
    EXPECT_EQ(TakePut(peer), "next");
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  const absl::Status refused = client.Put("a", Bytes(700'000)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(SourceOf(refused), ErrorSource::kServer);
  EXPECT_TRUE(absl::StrContains(refused.message(), "OP_PUT \"a\": CONFLICT: it is a directory"))
      << refused;
  EXPECT_TRUE(client.Put("b", "next").ok());
}

// One that leaves much is not sent to its end: the answer is the server's, the connection is over.
// The server takes nothing of the body here, so a client that does not listen would never learn.
TEST_F(PutTest, LargeRefusedBodyIsLeftUnsent) {
  for (const bool from_file : {false, true}) {
    FakeServer server([](Peer& peer) {
      peer.Send(Error(peer.ReadRequest().id, protocol::Status::kUnavailable, "no room", 50));
      peer.AwaitEnd();
    });
    Client client = Connected(server);
    const std::string bytes = Bytes(20'000'000);
    const net::UniqueFd file = FileWith(bytes);
    const absl::Status refused =
        (from_file ? client.PutFile("a", file.get()) : client.Put("a", bytes)).status();
    EXPECT_EQ(WireStatusOf(refused), protocol::Status::kUnavailable) << refused;
    EXPECT_EQ(RetryAfter(refused), absl::Milliseconds(50));
    EXPECT_FALSE(client.status().ok());
  }
}

// A server that dies in the middle is an error of the connection, and raises no signal: neither
// from send(2) nor from sendfile(2).
TEST_F(PutTest, ServerGoesAway) {
  for (const bool from_file : {false, true}) {
    FakeServer server([](Peer& peer) {
      peer.ReadRequest();
      peer.HangUp();
    });
    Client client = Connected(server);
    const std::string bytes = Bytes(20'000'000);
    const net::UniqueFd file = FileWith(bytes);
    const absl::Status lost =
        (from_file ? client.PutFile("a", file.get()) : client.Put("a", bytes)).status();
    EXPECT_EQ(SourceOf(lost), ErrorSource::kConnection) << lost;
    EXPECT_EQ(lost.code(), absl::StatusCode::kUnavailable) << lost;
  }
  struct sigaction action;
  ASSERT_EQ(sigaction(SIGPIPE, nullptr, &action), 0);
  EXPECT_EQ(action.sa_handler, SIG_DFL);
}

// A source that fails or ends early stores nothing: the server never sees the last byte.
TEST_F(PutTest, SourceFails) {
  for (const bool ends : {false, true}) {
    FakeServer server([](Peer& peer) {
      peer.ReadRequest();
      peer.AwaitEnd();
    });
    Client client = Connected(server);
    const PutSource source = [ends](uint64_t offset,
                                    absl::Span<char> out) -> absl::StatusOr<size_t> {
      if (offset < 300'000) return out.size();
      if (ends) return 0;
      return absl::PermissionDeniedError("the source's own words");
    };
    const absl::Status failed = client.PutFrom("a", 1'000'000, source).status();
    EXPECT_EQ(failed.code(),
              ends ? absl::StatusCode::kDataLoss : absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(SourceOf(failed), ErrorSource::kLocal) << failed;
    EXPECT_FALSE(client.status().ok());
  }
}

// A descriptor arrives on the request's first byte and names the same file; a sealed memfd is made
// of bytes, which nobody can change any more.
TEST_F(PutTest, Descriptors) {
  FakeServer server([](Peer& peer) {
    for (const char* expected : {"of a file", "of memory", ""}) {
      const Asked asked = peer.ReadRequest();
      EXPECT_EQ(asked.request.mode, Mode::kPutFd);
      const net::UniqueFd fd = peer.TakeFd();
      EXPECT_EQ(ContentOf(fd.get()), expected);
      if (asked.uri == "memory") {
        EXPECT_EQ(fcntl(fd.get(), F_GET_SEALS) & (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK),
                  F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK);
      }
      peer.Send(Ok(asked.id, 0));
    }
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  const net::UniqueFd file = FileWith("of a file");
  const absl::StatusOr<ObjectInfo> stored = client.PutFd("file", file.get());
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->size, 9u);
  EXPECT_TRUE(client.PutMemory("memory", "of memory").ok());
  EXPECT_TRUE(client.PutMemory("memory", "").ok());
}

// What can never be stored is refused here, in words, and the connection goes on.
TEST_F(PutTest, BadArguments) {
  FakeServer server([](Peer& peer) {
    EXPECT_EQ(TakePut(peer), "good");
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  int pipes[2];
  ASSERT_EQ(pipe2(pipes, O_CLOEXEC), 0);
  const net::UniqueFd reading(pipes[0]);
  const net::UniqueFd writing(pipes[1]);
  const net::UniqueFd path(open("/proc/self/exe", O_PATH | O_CLOEXEC));
  for (const int fd : {reading.get(), path.get()}) {
    EXPECT_EQ(client.PutFd("a", fd).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(client.PutFile("a", fd).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(client.PutFd("a", -1).ok());
  EXPECT_EQ(client.Put("", "x").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(client.Put(std::string(4097, 'u'), "x").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(client.Put("a", "good").ok());
}

// Without the capabilities nothing is sent, and the message names the one that is missing.
TEST_F(PutTest, NeedsTheCapability) {
  FakeServer server(
      [](Peer& peer) {
        peer.ReadHello();
        peer.AnswerHello();
        peer.AwaitEnd();
      },
      Offer{.capabilities = protocol::kPipelining});
  Client client = Connected(server);
  for (const absl::Status& status :
       {client.Put("a", "x").status(), client.Delete("a"), client.List("").status(),
        client.PutMemory("a", "x").status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), "OBJECT_OPS")) << status;
  }
}

// An older server is not asked for a list that goes through: it would not know the flag.
TEST_F(PutTest, ListThroughNeedsTheCapability) {
  FakeServer server(
      [](Peer& peer) {
        peer.ReadHello();
        peer.AnswerHello();
        peer.AwaitEnd();
      },
      Offer{.capabilities = protocol::kAllCapabilities & ~protocol::kListThrough});
  Client client = Connected(server);
  const absl::Status status = client.List("a", "", /*through=*/true).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "LIST_THROUGH")) << status;
}

// V1 has none of it.
TEST_F(PutTest, NotInV1) {
  FakeServer server([](Peer& peer) { peer.AwaitEnd(); });
  Options options;
  options.dialect = protocol::Dialect::kV1;
  Client client = Connected(server, options);
  EXPECT_EQ(client.Put("a", "x").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(client.Delete("a").code(), absl::StatusCode::kFailedPrecondition);
}

// On TCP descriptors are refused here; bytes go.
TEST_F(PutTest, Tcp) {
  FakeServer server(
      [](Peer& peer) {
        EXPECT_EQ(TakePut(peer).size(), 3'000'000u);
        peer.AwaitEnd();
      },
      Offer(), Transport::kTcp);
  Client client = Connected(server);
  EXPECT_EQ(client.PutMemory("a", "x").status().code(), absl::StatusCode::kInvalidArgument);
  const net::UniqueFd file = FileWith(Bytes(3'000'000));
  EXPECT_TRUE(client.PutFile("a", file.get()).ok());
}

TEST_F(PutTest, Delete) {
  FakeServer server([](Peer& peer) {
    Asked asked = peer.ReadRequest();
    EXPECT_EQ(asked.request.mode, Mode::kDelete);
    EXPECT_EQ(asked.uri, "a");
    peer.Send(Ok(asked.id, 0));
    peer.Send(Error(peer.ReadRequest().id, protocol::Status::kUnsupportedOp, "read-only"));
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  EXPECT_TRUE(client.Delete("a").ok());
  EXPECT_EQ(client.Delete("a").code(), absl::StatusCode::kUnimplemented);
}

// One entry of a LIST's body.
std::string Entry(absl::string_view uri, char size) {
  std::string entry(1, '\0');
  entry.push_back(static_cast<char>(uri.size()));
  entry.append(uri.data(), uri.size());
  entry.append(7, '\0').push_back(size);
  entry.append(7, '\0').push_back(9);
  return entry;
}

// Sends `body` as the answer to the next LIST, whose URI field must be `asked_for`.
void AnswerList(Peer& peer, const std::string& asked_for, const std::string& body,
                absl::string_view cursor) {
  const Asked asked = peer.ReadRequest();
  EXPECT_EQ(asked.request.mode, Mode::kList);
  EXPECT_EQ(asked.uri, asked_for);
  peer.Send(Ok(asked.id, body.size(),
               [cursor](MetadataWriter& metadata) {
                 if (!cursor.empty()) metadata.AddText(MetadataType::kCursor, cursor);
               }) +
            body);
}

// All pages come, each asked for with the cursor of the one before; odd names survive.
TEST_F(PutTest, ListsPageByPage) {
  using namespace std::string_literals;
  FakeServer server([](Peer& peer) {
    AnswerList(peer, "p", Entry("p\n\xff", 5) + Entry("p1", 0), "c\x01"s);
    AnswerList(peer, "p\0c\x01"s, Entry("p2", 7), "");
    AnswerList(peer, "", "", "");
    AnswerList(peer, "", Entry("z", 1) + Entry("zz", 1), "c");
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  std::string seen;
  ASSERT_TRUE(client
                  .ListAll("p",
                           [&](ListEntry entry) {
                             seen += entry.uri + "=" + std::to_string(entry.size) + "@" +
                                     std::to_string(entry.mtime_s) + ";";
                             return true;
                           })
                  .ok());
  EXPECT_EQ(seen, "p\n\xff=5@9;p1=0@9;p2=7@9;");
  EXPECT_TRUE(client.List("").value().entries.empty());
  // A walk that was stopped asks for no more.
  EXPECT_TRUE(client.ListAll("", [](const ListEntry& entry) { return entry.uri != "z"; }).ok());
  EXPECT_EQ(client.List("a\0b"s).status().code(), absl::StatusCode::kInvalidArgument);
}

// A list that does not parse, or never ends, breaks the connection instead of the program.
TEST_F(PutTest, BadLists) {
  {
    FakeServer server([](Peer& peer) {
      AnswerList(peer, "", Entry("z", 1).substr(0, 10), "");
      peer.AwaitEnd();
    });
    Client client = Connected(server);
    EXPECT_EQ(client.List("").status().code(), absl::StatusCode::kInternal);
    EXPECT_FALSE(client.status().ok());
  }
  FakeServer server([](Peer& peer) {
    AnswerList(peer, "", Entry("z", 1), "same");
    AnswerList(peer, std::string("\0same", 5), Entry("z", 1), "same");
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  EXPECT_EQ(client.ListAll("", [](const ListEntry&) { return true; }).code(),
            absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace objmapper::client
