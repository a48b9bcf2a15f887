// A pipe's account always equals the bytes in it.
#include "copypath/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "net/unique_fd.h"
#include "tests/client/temporary_folder.h"
#include "tests/copypath/pattern.h"
#include "tests/net/open_fds.h"
#include "tests/net/socket_pair.h"

namespace objmapper::copypath {
namespace {

constexpr size_t kFileBytes = 1024 * 1024;  // more than a pipe holds

class PipeTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { signal(SIGPIPE, SIG_IGN); }  // as the server does

  void SetUp() override {
    folder_.Write("file", content_);
    file_.Reset(open(folder_.Path("file").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(file_.valid());
    ASSERT_EQ(fcntl(pair_.ours.get(), F_SETFL, O_NONBLOCK), 0);
    absl::StatusOr<Pipe> pipe = Pipe::Create();
    ASSERT_TRUE(pipe.ok()) << pipe.status();
    pipe_ = *std::move(pipe);
  }

  const client::TemporaryFolder folder_;
  const std::string content_ = Pattern(kFileBytes, 1);
  net::UniqueFd file_;
  net::SocketPair pair_ = net::SocketPair::Unix();
  std::optional<Pipe> pipe_;
};

// What is filled in comes out, and the account says at every step how much is inside.
TEST_F(PipeTest, AccountsForEveryByte) {
  EXPECT_TRUE(pipe_->empty());
  ASSERT_EQ(pipe_->Fill(file_.get(), 1000, 5000), 5000);
  EXPECT_EQ(pipe_->held(), 5000u);
  EXPECT_FALSE(pipe_->empty());
  ASSERT_EQ(pipe_->Drain(pair_.ours.get(), /*more=*/false), 5000);
  EXPECT_TRUE(pipe_->empty());
  EXPECT_EQ(net::ReadReady(pair_.peer.get()), content_.substr(1000, 5000));
}

// The file's own offset is left alone: others read the same descriptor.
TEST_F(PipeTest, FillIsPositional) {
  ASSERT_EQ(lseek(file_.get(), 17, SEEK_SET), 17);
  ASSERT_GT(pipe_->Fill(file_.get(), 1000, 5000), 0);
  EXPECT_EQ(lseek(file_.get(), 0, SEEK_CUR), 17);
  EXPECT_TRUE(pipe_->Discard());
}

// More than a pipe holds goes through in turns.
TEST_F(PipeTest, MovesAWholeFileInTurns) {
  std::string received;
  uint64_t at = 0;
  while (at < kFileBytes) {
    const ssize_t filled = pipe_->Fill(file_.get(), at, kFileBytes - at);
    ASSERT_GT(filled, 0);
    at += static_cast<uint64_t>(filled);
    while (!pipe_->empty()) {
      const ssize_t drained = pipe_->Drain(pair_.ours.get(), at < kFileBytes);
      ASSERT_TRUE(drained > 0 || drained == -EAGAIN) << drained;
      received += net::ReadReady(pair_.peer.get());
    }
  }
  EXPECT_EQ(received, content_);
}

// A full socket takes nothing more; the rest stays in the pipe and on its account.
TEST_F(PipeTest, FullSocketIsEagain) {
  ASSERT_GT(pipe_->Fill(file_.get(), 0, 4096), 0);
  const std::string before = net::FillSocket(pair_.ours.get());
  EXPECT_EQ(pipe_->Drain(pair_.ours.get(), /*more=*/false), -EAGAIN);
  EXPECT_EQ(pipe_->held(), 4096u);
  EXPECT_EQ(net::ReadReady(pair_.peer.get()), before);
  EXPECT_EQ(pipe_->Drain(pair_.ours.get(), /*more=*/false), 4096);
  EXPECT_EQ(net::ReadReady(pair_.peer.get()), content_.substr(0, 4096));
}

// The end of the file is 0 bytes; the last ones come before it.
TEST_F(PipeTest, EndOfFile) {
  EXPECT_EQ(pipe_->Fill(file_.get(), kFileBytes - 10, 100), 10);
  EXPECT_TRUE(pipe_->Discard());
  EXPECT_EQ(pipe_->Fill(file_.get(), kFileBytes, 100), 0);
  EXPECT_EQ(pipe_->Fill(file_.get(), kFileBytes + 5, 100), 0);
  EXPECT_TRUE(pipe_->empty());
}

// Errors are told and leave the account as it was.
TEST_F(PipeTest, ErrorsAreErrnos) {
  const net::UniqueFd write_only(open(folder_.Path("file").c_str(), O_WRONLY | O_CLOEXEC));
  EXPECT_EQ(pipe_->Fill(write_only.get(), 0, 100), -EBADF);
  EXPECT_TRUE(pipe_->empty());
  ASSERT_EQ(pipe_->Fill(file_.get(), 0, 100), 100);
  pair_.peer.Reset();
  EXPECT_EQ(pipe_->Drain(pair_.ours.get(), /*more=*/false), -EPIPE);
  EXPECT_EQ(pipe_->held(), 100u);
}

// What is discarded is gone: the next transfer's bytes come out, and no others.
TEST_F(PipeTest, DiscardMakesItClean) {
  ASSERT_GT(pipe_->Fill(file_.get(), 0, kFileBytes), 0);
  EXPECT_TRUE(pipe_->Discard());
  EXPECT_TRUE(pipe_->empty());
  EXPECT_TRUE(pipe_->Discard());  // nothing to do
  ASSERT_EQ(pipe_->Fill(file_.get(), 500'000, 300), 300);
  ASSERT_EQ(pipe_->Drain(pair_.ours.get(), /*more=*/false), 300);
  EXPECT_EQ(net::ReadReady(pair_.peer.get()), content_.substr(500'000, 300));
}

// Filling a pipe that holds another transfer's bytes would send them to the wrong client.
TEST_F(PipeTest, FillingANonEmptyPipeIsFatal) {
  ASSERT_EQ(pipe_->Fill(file_.get(), 0, 100), 100);
  EXPECT_DEATH(pipe_->Fill(file_.get(), 100, 100), "100 bytes of another transfer");
}

// A pipe that dies closes its ends.
TEST_F(PipeTest, DeathClosesIt) {
  ASSERT_GT(pipe_->Fill(file_.get(), 0, 100), 0);
  ASSERT_TRUE(pipe_->Discard());  // opens what all pipes share
  const ptrdiff_t before = net::OpenFds();
  {
    absl::StatusOr<Pipe> other = Pipe::Create();
    ASSERT_TRUE(other.ok());
    EXPECT_EQ(net::OpenFds(), before + 2);
    Pipe moved = *std::move(other);
    EXPECT_GT(moved.Fill(file_.get(), 0, 100), 0);
  }
  EXPECT_EQ(net::OpenFds(), before);
}

}  // namespace
}  // namespace objmapper::copypath
