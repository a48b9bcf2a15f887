// What the machine really is: fewer cores than it has, a log that nobody takes, files whose opening
// is held up.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "net/unique_fd.h"
#include "tests/e2e/fuse_mount.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/metrics.h"

namespace objmapper::e2e {
namespace {

// ---- Cores ----

class CoresTest : public EngineTest {};

// A server that may use one core has one worker, whatever the machine has; and what it says at the
// start tells why.
TEST_P(CoresTest, ThreadsGoByWhatItMayUse) {
  SharedTree().AddOnce("small", "small object");
  TempDir door;
  const std::string admin = door.path() + "/admin";
  ServerProcess server(
      SharedTree().root(),
      {.engine = GetParam(), .flags = {"--admin_listen=" + admin}, .on_one_core = true});
  EXPECT_TRUE(server.WaitForLog("cores: ")) << server.log();
  cpu_set_t set;
  ASSERT_EQ(sched_getaffinity(server.pid(), sizeof(set), &set), 0);
  ASSERT_EQ(CPU_COUNT(&set), 1);
  const std::string log = server.log();
  EXPECT_TRUE(absl::StrContains(log, "cores: 1 of the machine's ") ||
              absl::StrContains(log, "cores: the machine's only one"))
      << log;
  RawClient client = Open(server, Transport::kUnix, Dialect::kV2);
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "small"}).body, "small object");
  EXPECT_TRUE(client.Get({.mode = kFdPass, .uri = "small"}).ok());
  if (!absl::StartsWith(GetParam(), "model_")) {
    EXPECT_TRUE(MetricBecomes(admin, "objmapper_lane_threads{lane=\"fdpass\"}", 1));
    EXPECT_TRUE(absl::StrContains(log, "1 fdpass workers")) << log;
    EXPECT_TRUE(absl::StrContains(log, " 2 splice threads")) << log;
  }
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

INSTANTIATE_TEST_SUITE_P(Engines, CoresTest, testing::ValuesIn(kEngines), EngineName);

// ---- The log ----

class UntakenLogTest : public EngineTest {
 protected:
  // Asks for what is logged until the pipe and the queue before it are full, and some more is lost.
  static void Overfill(const ServerProcess& server, const std::string& admin) {
    RawClient client = Open(server, Transport::kUnix, Dialect::kV2);
    const std::string name(500, 'n');
    const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
    while (Metric(admin, "objmapper_log_lines_dropped_total") < 100) {
      for (int i = 0; i < 500; ++i) {
        ASSERT_FALSE(
            client.Get({.mode = i % 2 == 0 ? kCopy : kFdPass, .uri = absl::StrCat(name, i)}).ok());
      }
      ASSERT_LT(absl::Now(), give_up) << "nothing is lost";
    }
  }
};

// Nobody takes the log, and peers bring about more of it than the pipe and what is before it hold:
// every request is answered all the same, on old connections and new ones. Who takes the log again
// reads how many lines were lost, and then what comes.
TEST_P(UntakenLogTest, HoldsUpNoRequest) {
  SharedTree().AddOnce("small", "small object");
  TempDir door;
  const std::string admin = door.path() + "/admin";
  ServerProcess server(
      SharedTree().root(),
      {.engine = GetParam(), .flags = {"--admin_listen=" + admin, "--log_requests"}});
  EXPECT_EQ(Metric(admin, "objmapper_log_lines_dropped_total"), 0);
  server.LeaveLog();
  ASSERT_NO_FATAL_FAILURE(Overfill(server, admin));
  RawClient client = Open(server, Transport::kUnix, Dialect::kV2);
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "small"}).body, "small object");
  EXPECT_TRUE(client.Get({.mode = kFdPass, .uri = "small"}).ok());
  // Signals whose answer is a line of the log are no trap either.
  server.Signal(SIGHUP);
  server.Signal(SIGUSR1);
  EXPECT_TRUE(client.Get({.mode = kFdPass, .uri = "small"}).ok());
  server.TakeLog();
  EXPECT_TRUE(server.WaitForLog(" lines were lost here"));
  server.Signal(SIGHUP);
  EXPECT_TRUE(server.WaitForLog("SIGHUP: "));
  EXPECT_EQ(server.Stop(SIGTERM), 0);
  // What the line says is what the metric said.
  uint64_t told = 0;
  for (const absl::string_view line : absl::StrSplit(server.log(), '\n')) {
    const size_t at = line.find("the log was not read as fast as it grew: ");
    if (at != line.npos) told += strtoull(line.data() + at + 41, nullptr, 10);
  }
  EXPECT_GE(told, 100u);
  EXPECT_TRUE(absl::StrContains(server.log(), "stopped"));
}

