// Descriptors whose last close(2) never returns, and files that do not answer: none of the server's
// threads waits for them, wherever they come to it.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "net/unique_fd.h"
#include "tests/e2e/fuse_mount.h"
#include "tests/e2e/metrics.h"
#include "tests/e2e/writable.h"
#include "tests/net/memfd.h"

namespace objmapper::e2e {
namespace {

constexpr char kObject[] = "what the server serves";
// What makes a server believe that its kernel is older than Linux 6.16 (net/pass_rights.h).
constexpr char kOldKernel[] = "OBJMAPPER_WITHOUT_PASSRIGHTS=1";

// A TCP connection to nobody who reads, with bytes that cannot leave, and SO_LINGER: who closes it
// last waits for 1000 s.
class Lingering {
 public:
  Lingering() {
    const net::UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int little = 4096;
    setsockopt(listener.get(), SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(name);
    EXPECT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
    EXPECT_EQ(listen(listener.get(), 1), 0);
    EXPECT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&name), &size), 0);
    fd_.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(fd_.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
    peer_.Reset(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const std::string bytes(1 << 16, 'x');
    for (int i = 0; i < 64; ++i) {
      if (send(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) < 0) break;
    }
    const linger long_time{1, 1000};
    EXPECT_EQ(setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &long_time, sizeof(long_time)), 0);
  }
  // A reset, after which nobody lingers.
  ~Lingering() {
    const linger throw_away{1, 0};
    setsockopt(peer_.get(), SOL_SOCKET, SO_LINGER, &throw_away, sizeof(throw_away));
    peer_.Reset();
    if (closer_.joinable()) closer_.join();
  }
  int fd() const { return fd_.get(); }
  // It is the server's alone from now on. (Where that has let go of it already, ours is the last,
  // and who closes it waits.)
  void Leave() {
    closer_ = std::thread([fd = std::make_shared<net::UniqueFd>(std::move(fd_))] { fd->Reset(); });
  }

 private:
  net::UniqueFd peer_, fd_;
  std::thread closer_;
};

// SCM_MAX_FD.
constexpr size_t kFdsMost = 253;

// Sends one byte out of band with it. The kernel may refuse either.
void SendOutOfBand(Wire* wire, Lingering* lingering) {
  char byte = '!';
  iovec iov{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = lingering->fd();
  memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  if (sendmsg(wire->fd(), &message, MSG_OOB | MSG_NOSIGNAL | MSG_DONTWAIT) > 0) lingering->Leave();
}

int CountOf(const std::map<std::string, int>& descriptors) {
  int count = 0;
  for (const auto& [kind, number] : descriptors) count += number;
  return count;
}

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/task/", pid, "/children"));
  std::vector<pid_t> children;
  for (pid_t child; file >> child;) children.push_back(child);
  EXPECT_FALSE(children.empty());
  return children;
}

struct Case {
  std::string engine;
  bool old_kernel = false;
};

std::string CaseName(const testing::TestParamInfo<Case>& info) {
  return info.param.engine + (info.param.old_kernel ? "_old_kernel" : "");
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const std::string& engine : kEverything) {
    for (const bool old_kernel : {false, true}) cases.push_back({engine, old_kernel});
  }
  return cases;
}

class HostileForeignFdTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const std::string& engine = GetParam().engine;
    const std::string why = WhyNotEngine(engine == "model_uring" ? "uring" : engine);
    if (!why.empty()) GTEST_SKIP() << why;
    tree_.Add("object", kObject);
  }
  void TearDown() override {
    if (server_ == nullptr) return;
    // Not only does it end: nothing makes it take longer than it may.
    const absl::Time since = absl::Now();
    EXPECT_EQ(server_->Stop(SIGTERM), 0) << server_->log();
    EXPECT_LT(absl::Now() - since, absl::Seconds(15));
  }

  ServerProcess& Start(std::vector<std::string> flags = {}, const std::string& root = "") {
    flags.insert(flags.begin(),
                 {"--drain_timeout=1s", "--request_timeout=2s", "--admin_listen=" + admin()});
    ServerOptions options{.engine = GetParam().engine, .flags = flags};
    if (GetParam().old_kernel) options.environment = {kOldKernel};
    server_ = std::make_unique<ServerProcess>(root.empty() ? tree_.root() : root, options);
    // A kernel that can do it refuses, unless it is said to be old.
    refuses_ = absl::StrContains(server_->log(), "refused by the kernel");
    return *server_;
  }
  ServerProcess& StartWritable(std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {"--writable", "--durability=none"});
    return Start(std::move(flags));
  }
  std::string admin() const { return admin_directory_.path() + "/admin"; }

  // Every thread of it does, on either transport, and in every mode.
  void ExpectServes() {
    for (int i = 0; i < 8; ++i) {
      RawClient unix_client = RawClient::V1(server_->Unix());
      EXPECT_EQ(unix_client.Get({.mode = kCopy, .uri = "object"}).body, kObject);
      EXPECT_EQ(Contents(unix_client.Get({.mode = kFdPass, .uri = "object"}).fd.get()), kObject);
      EXPECT_EQ(RawClient::V1(server_->Tcp()).Get({.mode = kSplice, .uri = "object"}).body,
                kObject);
      RawClient v2 = RawClient::V2(server_->Unix(), kInOrder);
      EXPECT_TRUE(v2.Get({.mode = kList}).ok());
    }
  }

  // Sends `bytes` with it, unless the kernel refuses.
  void Send(Wire* wire, absl::string_view bytes, Lingering* lingering, bool expected = false) {
    // It reads when we have let go of ours: then it, or who does it in its place, is the last.
    server_->Signal(SIGSTOP);
    errno = 0;
    const bool sent = wire->Send(bytes, {lingering->fd()});
    const int error = errno;
    if (refuses_ && !expected) {
      EXPECT_FALSE(sent);
      EXPECT_EQ(error, EPERM);
    }
    if (sent) lingering->Leave();
    absl::SleepFor(absl::Milliseconds(2));
    server_->Signal(SIGCONT);
  }

  RawClient Writer() { return RawClient::V2(server_->Unix(), kInOrder); }

  TempDir admin_directory_;
  ObjectTree tree_;
  bool refuses_ = false;
  std::unique_ptr<ServerProcess> server_;
};
INSTANTIATE_TEST_SUITE_P(Everything, HostileForeignFdTest, testing::ValuesIn(Cases()), CaseName);

// On the first byte, which the router looks at; on HELLO, which it takes; in the middle of that,
// and behind it.
TEST_P(HostileForeignFdTest, OnWhatTheRouterReads) {
  for (const bool writable : {false, true}) {
    server_.reset();
    writable ? StartWritable() : Start();
    const std::string hello = Hello(kInOrder, 1);
    Lingering lingering[4];
    std::vector<Wire> wires;
    for (int i = 0; i < 4; ++i) wires.push_back(server_->Unix());
    Send(&wires[0], hello.substr(0, 1), &lingering[0]);
    Send(&wires[1], hello, &lingering[1]);
    wires[2].Send(hello.substr(0, 3));
    Send(&wires[2], hello.substr(3), &lingering[2]);
    Send(&wires[3], absl::StrCat(hello, V2Request(1, {.mode = kCopy, .uri = "object"})),
         &lingering[3]);
    ExpectServes();
    wires.clear();
    ExpectServes();
    EXPECT_EQ(server_->Stop(SIGTERM), 0);
  }
  server_.reset();
}

// On requests that take none, of every mode and dialect; and one that is sent out of band.
TEST_P(HostileForeignFdTest, OnRequestsThatTakeNone) {
  Start();
  std::vector<Wire> wires;
  std::vector<std::unique_ptr<Lingering>> lingering;
  for (const char mode : {kFdPass, kCopy, kSplice, kStat, kPut, kPutFd, kDelete, kList, 'x'}) {
    lingering.push_back(std::make_unique<Lingering>());
    wires.push_back(server_->Unix());
    Send(&wires.back(), V1Request(mode, "object"), lingering.back().get());
    lingering.push_back(std::make_unique<Lingering>());
    RawClient v2 = RawClient::V2(server_->Unix(), kInOrder);
    Send(&v2.wire(),
         V2Request(1, {.mode = mode, .uri = "object", .body = mode == kPut ? "body" : ""}),
         lingering.back().get());
    wires.push_back(std::move(v2.wire()));
  }
  lingering.push_back(std::make_unique<Lingering>());
  wires.push_back(server_->Unix());
  wires.back().Send(V1Request(kCopy, "object"));
  SendOutOfBand(&wires.back(), lingering.back().get());
  wires.back().Send(V1Request(kCopy, "object"));
  ExpectServes();
  wires.clear();
  ExpectServes();
}

