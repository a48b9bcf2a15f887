// A root is refused before anything is served from it, or kept whatever becomes of its name.
#include "storage/tree/root.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "tests/net/open_fds.h"
#include "tests/storage/scratch_root.h"
#include "tests/storage/without_privileges.h"

namespace objmapper::storage {
namespace {

using absl::StatusCode;

class RootTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<Root> root = Root::Open(scratch_.path());
    ASSERT_TRUE(root.ok()) << root.status();
    root_ = *std::move(root);
    fds_before_ = net::OpenFds();
  }
  void TearDown() override { EXPECT_EQ(net::OpenFds(), fds_before_); }

  // What the file `name` holds, by the root's descriptor.
  std::string Content(const char* name) {
    const net::UniqueFd fd(openat(root_->fd(), name, O_RDONLY | O_CLOEXEC));
    return fd.valid() ? ReadAll(fd.get()) : "none";
  }
  void MoveAway() {
    const std::string moved = scratch_.outside() + "/moved";
    ASSERT_EQ(rename(scratch_.path().c_str(), moved.c_str()), 0);
  }
  static absl::Status Accept(int) { return absl::OkStatus(); }

  const ScratchRoot scratch_;
  std::optional<Root> root_;

 private:
  ptrdiff_t fds_before_ = 0;
};

// ---- Opening ----

// A root that cannot be served is refused when the server starts; the message names it.
TEST_F(RootTest, BadRootsAreRefused) {
  scratch_.Write("file", "");
  const struct {
    std::string root;
    StatusCode code;
  } cases[] = {
      {scratch_.PathOf("missing"), StatusCode::kNotFound},
      {scratch_.PathOf("file"), StatusCode::kInvalidArgument},
      {scratch_.PathOf("file/d"), StatusCode::kNotFound},
      {"", StatusCode::kNotFound},
  };
  for (const auto& [root, code] : cases) {
    const absl::Status status = Root::Open(root).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), root)) << status;
  }
}

// A root in which nothing could be found for lack of permission is refused at the start, not with
// every request.
TEST_F(RootTest, UnsearchableRootIsRefused) {
  scratch_.MakeDirectory("locked");
  ASSERT_EQ(chmod(scratch_.PathOf("locked").c_str(), 0600), 0);
  const WithoutPrivileges ordinary_user;
  const absl::Status status = Root::Open(scratch_.PathOf("locked")).status();
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied) << status;
}

// Without /proc it is not known when objects expire, and new files get no names: that is said at
// the start, and not found out later.
TEST_F(RootTest, NeedsProc) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0 ||
        mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        umount2("/proc", MNT_DETACH) != 0 || access("/proc/self", F_OK) == 0) {
      _exit(2);
    }
    const absl::Status status = Root::Open(scratch_.path()).status();
    _exit(absl::IsUnimplemented(status) && absl::StrContains(status.message(), "no /proc") ? 0 : 1);
  }
  int status;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
    GTEST_SKIP() << "nothing can be unmounted here";
  EXPECT_EQ(status, 0);
}

// ---- What its name means ----

// A root that is where it was is nothing to speak of, and there is nothing to follow.
TEST_F(RootTest, IsWhereItWas) {
  EXPECT_EQ(root_->path(), scratch_.path());
  EXPECT_TRUE(root_->Check().ok());
  EXPECT_EQ(root_->Follow(Accept).value_or(true), false);
}

// Moved, replaced, removed: each is told, and none changes what is served.
TEST_F(RootTest, TellsWhatHasBecomeOfIt) {
  scratch_.Write("a", "first");
  MoveAway();
  EXPECT_TRUE(absl::StrContains(root_->Check().message(), "moved away"));
  ASSERT_EQ(mkdir(scratch_.path().c_str(), 0755), 0);
  const absl::Status replaced = root_->Check();
  EXPECT_EQ(replaced.code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(absl::StrContains(replaced.message(), "another directory")) << replaced;
  EXPECT_TRUE(absl::StrContains(replaced.message(), scratch_.path())) << replaced;
  EXPECT_EQ(Content("a"), "first");
  ASSERT_EQ(unlinkat(root_->fd(), "a", 0), 0);
  ASSERT_EQ(rmdir((scratch_.outside() + "/moved").c_str()), 0);
  EXPECT_TRUE(absl::StrContains(root_->Check().message(), "has been removed"));
}

// Another directory of its name comes under the same number, unless it is not accepted, or is none.
TEST_F(RootTest, FollowsItsName) {
  scratch_.Write("a", "first");
  const int number = root_->fd();
  MoveAway();
  EXPECT_TRUE(absl::IsNotFound(root_->Follow(Accept).status()));
  ASSERT_EQ(mkdir(scratch_.path().c_str(), 0755), 0);
  scratch_.Write("a", "second");
  const auto refuse = [&](int root) {
    EXPECT_NE(root, number);
    return absl::AbortedError("no");
  };
  EXPECT_EQ(root_->Follow(refuse).status(), absl::AbortedError("no"));
  EXPECT_EQ(Content("a"), "first");
  EXPECT_EQ(root_->Follow(Accept).value_or(false), true);
  EXPECT_EQ(root_->fd(), number);
  EXPECT_NE(fcntl(number, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(Content("a"), "second");
  EXPECT_TRUE(root_->Check().ok());
}

}  // namespace
}  // namespace objmapper::storage
