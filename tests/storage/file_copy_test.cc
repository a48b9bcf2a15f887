// A copy has the same bytes and the same holes, and does not move the sender's offset.
#include "storage/store/file_copy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/match.h"
#include "tests/net/memfd.h"
#include "tests/net/open_fds.h"
#include "tests/storage/scratch_root.h"

namespace objmapper::storage {
namespace {

class FileCopyTest : public testing::Test {
 protected:
  static constexpr uint64_t kMiB = 1024 * 1024;

  // A memfd of `size` bytes that holds `data` at `at`, and holes else.
  static net::UniqueFd Sparse(uint64_t size, uint64_t at = 0, absl::string_view data = "") {
    net::UniqueFd fd = net::Memfd("", /*seals=*/0);
    EXPECT_EQ(ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    EXPECT_EQ(pwrite(fd.get(), data.data(), data.size(), static_cast<off_t>(at)),
              static_cast<ssize_t>(data.size()));
    return fd;
  }
  net::UniqueFd NewFile(const std::string& name = "copy") const {
    return net::UniqueFd(
        open(scratch_.PathOf(name).c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  }
  static struct stat StatOf(const net::UniqueFd& fd) {
    struct stat status;
    EXPECT_EQ(fstat(fd.get(), &status), 0);
    return status;
  }
  static std::string At(const net::UniqueFd& fd, uint64_t at, size_t bytes) {
    std::string got(bytes, '?');
    const ssize_t n = pread(fd.get(), got.data(), bytes, static_cast<off_t>(at));
    got.resize(n < 0 ? 0 : static_cast<size_t>(n));
    return got;
  }

  const ScratchRoot scratch_;
};

bool Always() { return true; }

// Holes stay holes, whatever lies around them, and however large they are; the bytes are the same.
TEST_F(FileCopyTest, HolesStayHoles) {
  const struct {
    uint64_t size, at;
  } cases[] = {{300 * kMiB, 0},
               {300 * kMiB, 100 * kMiB + 123},
               {300 * kMiB, 300 * kMiB - 5},
               {uint64_t{1} << 40, kMiB}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.at);
    const net::UniqueFd from = Sparse(c.size, c.at, "bytes"), to = NewFile();
    ASSERT_TRUE(CopyFile(from.get(), c.size, to.get(), Always).ok());
    const struct stat copied = StatOf(to);
    EXPECT_EQ(static_cast<uint64_t>(copied.st_size), c.size);
    EXPECT_LE(copied.st_blocks * 512, 64 * 1024);
    EXPECT_EQ(At(to, c.at, 5), "bytes");
    if (c.at > 5) {
      EXPECT_EQ(At(to, c.at - 5, 5), std::string(5, '\0'));
    }
  }
  const net::UniqueFd nothing = Sparse(20 * kMiB), to = NewFile();
  ASSERT_TRUE(CopyFile(nothing.get(), 20 * kMiB, to.get(), Always).ok());
  EXPECT_EQ(StatOf(to).st_size, static_cast<off_t>(20 * kMiB));
  EXPECT_EQ(StatOf(to).st_blocks, 0);
}

// Its giver shares the offset of what it gave: it stays. No descriptor is left.
TEST_F(FileCopyTest, NeitherUsesNorMovesTheOffset) {
  const net::UniqueFd from = Sparse(3 * kMiB, kMiB, "bytes"), to = NewFile();
  ASSERT_EQ(lseek(from.get(), 77, SEEK_SET), 77);
  const ptrdiff_t fds = net::OpenFds();
  ASSERT_TRUE(CopyFile(from.get(), 3 * kMiB, to.get(), Always).ok());
  EXPECT_EQ(lseek(from.get(), 0, SEEK_CUR), 77);
  EXPECT_EQ(net::OpenFds(), fds);
}

// A piece is bounded, and between two of them it can be given up.
TEST_F(FileCopyTest, IsDoneInPieces) {
  const uint64_t size = 5 * FileCopy::kPieceBytes;
  const net::UniqueFd from = net::Memfd(std::string(size, 'x'), /*seals=*/0), to = NewFile();
  FileCopy copy(from.get(), size, to.get());
  int steps = 0;
  for (absl::StatusOr<bool> done = false; !*done; ++steps) {
    done = copy.Step();
    ASSERT_TRUE(done.ok()) << done.status();
  }
  EXPECT_GE(steps, 5);
  EXPECT_EQ(At(to, size - 3, 4), "xxx");

  const net::UniqueFd given_up = NewFile("given_up");
  int asked = 0;
  const absl::Status status =
      CopyFile(from.get(), size, given_up.get(), [&] { return ++asked < 3; });
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
  EXPECT_EQ(asked, 3);
}

// More than the disk holds is refused before a byte is written.
TEST_F(FileCopyTest, RoomIsLookedForFirst) {
  const net::UniqueFd from = net::Memfd(std::string(3 * kMiB, 'x'), /*seals=*/0);
  const std::string mount_point = scratch_.PathOf("small");
  scratch_.MakeDirectory("small");
  if (mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=1m") != 0)
    GTEST_SKIP() << "only root can mount";
  {
    const net::UniqueFd small = NewFile("small/copy");
    const absl::Status full = CopyFile(from.get(), 3 * kMiB, small.get(), Always);
    EXPECT_EQ(full.code(), absl::StatusCode::kUnavailable) << full;
    EXPECT_EQ(StatOf(small).st_blocks, 0);
    // A hole needs none.
    const net::UniqueFd hole = Sparse(1024 * kMiB, 512 * kMiB, "bytes");
    EXPECT_TRUE(CopyFile(hole.get(), 1024 * kMiB, small.get(), Always).ok());
  }
  ASSERT_EQ(umount(mount_point.c_str()), 0);
}

// What may not be opened anew is read, and its zeros become holes all the same. Root may open
// everything.
TEST_F(FileCopyTest, WithoutAnOffsetOfItsOwn) {
  const net::UniqueFd from = Sparse(20 * kMiB, kMiB + 1, "bytes"), to = NewFile();
  ASSERT_EQ(fchmod(from.get(), 0), 0);
  if (geteuid() == 0 && seteuid(65534) != 0) GTEST_SKIP() << "cannot be anybody else";
  const absl::Status copied = CopyFile(from.get(), 20 * kMiB, to.get(), Always);
  if (getuid() == 0) {
    ASSERT_EQ(seteuid(0), 0);
  }
  ASSERT_TRUE(copied.ok()) << copied;
  EXPECT_EQ(At(to, kMiB, 7), std::string("\0bytes\0", 7));
  EXPECT_EQ(StatOf(to).st_size, static_cast<off_t>(20 * kMiB));
  EXPECT_LE(StatOf(to).st_blocks * 512, 64 * 1024);
}

// A file that has become shorter is no whole object.
TEST_F(FileCopyTest, SaysThatItWasCut) {
  const net::UniqueFd from = Sparse(1000, 0, "bytes"), to = NewFile();
  EXPECT_EQ(CopyFile(from.get(), 2000, to.get(), Always).code(), absl::StatusCode::kAborted);
}

}  // namespace
}  // namespace objmapper::storage
