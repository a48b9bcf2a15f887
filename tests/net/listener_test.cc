// Socket files: which are replaced, which are refused, and which are removed at the end.
#include "net/listener.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/dial.h"
#include "tests/net/open_fds.h"
#include "tests/net/short_folder.h"

namespace objmapper::net {
namespace {

using absl::StatusCode;

constexpr absl::Duration kLong = absl::Seconds(20);

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

// A socket of our own, bound to a path; it listens when `backlog` is not -1.
UniqueFd BindPath(const std::string& path, int type, int backlog) {
  UniqueFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0) << path;
  if (backlog >= 0) {
    EXPECT_EQ(listen(fd.get(), backlog), 0);
  }
  return fd;
}

// Leaves a socket file behind that nobody listens on, as a server that was killed does.
void LeaveStaleSocket(const std::string& path) { BindPath(path, SOCK_STREAM, 8).Reset(); }

bool Exists(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0;
}

// A client reaches this listener, and no other, at its own address.
void ExpectServes(const Listener& listener) {
  absl::StatusOr<UniqueFd> client = Dial(listener.address(), kLong);
  ASSERT_TRUE(client.ok()) << client.status();
  pollfd ready{listener.fd(), POLLIN, 0};
  ASSERT_EQ(poll(&ready, 1, 20'000), 1);
  const UniqueFd server(accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(server.valid());
  ASSERT_EQ(send(client->get(), "x", 1, MSG_NOSIGNAL), 1);
  char byte = 0;
  EXPECT_EQ(recv(server.get(), &byte, 1, 0), 1);
}

class ListenerTest : public testing::Test {
 protected:
  void SetUp() override { alarm(50); }
  void TearDown() override {
    EXPECT_EQ(OpenFds(), before_);
    alarm(0);
  }

  const std::string& directory() const { return folder_.path(); }
  std::string Path() const { return folder_.Path("s"); }
  std::string LockPath() const { return folder_.Path(".s.lock"); }

  // Opening Path() is refused, and the message names it.
  void ExpectRefused(StatusCode code, absl::string_view reason) {
    const absl::Status status = Listener::Open(Unix(Path())).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), Path())) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), reason)) << status;
  }

 private:
  const ptrdiff_t before_ = OpenFds();
  const ShortFolder folder_;
};

