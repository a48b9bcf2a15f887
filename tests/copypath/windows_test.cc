// Of each window it is known whether all of it is in the page cache; for a moment without asking.
#include "copypath/windows.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "net/unique_fd.h"
#include "tests/client/temporary_folder.h"
#include "tests/copypath/eviction.h"

namespace objmapper::copypath {
namespace {

constexpr uint64_t kBytes = 2 * kWindowBytes + 100'000;  // two whole windows and a part
constexpr int64_t kLongNs = 60'000'000'000;
constexpr size_t kPageBytes = 4096;

// ---- Where they are ----

// Windows cover an object without gap or overlap, and the last ends where it ends.
TEST(WindowOfTest, CoverTheObject) {
  for (const uint64_t size :
       {uint64_t{1}, kWindowBytes - 1, kWindowBytes, kWindowBytes + 1, kBytes, uint64_t{8} << 40}) {
    const size_t count = (size + kWindowBytes - 1) / kWindowBytes;
    EXPECT_EQ(WindowOf(size, 0).first, 0u);
    EXPECT_EQ(WindowOf(size, count - 1).second, size);
    for (size_t index = 0; index < std::min<size_t>(count, 10); ++index) {
      const auto [begin, end] = WindowOf(size, index);
      EXPECT_LT(begin, end);
      EXPECT_LE(end - begin, kWindowBytes);
      if (index + 1 < count) {
        EXPECT_EQ(end, WindowOf(size, index + 1).first);
      }
    }
  }
}

// ---- What is in the page cache ----

// With the object mapped, and without: then each window is mapped to be asked for.
class WindowsTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    folder_.Write("object", std::string(kBytes, 'w'));
    Begin("object", kBytes);
  }
  void TearDown() override {
    if (map_ != nullptr) munmap(map_, size_);
  }

  void Begin(const char* name, uint64_t size) {
    fd_.Reset(open(folder_.Path(name).c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(fd_.valid());
    if (GetParam()) {
      void* const map = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd_.get(), 0);
      ASSERT_NE(map, MAP_FAILED);
      map_ = static_cast<char*>(map);
      size_ = size;
    }
    windows_.Begin(fd_.get(), size, map_);
  }
  // False: this file system keeps its pages. Read-ahead is off: only what is read comes.
  bool MakeCold() {
    if (!Evict(folder_.Path("object"))) return false;
    EXPECT_EQ(posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_RANDOM), 0);
    return true;
  }
  // Reads the pages that hold [begin, end).
  void Read(uint64_t begin, uint64_t end) {
    char byte;
    for (uint64_t at = begin - begin % kPageBytes; at < end; at += kPageBytes)
      ASSERT_EQ(pread(fd_.get(), &byte, 1, static_cast<off_t>(at)), 1);
  }

  const client::TemporaryFolder folder_;
  net::UniqueFd fd_;
  char* map_ = nullptr;
  uint64_t size_ = 0;
  Windows windows_;
};

// A window is in the page cache once all of it is, and that says nothing of its neighbours.
TEST_P(WindowsTest, AsksTheKernel) {
  if (!MakeCold()) GTEST_SKIP() << "this file system keeps its pages";
  EXPECT_EQ(windows_.Of(1, 0), Residency::kUnknown);
  const auto [begin, end] = WindowOf(kBytes, 1);
  Read(begin, end);
  EXPECT_EQ(windows_.Of(1, 0), Residency::kResident);
  EXPECT_EQ(windows_.Of(0, 0), Residency::kUnknown);
  EXPECT_EQ(windows_.Of(2, 0), Residency::kUnknown);
}

// One page that is missing makes the whole of it unknown, the last of a part too.
TEST_P(WindowsTest, OneMissingPageCounts) {
  if (!MakeCold()) GTEST_SKIP() << "this file system keeps its pages";
  const auto [begin, end] = WindowOf(kBytes, 2);
  const uint64_t last_page = end - end % kPageBytes;
  ASSERT_LT(last_page, end);
  Read(begin, last_page);
  EXPECT_EQ(windows_.Of(2, 0), Residency::kUnknown);
  Read(last_page, end);
  EXPECT_EQ(windows_.Of(2, 0), Residency::kResident);
}

