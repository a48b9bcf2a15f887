// Servers that answer something else than was asked: every client call says so, ends the connection
// where nobody knows what comes next, and keeps neither descriptors nor memory that the answer
// alone made it take.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "client/batch.h"
#include "client/client.h"
#include "client/error.h"
#include "client/udp.h"
#include "tests/client/fake_server.h"
#include "tests/client/temporary_folder.h"
#include "tests/net/open_fds.h"

namespace objmapper::client {
namespace {

using namespace std::string_literals;
using protocol::MetadataType;
using protocol::MetadataWriter;
using protocol::Mode;

class HostileServerTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(net::OpenFds(), before_); }

  static Client Connected(const FakeServer& server) {
    absl::StatusOr<Client> client = Client::Connect(server.url());
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }

  // `status` is a broken protocol's, and nothing more can be asked.
  static void ExpectBroken(const Client& client, const absl::Status& status,
                           absl::string_view piece) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
    EXPECT_EQ(SourceOf(status), ErrorSource::kConnection) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), piece)) << status << " without " << piece;
    EXPECT_FALSE(client.status().ok()) << piece;
  }

 private:
  const ptrdiff_t before_ = net::OpenFds();
};

Metadata Said(std::optional<uint64_t> size, std::optional<Range> range) {
  return [=](MetadataWriter& m) {
    if (size.has_value()) m.AddU64(MetadataType::kSize, *size);
    if (range.has_value()) m.AddRange(range->offset, range->length);
  };
}

// ---- Bytes ----

// Never more bytes than were asked for, nor others, nor fewer than there are; and an answer that
// says two things says nothing.
TEST_F(HostileServerTest, OtherBytes) {
  const struct {
    std::optional<Range> asked;
    uint64_t content_length;
    std::optional<uint64_t> size;
    std::optional<Range> range;
    const char* piece;
  } cases[] = {
      {Range{2, 10}, 100'000'000, {}, {}, "granted 100000000 at 2"},
      {Range{2, 10}, 100'000'000, 200'000'000, Range{2, 10}, "contradicts itself"},
      {Range{2, 10}, 10, 100, Range{3, 10}, "granted 10 at 3"},
      {Range{2, 10}, 4, 100, Range{2, 4}, "4 bytes at 2 of an object of 100"},
      {Range{2, 10}, 10, 5, Range{2, 10}, "10 bytes at 2 of an object of 5"},
      {Range{2, 0}, 1000, 10, Range{2, 1000}, "of an object of 10"},
      {Range{~uint64_t{0}, 10}, 10, 5, {}, "of an object of 5"},
      {std::nullopt, 100, 10, {}, "100 bytes at 0 of an object of 10"},
      {std::nullopt, 5, 10, {}, "of an object of 10"},
      {std::nullopt, 5, 10, Range{2, 5}, "5 bytes at 2"},
  };
  for (const auto& c : cases) {
    for (const bool by_pieces : {false, true}) {
      FakeServer server([&](Peer& peer) {
        peer.Send(Ok(peer.ReadRequest().id, c.content_length, Said(c.size, c.range)) + "hello");
        peer.AwaitEnd();
      });
      Client client = Connected(server);
      ExpectBroken(client,
                   by_pieces ? client.OpenBody("a", Mode::kSplice, c.asked).status()
                             : client.GetBytes("a", Mode::kCopy, c.asked).status(),
                   c.piece);
    }
  }
}