// From who is not let in: it is refused, and what it has sent is dropped.
TEST_P(HostileForeignFdTest, FromARefusedPeer) {
  // On a Unix socket alone: of who comes by TCP no user is known.
  const std::string path = admin_directory_.path() + "/only";
  const std::string& engine = GetParam().engine;
  ServerOptions options{.only_flags = true, .socket_path = path};
  options.flags = {"--root=" + tree_.root(), "--listen_unix=" + path, "--drain_timeout=1s",
                   "--allow_uids=4711",
                   absl::StartsWith(engine, "model_") ? "--concurrency_model=" + engine.substr(6)
                                                      : "--io_engine=" + engine};
  if (GetParam().old_kernel) options.environment = {kOldKernel};
  server_ = std::make_unique<ServerProcess>(tree_.root(), options);
  std::vector<Wire> wires;
  std::vector<std::unique_ptr<Lingering>> lingering;
  for (int i = 0; i < 20; ++i) {
    lingering.push_back(std::make_unique<Lingering>());
    wires.push_back(Wire::ToUnix(path));
    // It may have been refused, and be closed, already.
    const bool sent = wires.back().Send("O", {lingering.back()->fd()});
    if (wires.back().Send("O", {lingering.back()->fd()}) || sent) lingering.back()->Leave();
  }
  // It goes on refusing.
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(Wire::ToUnix(path).ReadToEnd().substr(0, 1), "\x06") << "PERMISSION_DENIED";
  }
}

// On a connection that takes descriptors: with OP_PUT_FD, with what else there is, by the hundred,
// behind the end of the conversation, and unread when it ends.
TEST_P(HostileForeignFdTest, OnAConnectionThatTakesSome) {
  StartWritable();
  std::vector<RawClient> clients;
  std::vector<std::unique_ptr<Lingering>> lingering;
  const auto next = [&]() -> Lingering* {
    lingering.push_back(std::make_unique<Lingering>());
    clients.push_back(Writer());
    return lingering.back().get();
  };
  Lingering* one = next();
  std::vector<uint32_t> ids;
  Send(&clients.back().wire(), clients.back().Encode({{.mode = kPutFd, .uri = "x"}}, &ids), one,
       /*expected=*/true);
  ExpectRefused(clients.back().Next(), Status::kInvalidRequest);

  one = next();
  Send(&clients.back().wire(), clients.back().Encode({{.mode = kCopy, .uri = "object"}}, &ids), one,
       /*expected=*/true);
  ExpectRefused(clients.back().Next(), Status::kInvalidRequest);

  one = next();
  const std::vector<int> many(kFdsMost, one->fd());
  EXPECT_TRUE(clients.back().wire().Send(
      clients.back().Encode({{.mode = kPutFd, .uri = "x"}}, &ids), many));
  one->Leave();
  ExpectRefused(clients.back().Next(), Status::kInvalidRequest);

  one = next();
  std::string body = clients.back().Encode({Put("y", std::string(1000, 'y'))}, &ids);
  clients.back().wire().Send(body.substr(0, 500));
  Send(&clients.back().wire(), body.substr(500), one, /*expected=*/true);
  ExpectRefused(clients.back().Next(), Status::kInvalidRequest);

  one = next();
  clients.back().wire().Send(Close(0));
  Send(&clients.back().wire(), "behind it", one, /*expected=*/true);

  one = next();
  clients.back().wire().Send("\x09");  // no message: the connection ends
  Send(&clients.back().wire(), "behind it", one, /*expected=*/true);

  one = next();
  Send(&clients.back().wire(), "\x01", one, /*expected=*/true);  // never finished
  ExpectServes();
  clients.clear();
  ExpectServes();
}

