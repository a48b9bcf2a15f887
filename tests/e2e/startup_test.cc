// Starting: where the server listens, and what it refuses, each with a sentence.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "net/listener.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

// A start that ends by itself, with an error that says all of `words`.
void ExpectRefusedStart(const ServerOptions& options, const std::vector<std::string>& words) {
  const ServerProcess::Refusal refusal = ServerProcess::StartRefused(SharedTree().root(), options);
  EXPECT_GT(refusal.exit_status, 0) << refusal.log;
  EXPECT_LT(refusal.exit_status, 128) << "killed by a signal: " << refusal.log;
  for (const std::string& word : words) {
    EXPECT_TRUE(absl::StrContains(refusal.log, word)) << "nothing about " << word << " in:\n"
                                                      << refusal.log;
  }
}

bool Serves(Wire wire) {
  return RawClient::V1(std::move(wire)).Get({.mode = kCopy, .uri = "small"}).body == "small object";
}

class StartupTest : public testing::Test {
 protected:
  void SetUp() override { SharedTree().AddOnce("small", "small object"); }

  const std::string root_ = "--root=" + SharedTree().root();
  TempDir directory_;
  const std::string path_ = directory_.path() + "/socket";
};

// ---- Listeners ----

TEST_F(StartupTest, SeveralListenersServeAtOnce) {
  const std::string second = directory_.path() + "/second";
  const std::string name = absl::StrCat("@objmapper-test-", getpid());
  ServerProcess server(SharedTree().root(),
                       {.flags = {absl::StrCat("--listen_unix=", path_, ",", second, ",", name),
                                  "--listen_tcp=127.0.0.1:0,127.0.0.1:0"},
                        .socket_path = path_});
  EXPECT_TRUE(Serves(Wire::ToUnix(path_)));
  EXPECT_TRUE(Serves(Wire::ToUnix(second)));
  EXPECT_TRUE(Serves(Wire::ToUnix(name)));
  EXPECT_TRUE(Serves(server.Tcp()));
  EXPECT_TRUE(absl::StrContains(server.log(), absl::StrCat("listening on unix:", second)));
  // Descriptors travel on the abstract name as well.
  EXPECT_TRUE(RawClient::V1(Wire::ToUnix(name)).Get({.mode = kFdPass, .uri = "small"}).fd.valid());
}

// ---- Socket files that go ----

// A socket file that is removed while the server runs, or goes with its folder, is made again as it
// was asked for, with whoever is connected none the wiser; and removed at the end.
TEST_F(StartupTest, ListensAnewWhereItsSocketFileIsGone) {
  const std::string folder = directory_.path() + "/run";
  const std::string path = folder + "/socket";
  ASSERT_EQ(mkdir(folder.c_str(), 0755), 0);
  ServerProcess server(
      SharedTree().root(),
      {.flags = {"--listen_unix=" + path, "--listen_unix_mode=0640"}, .socket_path = path});
  RawClient connected = RawClient::V1(server.Unix());
  EXPECT_EQ(connected.Get({.mode = kCopy, .uri = "small"}).body, "small object");
  for (const bool with_folder : {false, true}) {
    ASSERT_EQ(unlink(path.c_str()), 0);
    if (with_folder) {
      ASSERT_EQ(rmdir(folder.c_str()), 0);
      EXPECT_TRUE(server.WaitForLog("cannot be created again"));
      ASSERT_EQ(mkdir(folder.c_str(), 0755), 0);
    }
    struct stat file {};
    for (int i = 0; i < 200 && (stat(path.c_str(), &file) != 0 || (file.st_mode & 0777) != 0640);
         ++i) {
      absl::SleepFor(absl::Milliseconds(50));
    }
    EXPECT_EQ(file.st_mode & 0777, 0640u);
    absl::SleepFor(absl::Milliseconds(100));  // it is taken by the router a moment after it is made
    EXPECT_TRUE(Serves(server.Unix()));
    EXPECT_EQ(connected.Get({.mode = kCopy, .uri = "small"}).body, "small object");
  }
  const auto sockets = server.Descriptors()["socket"];
  EXPECT_TRUE(absl::StrContains(server.log(), "listening again"));
  EXPECT_EQ(server.Stop(SIGTERM), 0);
  EXPECT_NE(access(path.c_str(), F_OK), 0);
  EXPECT_LT(sockets, 10) << "listeners that were replaced are kept";
}

