// Run by systemd, or by somebody who does as systemd does: sockets that listen already,
// notifications, a watchdog, rights that are given up.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "net/listener.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

// systemd's end of $NOTIFY_SOCKET.
class NotifySocket {
 public:
  NotifySocket()
      : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)), path_(directory_.path() + "/notify") {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    path_.copy(name.sun_path, sizeof(name.sun_path) - 1);
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
    chmod(path_.c_str(), 0666);
    chmod(directory_.path().c_str(), 0755);
    const timeval patience{30, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  std::string Environment() const { return "NOTIFY_SOCKET=" + path_; }
  // Reads on until a message holds `text`; empty, and a failure, when none comes.
  std::string Await(const std::string& text) {
    char buffer[4096];
    while (true) {
      const ssize_t got = recv(fd_.get(), buffer, sizeof(buffer), 0);
      if (got <= 0) break;
      const std::string message(buffer, static_cast<size_t>(got));
      if (absl::StrContains(message, text)) return message;
    }
    ADD_FAILURE() << "systemd was never told " << text;
    return "";
  }
  // What has come and was not read, dropped.
  void Forget() {
    char buffer[4096];
    while (recv(fd_.get(), buffer, sizeof(buffer), MSG_DONTWAIT) > 0) {
    }
  }
  bool IsQuiet() {
    char buffer[4096];
    return recv(fd_.get(), buffer, sizeof(buffer), MSG_DONTWAIT) < 0;
  }

 private:
  TempDir directory_;
  net::UniqueFd fd_;
  const std::string path_;
};

class SystemdTest : public testing::Test {
 protected:
  void SetUp() override { tree_.Add("a", "object"); }
  static net::Listener Listen(const std::string& path) {
    net::Address address;
    address.path = path;
    absl::StatusOr<net::Listener> listener = net::Listener::Open(address);
    EXPECT_TRUE(listener.ok()) << listener.status();
    return *std::move(listener);
  }
  ServerOptions Plain(std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), "--root=" + tree_.root());
    return {.flags = std::move(flags), .only_flags = true};
  }
  static std::string Ask(Wire wire) {
    return RawClient::V1(std::move(wire)).Get({.mode = kCopy, .uri = "a"}).body;
  }

  ObjectTree tree_;
  TempDir directory_;
  const std::string path_ = directory_.path() + "/socket";
};

// It serves on the sockets that it was given and on no other, says that it is ready and that it
// stops, and leaves the files of sockets that are not its own.
TEST_F(SystemdTest, SocketActivation) {
  NotifySocket notify;
  const net::Listener unix_socket = Listen(path_);
  const net::Listener admin = Listen(directory_.path() + "/admin");
  net::Address loopback;
  loopback.kind = net::Address::Kind::kTcp;
  loopback.host = "127.0.0.1";
  const absl::StatusOr<net::Listener> tcp = net::Listener::Open(loopback);
  ASSERT_TRUE(tcp.ok());
  ServerOptions options = Plain();
  options.inherited_sockets = {unix_socket.fd(), tcp->fd(), admin.fd()};
  options.inherited_names = "objmapper.socket:tcp:admin";
  options.environment = {notify.Environment()};
  ServerProcess server(tree_.root(), options);
  EXPECT_TRUE(absl::StrContains(notify.Await("READY=1"), "STATUS=serving " + tree_.root()));
  EXPECT_EQ(Ask(Wire::ToUnix(path_)), "object");
  EXPECT_EQ(Ask(Wire::ToTcp(tcp->address().port)), "object");
  EXPECT_TRUE(RawClient::V1(Wire::ToUnix(path_)).Get({.mode = kFdPass, .uri = "a"}).fd.valid());
  EXPECT_TRUE(absl::StrContains(server.log(), absl::StrCat("listening on unix:", path_)));
  EXPECT_TRUE(absl::StrContains(server.log(), "status page and metrics on unix:"));
  EXPECT_FALSE(absl::StrContains(server.log(), "/objmapper.sock"));
  server.Signal(SIGHUP);
  EXPECT_TRUE(absl::StrContains(notify.Await("RELOADING=1"), "MONOTONIC_USEC="));
  notify.Await("READY=1");
  EXPECT_EQ(server.Stop(SIGTERM), 0);
  EXPECT_TRUE(absl::StrContains(notify.Await("STOPPING=1"), "EXTEND_TIMEOUT_USEC="));
  struct stat status;
  EXPECT_EQ(lstat(path_.c_str(), &status), 0);
  EXPECT_EQ(lstat((directory_.path() + "/admin").c_str(), &status), 0);
}