// More of them than there are processes to hang in.
TEST_P(HostileForeignFdTest, MoreThanThereAreProcesses) {
  StartWritable();
  std::vector<std::unique_ptr<Lingering>> lingering;
  std::vector<RawClient> clients;
  for (int i = 0; i < 80; ++i) {
    lingering.push_back(std::make_unique<Lingering>());
    clients.push_back(Writer());
    std::vector<uint32_t> ids;
    Send(&clients.back().wire(), clients.back().Encode({{.mode = kCopy, .uri = "object"}}, &ids),
         lingering.back().get(), /*expected=*/true);
    // In some models each has a thread for as long as it stays.
    if (clients.size() == 16) clients.clear();
  }
  clients.clear();
  ExpectServes();
  // Those that linger are killed, and so go in the end.
  EXPECT_TRUE(MetricBecomes(admin(), "objmapper_foreign_fds_waiting", 0));
  EXPECT_TRUE(MetricBecomes(admin(), "objmapper_foreign_workers_stuck", 0));
}

// A connection keeps one descriptor for each OP_PUT_FD whose first byte is there, and no other: not
// those that come with the rest of a request, nor several with one.
TEST_P(HostileForeignFdTest, UnfinishedRequestsKeepFew) {
  StartWritable();
  const net::UniqueFd memory = net::Memfd("contents", 0);
  std::vector<RawClient> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(Writer());
  ExpectServes();
  const int before = CountOf(SettledDescriptors(*server_));
  for (RawClient& client : clients) {
    std::vector<uint32_t> ids;
    const std::string request =
        client.Encode({{.mode = kPutFd, .uri = std::string(300, 'a')}}, &ids);
    for (size_t i = 0; i + 1 < request.size(); ++i) {
      const std::vector<int> fds(i == 0 ? 1 : 2, memory.get());
      if (!client.wire().Send(request.substr(i, 1), fds)) break;
      if (i % 8 == 0) absl::SleepFor(absl::Milliseconds(1));
    }
  }
  ExpectServes();
  EXPECT_LE(CountOf(SettledDescriptors(*server_)), before + static_cast<int>(clients.size()) + 8);
}

// The processes that hang in the server's place are killed: it goes on, and ends, without them.
TEST_P(HostileForeignFdTest, WithoutTheExpendableProcess) {
  StartWritable();
  Lingering first, second;
  RawClient client = Writer();
  std::vector<uint32_t> ids;
  Send(&client.wire(), client.Encode({{.mode = kCopy, .uri = "object"}}, &ids), &first,
       /*expected=*/true);
  ExpectRefused(client.Next(), Status::kInvalidRequest);
  for (const pid_t child : ChildrenOf(server_->pid())) kill(child, SIGKILL);
  absl::SleepFor(absl::Milliseconds(100));
  Send(&client.wire(), client.Encode({{.mode = kCopy, .uri = "object"}}, &ids), &second,
       /*expected=*/true);
  EXPECT_TRUE(client.wire().AtEnd()) << "nobody can take them any more";
  const net::UniqueFd memory = net::Memfd("contents", 0);
  RawClient next = Writer();
  if (next.wire().Send(V2Request(1, {.mode = kPutFd, .uri = "x"}), {memory.get()})) {
    EXPECT_TRUE(next.wire().AtEnd());
  } else {
    EXPECT_TRUE(Writer().Get(Put("x", "bytes")).ok());
  }
  ExpectServes();
}

// A client's memory is freed elsewhere: its last reference is never the server's.
TEST_P(HostileForeignFdTest, MemoryIsFreedElsewhere) {
  StartWritable({"--memory_limit=1000M"});
  RawClient client = Writer();
  std::vector<uint32_t> ids;
  for (int i = 0; i < 3; ++i) {
    const net::UniqueFd memory = net::Memfd(std::string(100'000'000, 'm'));
    client.wire().Send(client.Encode({{.mode = kPutFd, .uri = "big"}}, &ids), {memory.get()});
    ASSERT_TRUE(client.Next().ok());
  }
  const double before = Metric(admin(), "objmapper_foreign_fds_total");
  EXPECT_GE(before, 2);  // replaced
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "big"}).content_length, 100'000'000u);
  EXPECT_TRUE(client.Get({.mode = kDelete, .uri = "big"}).ok());
  EXPECT_TRUE(MetricBecomes(admin(), "objmapper_memory_objects", 0));
  EXPECT_GE(Metric(admin(), "objmapper_foreign_fds_total"), before + 1);
  ExpectServes();
}

// ---- Files that do not answer ----