// What somebody else has put there is left alone, and said.
TEST_F(StartupTest, LeavesWhatIsInItsSocketFilesPlace) {
  ServerProcess server(SharedTree().root(),
                       {.flags = {"--listen_unix=" + path_}, .socket_path = path_});
  ASSERT_EQ(unlink(path_.c_str()), 0);
  const net::Address address{.kind = net::Address::Kind::kUnix, .path = path_};
  const absl::StatusOr<net::Listener> other = net::Listener::Open(address);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_TRUE(server.WaitForLog("has been replaced"));
  EXPECT_TRUE(absl::StrContains(server.log(), "a server is running there already"));
  EXPECT_EQ(server.Stop(SIGTERM), 0);
  EXPECT_EQ(access(path_.c_str(), F_OK), 0);
}

TEST_F(StartupTest, UnixAloneAndTcpAloneAreEnough) {
  {
    ServerProcess server(
        SharedTree().root(),
        {.flags = {root_, "--listen_unix=" + path_}, .only_flags = true, .socket_path = path_});
    EXPECT_TRUE(Serves(server.Unix()));
  }
  ServerProcess server(
      SharedTree().root(),
      {.flags = {root_, "--listen_unix=", "--listen_tcp=127.0.0.1:0"}, .only_flags = true});
  EXPECT_TRUE(Serves(server.Tcp()));
}

// A socket file that nobody listens on, left by a server that was killed, is replaced.
TEST_F(StartupTest, StaleSocketIsReplaced) {
  {
    ServerProcess killed(SharedTree().root(), {.socket_path = path_});
    killed.Stop(SIGKILL);
  }
  ASSERT_TRUE(std::filesystem::exists(path_));
  ServerProcess server(SharedTree().root(), {.socket_path = path_});
  EXPECT_TRUE(Serves(server.Unix()));
}

// A live one is not: the second server says so and leaves the first alone.
TEST_F(StartupTest, LiveSocketIsNotTaken) {
  ServerProcess first(SharedTree().root(), {.socket_path = path_});
  ExpectRefusedStart({.socket_path = path_}, {path_});
  EXPECT_TRUE(Serves(first.Unix()));
  EXPECT_EQ(first.Stop(SIGTERM), 0);
}

// Whatever else lies at the path is somebody's, and stays.
TEST_F(StartupTest, FileAtTheSocketsPathIsNotTouched) {
  net::UniqueFd file(open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(write(file.get(), "mine", 4), 4);
  ExpectRefusedStart({.socket_path = path_}, {path_});
  EXPECT_EQ(std::filesystem::file_size(path_), 4u);
}

TEST_F(StartupTest, TakenPortIsRefused) {
  ServerProcess first(SharedTree().root(), {});
  const std::string address = absl::StrCat("127.0.0.1:", first.tcp_port());
  ExpectRefusedStart({.flags = {"--listen_tcp=" + address}}, {address});
  EXPECT_TRUE(Serves(first.Tcp()));
}

TEST_F(StartupTest, SocketPathMustFit) {
  const std::string longest =
      directory_.path() + "/" + std::string(107 - directory_.path().size() - 1, 's');
  ServerProcess server(SharedTree().root(), {.socket_path = longest});
  EXPECT_TRUE(Serves(server.Unix()));
  ExpectRefusedStart({.socket_path = longest + "s"}, {longest + "s", "107"});
}

TEST_F(StartupTest, SocketsDirectoryMustExist) {
  ExpectRefusedStart({.socket_path = directory_.path() + "/no/socket"},
                     {directory_.path() + "/no"});
}

// ---- What it is started with ----

// Waits until somebody listens on the socket.
bool Listens(const std::string& path) {
  const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
  while (absl::Now() < give_up) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    const net::UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(probe.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0)
      return true;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return false;
}

// Whichever of descriptors 0 to 2 are closed at the start, none becomes a socket or a file, and no
// line of the log goes to a client.
TEST_F(StartupTest, ClosedStandardStreams) {
  for (int closed = 1; closed < 8; ++closed) {
    SCOPED_TRACE(closed);
    const pid_t pid = fork();
    if (pid == 0) {
      for (int fd = 0; fd < 3; ++fd) {
        if ((closed & 1 << fd) != 0) close(fd);
      }
      execl(getenv("OBJMAPPER_SERVER"), "server", root_.c_str(), ("--listen_unix=" + path_).c_str(),
            "--log_requests", "--alsologtostderr", nullptr);
      _exit(127);
    }
    ASSERT_TRUE(Listens(path_));
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(Serves(Wire::ToUnix(path_)));
    for (int fd = 0; fd < 3; ++fd) {
      if ((closed & 1 << fd) == 0) continue;
      EXPECT_EQ(std::filesystem::read_symlink(absl::StrCat("/proc/", pid, "/fd/", fd)), "/dev/null")
          << fd;
    }
    kill(pid, SIGTERM);
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
}

// A start that hangs, here on a predecessor that says nothing, is ended by SIGTERM, after
// --drain_timeout.
TEST_F(StartupTest, SigtermEndsAStartThatHangs) {
  const std::string door_path = directory_.path() + "/door";
  net::Address address;
  address.path = door_path;
  const absl::StatusOr<net::Listener> door = net::Listener::Open(address);
  ASSERT_TRUE(door.ok()) << door.status();
  const pid_t pid = fork();
  if (pid == 0) {
    execl(getenv("OBJMAPPER_SERVER"), "server", root_.c_str(), ("--listen_unix=" + path_).c_str(),
          ("--take_over=" + door_path).c_str(), "--drain_timeout=100ms", nullptr);
    _exit(127);
  }
  pollfd called{door->fd(), POLLIN, 0};
  ASSERT_EQ(poll(&called, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())), 1);
  kill(pid, SIGTERM);
  const absl::Time sent = absl::Now();
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 130) << status;
  EXPECT_LT(absl::Now() - sent, absl::Seconds(25)) << "the predecessor's time, not ours";
}

