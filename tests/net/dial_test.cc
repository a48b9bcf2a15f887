// Connecting by every kind of address, and what each failure is called.
#include "net/dial.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <random>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/net/open_fds.h"
#include "tests/net/short_folder.h"

namespace objmapper::net {
namespace {

constexpr absl::Duration kLong = absl::Seconds(20);
constexpr absl::Duration kShort = absl::Milliseconds(50);

// Binds TCP to a port of the kernel's choice on the loopback; listens when `backlog` is not -1.
UniqueFd BindTcp(int backlog, uint16_t* port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  if (backlog >= 0) {
    EXPECT_EQ(listen(fd.get(), backlog), 0);
  }
  EXPECT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  *port = ntohs(address.sin_port);
  return fd;
}

// Listens on a Unix socket; `path` as in Address.
UniqueFd ListenUnix(const std::string& path, int backlog) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path.data(), path.size());
  socklen_t size = offsetof(sockaddr_un, sun_path) + path.size() + 1;
  if (path[0] == '@') {
    address.sun_path[0] = '\0';
    --size;
  }
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0) << path;
  EXPECT_EQ(listen(fd.get(), backlog), 0);
  return fd;
}

Address Unix(const std::string& path) {
  Address address;
  address.path = path;
  return address;
}

Address Tcp(const std::string& host, uint16_t port) {
  Address address;
  address.kind = Address::Kind::kTcp;
  address.host = host;
  address.port = port;
  return address;
}

// A byte that goes in at one end comes out at the other.
void ExpectConnected(const UniqueFd& client, const UniqueFd& listener) {
  UniqueFd server(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(server.valid());
  ASSERT_EQ(send(client.get(), "x", 1, MSG_NOSIGNAL), 1);
  char byte = 0;
  ASSERT_EQ(recv(server.get(), &byte, 1, 0), 1);
  EXPECT_EQ(byte, 'x');
}

class DialTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(OpenFds(), before_); }
  std::string Path() const { return folder_.Path("s"); }

 private:
  const ptrdiff_t before_ = OpenFds();
  const ShortFolder folder_;
};

// A Unix socket's path is dialed, and the descriptor does not survive an exec.
TEST_F(DialTest, ConnectsToAPath) {
  UniqueFd listener = ListenUnix(Path(), 8);
  absl::StatusOr<UniqueFd> client = Dial(Unix(Path()), kLong);
  ASSERT_TRUE(client.ok()) << client.status();
  ExpectConnected(*client, listener);
  EXPECT_EQ(fcntl(client->get(), F_GETFD), FD_CLOEXEC);
}

// A path of the full 107 bytes works: none is lost to the NUL.
TEST_F(DialTest, ConnectsToTheLongestAbstractName) {
  std::string name = absl::StrCat("@dial_test.", std::random_device()(), ".");
  name.append(107 - name.size(), 'n');
  UniqueFd listener = ListenUnix(name, 8);
  absl::StatusOr<UniqueFd> client = Dial(Unix(name), kLong);
  ASSERT_TRUE(client.ok()) << client.status();
  ExpectConnected(*client, listener);
}

// TCP connections send small segments at once, and block again after the bounded connect.
TEST_F(DialTest, ConnectsToTcpWithNoDelay) {
  uint16_t port;
  UniqueFd listener = BindTcp(8, &port);
  absl::StatusOr<UniqueFd> client = Dial(Tcp("127.0.0.1", port), kLong);
  ASSERT_TRUE(client.ok()) << client.status();
  ExpectConnected(*client, listener);
  int on = 0;
  socklen_t size = sizeof(on);
  ASSERT_EQ(getsockopt(client->get(), IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
  EXPECT_NE(on, 0);
  timeval timeout{1, 1};
  size = sizeof(timeout);
  ASSERT_EQ(getsockopt(client->get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, &size), 0);
  EXPECT_EQ(timeout.tv_sec, 0);
  EXPECT_EQ(timeout.tv_usec, 0);
}

// A host with several addresses is tried through: "localhost" may name ::1 first, where nobody
// listens.
TEST_F(DialTest, TriesEachAddressOfAHost) {
  uint16_t port;
  UniqueFd listener = BindTcp(8, &port);
  absl::StatusOr<UniqueFd> client = Dial(Tcp("localhost", port), kLong);
  ASSERT_TRUE(client.ok()) << client.status();
  ExpectConnected(*client, listener);
}

// No socket file, or one that nobody listens on: UNAVAILABLE, naming the address.
TEST_F(DialTest, NobodyAtAPathIsUnavailable) {
  const absl::Status missing = Dial(Unix(Path()), kLong).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(missing.message(), Path())) << missing;
  EXPECT_TRUE(absl::StrContains(missing.message(), "is the server running?")) << missing;

  ListenUnix(Path(), 8).Reset();  // leaves the file
  const absl::Status refused = Dial(Unix(Path()), kLong).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(refused.message(), "there is no listener")) << refused;
}

// A port that is bound but not listened on refuses.
TEST_F(DialTest, NobodyAtAPortIsUnavailable) {
  uint16_t port;
  UniqueFd bound = BindTcp(-1, &port);
  const absl::Status status = Dial(Tcp("127.0.0.1", port), kLong).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(status.message(), absl::StrCat("tcp://127.0.0.1:", port)))
      << status;
}

// A server that never accepts costs the timeout and no more. Backlog 0 still queues one.
TEST_F(DialTest, FullBacklogTimesOut) {
  UniqueFd unix_listener = ListenUnix(Path(), 0);
  absl::StatusOr<UniqueFd> queued = Dial(Unix(Path()), kLong);
  ASSERT_TRUE(queued.ok()) << queued.status();
  EXPECT_EQ(Dial(Unix(Path()), kShort).status().code(), absl::StatusCode::kDeadlineExceeded);

  uint16_t port;
  UniqueFd tcp_listener = BindTcp(0, &port);
  absl::StatusOr<UniqueFd> tcp_queued = Dial(Tcp("127.0.0.1", port), kLong);
  ASSERT_TRUE(tcp_queued.ok()) << tcp_queued.status();
  const absl::Status status = Dial(Tcp("127.0.0.1", port), kShort).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
}

// Addresses that cannot be dialed are the caller's mistake.
TEST_F(DialTest, BadAddressesAreInvalid) {
  for (const Address& address : {Unix(""), Unix("@"), Unix(std::string(108, 'x')), Tcp("", 80),
                                 Tcp("127.0.0.1", 0), Tcp("host.invalid.", 80)}) {
    const absl::Status status = Dial(address, kLong).status();
    EXPECT_FALSE(status.ok());
    if (address.host == "host.invalid.") continue;  // without a resolver: UNAVAILABLE
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  }
}

}  // namespace
}  // namespace objmapper::net