// A body where none belongs would be taken for answers.
TEST_F(HostileServerTest, BodiesWhereNoneBelong) {
  const std::function<absl::Status(Client&)> calls[] = {
      [](Client& client) { return client.Stat("a").status(); },
      [](Client& client) { return client.Put("a", "x").status(); },
      [](Client& client) { return client.PutMemory("a", "x").status(); },
      [](Client& client) { return client.Delete("a"); },
      [](Client& client) { return client.Ping(); },
  };
  for (const auto& call : calls) {
    FakeServer server([](Peer& peer) {
      const Asked asked = peer.ReadRequest();
      if (asked.request.mode == Mode::kPut) peer.ReadBody(asked.request.body_length);
      peer.Send(Ok(asked.id, 5) + "hello");
      peer.AwaitEnd();
    });
    Client client = Connected(server);
    ExpectBroken(client, call(client), "an unexpected body, of 5 bytes");
  }
  FakeServer server([](Peer& peer) {
    std::string answer = Error(peer.ReadRequest().id, protocol::Status::kNotFound, "no");
    answer[13] = 1;  // the last byte of content_length
    peer.Send(answer + "x");
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  ExpectBroken(client, client.GetBytes("a").status(), "an error with a body");
}

// The most address space that this process has had.
uint64_t PeakBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    uint64_t kb = 0;
    if (absl::StartsWith(line, "VmPeak:") &&
        absl::SimpleAtoi(line.substr(7, line.size() - 10), &kb))
      return kb << 10;
  }
  ADD_FAILURE() << "no VmPeak";
  return 0;
}

// An announcement takes no memory: it comes with the bytes.
TEST_F(HostileServerTest, AnnouncedBytesTakeNoMemory) {
  const uint64_t before = PeakBytes();
  for (const Mode mode : {Mode::kCopy, Mode::kList}) {
    FakeServer server([](Peer& peer) {
      const Asked asked = peer.ReadRequest();
      peer.Send(Ok(asked.id, uint64_t{4} << 30) + std::string(1000, 'x'));
    });
    Client client = Connected(server);
    const absl::Status status =
        mode == Mode::kCopy ? client.GetBytes("a").status() : client.List("").status();
    EXPECT_EQ(SourceOf(status), ErrorSource::kConnection) << status;
    EXPECT_FALSE(client.status().ok());
  }
  EXPECT_LT(PeakBytes() - before, uint64_t{1} << 30);
}

