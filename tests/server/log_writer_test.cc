// The log keeps its order and delays nobody, whatever its reader does.
#include "server/log_writer.h"

#include <fcntl.h>
#include <gflags/gflags.h>
#include <glog/logging.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "net/unique_fd.h"
#include "tests/client/temporary_folder.h"

namespace objmapper::server {
namespace {

// The log is a process's, so each case has one of its own: with the standard error that it is
// given, and what it says there.
class LogWriterTest : public ::testing::Test {
 protected:
  LogWriterTest() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    read_end_.Reset(ends[0]);
    write_end_.Reset(ends[1]);
  }

  // Runs `body` in a child, the log written to `error`; returns how it ended, as waitpid(2) does,
  // or -1 after `patience`.
  int Run(int error, const std::function<void()>& body,
          absl::Duration patience = absl::Seconds(60)) {
    const pid_t child = fork();
    if (child == 0) {
      dup2(error, STDERR_FILENO);
      google::InitGoogleLogging("test");
      StartLogWriter();
      body();
      _exit(0);
    }
    write_end_.Reset();
    const absl::Time until = absl::Now() + patience;
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
      if (absl::Now() > until) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        return -1;
      }
      absl::SleepFor(absl::Milliseconds(5));
    }
    return status;
  }

  // What is in the pipe.
  std::string Said() {
    std::string said;
    char buffer[65536];
    for (ssize_t got; (got = read(read_end_.get(), buffer, sizeof(buffer))) > 0;)
      said.append(buffer, static_cast<size_t>(got));
    return said;
  }

  int error() const { return write_end_.get(); }
  // Fills the pipe, so that nothing goes in any more.
  void Fill() {
    fcntl(error(), F_SETFL, O_NONBLOCK);
    const std::string block(4096, '.');
    while (write(error(), block.data(), block.size()) > 0) {
    }
    fcntl(error(), F_SETFL, 0);
  }

 private:
  gflags::FlagSaver saver_;
  net::UniqueFd read_end_, write_end_;
};

// Lines come out as they went in, and in their order, by the time that they are flushed.
TEST_F(LogWriterTest, AllLinesInOrder) {
  FLAGS_logtostderr = true;
  const int status = Run(error(), [] {
    for (int i = 0; i < 300; ++i) LOG(INFO) << "line " << i << " of these";
    if (!FlushLog(absl::Seconds(30)) || LogLinesDropped() != 0 || LogHasFiles()) _exit(1);
  });
  EXPECT_EQ(status, 0);
  const std::string said = Said();
  size_t at = 0;
  for (int i = 0; i < 300; ++i) {
    at = said.find(absl::StrCat("line ", i, " of these\n"), at);
    ASSERT_NE(at, said.npos) << i;
  }
}

// What ends the process is said, and all that was said before.
TEST_F(LogWriterTest, FatalGetsOut) {
  FLAGS_logtostderr = true;
  const int status = Run(error(), [] {
    LOG(INFO) << "before";
    LOG(FATAL) << "the last word";
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
  const std::string said = Said();
  const size_t before = said.find("before\n"), fatal = said.find("the last word\n"),
               trace = said.find("Check failure stack trace");
  EXPECT_LT(before, fatal) << said;
  EXPECT_LT(fatal, trace) << said;
  EXPECT_NE(trace, said.npos) << said;
}

// Nobody takes the log: the process ends all the same, and ends as it should.
TEST_F(LogWriterTest, FatalDoesNotWaitForEver) {
  FLAGS_logtostderr = true;
  Fill();
  const int status = Run(error(), [] {
    for (int i = 0; i < 20000; ++i)
      LOG(INFO) << "line " << i << " of many, which are more than there is room for";
    if (LogLinesDropped() == 0) _exit(1);
    LOG(FATAL) << "the last word";
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
}

// A full disk takes no lines: they are counted, and told of when there is room again.
TEST_F(LogWriterTest, FullDisk) {
  FLAGS_logtostderr = true;
  const net::UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full.valid());
  const int status = Run(full.get(), [this] {
    for (int i = 0; i < 3; ++i) LOG(INFO) << "lost";
    if (!FlushLog(absl::Seconds(30)) || LogLinesDropped() != 3) _exit(1);
    dup2(error(), STDERR_FILENO);
    LOG(INFO) << "there is room again";
    if (!FlushLog(absl::Seconds(30)) || LogLinesDropped() != 3) _exit(2);
  });
  EXPECT_EQ(status, 0);
  const std::string said = Said();
  const size_t lost = said.find(": 3 lines were lost here"),
               room = said.find("there is room again");
  EXPECT_LT(lost, room) << said;
  EXPECT_NE(room, said.npos) << said;
}

// The other end of the pipe has gone.
TEST_F(LogWriterTest, NobodyThere) {
  FLAGS_logtostderr = true;
  signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  close(ends[0]);
  const int status = Run(ends[1], [] {
    LOG(INFO) << "lost";
    LOG(WARNING) << "lost";
    if (!FlushLog(absl::Seconds(30)) || LogLinesDropped() != 2) _exit(1);
  });
  close(ends[1]);
  EXPECT_EQ(status, 0);
}

// --stderrthreshold and --log_dir mean what they meant: each level's file has its own and what is
// above it.
TEST_F(LogWriterTest, FilesAndThreshold) {
  const client::TemporaryFolder folder;
  FLAGS_logtostderr = false;
  FLAGS_alsologtostderr = false;
  FLAGS_stderrthreshold = google::GLOG_ERROR;
  FLAGS_log_dir = folder.path();
  FLAGS_timestamp_in_logfile_name = false;
  const int status = Run(error(), [] {
    LOG(INFO) << "an information";
    LOG(WARNING) << "a warning";
    LOG(ERROR) << "an error";
    if (!FlushLog(absl::Seconds(30)) || !LogHasFiles()) _exit(1);
  });
  EXPECT_EQ(status, 0);
  const std::string said = Said();
  EXPECT_TRUE(absl::StrContains(said, "an error\n"));
  EXPECT_FALSE(absl::StrContains(said, "a warning"));
  for (const std::string& name : folder.Names()) {
    const bool info = absl::StrContains(name, "INFO"), warning = absl::StrContains(name, "WARNING");
    if (!absl::StrContains(name, ".log.")) continue;  // links to them
    const std::string text = folder.Read(name);
    EXPECT_EQ(absl::StrContains(text, "an information"), info) << name;
    EXPECT_EQ(absl::StrContains(text, "a warning"), info || warning) << name;
    EXPECT_TRUE(absl::StrContains(text, "an error")) << name;
  }
}

}  // namespace
}  // namespace objmapper::server