// Who can read the folders of its sockets, and so lock them, keeps it from nothing.
TEST_F(StartupTest, LockedFoldersAreNoObstacle) {
  const net::UniqueFd folder(open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(flock(folder.get(), LOCK_EX), 0);
  ServerProcess server(SharedTree().root(),
                       {.flags = {"--admin_listen=" + directory_.path() + "/admin",
                                  "--take_over=" + directory_.path() + "/door"},
                        .socket_path = path_});
  EXPECT_TRUE(Serves(server.Unix()));
  EXPECT_EQ(server.Stop(SIGTERM), 0);
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

// What somebody has put in the place of the socket's lock file is named.
TEST_F(StartupTest, ALockFileOfSomebodyElse) {
  const std::string lock = directory_.path() + "/.socket.lock";
  std::filesystem::create_symlink("/etc/passwd", lock);
  ExpectRefusedStart({.socket_path = path_}, {lock, "not a regular file"});
}

// ---- What it serves ----

TEST_F(StartupTest, RootMustBeADirectory) {
  ExpectRefusedStart({.flags = {"--root=/no/such/directory"}}, {"root", "/no/such/directory"});
  const std::string file = SharedTree().Path("small");
  ExpectRefusedStart({.flags = {"--root=" + file}}, {"root", file});
}

// Without --root there is ./objects; where that is missing, the sentence names the flag.
TEST_F(StartupTest, MissingRootIsExplained) {
  ExpectRefusedStart({.flags = {"--listen_unix=" + path_},
                      .only_flags = true,
                      .working_directory = directory_.path()},
                     {"--root", "objects"});
  std::filesystem::create_directory_symlink(SharedTree().root(), directory_.path() + "/objects");
  ServerProcess server(SharedTree().root(), {.flags = {"--listen_unix=" + path_},
                                             .only_flags = true,
                                             .working_directory = directory_.path(),
                                             .socket_path = path_});
  EXPECT_TRUE(Serves(server.Unix()));
}

// ---- Flags ----

struct Nonsense {
  const char* flag;
  const char* value;
};

class NonsenseTest : public testing::TestWithParam<Nonsense> {};

// A value that makes no sense is refused at start, by the flag's name and the value given.
TEST_P(NonsenseTest, IsRefusedByName) {
  ExpectRefusedStart({.flags = {absl::StrCat("--", GetParam().flag, "=", GetParam().value)}},
                     {GetParam().flag, GetParam().value});
}

constexpr Nonsense kNonsense[] = {
    {"io_engine", "steam"},
    {"concurrency_model", "wishful"},
    {"pool_size", "-1"},
    {"pool_size", "many"},
    {"splice_pool_size", "-1"},
    {"copy_loops", "-1"},
    {"copy_loops", "0"},
    {"bulk_loops", "-2"},
    {"bulk_bytes_min", "0"},
    {"max_connections", "-1"},
    {"max_connections", "0"},
    {"max_pipeline", "0"},
    {"max_pipeline", "65536"},
    {"max_pipeline", "-5"},
    {"idle_timeout", "soon"},
    {"idle_timeout", "-1s"},
    {"request_timeout", "5 parsecs"},
    {"request_timeout", "-1ms"},
    {"drain_timeout", "never-ever"},
    {"drain_timeout", "-2s"},
    {"persistent_connections", "perhaps"},
    {"requests_per_conn", "-1"},
    {"fd_cache_entries", "-1"},
    {"fd_cache_valid_ms", "-1"},
    {"fd_sharing", "sometimes"},
    {"listen_tcp", "127.0.0.1:65536"},
    {"listen_tcp", "[::1:7070"},
    {"listen_tcp", "not an address:x"},
    {"no_such_flag", "no_such_flag"},
};

INSTANTIATE_TEST_SUITE_P(All, NonsenseTest, testing::ValuesIn(kNonsense), [](const auto& info) {
  return absl::StrCat(info.param.flag, "_", info.index);
});

// The sizes of the thread pools are the numbers of their threads.
TEST_F(StartupTest, PoolSizesAreNumbersOfThreads) {
  const auto threads_with = [](int workers, int splice_threads, int loops) {
    ServerProcess server(SharedTree().root(),
                         {.engine = "epoll",
                          .flags = {absl::StrCat("--pool_size=", workers),
                                    absl::StrCat("--splice_pool_size=", splice_threads),
                                    absl::StrCat("--copy_loops=", loops)}});
    EXPECT_TRUE(Serves(server.Unix()));
    return server.thread_count();
  };
  const int fewest = threads_with(1, 1, 1);
  EXPECT_EQ(threads_with(4, 1, 1), fewest + 3);
  EXPECT_EQ(threads_with(1, 6, 1), fewest + 5);
  EXPECT_EQ(threads_with(1, 1, 3), fewest + 2);
  EXPECT_EQ(threads_with(3, 2, 2), fewest + 4);
}

// ---- io_uring ----

class RefusedRingTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { SharedTree().AddOnce("small", "small object"); }
};

// Where the kernel or a sandbox forbids io_uring, "auto" serves by epoll and says why.
TEST_P(RefusedRingTest, AutoServesByEpollAndSaysWhy) {
  ServerProcess server(SharedTree().root(), {.engine = "auto", .io_uring_errno = GetParam()});
  EXPECT_TRUE(absl::StrContains(server.log(), "epoll")) << server.log();
  EXPECT_TRUE(absl::StrContains(server.log(), strerrorname_np(GetParam()))) << server.log();
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    RawClient client = Open(server, transport, Dialect::kV2);
    for (const char mode : {kCopy, kSplice}) {
      EXPECT_EQ(client.Get({.mode = mode, .uri = "small"}).body, "small object");
    }
  }
  EXPECT_TRUE(RawClient::V1(server.Unix()).Get({.mode = kFdPass, .uri = "small"}).ok());
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// Who insists on the ring is told that it cannot be had.
TEST_P(RefusedRingTest, UringRefusesToStart) {
  ExpectRefusedStart({.engine = "uring", .io_uring_errno = GetParam()},
                     {"--io_engine=uring", strerrorname_np(GetParam())});
}

INSTANTIATE_TEST_SUITE_P(All, RefusedRingTest, testing::Values(EPERM, ENOSYS, ENOMEM),
                         [](const auto& info) { return strerrorname_np(info.param); });

// Without openat2(2) no name could be kept beneath the root: the server does not start, and says
// what is missing. Older container run-times refuse it with EPERM.
TEST(RefusedOpenat2Test, RefusesToStart) {
  for (const int error : {EPERM, ENOSYS}) {
    ExpectRefusedStart({.openat2_errno = error}, {"openat2", SharedTree().root()});
  }
}

}  // namespace
}  // namespace objmapper::e2e