// A listener is reached by its path; accepting never blocks, and no child inherits it.
TEST_F(ListenerTest, ListensOnAPath) {
  absl::StatusOr<Listener> listener = Listener::Open(Unix(Path()));
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ(listener->address().ToUrl(), absl::StrCat("unix:", Path()));
  ExpectServes(*listener);
  EXPECT_NE(fcntl(listener->fd(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(fcntl(listener->fd(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(accept(listener->fd(), nullptr, nullptr), -1);
}

// The socket file lives as long as its listener, which may move.
TEST_F(ListenerTest, RemovesItsFileOnce) {
  std::optional<Listener> last;
  {
    absl::StatusOr<Listener> first = Listener::Open(Unix(Path()));
    ASSERT_TRUE(first.ok()) << first.status();
    last.emplace(*std::move(first));
  }
  ASSERT_TRUE(Exists(Path()));
  ExpectServes(*last);
  last.reset();
  EXPECT_FALSE(Exists(Path()));
}

// A path relative to the current directory, without a slash, works as any.
TEST_F(ListenerTest, ListensOnARelativePath) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory());
  {
    LeaveStaleSocket("s");
    absl::StatusOr<Listener> listener = Listener::Open(Unix("s"));
    ASSERT_TRUE(listener.ok()) << listener.status();
    ExpectServes(*listener);
    EXPECT_TRUE(Exists(Path()));
  }
  EXPECT_FALSE(Exists(Path()));
  std::filesystem::current_path(before);
}

// The file of a server that was killed is no obstacle.
TEST_F(ListenerTest, ReplacesAStaleSocket) {
  LeaveStaleSocket(Path());
  absl::StatusOr<Listener> listener = Listener::Open(Unix(Path()));
  ASSERT_TRUE(listener.ok()) << listener.status();
  ExpectServes(*listener);
}

// A live server keeps its path and goes on serving.
TEST_F(ListenerTest, NeverReplacesALiveServer) {
  absl::StatusOr<Listener> listener = Listener::Open(Unix(Path()));
  ASSERT_TRUE(listener.ok()) << listener.status();
  ExpectRefused(StatusCode::kAlreadyExists, "a server is running there");
  // The second one's look, a connection that was closed at once, is all that it left.
  const UniqueFd look(accept4(listener->fd(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_TRUE(look.valid());
  ExpectServes(*listener);
}

// A server whose queue is full is busy, not dead.
TEST_F(ListenerTest, NeverReplacesABusyServer) {
  const UniqueFd busy = BindPath(Path(), SOCK_STREAM, 0);
  absl::StatusOr<UniqueFd> queued = Dial(Unix(Path()), kLong);  // a backlog of 0 holds one
  ASSERT_TRUE(queued.ok()) << queued.status();
  ExpectRefused(StatusCode::kAlreadyExists, "a server is running there");
  EXPECT_TRUE(Exists(Path()));
}

// A datagram socket is somebody's, too.
TEST_F(ListenerTest, NeverReplacesADatagramSocket) {
  const UniqueFd other = BindPath(Path(), SOCK_DGRAM, -1);
  ExpectRefused(StatusCode::kAlreadyExists, "a server is running there");
  EXPECT_TRUE(Exists(Path()));
}

// Whatever is no socket stays: a file, a directory, a link, even one to a stale socket.
TEST_F(ListenerTest, NeverReplacesAnythingElse) {
  const UniqueFd file(open(Path().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_TRUE(file.valid());
  ExpectRefused(StatusCode::kAlreadyExists, "is not a socket");
  EXPECT_TRUE(Exists(Path()));
  ASSERT_EQ(unlink(Path().c_str()), 0);

  ASSERT_EQ(mkdir(Path().c_str(), 0700), 0);
  ExpectRefused(StatusCode::kAlreadyExists, "is not a socket");
  ASSERT_EQ(rmdir(Path().c_str()), 0);

  LeaveStaleSocket(absl::StrCat(Path(), "2"));
  ASSERT_EQ(symlink("s2", Path().c_str()), 0);
  ExpectRefused(StatusCode::kAlreadyExists, "is not a socket");
  EXPECT_TRUE(Exists(Path()));
  EXPECT_TRUE(Exists(absl::StrCat(Path(), "2")));
}

// Somebody removed our file and another server took the path over: its file is not ours to remove.
TEST_F(ListenerTest, LeavesASuccessorsFile) {
  std::optional<Listener> successor;
  {
    absl::StatusOr<Listener> first = Listener::Open(Unix(Path()));
    ASSERT_TRUE(first.ok()) << first.status();
    ASSERT_EQ(unlink(Path().c_str()), 0);
    absl::StatusOr<Listener> second = Listener::Open(Unix(Path()));
    ASSERT_TRUE(second.ok()) << second.status();
    successor.emplace(*std::move(second));
  }
  ASSERT_TRUE(Exists(Path()));
  ExpectServes(*successor);
}

// Of servers that start at once on one path, stale or free, exactly one runs; the others are told.
TEST_F(ListenerTest, OneOfManyStarts) {
  constexpr int kServers = 4;
  for (int round = 0; round < 50; ++round) {
    if (round % 2 == 0) LeaveStaleSocket(Path());
    std::vector<std::optional<absl::StatusOr<Listener>>> results(kServers);
    std::atomic<int> waiting{kServers};
    std::vector<std::thread> threads;
    for (int i = 0; i < kServers; ++i) {
      threads.emplace_back([&, i] {
        for (waiting.fetch_sub(1); waiting.load() > 0;) std::this_thread::yield();
        results[i].emplace(Listener::Open(Unix(Path())));
      });
    }
    for (std::thread& thread : threads) thread.join();
    int running = 0;
    for (const auto& result : results) {
      if ((*result).ok()) {
        ++running;
      } else {
        EXPECT_EQ((*result).status().code(), StatusCode::kAlreadyExists) << (*result).status();
      }
    }
    ASSERT_EQ(running, 1);
  }
}

// Who can read the directory can lock it: that keeps nobody from listening.
TEST_F(ListenerTest, ALockedDirectoryIsNoObstacle) {
  const UniqueFd lock(open(directory().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(flock(lock.get(), LOCK_EX), 0);
  absl::StatusOr<Listener> listener = Listener::Open(Unix(Path()));
  ASSERT_TRUE(listener.ok()) << listener.status();
  ExpectServes(*listener);
}

// Another server of ours that keeps the lock is named as the reason, not waited for without end.
TEST_F(ListenerTest, GivesUpOnALockThatIsHeld) {
  const UniqueFd lock(open(LockPath().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(flock(lock.get(), LOCK_EX), 0);
  ExpectRefused(StatusCode::kUnavailable, "locked");
  EXPECT_FALSE(Exists(Path()));
}

// One that was killed at that moment leaves its file, which is no obstacle; and nobody leaves it
// otherwise.
TEST_F(ListenerTest, ALockThatWasLeft) {
  UniqueFd(open(LockPath().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)).Reset();
  absl::StatusOr<Listener> listener = Listener::Open(Unix(Path()));
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_FALSE(Exists(LockPath()));
}

// What others have put in the lock's place, or can hold a lock on, is told with its name, and
// touched by nobody.
TEST_F(ListenerTest, WhatLiesInTheLocksPlace) {
  const auto expect_refused = [&](absl::string_view reason) {
    ExpectRefused(StatusCode::kFailedPrecondition, reason);
    ExpectRefused(StatusCode::kFailedPrecondition, LockPath());
    EXPECT_TRUE(Exists(LockPath())) << reason;
    EXPECT_FALSE(Exists(Path())) << reason;
    std::filesystem::remove(LockPath());
  };
  UniqueFd(open(LockPath().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)).Reset();
  ASSERT_EQ(chmod(LockPath().c_str(), 0604), 0);
  expect_refused("others may open it (mode 0604)");
  {
    const UniqueFd file(open(LockPath().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(write(file.get(), "x", 1), 1);
  }
  expect_refused("contains data");
  ASSERT_EQ(symlink("elsewhere", LockPath().c_str()), 0);
  expect_refused("not a regular file");
  EXPECT_FALSE(Exists(directory() + "/elsewhere"));
  ASSERT_EQ(mkfifo(LockPath().c_str(), 0600), 0);
  expect_refused("not a regular file");
  ASSERT_EQ(mkdir(LockPath().c_str(), 0700), 0);
  expect_refused("not a regular file");
  if (geteuid() != 0) return;
  UniqueFd(open(LockPath().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)).Reset();
  if (chown(LockPath().c_str(), 12345, 12345) != 0) return;  // a sandbox that knows one user alone
  expect_refused("of uid 12345");
}

// The lock is given back: a directory holds any number of sockets.
TEST_F(ListenerTest, GivesTheLockBack) {
  absl::StatusOr<Listener> one = Listener::Open(Unix(Path()));
  absl::StatusOr<Listener> two = Listener::Open(Unix(absl::StrCat(Path(), "2")));
  ASSERT_TRUE(one.ok() && two.ok()) << one.status() << two.status();
  ExpectServes(*one);
  ExpectServes(*two);
}

// A path of 107 bytes is used to its last byte; a longer or empty one is refused, not cut.
TEST_F(ListenerTest, PathsAreNeverCut) {
  std::string longest = absl::StrCat(directory(), "/");
  longest.append(107 - longest.size(), 'n');
  absl::StatusOr<Listener> listener = Listener::Open(Unix(longest));
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(Exists(longest));
  ExpectServes(*listener);
  for (const std::string& path : {longest + "n", std::string(), std::string("@")}) {
    EXPECT_EQ(Listener::Open(Unix(path)).status().code(), StatusCode::kInvalidArgument) << path;
  }
}

// A directory that is missing, or that may not be written to, is named.
TEST_F(ListenerTest, BadDirectoriesAreNamed) {
  const std::string missing = absl::StrCat(directory(), "/missing");
  const absl::Status status = Listener::Open(Unix(absl::StrCat(missing, "/s"))).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), missing)) << status;

  const absl::Status proc = Listener::Open(Unix("/proc/s")).status();
  EXPECT_FALSE(proc.ok());
  EXPECT_TRUE(absl::StrContains(proc.message(), "/proc/s")) << proc;
}

// A name in the abstract namespace leaves no file, and is free again with its listener.
TEST_F(ListenerTest, ListensOnAnAbstractName) {
  const Address address = Unix(absl::StrCat("@listener_test.", getpid()));
  {
    absl::StatusOr<Listener> listener = Listener::Open(address);
    ASSERT_TRUE(listener.ok()) << listener.status();
    ExpectServes(*listener);
    EXPECT_FALSE(Exists(address.path));
    const absl::Status second = Listener::Open(address).status();
    EXPECT_EQ(second.code(), StatusCode::kAlreadyExists) << second;
    EXPECT_TRUE(absl::StrContains(second.message(), address.path)) << second;
  }
  EXPECT_TRUE(Listener::Open(address).ok());
}

// Port 0 becomes a real one, and the address says which.
TEST_F(ListenerTest, ListensOnAPortOfTheKernelsChoice) {
  absl::StatusOr<Listener> listener = Listener::Open(Tcp("127.0.0.1", 0));
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ(listener->address().host, "127.0.0.1");
  EXPECT_NE(listener->address().port, 0);
  ExpectServes(*listener);
  EXPECT_NE(fcntl(listener->fd(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(fcntl(listener->fd(), F_GETFD), FD_CLOEXEC);
}

// A host without a name is every address of this machine; one with a name is what it stands for.
TEST_F(ListenerTest, ListensOnAnyAddressAndOnNames) {
  absl::StatusOr<Listener> any = Listener::Open(Tcp("", 0));
  ASSERT_TRUE(any.ok()) << any.status();
  EXPECT_EQ(any->address().host, "0.0.0.0");
  ExpectServes(*any);

  absl::StatusOr<Listener> named = Listener::Open(Tcp("localhost", 0));
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_TRUE(named->address().host == "127.0.0.1" || named->address().host == "::1");
  ExpectServes(*named);
}

// A port has one server.
TEST_F(ListenerTest, PortsAreNotShared) {
  absl::StatusOr<Listener> first = Listener::Open(Tcp("127.0.0.1", 0));
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::Status second = Listener::Open(first->address()).status();
  EXPECT_EQ(second.code(), StatusCode::kAlreadyExists) << second;
  EXPECT_TRUE(absl::StrContains(second.message(), first->address().ToUrl())) << second;
}

// IPv4 and IPv6 have ports of their own: both wildcards can be listened on with one number.
TEST_F(ListenerTest, BothFamiliesShareANumber) {
  absl::StatusOr<Listener> v6 = Listener::Open(Tcp("::", 0));
  if (!v6.ok()) GTEST_SKIP() << "no IPv6 here: " << v6.status();
  ExpectServes(*v6);
  absl::StatusOr<Listener> v4 = Listener::Open(Tcp("0.0.0.0", v6->address().port));
  ASSERT_TRUE(v4.ok()) << v4.status();
  ExpectServes(*v4);
}

// A server that closed its connections first can be started again at once: their TIME_WAIT does
// not hold the port.
TEST_F(ListenerTest, PortsAreFreeAgainAtOnce) {
  Address address;
  {
    absl::StatusOr<Listener> first = Listener::Open(Tcp("127.0.0.1", 0));
    ASSERT_TRUE(first.ok()) << first.status();
    address = first->address();
    absl::StatusOr<UniqueFd> client = Dial(address, kLong);
    ASSERT_TRUE(client.ok()) << client.status();
    UniqueFd server(accept4(first->fd(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(server.valid());
    server.Reset();
    char byte;
    ASSERT_EQ(recv(client->get(), &byte, 1, 0), 0);
  }
  absl::StatusOr<Listener> second = Listener::Open(address);
  ASSERT_TRUE(second.ok()) << second.status();
  ExpectServes(*second);
}

// Hosts that are unknown, or not this machine's, are named.
TEST_F(ListenerTest, BadHostsAreNamed) {
  for (const char* host : {"192.0.2.1", "host.invalid."}) {  // RFC 5737, RFC 2606
    const absl::Status status = Listener::Open(Tcp(host, 0)).status();
    EXPECT_FALSE(status.ok()) << host;
    EXPECT_TRUE(absl::StrContains(status.message(), host)) << status;
  }
}

}  // namespace
}  // namespace objmapper::net
