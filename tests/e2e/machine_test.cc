// What the machine really is: fewer cores than it has, a log that nobody takes, files whose opening is held up.
#include <gtest/gtest.h>

#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/metrics.h"

namespace objmapper::e2e {
namespace {

// ---- Cores ----

class CoresTest : public EngineTest {};

// A server that may use one core has one worker, whatever the machine has; and what it says at the start tells why.
TEST_P(CoresTest, ThreadsGoByWhatItMayUse) {
  SharedTree().AddOnce("small", "small object");
  TempDir door;
  const std::string admin = door.path() + "/admin";
  ServerProcess server(SharedTree().root(), {.engine = GetParam(), .flags = {"--admin_listen=" + admin}, .on_one_core = true});
  EXPECT_TRUE(server.WaitForLog("cores: ")) << server.log();
  cpu_set_t set;
  ASSERT_EQ(sched_getaffinity(server.pid(), sizeof(set), &set), 0);
  ASSERT_EQ(CPU_COUNT(&set), 1);
  const std::string log = server.log();
  EXPECT_TRUE(absl::StrContains(log, "cores: 1 of the machine's ") || absl::StrContains(log, "cores: the machine's only one")) << log;
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
        ASSERT_FALSE(client.Get({.mode = i % 2 == 0 ? kCopy : kFdPass, .uri = absl::StrCat(name, i)}).ok());
      }
      ASSERT_LT(absl::Now(), give_up) << "nothing is lost";
    }
  }
};

// Nobody takes the log, and peers bring about more of it than the pipe and what is before it hold: every request is answered all
// the same, on old connections and new ones. Who takes the log again reads how many lines were lost, and then what comes.
TEST_P(UntakenLogTest, HoldsUpNoRequest) {
  SharedTree().AddOnce("small", "small object");
  TempDir door;
  const std::string admin = door.path() + "/admin";
  ServerProcess server(SharedTree().root(), {.engine = GetParam(), .flags = {"--admin_listen=" + admin, "--log_requests"}});
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
    const size_t at = line.find("the log was not taken as fast as it grew: ");
    if (at != line.npos) told += strtoull(line.data() + at + 42, nullptr, 10);
  }
  EXPECT_GE(told, 100u);
  EXPECT_TRUE(absl::StrContains(server.log(), "stopped"));
}

// SIGTERM ends it in time though nobody ever takes the log again.
TEST_P(UntakenLogTest, HoldsUpNoEnd) {
  TempDir door;
  const std::string admin = door.path() + "/admin";
  ServerProcess server(SharedTree().root(), {.engine = GetParam(), .flags = {"--admin_listen=" + admin, "--log_requests"}});
  server.LeaveLog();
  ASSERT_NO_FATAL_FAILURE(Overfill(server, admin));
  EXPECT_EQ(server.Stop(SIGTERM), 0);
  server.TakeLog();
}

INSTANTIATE_TEST_SUITE_P(Engines, UntakenLogTest, testing::ValuesIn(kEngines), EngineName);

}  // namespace
}  // namespace objmapper::e2e