// A client that connects between two services waits in the socket, and is served by the next.
TEST_F(SystemdTest, NobodyIsRefusedWhileItRestarts) {
  const net::Listener unix_socket = Listen(path_);
  ServerOptions options = Plain({"--listen_unix=" + path_});  // named twice, listened on once
  const net::Listener admin = Listen(directory_.path() + "/admin");
  options.inherited_sockets = {unix_socket.fd(), admin.fd()};
  options.inherited_names = "objmapper.socket:admin";
  const auto ask_admin = [&] {
    Wire wire = Wire::ToUnix(directory_.path() + "/admin");
    wire.Send("GET /healthz HTTP/1.0\r\n\r\n");
    return wire.ReadToEnd();
  };
  {
    ServerProcess first(tree_.root(), options);
    EXPECT_EQ(Ask(Wire::ToUnix(path_)), "object");
    EXPECT_TRUE(absl::StrContains(ask_admin(), "alive"));
    EXPECT_EQ(first.Stop(SIGTERM), 0);
  }
  RawClient waiting = RawClient::V1(Wire::ToUnix(path_));
  waiting.Ask({.mode = kCopy, .uri = "a"});
  ServerProcess second(tree_.root(), options);
  EXPECT_EQ(waiting.Next().body, "object");
  EXPECT_TRUE(absl::StrContains(ask_admin(), "alive"));
}