// SIGTERM ends it in time though nobody ever takes the log again.
TEST_P(UntakenLogTest, HoldsUpNoEnd) {
  TempDir door;
  const std::string admin = door.path() + "/admin";
  ServerProcess server(
      SharedTree().root(),
      {.engine = GetParam(), .flags = {"--admin_listen=" + admin, "--log_requests"}});
  server.LeaveLog();
  ASSERT_NO_FATAL_FAILURE(Overfill(server, admin));
  EXPECT_EQ(server.Stop(SIGTERM), 0);
  server.TakeLog();
}

INSTANTIATE_TEST_SUITE_P(Engines, UntakenLogTest, testing::ValuesIn(kEngines), EngineName);

// ---- Files that are slow to open ----

// A scanner that looks at each file of a mount before anybody opens it (fanotify(7)), and takes its
// time. Needs the machine's own root.
class Scanner {
 public:
  // Null: this machine does not let us. All files of `folder`'s mount are held.
  static std::unique_ptr<Scanner> Make(const std::string& folder) {
    auto scanner = std::unique_ptr<Scanner>(new Scanner());
    scanner->fd_.Reset(fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_LARGEFILE));
    if (!scanner->fd_.valid()) return nullptr;
    const int marked = fanotify_mark(scanner->fd_.get(), FAN_MARK_ADD | FAN_MARK_MOUNT,
                                     FAN_OPEN_PERM, AT_FDCWD, folder.c_str());
    if (marked != 0) return nullptr;
    scanner->thread_ = std::thread([s = scanner.get()] { s->Run(); });
    return scanner;
  }
  ~Scanner() {
    ending_ = true;
    if (thread_.joinable()) thread_.join();
  }
  void Hold(absl::Duration time) { hold_ms_ = absl::ToInt64Milliseconds(time); }

 private:
  Scanner() = default;

  // Each open is held from its own beginning on, however many there are.
  void Run() {
    std::deque<std::pair<absl::Time, net::UniqueFd>> held;
    while (!ending_ || !held.empty()) {
      pollfd polled{fd_.get(), POLLIN, 0};
      poll(&polled, 1, 5);
      if (polled.revents != 0) {
        alignas(fanotify_event_metadata) char buffer[4096];
        ssize_t left = read(fd_.get(), buffer, sizeof(buffer));
        auto* event = reinterpret_cast<fanotify_event_metadata*>(buffer);
        for (; FAN_EVENT_OK(event, left); event = FAN_EVENT_NEXT(event, left)) {
          held.emplace_back(
              absl::Now() + absl::Milliseconds(event->pid == getpid() ? 0 : hold_ms_.load()),
              event->fd);
        }
      }
      for (auto one = held.begin(); one != held.end();) {
        if (one->first > absl::Now() && !ending_) {
          ++one;
          continue;
        }
        const fanotify_response response{one->second.get(), FAN_ALLOW};
        EXPECT_EQ(write(fd_.get(), &response, sizeof(response)),
                  static_cast<ssize_t>(sizeof(response)));
        one = held.erase(one);
      }
    }
  }

  net::UniqueFd fd_;
  std::atomic<int64_t> hold_ms_{0};
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

constexpr absl::Duration kHeld = absl::Seconds(3);
// Less than that, and more than a busy machine makes somebody wait.
constexpr absl::Duration kAtOnce = absl::Seconds(2);