// Bodies beyond what is reserved at first arrive whole: more is taken as they come.
TEST_F(HostileServerTest, LargeBodiesGrow) {
  const std::string object = std::string(64 << 20, 'a') + std::string(300'001, 'b');
  FakeServer server([&](Peer& peer) {
    peer.Send(Ok(peer.ReadRequest().id, object.size()) + object);
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  EXPECT_TRUE(client.GetBytes("a").value() == object);
}

// ---- Descriptors ----

// Only an open regular file is an object; what else comes is closed, and ends the connection.
TEST_F(HostileServerTest, DescriptorsOfOtherThings) {
  TemporaryFolder folder;
  folder.Write("file", "hello");
  int pipe_ends[2];
  int sockets[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
  net::UniqueFd things[] = {
      net::UniqueFd(pipe_ends[0]),
      net::UniqueFd(sockets[0]),
      net::UniqueFd(open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
      net::UniqueFd(open("/dev/zero", O_RDONLY | O_CLOEXEC)),
      net::UniqueFd(open(folder.Path("file").c_str(), O_PATH | O_CLOEXEC)),
      net::UniqueFd(open(folder.Path("file").c_str(), O_WRONLY | O_CLOEXEC)),
  };
  const net::UniqueFd others[] = {net::UniqueFd(pipe_ends[1]), net::UniqueFd(sockets[1])};
  for (const net::UniqueFd& thing : things) {
    ASSERT_TRUE(thing.valid());
    FakeServer server([&](Peer& peer) {
      peer.Send(Ok(peer.ReadRequest().id, 0), {thing.get()});
      peer.AwaitEnd();
    });
    Client client = Connected(server);
    ExpectBroken(client, client.GetFd("a").status(), "the server passed a descriptor");
  }
}

// Whoever maps as many bytes as he was told of must find them there. A file that is too short may
// have been cut meanwhile, so the connection goes on.
TEST_F(HostileServerTest, FilesThatAreTooShort) {
  const net::UniqueFd file = FileWith("0123456789");
  FakeServer server([&](Peer& peer) {
    peer.Send(Ok(peer.ReadRequest().id, 11), {file.get()});
    peer.Send(Ok(peer.ReadRequest().id, 4, Said({}, Range{7, 4})), {file.get()});
    peer.Send(Ok(peer.ReadRequest().id, 3, Said({}, Range{7, 3})), {file.get()});
    peer.Send(Ok(peer.ReadRequest().id, 10, Said(9, {})), {file.get()});
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  absl::Status status = client.GetFd("a").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "only 10 of 11 bytes")) << status;
  status = client.GetFd("a", Range{7, 4}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_TRUE(client.GetFd("a", Range{7, 4}).ok());
  ExpectBroken(client, client.GetFd("a").status(), "contradicts itself");
}

// Descriptors that nobody asked for are never this process's. Where the kernel has SO_PASSRIGHTS,
// nobody can even send them; where not, they end the connection.
TEST_F(HostileServerTest, UnaskedDescriptorsAreNotKept) {
  const net::UniqueFd file = FileWith("hello");
  const std::vector<int> many(protocol::kFdsPerMessageMax, file.get());
  FakeServer server([&](Peer& peer) {
    const Asked asked = peer.ReadRequest();
    for (int i = 0; i < 10; ++i) peer.Send(i == 0 ? Ok(asked.id, 10) : "x", many);
    peer.Send(Ok(asked.id, 10) + "0123456789");
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  const ptrdiff_t open = net::OpenFds();
  const absl::StatusOr<std::string> bytes = client.GetBytes("a");
  // The script holds nothing that it did not hold before, so this is the client's.
  EXPECT_LE(net::OpenFds(), open);
  if (bytes.ok()) {
    EXPECT_EQ(*bytes, "0123456789");
  } else {
    ExpectBroken(client, bytes.status(), "more descriptors than OK answers");
  }
}

// Those that follow one that was asked for, while the kernel still lets them through, are not kept
// either.
TEST_F(HostileServerTest, DescriptorsBehindTheOneAskedFor) {
  const net::UniqueFd file = FileWith("hello");
  const std::vector<int> many(protocol::kFdsPerMessageMax, file.get());
  for (const Mode next : {Mode::kCopy, Mode::kFdPass}) {
    absl::Notification sent;
    FakeServer server([&](Peer& peer) {
      const Asked asked = peer.ReadRequest();
      // The first byte of the next answer carries them. It leaves before that is asked for.
      peer.Send(Ok(asked.id, 5), {file.get()});
      peer.Send("\x02", many);
      sent.Notify();
      peer.ReadRequest();
      peer.AwaitEnd();
    });
    Client client = Connected(server);
    absl::StatusOr<FdObject> object = client.GetFd("a");
    ASSERT_TRUE(object.ok()) << object.status();
    sent.WaitForNotification();
    ExpectBroken(client,
                 next == Mode::kCopy ? client.GetBytes("b").status() : client.GetFd("b").status(),
                 "more descriptors than OK answers");
  }
}

// In a batch an answer that carries no descriptor leaves no room for one.
TEST_F(HostileServerTest, BatchWithOneTooMany) {
  const net::UniqueFd file = FileWith("hello");
  FakeServer server([&](Peer& peer) {
    const Asked first = peer.ReadRequest();
    const Asked second = peer.ReadRequest();
    peer.Send(Ok(first.id, 5) + Error(second.id, protocol::Status::kNotFound, "no"),
              {file.get(), file.get()});
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  const std::vector<std::string> uris = {"a", "b"};
  const std::vector<absl::StatusOr<FdObject>> objects = BatchGetFd(client, uris);
  EXPECT_TRUE(objects[0].ok()) << objects[0].status();
  ExpectBroken(client, objects[1].status(), "more descriptors than OK answers");
}

// ---- Lists ----

std::string Entry(absl::string_view uri) {
  std::string entry{static_cast<char>(uri.size() >> 8), static_cast<char>(uri.size() & 0xFF)};
  entry.append(uri.data(), uri.size());
  return entry + std::string(16, '\0');
}

void AnswerList(Peer& peer, const std::string& body, const std::string& cursor = "") {
  peer.Send(Ok(peer.ReadRequest().id, body.size(),
               [&](MetadataWriter& metadata) {
                 if (!cursor.empty()) metadata.AddText(MetadataType::kCursor, cursor);
               }) +
            body);
}

// A list holds names that begin with what was asked for, in order and once: who uses them may rely
// on it.
TEST_F(HostileServerTest, ListsOfOtherThings) {
  const struct {
    std::string first, second;  // pages
    const char* piece;
  } cases[] = {
      {Entry("ab"), "", "lists \"ab\", which is not valid there: it does not begin with"},
      {Entry("/etc/passwd"), "", "it does not begin with"},
      {Entry(""), "", "it is empty"},
      {Entry("abc/x\0y"s), "",
       "lists \"abc/x\\x00y\", which is not valid there: it contains a NUL"},
      {Entry("abc" + std::string(4094, 'x')), "", "it is too long"},
      {Entry("abc/b") + Entry("abc/a"), "",
       "lists \"abc/a\", which is not valid there: it is not after"},
      {Entry("abc/a") + Entry("abc/a"), "", "it is not after"},
      {Entry("abc/b"), Entry("abc/b"), "it is not after"},
      {Entry("abc/b"), Entry("abc/a"), "it is not after"},
      {Entry("abc/\x1b[2J") + Entry("abc/\x9b"), Entry("q\xe2\x80\xae"),
       "lists \"q\\xe2\\x80\\xae\""},
  };
  for (const auto& c : cases) {
    FakeServer server([&](Peer& peer) {
      AnswerList(peer, c.first, c.second.empty() ? "" : "on");
      if (!c.second.empty()) AnswerList(peer, c.second);
      peer.AwaitEnd();
    });
    Client client = Connected(server);
    ExpectBroken(client, client.ListAll("abc", [](const ListEntry&) { return true; }), c.piece);
  }
}

// A page is a MiB at most, whatever is announced.
TEST_F(HostileServerTest, ListOfOnePageWithoutEnd) {
  FakeServer server([](Peer& peer) {
    peer.Send(Ok(peer.ReadRequest().id, (1 << 20) + 1));
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  ExpectBroken(client, client.List("").status(), "where 1048576 are the most");
}

// A list that brings nothing but new places to go on from ends some time.
TEST_F(HostileServerTest, ListThatNeverGetsOn) {
  FakeServer server([](Peer& peer) {
    for (int i = 0; peer.AwaitMore(); ++i) AnswerList(peer, "", absl::StrCat(i));
  });
  Client client = Connected(server);
  ExpectBroken(client, client.ListAll("", [](const ListEntry&) { return true; }),
               "makes no progress");
}

// ---- Datagrams ----

// Answers each datagram as `answer` says, until it dies.
class FakeDatagrams {
 public:
  using Answer = std::function<std::string(uint32_t id)>;

  explicit FakeDatagrams(Answer answer) {
    socket_.Reset(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    url_ = absl::StrCat("udp://127.0.0.1:", ntohs(address.sin_port));
    thread_ = std::thread([this, answer = std::move(answer)] {
      char bytes[4096];
      sockaddr_in from{};
      while (true) {
        socklen_t from_bytes = sizeof(from);
        const ssize_t got = recvfrom(socket_.get(), bytes, sizeof(bytes), 0,
                                     reinterpret_cast<sockaddr*>(&from), &from_bytes);
        if (got < 5) return;  // our own goodbye, or the socket's end
        uint32_t id;
        memcpy(&id, bytes + 1, sizeof(id));
        const std::string reply = answer(ntohl(id));
        sendto(socket_.get(), reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from),
               from_bytes);
      }
    });
  }
  ~FakeDatagrams() {
    sockaddr_in self{};
    socklen_t size = sizeof(self);
    getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&self), &size);
    sendto(socket_.get(), "", 0, 0, reinterpret_cast<sockaddr*>(&self), size);
    thread_.join();
  }
  const std::string& url() const { return url_; }

 private:
  std::string url_;
  net::UniqueFd socket_;
  std::thread thread_;
};

std::string TooLarge(uint32_t id, uint64_t size, const Range& granted) {
  std::string answer = Ok(id, 0, Said(size, granted));
  answer[5] = static_cast<char>(protocol::Status::kTooLarge);
  return answer;
}

// By UDP too, only what was asked for is an answer.
TEST_F(HostileServerTest, OtherDatagrams) {
  const struct {
    std::optional<Range> asked;
    FakeDatagrams::Answer answer;
    const char* piece;
  } cases[] = {
      {std::nullopt,
       [](uint32_t id) {
         return Ok(id, 5, Said(10, Range{2, 5})) + "hello";
       },
       "5 bytes at 2"},
      {std::nullopt,
       [](uint32_t id) {
         return Ok(id, 5, Said(10, Range{0, 5})) + "hello";
       },
       "where 10 at 0"},
      {Range{2, 3},
       [](uint32_t id) {
         return Ok(id, 5, Said(10, Range{2, 5})) + "hello";
       },
       "where 3 at 2"},
      {Range{2, 5},
       [](uint32_t id) {
         return Ok(id, 5, Said(10, Range{3, 5})) + "hello";
       },
       "5 bytes at 3"},
      {Range{2, 9},
       [](uint32_t id) {
         return Ok(id, 5, Said(100, Range{2, 5})) + "hello";
       },
       "where 9 at 2"},
      {std::nullopt,
       [](uint32_t id) {
         return TooLarge(id, 1 << 30, Range{0, 1});
       },
       "ranges of 1 bytes"},
  };
  for (const auto& c : cases) {
    FakeDatagrams server(c.answer);
    const absl::Status status = UdpClient::Open(server.url()).value().Get("a", c.asked).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), c.piece)) << status << " without " << c.piece;
  }
  FakeDatagrams server([](uint32_t id) { return Ok(id, 5, Said(10, {})) + "hello"; });
  EXPECT_EQ(UdpClient::Open(server.url()).value().Stat("a").status().code(),
            absl::StatusCode::kInternal);
}

// A size that is only said takes no memory.
TEST_F(HostileServerTest, AnnouncedDatagramsTakeNoMemory) {
  const uint64_t before = PeakBytes();
  FakeDatagrams server([](uint32_t id) { return TooLarge(id, uint64_t{3} << 30, Range{0, 1000}); });
  UdpOptions options;
  options.request_timeout = absl::Milliseconds(300);
  EXPECT_FALSE(UdpClient::Open(server.url(), options).value().Get("a").ok());
  EXPECT_LT(PeakBytes() - before, uint64_t{1} << 30);
}

// ---- Whose server it is ----

// Nothing is said to a server of somebody else's, where it was told whose it is to be.
TEST_F(HostileServerTest, SomebodyElsesServer) {
  Options options;
  options.server_uids = {geteuid() + 1, geteuid() + 2};
  {
    FakeServer server([](Peer& peer) { EXPECT_FALSE(peer.AwaitMore()) << "something was asked"; });
    const absl::Status status = Client::Connect(server.url(), options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
    EXPECT_EQ(SourceOf(status), ErrorSource::kConnection) << status;
    EXPECT_TRUE(absl::StrContains(status.message(),
                                  absl::StrCat("is uid ", geteuid(), ", not uid ", geteuid() + 1)))
        << status;
  }
  options.server_uids.push_back(geteuid());
  FakeServer server([](Peer& peer) {
    peer.ReadHello();
    peer.AnswerHello();
    peer.AwaitEnd();
  });
  EXPECT_TRUE(Client::Connect(server.url(), options).ok());
  EXPECT_EQ(Client::Connect("tcp://127.0.0.1:1", options).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace objmapper::client