TEST_F(SystemdTest, SocketsThatMakeNoSense) {
  const net::UniqueFd datagrams(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const net::UniqueFd mute(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const net::UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const std::pair<int, const char*> cases[] = {{datagrams.get(), "not a stream socket"},
                                               {mute.get(), "does not listen"},
                                               {file.get(), "not a socket"}};
  for (const auto& [fd, word] : cases) {
    ServerOptions options = Plain();
    options.inherited_sockets = {fd};
    options.inherited_names = "mine";
    const ServerProcess::Refusal refusal = ServerProcess::StartRefused(tree_.root(), options);
    EXPECT_EQ(refusal.exit_status, 1) << refusal.log;
    EXPECT_TRUE(absl::StrContains(refusal.log, word)) << refusal.log;
    EXPECT_TRUE(absl::StrContains(refusal.log, "\"mine\"")) << refusal.log;
  }
}

// `systemctl status` tells of a reload that failed, and that older rules are in force, until one
// goes well.
TEST_F(SystemdTest, AReloadThatFailsIsTold) {
  NotifySocket notify;
  const std::string rules = directory_.path() + "/rules";
  std::ofstream(rules) << "any / read\n";
  ServerOptions options = Plain({"--listen_unix=" + path_, "--rules_file=" + rules});
  options.environment = {notify.Environment()};
  ServerProcess server(tree_.root(), options);
  notify.Await("READY=1");
  std::ofstream(rules) << "any / read\nanybody / read\n";
  server.Signal(SIGHUP);
  notify.Await("RELOADING=1");
  const std::string failed = notify.Await("READY=1");
  EXPECT_TRUE(absl::StrContains(failed, "STATUS=RELOAD FAILED")) << failed;
  EXPECT_TRUE(absl::StrContains(failed, "line 2")) << failed;
  EXPECT_EQ(Ask(Wire::ToUnix(path_)), "object");
  std::ofstream(rules) << "any / read\n";
  server.Signal(SIGHUP);
  const std::string well = notify.Await("READY=1");
  EXPECT_TRUE(absl::StrContains(well, "STATUS=1 rules, read at ")) << well;
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// The operator's door is for this machine alone, whoever has opened it.
TEST_F(SystemdTest, TheOperatorsDoorIsNotForTheNetwork) {
  net::Address everywhere;
  everywhere.kind = net::Address::Kind::kTcp;
  everywhere.host = "0.0.0.0";
  const absl::StatusOr<net::Listener> open = net::Listener::Open(everywhere);
  ASSERT_TRUE(open.ok()) << open.status();
  ServerOptions options = Plain({"--listen_unix=" + path_});
  options.inherited_sockets = {open->fd()};
  options.inherited_names = "admin";
  const ServerProcess::Refusal refusal = ServerProcess::StartRefused(tree_.root(), options);
  EXPECT_EQ(refusal.exit_status, 1) << refusal.log;
  EXPECT_TRUE(absl::StrContains(refusal.log, "is open to the network")) << refusal.log;
}

// The threads of `pid` by name.
pid_t ThreadNamed(pid_t pid, const std::string& name) {
  for (const auto& task :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task"))) {
    std::string comm;
    std::getline(std::ifstream(task.path() / "comm"), comm);
    if (comm == name) return static_cast<pid_t>(std::stoi(task.path().filename()));
  }
  return 0;
}

// The watchdog hears of it while all loops go round. With one of them held still it hears nothing;
// when that goes on, it does again.
TEST_F(SystemdTest, WatchdogBeatsWhileAllLoopsGoRound) {
  for (const char* name : {"router", "copypath/0", "fdpass/0"}) {
    SCOPED_TRACE(name);
    NotifySocket notify;
    ServerOptions options = Plain({"--listen_unix=" + path_});
    options.environment = {notify.Environment(), "WATCHDOG_USEC=300000"};
    ServerProcess server(tree_.root(), options);
    for (int i = 0; i < 5; ++i) notify.Await("WATCHDOG=1");
    const pid_t thread = ThreadNamed(server.pid(), name);
    ASSERT_NE(thread, 0);
    if (ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0)
      GTEST_SKIP() << "ptrace(2) is not allowed here";
    ASSERT_EQ(ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr), 0);
    int status = 0;
    ASSERT_EQ(waitpid(thread, &status, __WALL), thread);
    ASSERT_TRUE(server.WaitForLog(absl::StrCat("watchdog: ", name, " makes no progress")));
    // What it said may have been about an earlier moment of a busy machine: one more beat can be
    // under way.
    absl::SleepFor(absl::Milliseconds(300));
    notify.Forget();
    absl::SleepFor(absl::Milliseconds(400));  // several beats' time
    EXPECT_TRUE(notify.IsQuiet());
    ASSERT_EQ(ptrace(PTRACE_DETACH, thread, nullptr, nullptr), 0);
    notify.Await("WATCHDOG=1");
    EXPECT_EQ(server.Stop(SIGTERM), 0);
  }
}

// Root's rights are gone, in every thread, before anybody is served: ids, groups, capabilities.
TEST_F(SystemdTest, RightsAreGivenUp) {
  if (!ServerProcess::CanBecomeNobody()) GTEST_SKIP() << "needs root, and another user to become";
  ServerProcess server(tree_.root(), {.flags = {"--user=65534"}});
  EXPECT_EQ(Ask(server.Unix()), "object");
  EXPECT_TRUE(RawClient::V1(server.Unix()).Get({.mode = kFdPass, .uri = "a"}).fd.valid());
  int threads = 0;
  for (const auto& task :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", server.pid(), "/task"))) {
    std::ifstream file(task.path() / "status");
    std::stringstream text;
    text << file.rdbuf();
    EXPECT_TRUE(absl::StrContains(text.str(), "Uid:\t65534\t65534\t65534\t65534")) << text.str();
    EXPECT_TRUE(absl::StrContains(text.str(), "Gid:\t65534\t65534\t65534\t65534")) << text.str();
    EXPECT_TRUE(absl::StrContains(text.str(), "CapEff:\t0000000000000000")) << text.str();
    EXPECT_TRUE(absl::StrContains(text.str(), "NoNewPrivs:\t1")) << text.str();
    EXPECT_TRUE(absl::StrContains(text.str(), "CapPrm:\t0000000000000000")) << text.str();
    ++threads;
  }
  EXPECT_GT(threads, 3);
  // What only root may read is not served any more.
  tree_.Add("secret", "root's own");
  ASSERT_EQ(chmod(tree_.Path("secret").c_str(), 0600), 0);
  ExpectRefused(RawClient::V1(server.Unix()).Get({.mode = kCopy, .uri = "secret"}),
                Status::kPermissionDenied);
}

// Who is not root cannot become somebody else, and does not start as if it had.
TEST_F(SystemdTest, RightsThatCannotBeGivenUp) {
  ServerOptions options = {.flags = {"--user=12345", "--group=12345"}, .as_nobody = true};
  if (geteuid() == 0 && !ServerProcess::CanBecomeNobody())
    GTEST_SKIP() << "needs another user than root";
  const ServerProcess::Refusal refusal = ServerProcess::StartRefused(tree_.root(), options);
  EXPECT_EQ(refusal.exit_status, 1) << refusal.log;
  EXPECT_TRUE(absl::StrContains(refusal.log, "--user: become uid 12345, gid 12345")) << refusal.log;
}

}  // namespace
}  // namespace objmapper::e2e