class SlowOpenTest : public EngineTest {
 protected:
  // A tree with a mount of its own in it.
  void SetUp() override {
    EngineTest::SetUp();
    if (GetParam() == "model_thread_pool")
      GTEST_SKIP() << "its threads belong to connections, whatever those ask for";
    if (IsSkipped()) return;
    tree_.Add("quick", "a quick object");
    tree_.Add("slow/0", "");
    slow_ = tree_.root() + "/slow";
  }
  void TearDown() override {
    if (mounted_) umount2(slow_.c_str(), MNT_DETACH);
  }
  bool MountTmpfs() {
    mounted_ = mount("slow", slow_.c_str(), "tmpfs", 0, "") == 0;
    for (int i = 0; mounted_ && i < 64; ++i)
      std::ofstream(absl::StrCat(slow_, "/", i)) << "slow object " << i;
    return mounted_;
  }
  bool Bind(const std::string& folder) {
    mounted_ = mount(folder.c_str(), slow_.c_str(), nullptr, MS_BIND, nullptr) == 0;
    return mounted_;
  }
  ServerProcess Serve() {
    return ServerProcess(tree_.root(), {.engine = GetParam(),
                                        .flags = {"--admin_listen=" + admin(), "--pool_size=2",
                                                  "--splice_pool_size=2"}});
  }
  std::string admin() const { return door_.path() + "/admin"; }
  // A thread of a connection's own may wait as long as it likes.
  bool counts() const { return !absl::StartsWith(GetParam(), "model_thread_per"); }

  // Asks for what is quick, again and again for a while, in both ways, on connections that each
  // worker has one of; returns how long the longest answer took.
  static absl::Duration LongestOfQuick(const ServerProcess& server, absl::Duration time) {
    std::vector<RawClient> clients;
    for (int i = 0; i < 4; ++i) clients.push_back(Open(server, Transport::kUnix, Dialect::kV2));
    absl::Duration longest;
    for (const absl::Time until = absl::Now() + time; absl::Now() < until;) {
      for (RawClient& client : clients) {
        for (const char mode : {kFdPass, kCopy}) {
          const absl::Time since = absl::Now();
          EXPECT_TRUE(client.Get({.mode = mode, .uri = "quick"}).ok());
          longest = std::max(longest, absl::Now() - since);
        }
      }
      absl::SleepFor(absl::Milliseconds(2));
    }
    return longest;
  }

  ObjectTree tree_;
  TempDir door_;
  std::string slow_;
  bool mounted_ = false;
};