// What was seen is believed for a moment without asking, and then asked for again: the kernel may
// have taken the pages.
TEST_P(WindowsTest, IsBelievedForAMoment) {
  if (!MakeCold()) GTEST_SKIP() << "this file system keeps its pages";
  windows_.Set(0, Residency::kResident, /*now_ns=*/0);
  EXPECT_EQ(windows_.Of(0, 0), Residency::kResident);
  EXPECT_EQ(windows_.Of(0, 1'000'000), Residency::kResident);
  EXPECT_EQ(windows_.Of(0, kLongNs), Residency::kUnknown);
  EXPECT_EQ(windows_.known(), 0u) << "what was asked for in vain is not remembered";
}

// A window on its way is on its way, however long it takes, until it is said to have come.
TEST_P(WindowsTest, ComingStaysComing) {
  EXPECT_FALSE(windows_.IsComing(1));
  windows_.Set(1, Residency::kComing, /*now_ns=*/0);
  EXPECT_TRUE(windows_.IsComing(1));
  EXPECT_FALSE(windows_.IsComing(0));
  EXPECT_EQ(windows_.Of(1, kLongNs), Residency::kComing);
  windows_.Set(1, Residency::kResident, kLongNs);
  EXPECT_FALSE(windows_.IsComing(1));
  EXPECT_EQ(windows_.Of(1, kLongNs), Residency::kResident);
}

// Only windows of late are remembered, but for those on their way.
TEST_P(WindowsTest, OldOnesAreForgotten) {
  windows_.Set(7, Residency::kComing, 0);
  for (size_t i = 0; i < 10'000; ++i)
    windows_.Set(100 + i, Residency::kResident, static_cast<int64_t>(i) * 1'000'000);
  EXPECT_LT(windows_.known(), 1000u);
  EXPECT_TRUE(windows_.IsComing(7));
}

INSTANTIATE_TEST_SUITE_P(Mapping, WindowsTest, testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "Mapped" : "NotMapped");
});

// The last window of a sparse file of terabytes is asked for as any other, without addresses for
// the rest.
TEST(SparseWindowsTest, OfTerabytes) {
  const client::TemporaryFolder folder;
  folder.Write("sparse", "");
  constexpr uint64_t kTerabytes = uint64_t{8} << 40;
  ASSERT_EQ(truncate(folder.Path("sparse").c_str(), static_cast<off_t>(kTerabytes)), 0);
  const net::UniqueFd fd(open(folder.Path("sparse").c_str(), O_RDONLY | O_CLOEXEC));
  Windows windows;
  windows.Begin(fd.get(), kTerabytes, nullptr);
  EXPECT_EQ(windows.known(), 0u);
  const size_t last = kTerabytes / kWindowBytes - 1;
  EXPECT_EQ(windows.Of(last, 0), Residency::kUnknown);
  char page[kPageBytes];
  for (uint64_t at = WindowOf(kTerabytes, last).first; at < kTerabytes; at += sizeof(page))
    ASSERT_EQ(pread(fd.get(), page, sizeof(page), static_cast<off_t>(at)), ssize_t{sizeof(page)});
  EXPECT_EQ(windows.Of(last, 0), Residency::kResident);
}

// Of a file that is somebody else's the kernel says that all is there (can_do_mincore()): so it is
// not asked, and nothing is taken for resident but what is said to be.
TEST(ForeignWindowsTest, AreNotAskedFor) {
  const net::UniqueFd fd(open("/bin/sh", O_RDONLY | O_CLOEXEC));
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    struct stat file;
    if (fstat(fd.get(), &file) != 0 || (geteuid() == file.st_uid && setuid(65534) != 0)) _exit(2);
    Windows windows;
    windows.Begin(fd.get(), static_cast<uint64_t>(file.st_size), nullptr);
    if (windows.Of(0, 0) != Residency::kUnknown) _exit(1);
    windows.Set(0, Residency::kResident, 0);
    _exit(windows.Of(0, 0) == Residency::kResident ? 0 : 1);
  }
  int status;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 2) GTEST_SKIP() << "every file here is ours";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace objmapper::copypath