class SilentFileTest : public HostileForeignFdTest {
 protected:
  void SetUp() override {
    HostileForeignFdTest::SetUp();
    if (IsSkipped()) return;
    fuse_ = FuseMount::Make("contents of the file");
    if (fuse_ == nullptr) GTEST_SKIP() << "mounting is not allowed here";
  }
  void TearDown() override {
    HostileForeignFdTest::TearDown();
    fuse_.reset();
  }
  static void PutFd(RawClient* client, const std::string& file, const std::string& uri = "stored") {
    const net::UniqueFd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_TRUE(fd.valid());
    std::vector<uint32_t> ids;
    EXPECT_TRUE(
        client->wire().Send(client->Encode({{.mode = kPutFd, .uri = uri}}, &ids), {fd.get()}));
  }

  std::unique_ptr<FuseMount> fuse_;
};
INSTANTIATE_TEST_SUITE_P(Everything, SilentFileTest, testing::ValuesIn(Cases()), CaseName);

// One that does is refused all the same: it could stop at any time. So is a file of an overlay that
// lies over such ones; one whose layers are local is stored.
TEST_P(SilentFileTest, WhatIsNotLocalIsRefused) {
  StartWritable();
  RawClient client = Writer();
  PutFd(&client, fuse_->file());
  const Answer refused = client.Next();
  ExpectRefused(refused, Status::kInvalidRequest);
  EXPECT_TRUE(absl::StrContains(refused.metadata.at(kErrorEntry), "FUSE"));
  const TempDir over, lower, upper, work;
  for (const std::string& below : {fuse_->directory(), lower.path()}) {
    std::ofstream(lower.path() + "/file") << "local";
    const std::string options = absl::StrCat("lowerdir=", below, ":", lower.path());
    if (mount("test", over.path().c_str(), "overlay", 0, options.c_str()) != 0) continue;
    PutFd(&client, over.path() + "/file");
    if (below == lower.path()) {
      EXPECT_TRUE(client.Next().ok());
    } else {
      ExpectRefused(client.Next(), Status::kInvalidRequest);
    }
    EXPECT_EQ(umount2(over.path().c_str(), MNT_DETACH), 0);
  }
  ExpectServes();
}

// Neither its attributes, nor its bytes, nor its end: the request is answered in time, and nobody
// else waits.
TEST_P(SilentFileTest, NobodyElseWaits) {
  StartWritable();
  for (const uint32_t request : {FuseMount::kGetattr, FuseMount::kStatfs, FuseMount::kFlush}) {
    SCOPED_TRACE(request);
    std::vector<RawClient> clients;
    std::vector<net::UniqueFd> fds;
    for (int i = 0; i < 3; ++i) {
      clients.push_back(Writer());
      fds.emplace_back(open(fuse_->file().c_str(), O_RDONLY | O_CLOEXEC));
      ASSERT_TRUE(fds.back().valid());
    }
    // Our own copies would wait as well: they are closed when it answers again.
    fuse_->Hang(request);
    for (int i = 0; i < 3; ++i) {
      std::vector<uint32_t> ids;
      clients[i].wire().Send(
          clients[i].Encode({{.mode = kPutFd, .uri = absl::StrCat("s", i)}}, &ids), {fds[i].get()});
    }
    EXPECT_TRUE(fuse_->AwaitHanging());
    ExpectServes();
    for (RawClient& client : clients) {
      const Answer answer = client.Next();
      if (request == FuseMount::kFlush) {
        ExpectRefused(answer, Status::kInvalidRequest);
      } else {
        ExpectRefused(answer, Status::kUnavailable);
        EXPECT_TRUE(absl::StrContains(answer.metadata.at(kErrorEntry), "in time"));
      }
    }
    ExpectServes();
    fuse_->Hang(0);
  }
  // What hangs when the server is told to end is not waited for: TearDown() sees to it.
  RawClient client = Writer();
  const net::UniqueFd fd(open(fuse_->file().c_str(), O_RDONLY | O_CLOEXEC));
  fuse_->Hang(FuseMount::kGetattr | FuseMount::kFlush);
  std::vector<uint32_t> ids;
  client.wire().Send(client.Encode({{.mode = kPutFd, .uri = "last"}}, &ids), {fd.get()});
  EXPECT_TRUE(fuse_->AwaitHanging());
  EXPECT_EQ(server_->Stop(SIGTERM), 0) << server_->log();
  server_.reset();
  fuse_->Abort();
}

}  // namespace
}  // namespace objmapper::e2e
