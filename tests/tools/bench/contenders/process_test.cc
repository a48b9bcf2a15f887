// Child processes: their end is told, and none outlives its owner.
#include "tools/bench/contenders/process.h"

#include <errno.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "net/unique_fd.h"
#include "tests/client/temporary_folder.h"

namespace objmapper::bench {
namespace {

using testing::HasSubstr;

class ProcessTest : public testing::Test {
 protected:
  std::unique_ptr<Process> Shell(const std::string& script) {
    auto process =
        Process::Start({.argv = {"/bin/sh", "-c", script}, .log_path = folder_.path() + "/log"});
    EXPECT_TRUE(process.ok()) << process.status();
    return *std::move(process);
  }
  static absl::Time Soon() { return absl::Now() + absl::Seconds(20); }

  client::TemporaryFolder folder_;
};

// One that has ended says how, and the end of its log.
TEST_F(ProcessTest, EndIsTold) {
  auto process = Shell("echo a last word; exit 7");
  const absl::Status status = process->WaitForLog("never", Soon());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("status 7"));
  EXPECT_THAT(status.message(), HasSubstr("a last word"));
  EXPECT_EQ(process->Running().code(), absl::StatusCode::kUnavailable);
}

// A program that is not there is one that has ended.
TEST_F(ProcessTest, NoSuchProgram) {
  auto process =
      Process::Start({.argv = {"/no/such/program"}, .log_path = folder_.path() + "/log"});
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_THAT((*process)->WaitForLog("never", Soon()).message(), HasSubstr("No such file"));
}

// The end of one that ends well is awaited, and what it used is known; one that does not end, or
// not well, is told.
TEST_F(ProcessTest, EndIsAwaited) {
  const absl::StatusOr<int64_t> cpu_ns =
      Shell("i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done")->AwaitEnd(Soon());
  ASSERT_TRUE(cpu_ns.ok()) << cpu_ns.status();
  EXPECT_GT(*cpu_ns, 0);
  const absl::Status failed = Shell("echo a last word; exit 7")->AwaitEnd(Soon()).status();
  EXPECT_EQ(failed.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(failed.message(), HasSubstr("a last word"));
  const absl::Status late =
      Shell("sleep 1000")->AwaitEnd(absl::Now() + absl::Milliseconds(50)).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
}

// It reads what it is given, and nothing where it is given nothing.
TEST_F(ProcessTest, StandardInput) {
  EXPECT_TRUE(Shell("! read line")->AwaitEnd(Soon()).ok());
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const net::UniqueFd input(ends[0]), output(ends[1]);
  ASSERT_EQ(write(output.get(), "a word\n", 7), 7);
  auto process = Process::Start({.argv = {"/bin/sh", "-c", "read line && [ \"$line\" = 'a word' ]"},
                                 .log_path = folder_.path() + "/log",
                                 .standard_input = input.get()});
  ASSERT_TRUE(process.ok()) << process.status();
  const absl::Status ended = (*process)->AwaitEnd(Soon()).status();
  EXPECT_TRUE(ended.ok()) << ended;
}

// Its children end with it, even those that do not listen to SIGTERM.
TEST_F(ProcessTest, NothingOutlivesItsOwner) {
  auto process = Shell("(trap '' TERM; echo deaf; sleep 1000) & sleep 1000");
  const pid_t leader = process->pid();
  ASSERT_TRUE(process->WaitForLog("deaf", Soon()).ok());
  ASSERT_TRUE(process->Running().ok());
  process.reset();
  EXPECT_EQ(kill(leader, 0), -1);
  EXPECT_EQ(errno, ESRCH);
  // An orphan that was killed is reaped by somebody else, in its own time.
  const absl::Time deadline = Soon();
  while (kill(-leader, 0) == 0 && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_NE(kill(-leader, 0), 0) << "somebody is left in its group";
}

}  // namespace
}  // namespace objmapper::bench
