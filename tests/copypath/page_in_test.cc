// After a page-in every page of the range is in the page cache.
#include "copypath/page_in.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "net/unique_fd.h"

namespace objmapper::copypath {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kPages = 1024;

class PageInTest : public testing::Test {
 protected:
  // A file that no folder holds, on the disk, and out of the page cache as far as the kernel can be
  // asked to.
  void SetUp() override {
    file_.reset(tmpfile());
    ASSERT_NE(file_, nullptr);
    const std::vector<char> bytes(kPages * kPageBytes, 'b');
    ASSERT_EQ(pwrite(fd(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    ASSERT_EQ(fdatasync(fd()), 0);
    ASSERT_EQ(posix_fadvise(fd(), 0, 0, POSIX_FADV_DONTNEED), 0);
  }
  int fd() const { return fileno(file_.get()); }
  size_t Resident(size_t first, size_t count) const {
    void* const map = mmap(nullptr, kPages * kPageBytes, PROT_READ, MAP_SHARED, fd(), 0);
    EXPECT_NE(map, MAP_FAILED);
    std::vector<unsigned char> pages(kPages);
    EXPECT_EQ(mincore(map, kPages * kPageBytes, pages.data()), 0);
    munmap(map, kPages * kPageBytes);
    size_t resident = 0;
    for (size_t i = first; i < first + count; ++i) resident += pages[i] & 1;
    return resident;
  }

  struct Closer {
    void operator()(FILE* file) const { fclose(file); }
  };
  std::unique_ptr<FILE, Closer> file_;
};

// Every page of the range is there afterwards, wherever it begins and ends, and the descriptor's
// own offset has not moved.
TEST_F(PageInTest, BringsTheRangeIn) {
  const bool was_out = Resident(256, 512) == 0;
  ASSERT_EQ(lseek(fd(), 5, SEEK_SET), 5);
  EXPECT_EQ(PageIn(fd(), 256 * kPageBytes + 1, 512 * kPageBytes - 2), 0);
  EXPECT_EQ(Resident(256, 512), 512u);
  EXPECT_EQ(lseek(fd(), 0, SEEK_CUR), 5);
  if (!was_out) GTEST_SKIP() << "the temporary files here are always in memory";
}

// A file that ends before the range does is read as far as it goes.
TEST_F(PageInTest, EndsWithTheFile) {
  ASSERT_EQ(ftruncate(fd(), 3 * kPageBytes + 1), 0);
  EXPECT_EQ(PageIn(fd(), 0, kPages * kPageBytes), 0);
  EXPECT_EQ(Resident(0, 4), 4u);
  EXPECT_EQ(PageIn(fd(), kPages * kPageBytes, kPageBytes), 0);
}

// What cannot be read is an errno.
TEST_F(PageInTest, SaysWhatIsWrong) {
  const net::UniqueFd write_only(open("/dev/null", O_WRONLY | O_CLOEXEC));
  EXPECT_EQ(PageIn(write_only.get(), 0, 1), EBADF);
  EXPECT_EQ(PageIn(-1, 0, 1), EBADF);
}

}  // namespace
}  // namespace objmapper::copypath