// A scanner holds each open of a mount for three seconds. Once that is known (the first may hold up
// one worker's connections), what is on other mounts is answered at once, however many ask for what
// is held, in pipelines too; and that is answered, when it may be.
TEST_P(SlowOpenTest, AScanner) {
  if (!MountTmpfs()) GTEST_SKIP() << "mount(2) is not allowed here";
  const std::unique_ptr<Scanner> scanner = Scanner::Make(slow_);
  if (scanner == nullptr)
    GTEST_SKIP() << "fanotify_init(2) with FAN_CLASS_CONTENT is not allowed here";
  ServerProcess server = Serve();
  RawClient first = Open(server, Transport::kUnix, Dialect::kV2);
  ASSERT_TRUE(first.Get({.mode = kFdPass, .uri = "slow/0"}).ok());
  ASSERT_EQ(first.Get({.mode = kCopy, .uri = "slow/0"}).body, "slow object 0");
  scanner->Hold(kHeld);
  // Those that one connection asks for in one breath hold up its worker for as long as one does,
  // not for their sum.
  RawClient pipeline = Open(server, Transport::kUnix, Dialect::kV2FdBatch);
  const absl::Time since = absl::Now();
  for (int i = 40; i < 44; ++i) pipeline.Ask({.mode = kFdPass, .uri = absl::StrCat("slow/", i)});
  EXPECT_LT(LongestOfQuick(server, kHeld), kHeld + kAtOnce);
  for (int i = 40; i < 44; ++i) ASSERT_TRUE(pipeline.Next().ok());
  // Where descriptors are opened by the loop they are waited for at the same time.
  if (GetParam() == "uring") {
    EXPECT_LT(absl::Now() - since, 2 * kHeld + kAtOnce);
  }
  if (counts()) {
    EXPECT_TRUE(MetricBecomes(admin(), "objmapper_slow_file_systems", 1));
  }

  std::vector<RawClient> waiting;
  for (int i = 0; i < 12; ++i) {
    waiting.push_back(Open(server, Transport::kUnix,
                           i % 3 == 0   ? Dialect::kV1
                           : i % 3 == 1 ? Dialect::kV2
                                        : Dialect::kV2FdBatch));
    for (int k = 0; k < (i % 3 == 0 ? 1 : 2); ++k) {
      waiting.back().Ask(
          {.mode = i % 4 == 3 ? kCopy : kFdPass, .uri = absl::StrCat("slow/", 2 + i * 3 + k)});
    }
  }
  EXPECT_LT(LongestOfQuick(server, absl::Seconds(1)), kAtOnce);
  for (int i = 0; i < 12; ++i) {
    for (int k = 0; k < (i % 3 == 0 ? 1 : 2); ++k) EXPECT_TRUE(waiting[i].Next().ok()) << i;
  }
  // It becomes quick again, and is noticed to be.
  scanner->Hold(absl::ZeroDuration());
  const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
  while (Metric(admin(), "objmapper_slow_file_systems") != 0) {
    ASSERT_TRUE(first.Get({.mode = kFdPass, .uri = "slow/63"}).ok());
    ASSERT_LT(absl::Now(), give_up);
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_TRUE(first.Get({.mode = kFdPass, .uri = "slow/63"}).ok());
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// A file system in user space answers no OPEN at all, though the way to its file is in the kernel's
// caches.
TEST_P(SlowOpenTest, AFileSystemThatDoesNotAnswer) {
  const std::unique_ptr<FuseMount> fuse = FuseMount::Make("a slow object", /*believed=*/true);
  if (fuse == nullptr || !Bind(fuse->directory())) GTEST_SKIP() << "mount(2) is not allowed here";
  ServerProcess server = Serve();
  RawClient first = Open(server, Transport::kUnix, Dialect::kV2);
  ASSERT_TRUE(first.Get({.mode = kFdPass, .uri = "slow/file"}).ok());
  fuse->DelayOpens(1000);
  ASSERT_TRUE(first.Get({.mode = kFdPass, .uri = "slow/file"}).ok());
  ASSERT_TRUE(first.Get({.mode = kFdPass, .uri = "slow/file"}).ok());
  if (counts()) {
    EXPECT_TRUE(MetricBecomes(admin(), "objmapper_slow_file_systems", 1));
  }
  fuse->DelayOpens(0);
  fuse->Hang(FuseMount::kOpen);
  std::vector<RawClient> waiting;
  for (int i = 0; i < 6; ++i) {
    waiting.push_back(Open(server, Transport::kUnix, i % 2 == 0 ? Dialect::kV1 : Dialect::kV2));
    waiting.back().Ask({.mode = i % 3 == 2 ? kCopy : kFdPass, .uri = "slow/file"});
  }
  EXPECT_TRUE(fuse->AwaitHanging());
  EXPECT_LT(LongestOfQuick(server, absl::Seconds(1)), kAtOnce);
  // One that goes while it waits is nobody's.
  waiting.pop_back();
  fuse->Abort();
  // An error, or bytes of an object that was open already.
  for (RawClient& client : waiting) EXPECT_EQ(client.Next().kind, Answer::Kind::kResponse);
  EXPECT_LT(LongestOfQuick(server, absl::ZeroDuration()), kAtOnce);
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

INSTANTIATE_TEST_SUITE_P(Engines, SlowOpenTest, testing::ValuesIn(kEngines), EngineName);

}  // namespace
}  // namespace objmapper::e2e
