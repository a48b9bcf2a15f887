// Lines reach their file in order, whoever rotates it; nobody waits for a file that takes none.
#include "server/line_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "net/unique_fd.h"
#include "tests/client/temporary_folder.h"

namespace objmapper::server {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

class LineLogTest : public testing::Test {
 protected:
  static std::string Content(const std::string& path) {
    std::ifstream file(path);
    std::stringstream content;
    content << file.rdbuf();
    return content.str();
  }
  // Waits until the file has this, and no more.
  static void Expect(const std::string& path, const std::string& wanted) {
    const absl::Time until = absl::Now() + kPatience;
    while (Content(path) != wanted && absl::Now() < until) absl::SleepFor(absl::Milliseconds(2));
    EXPECT_EQ(Content(path), wanted);
  }
  std::unique_ptr<LineLog> Open(const std::string& path) {
    absl::StatusOr<std::unique_ptr<LineLog>> log = LineLog::Open(path, LineLog::Format::kCombined);
    EXPECT_TRUE(log.ok()) << log.status();
    return *std::move(log);
  }

  client::TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/log";
};

TEST_F(LineLogTest, InOrderFromSeveralThreads) {
  std::string wanted;
  {
    const std::unique_ptr<LineLog> log = Open(path_);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) log->Write("of some thread\n");
      });
    }
    for (std::thread& thread : threads) thread.join();
    log->Write("the last\n");
  }  // waits for what is queued
  for (int i = 0; i < 4000; ++i) wanted += "of some thread\n";
  EXPECT_EQ(Content(path_), wanted + "the last\n");
}

TEST_F(LineLogTest, GoesOnInTheFileThatHasTheName) {
  const std::unique_ptr<LineLog> log = Open(path_);
  log->Write("one\n");
  Expect(path_, "one\n");
  const std::string old = path_ + ".1";
  ASSERT_EQ(rename(path_.c_str(), old.c_str()), 0);
  log->Write("two\n");
  Expect(old, "one\ntwo\n");
  log->Reopen();
  const absl::Time until = absl::Now() + kPatience;
  while (access(path_.c_str(), F_OK) != 0 && absl::Now() < until)
    absl::SleepFor(absl::Milliseconds(2));
  log->Write("three\n");
  Expect(path_, "three\n");
  EXPECT_EQ(Content(old), "one\ntwo\n");
  // What was there is kept by whoever opens it next.
  Open(path_)->Write("four\n");
  Expect(path_, "three\nfour\n");
}

TEST_F(LineLogTest, NobodyWaits) {
  signal(SIGPIPE,
         SIG_IGN);  // as the server does (server/signals.h): the reader goes before the thread
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_FALSE(LineLog::CheckPath(path_).ok()) << "nobody reads it";
  const net::UniqueFd reader(open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(reader.valid());
  const std::unique_ptr<LineLog> log = Open(path_);
  // More than a pipe and the queue hold: what does not fit is counted.
  const std::string line = std::string(999, 'x') + "\n";
  constexpr int kLines = 8000;
  for (int i = 0; i < kLines; ++i) log->Write(line);
  EXPECT_GT(log->dropped(), 1000u);
  EXPECT_LT(log->dropped(), static_cast<uint64_t>(kLines));
}

TEST_F(LineLogTest, WhatCannotBeOpenedIsNamed) {
  const absl::Status status =
      LineLog::Open(folder_.path() + "/none/log", LineLog::Format::kCombined).status();
  EXPECT_TRUE(absl::StrContains(status.message(), "/none/log")) << status;
}

}  // namespace
}  // namespace objmapper::server
