// A checked read brings the version that was promised, or says that there is none any more.
#include "copypath/checked_read.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "storage/tree/tree.h"
#include "tests/client/temporary_folder.h"
#include "tests/copypath/eviction.h"
#include "tests/copypath/pattern.h"

namespace objmapper::copypath {
namespace {

constexpr size_t kTail = 4096;  // bytes read and checked at the end
constexpr size_t kBytes = 2 * kWindowBytes + 100'000;

class CheckedReadTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_.Write("object", content_);
    absl::StatusOr<storage::Tree> tree = storage::Tree::Open(folder_.path());
    ASSERT_TRUE(tree.ok()) << tree.status();
    absl::StatusOr<storage::LoadedObject> loaded =
        storage::Load(*tree, "object", storage::Wait::kMayBlock);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    object_->Fill(*std::move(loaded), /*now_ns=*/0);
  }
  std::string Path() const { return folder_.Path("object"); }
  absl::Status Read(uint64_t offset, size_t bytes) {
    read_.assign(bytes, '\0');
    return ReadChecked(*object_.get(), offset, bytes, read_.data());
  }
  absl::Status ReadTail() { return Read(kBytes - kTail, kTail); }

  // Changes one byte in place, and the time that says so.
  void Rewrite(off_t at) {
    const net::UniqueFd fd(open(Path().c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(pwrite(fd.get(), "#", 1, at), 1);
    const timespec times[2] = {{0, UTIME_NOW}, {1'000'000'000, 0}};
    ASSERT_EQ(futimens(fd.get(), times), 0);
  }

  const client::TemporaryFolder folder_;
  const std::string content_ = Pattern(kBytes, 1);
  const ObjectRef object_{new CachedObject("object")};
  std::string read_;
};

// The version that was promised is read.
TEST_F(CheckedReadTest, ReadsThePromisedVersion) {
  ASSERT_TRUE(ReadTail().ok());
  EXPECT_EQ(read_, content_.substr(kBytes - kTail));
  ASSERT_TRUE(Read(5, 17).ok());
  EXPECT_EQ(read_, content_.substr(5, 17));
}

// A file that was cut is not that version any more, wherever it was cut: in what is read, before
// it, or behind it.
TEST_F(CheckedReadTest, CutFileIsAborted) {
  ASSERT_EQ(truncate(Path().c_str(), kBytes - 1), 0);
  EXPECT_EQ(ReadTail().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Read(0, 10).code(), absl::StatusCode::kAborted);
  ASSERT_EQ(truncate(Path().c_str(), 100), 0);
  EXPECT_EQ(ReadTail().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Read(0, 10).code(), absl::StatusCode::kAborted);
}

// What was only appended to still is what was promised.
TEST_F(CheckedReadTest, AppendedFileIsAsGoodAsItWas) {
  const net::UniqueFd fd(open(Path().c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  ASSERT_EQ(write(fd.get(), "more", 4), 4);
  ASSERT_TRUE(ReadTail().ok());
  EXPECT_EQ(read_, content_.substr(kBytes - kTail));
}

// A file that was rewritten at the same length is another version, even where its bytes are the
// same.
TEST_F(CheckedReadTest, RewrittenFileIsAborted) {
  Rewrite(0);
  const absl::Status status = ReadTail();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_NE(status.message().find("object"), absl::string_view::npos) << "the message names it";
}

// An object that another has replaced, or that was deleted, is still itself.
TEST_F(CheckedReadTest, ReplacedObjectIsStillItself) {
  folder_.Write("new", "new");
  ASSERT_EQ(rename(folder_.Path("new").c_str(), Path().c_str()), 0);
  ASSERT_TRUE(ReadTail().ok());
  EXPECT_EQ(read_, content_.substr(kBytes - kTail));
  ASSERT_EQ(unlink(Path().c_str()), 0);
  EXPECT_TRUE(ReadTail().ok());
}

// What is not in the page cache is refused rather than waited for.
TEST_F(CheckedReadTest, ColdBytesAreNotWaitedFor) {
  bool refused = false;
  // The asking makes the kernel read ahead, and a fast disk may have the bytes before it is done.
  for (int attempt = 0; attempt < 50 && !refused; ++attempt) {
    if (!Evict(Path())) GTEST_SKIP() << "this file system keeps its pages";
    const absl::Status status = ReadTail();
    refused = absl::IsUnavailable(status);
    EXPECT_TRUE(refused || (status.ok() && read_ == content_.substr(kBytes - kTail))) << status;
  }
  if (!refused) GTEST_SKIP() << "this disk is never waited for";
}

// Without the check the bytes are read all the same, as long as they are there.
TEST_F(CheckedReadTest, TheReadAloneSeesOnlyWhereItEnds) {
  Rewrite(0);
  std::string out(kTail, '\0');
  EXPECT_TRUE(ReadAtHand(*object_.get(), kBytes - kTail, kTail, out.data()).ok());
  EXPECT_EQ(out, content_.substr(kBytes - kTail));
  EXPECT_TRUE(absl::IsAborted(CheckUnchanged(*object_.get())));
  ASSERT_EQ(truncate(Path().c_str(), kBytes - 1), 0);
  EXPECT_TRUE(absl::IsAborted(ReadAtHand(*object_.get(), kBytes - kTail, kTail, out.data())));
}

}  // namespace
}  // namespace objmapper::copypath
