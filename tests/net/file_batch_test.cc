// Many opens and closes in one call give the same results as single ones.
#include "net/file_batch.h"

#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/net/fds_left.h"
#include "tests/net/open_fds.h"
#include "tests/net/short_folder.h"

namespace objmapper::net {
namespace {

class FileBatchTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<FileBatch>> made = FileBatch::Create();
    if (!made.ok()) GTEST_SKIP() << made.status();
    files_ = *std::move(made);
    directory_.Reset(open(folder_.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    PCHECK(directory_.valid());
  }

  void Write(const std::string& name, const std::string& bytes) {
    UniqueFd fd(openat(AT_FDCWD, folder_.Path(name).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    PCHECK(write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }

  int OpenNow(const char* name) {
    int result = 1;
    files_->Open(directory_.get(), name, &result);
    files_->Submit();
    return result;
  }

  std::unique_ptr<FileBatch> files_;
  const ShortFolder folder_;
  UniqueFd directory_;
};

std::string ReadAll(int fd) {
  char bytes[64];
  const ssize_t got = pread(fd, bytes, sizeof(bytes), 0);
  return got < 0 ? "error" : std::string(bytes, static_cast<size_t>(got));
}

// What is cut short opens nothing, and closes all the same; the next round is as ever.
TEST_F(FileBatchTest, CutShort) {
  Write("a", "a");
  const ptrdiff_t before = OpenFds();
  files_->Close(UniqueFd(OpenNow("a")));
  files_->CutShort();
  EXPECT_EQ(OpenNow("a"), -EINVAL);
  EXPECT_EQ(OpenFds(), before);
  const UniqueFd again(OpenNow("a"));
  ASSERT_TRUE(again.valid());
  EXPECT_EQ(ReadAll(again.get()), "a");
}

// More than the queue holds: each gets the file it asked for, and what is closed in the same breath
// is closed.
TEST_F(FileBatchTest, OpensAndClosesManyAtOnce) {
  for (int i = 0; i < 10; ++i) Write(std::to_string(i), "bytes of " + std::to_string(i));
  const ptrdiff_t before = OpenFds();
  for (int round = 0; round < 3; ++round) {
    std::vector<std::string> names(700);
    std::vector<int> results(names.size(), 1);
    for (size_t i = 0; i < names.size(); ++i) {
      names[i] = std::to_string(i % 10);
      files_->Open(directory_.get(), names[i].c_str(), &results[i]);
    }
    files_->Submit();
    for (size_t i = 0; i < names.size(); ++i) {
      ASSERT_GE(results[i], 0) << i;
      EXPECT_EQ(ReadAll(results[i]), "bytes of " + names[i]);
      files_->Close(UniqueFd(results[i]));
    }
    files_->Submit();
    EXPECT_EQ(OpenFds(), before);
  }
}

// What a client gets is a plain description: read-only, closed at exec, and without O_NONBLOCK,
// with which io_uring's reads of its own would fail instead of waiting for the disk.
TEST_F(FileBatchTest, GivesPlainDescriptions) {
  Write("a", "x");
  const UniqueFd fd(OpenNow("a"));
  ASSERT_TRUE(fd.valid());
  EXPECT_EQ(fcntl(fd.get(), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY);
  EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
}

// A FIFO without a writer, which would block open(2) for ever, is opened at once: who asked sees
// what it is.
TEST_F(FileBatchTest, BlocksOnNoFifo) {
  ASSERT_EQ(mkfifo(folder_.Path("fifo").c_str(), 0600), 0);
  const UniqueFd fd(OpenNow("fifo"));
  ASSERT_TRUE(fd.valid());
  struct stat status;
  ASSERT_EQ(fstat(fd.get(), &status), 0);
  EXPECT_TRUE(S_ISFIFO(status.st_mode));
}

// What cannot be opened says why, and no link is followed, so that nothing leads out of the
// directory.
TEST_F(FileBatchTest, SaysWhatIsWrong) {
  Write("a", "x");
  ASSERT_EQ(symlink("/etc/passwd", folder_.Path("link").c_str()), 0);
  EXPECT_EQ(OpenNow("link"), -ELOOP);
  // A name never asked for may have to be asked for on the disk: that is for somebody else.
  const int missing = OpenNow("missing");
  EXPECT_TRUE(missing == -ENOENT || missing == -EAGAIN) << missing;
}

// Out of descriptors is an error of that one opening; the next works when there is room again.
TEST_F(FileBatchTest, SurvivesTheLimitOfDescriptors) {
  Write("a", "x");
  int results[2] = {1, 1};
  {
    const FdsLeft one(1);
    for (int& result : results) files_->Open(directory_.get(), "a", &result);
    files_->Submit();
  }
  const UniqueFd fd(results[0]);
  EXPECT_TRUE(fd.valid());
  EXPECT_EQ(results[1], -EMFILE);
  const UniqueFd later(OpenNow("a"));
  EXPECT_TRUE(later.valid());
}

// Nothing that was queued is lost with the batch.
TEST_F(FileBatchTest, ClosesWhatIsLeftWhenItGoes) {
  Write("a", "x");
  const UniqueFd kept(OpenNow("a"));
  const ptrdiff_t before = OpenFds();
  files_->Close(UniqueFd(dup(kept.get())));
  files_->Close(UniqueFd(dup(kept.get())));
  files_.reset();
  EXPECT_EQ(OpenFds(), before - 1);  // the ring's own
}

}  // namespace
}  // namespace objmapper::net
