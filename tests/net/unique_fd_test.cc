// A descriptor lives exactly as long as its owner.
#include "net/unique_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <utility>

#include "tests/net/open_fds.h"

namespace objmapper::net {
namespace {

int OpenNull() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) != -1; }

// A descriptor lives exactly as long as its owner.
TEST(UniqueFdTest, ClosesWhenItDies) {
  const ptrdiff_t before = OpenFds();
  {
    UniqueFd fd(OpenNull());
    ASSERT_TRUE(fd.valid());
    EXPECT_EQ(OpenFds(), before + 1);
  }
  EXPECT_EQ(OpenFds(), before);
}

// An owner of nothing closes nothing.
TEST(UniqueFdTest, DefaultOwnsNothing) {
  UniqueFd fd;
  EXPECT_FALSE(fd.valid());
  EXPECT_EQ(fd.get(), -1);
  fd.Reset();
  EXPECT_EQ(fd.Release(), -1);
}

// Moving hands the descriptor over: one owner before, one after.
TEST(UniqueFdTest, MoveTransfersOwnership) {
  const ptrdiff_t before = OpenFds();
  {
    UniqueFd from(OpenNull());
    const int number = from.get();
    UniqueFd to(std::move(from));
    EXPECT_FALSE(from.valid());  // NOLINT(bugprone-use-after-move): the moved-from state is defined
    EXPECT_EQ(to.get(), number);
    EXPECT_TRUE(IsOpen(number));
  }
  EXPECT_EQ(OpenFds(), before);
}

// Move assignment closes what the target owned before.
TEST(UniqueFdTest, MoveAssignmentClosesTheOldOne) {
  UniqueFd target(OpenNull());
  UniqueFd source(OpenNull());
  const int old_number = target.get();
  const int new_number = source.get();
  target = std::move(source);
  EXPECT_FALSE(IsOpen(old_number));
  EXPECT_TRUE(IsOpen(new_number));
  EXPECT_EQ(target.get(), new_number);
}

// Assigning an owner to itself keeps the descriptor.
TEST(UniqueFdTest, SelfMoveIsHarmless) {
  UniqueFd fd(OpenNull());
  UniqueFd& same = fd;
  fd = std::move(same);
  EXPECT_TRUE(fd.valid());
  EXPECT_TRUE(IsOpen(fd.get()));
}

// Release() gives up ownership without closing.
TEST(UniqueFdTest, ReleaseKeepsTheDescriptorOpen) {
  int number = -1;
  {
    UniqueFd fd(OpenNull());
    number = fd.Release();
    EXPECT_FALSE(fd.valid());
  }
  EXPECT_TRUE(IsOpen(number));
  EXPECT_EQ(close(number), 0);
}

// Closing does not disturb the errno of the call that failed just before.
TEST(UniqueFdTest, ResetKeepsErrno) {
  UniqueFd fd(OpenNull());
  errno = ENOTTY;
  fd.Reset();
  EXPECT_EQ(errno, ENOTTY);
}

// Two owners of one number are a bug in this program, and end it.
TEST(UniqueFdDeathTest, ClosingSomebodyElsesDescriptorIsFatal) {
  EXPECT_DEATH(
      {
        UniqueFd fd(OpenNull());
        close(fd.get());
        fd.Reset();
      },
      "was closed by other code");
  EXPECT_DEATH(
      {
        UniqueFd fd(OpenNull());
        fd.Reset(fd.get());
      },
      "given to its own owner again");
}

}  // namespace
}  // namespace objmapper::net
