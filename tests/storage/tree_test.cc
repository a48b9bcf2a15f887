// No URI leads out of the root, and each kind of failure has its code.
#include "storage/tree/tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/unique_fd.h"
#include "tests/storage/tree_fixture.h"
#include "tests/storage/without_privileges.h"

namespace objmapper::storage {
namespace {

using absl::StatusCode;

// A URI is a path below the root; slashes in front do not matter, nor "." or doubled ones within.
TEST_F(TreeTest, OpensByPath) {
  scratch_.Write("a", "alpha");
  scratch_.MakeDirectory("d");
  scratch_.Write("d/b", "beta");
  scratch_.Write("empty", "");
  ExpectContent("a", "alpha");
  ExpectContent("/a", "alpha");
  ExpectContent("///a", "alpha");
  ExpectContent("d/b", "beta");
  ExpectContent("d//./b", "beta");
  ExpectContent("empty", "");
}

// The info is the file's own, in bytes and nanoseconds, past 4 GiB and before 1970 too.
TEST_F(TreeTest, InfoIsTheFiles) {
  scratch_.Write("big", "");
  const std::string path = scratch_.PathOf("big");
  ASSERT_EQ(truncate(path.c_str(), int64_t{5} << 30), 0);
  const timespec times[] = {{0, UTIME_OMIT}, {-2, 999'999'999}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  struct stat status;
  ASSERT_EQ(stat(path.c_str(), &status), 0);

  absl::StatusOr<OpenedObject> object = Open("big");
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(object->info.size, uint64_t{5} << 30);
  EXPECT_EQ(object->info.mtime_ns, -1'000'000'001);
  EXPECT_EQ(object->info.mtime_s, -2) << "rounded down, as everywhere";
  EXPECT_EQ(object->info.ctime_ns,
            status.st_ctim.tv_sec * int64_t{1'000'000'000} + status.st_ctim.tv_nsec);
  EXPECT_EQ(object->info.device, status.st_dev);
  EXPECT_EQ(object->info.inode, status.st_ino);
}

// What is handed out can only read, blocks as usual, and does not survive an exec.
TEST_F(TreeTest, DescriptorIsReadOnlyAndBlocking) {
  scratch_.Write("a", "alpha");
  absl::StatusOr<OpenedObject> object = Open("a");
  ASSERT_TRUE(object.ok()) << object.status();
  const int flags = fcntl(object->fd.get(), F_GETFL);
  EXPECT_EQ(flags & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(flags & (O_NONBLOCK | O_PATH | O_APPEND | O_DIRECT), 0);
  EXPECT_EQ(fcntl(object->fd.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(write(object->fd.get(), "x", 1), -1);
}

// Two answers share nothing: neither offset nor flags.
TEST_F(TreeTest, EachOpenIsADescriptionOfItsOwn) {
  scratch_.Write("a", "alpha");
  absl::StatusOr<OpenedObject> first = Open("a");
  absl::StatusOr<OpenedObject> second = Open("a");
  ASSERT_TRUE(first.ok() && second.ok());
  ASSERT_EQ(lseek(first->fd.get(), 3, SEEK_SET), 3);
  ASSERT_EQ(fcntl(first->fd.get(), F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(lseek(second->fd.get(), 0, SEEK_CUR), 0);
  EXPECT_EQ(fcntl(second->fd.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(first->info, second->info);
}

// No such object, whichever part of the path is missing or no directory.
TEST_F(TreeTest, MissingIsNotFound) {
  scratch_.Write("a", "alpha");
  scratch_.Link("dangling", "nowhere");
  EXPECT_EQ(CodeOf("b"), StatusCode::kNotFound);
  EXPECT_EQ(CodeOf("d/b"), StatusCode::kNotFound);
  EXPECT_EQ(CodeOf("a/b"), StatusCode::kNotFound);
  EXPECT_EQ(CodeOf("a/"), StatusCode::kNotFound);
  EXPECT_EQ(CodeOf("dangling"), StatusCode::kNotFound);
  EXPECT_TRUE(absl::StrContains(Outcome("d/b").message(), "\"d/b\""));
}

// A URI without a name is the asker's mistake.
TEST_F(TreeTest, EmptyIsInvalid) {
  EXPECT_EQ(CodeOf(""), StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf("/"), StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf("///"), StatusCode::kInvalidArgument);
}

// A NUL never cuts a URI short: "a\0b" is not "a".
TEST_F(TreeTest, NulIsInvalid) {
  scratch_.Write("a", "alpha");
  EXPECT_EQ(CodeOf(absl::string_view("a\0b", 3)), StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(absl::string_view("a\0", 2)), StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(absl::string_view("\0", 1)), StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(absl::string_view("/\0a", 3)), StatusCode::kInvalidArgument);
}

// Names are bytes. In messages they are escaped.
TEST_F(TreeTest, NamesNeedNotBeUtf8) {
  scratch_.Write("caf\xe9", "latin-1");
  scratch_.Write("caf\xc3\xa9", "utf-8");
  scratch_.Write("line\nbreak", "newline");
  ExpectContent("caf\xe9", "latin-1");
  ExpectContent("caf\xc3\xa9", "utf-8");
  ExpectContent("line\nbreak", "newline");
  const absl::Status status = Outcome("\xff\x01\"");
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_TRUE(absl::StrContains(status.message(), "\"\\xff\\x01\\\"\"")) << status;
}

// A name may have NAME_MAX bytes and a path PATH_MAX with its NUL; a byte more is OUT_OF_RANGE.
TEST_F(TreeTest, LengthsAreBounded) {
  const std::string longest_name(NAME_MAX, 'n');
  scratch_.Write(longest_name, "long");
  ExpectContent(longest_name, "long");
  EXPECT_EQ(CodeOf(longest_name + "n"), StatusCode::kOutOfRange);

  scratch_.Write("a", "alpha");
  std::string longest_path = "a";
  while (longest_path.size() < PATH_MAX - 2) longest_path.insert(0, "./");
  ASSERT_EQ(longest_path.size(), size_t{PATH_MAX - 1});
  ExpectContent(longest_path, "alpha");
  EXPECT_EQ(CodeOf("./" + longest_path), StatusCode::kOutOfRange);
}

// A long URI does not make a long message.
TEST_F(TreeTest, MessagesAreShort) {
  const absl::Status too_long = Outcome(std::string(100'000, '\xff'));
  EXPECT_EQ(too_long.code(), StatusCode::kOutOfRange);
  EXPECT_LT(too_long.message().size(), 600u);
  EXPECT_LT(Outcome(std::string(200, '\x01')).message().size(), 600u);
}

// What the server's user may not read is refused; that it is there may still be asked.
TEST_F(TreeTest, PermissionsAreKept) {
  scratch_.Write("private", "alpha");
  ASSERT_EQ(chmod(scratch_.PathOf("private").c_str(), 0), 0);
  const WithoutPrivileges ordinary_user;
  const absl::Status status = Open("private").status();
  const absl::Status stat_status = tree_->Stat("private", Wait::kMayBlock).status();
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied) << status;
  EXPECT_TRUE(stat_status.ok()) << stat_status;
}

// Having no descriptor left is a matter of trying again, for objects that exist and for others:
// nobody may conclude that one is gone.
TEST_F(TreeTest, NoDescriptorsLeftIsNotNotFound) {
  scratch_.Write("a", "alpha");
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int lowest_free = dup(STDERR_FILENO);
  ASSERT_GE(lowest_free, 0);
  close(lowest_free);
  const rlimit none{static_cast<rlim_t>(lowest_free), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const absl::Status existing = Outcome("a");
  const absl::Status missing = Outcome("b");
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(existing.code(), StatusCode::kResourceExhausted) << existing;
  EXPECT_EQ(missing.code(), StatusCode::kResourceExhausted) << missing;
  EXPECT_TRUE(absl::StrContains(existing.message(), "EMFILE")) << existing;
  ExpectContent("a", "alpha");
}

// A writer's lease makes an ordinary open wait until the holder gives it up. Ours does not wait.
TEST_F(TreeTest, LeasesNeverBlock) {
  scratch_.Write("leased", "alpha");
  const net::UniqueFd holder(open(scratch_.PathOf("leased").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(holder.valid());
  const auto old_handler = signal(SIGIO, SIG_IGN);  // tells the holder; by default it kills
  if (fcntl(holder.get(), F_SETLEASE, F_WRLCK) != 0) {
    signal(SIGIO, old_handler);
    GTEST_SKIP() << "this file system gives no leases";
  }
  const absl::Status status = Open("leased").status();
  const absl::Status cached = tree_->OpenObject("leased", Wait::kCachedOnly).status();
  EXPECT_TRUE(tree_->Stat("leased", Wait::kMayBlock).ok());
  EXPECT_EQ(fcntl(holder.get(), F_SETLEASE, F_UNLCK), 0);
  signal(SIGIO, old_handler);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(cached.code(), StatusCode::kUnavailable) << cached;
  ExpectContent("leased", "alpha");
}

// An event loop gets what the caches hold. (The kernel may give up on a cached walk that a change
// elsewhere disturbs, so one attempt of many is enough.)
TEST_F(TreeTest, CachedOnlyFindsWhatIsHot) {
  scratch_.Write("hot", "alpha");
  ExpectContent("hot", "alpha");
  absl::StatusOr<OpenedObject> object = absl::UnknownError("");
  absl::StatusOr<ObjectInfo> info = absl::UnknownError("");
  for (int attempt = 0; attempt < 100 && !(object.ok() && info.ok()); ++attempt) {
    object = tree_->OpenObject("hot", Wait::kCachedOnly);
    info = tree_->Stat("hot", Wait::kCachedOnly);
    ASSERT_TRUE(object.ok() || absl::IsUnavailable(object.status())) << object.status();
    ASSERT_TRUE(info.ok() || absl::IsUnavailable(info.status())) << info.status();
  }
  if (!object.ok()) GTEST_SKIP() << "no RESOLVE_CACHED (Linux before 5.12)";
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(*info, object->info);
  EXPECT_EQ(ReadAll(object->fd.get()), "alpha");
  EXPECT_EQ(fcntl(object->fd.get(), F_GETFL) & O_NONBLOCK, 0);
}

// An event loop is told at once that the disk would have to be asked: nobody can know yet whether
// a name exists that was never asked for.
TEST_F(TreeTest, CachedOnlyNeverAsksTheDisk) {
  EXPECT_EQ(tree_->OpenObject("never_asked", Wait::kCachedOnly).status().code(),
            StatusCode::kUnavailable);
  EXPECT_EQ(tree_->Stat("never_asked_either", Wait::kCachedOnly).status().code(),
            StatusCode::kUnavailable);
}

// What is wrong with a URI is said without the disk, too.
TEST_F(TreeTest, CachedOnlyRefusesTheSame) {
  scratch_.MakeDirectory("d");
  EXPECT_EQ(tree_->OpenObject("", Wait::kCachedOnly).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(tree_->OpenObject("../a", Wait::kCachedOnly).status().code(),
            StatusCode::kPermissionDenied);
  EXPECT_EQ(tree_->OpenObject("d/..", Wait::kCachedOnly).status().code(),
            StatusCode::kPermissionDenied);
}

// A deleted object stays readable through descriptors that were handed out before.
TEST_F(TreeTest, DescriptorsOutliveTheName) {
  scratch_.Write("a", "alpha");
  absl::StatusOr<OpenedObject> object = Open("a");
  ASSERT_TRUE(object.ok()) << object.status();
  ASSERT_EQ(unlink(scratch_.PathOf("a").c_str()), 0);
  EXPECT_EQ(ReadAll(object->fd.get()), "alpha");
  EXPECT_EQ(CodeOf("a"), StatusCode::kNotFound);
}

// InfoOf() judges descriptors from anywhere: only regular files are objects.
TEST_F(TreeTest, InfoOfRefusesOtherThanFiles) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const net::UniqueFd read_end(ends[0]), write_end(ends[1]);
  const absl::Status status = InfoOf(read_end.get(), "pipe").status();
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied) << status;
  EXPECT_FALSE(InfoOf(-1, "none").ok());
}

// An object that moves from the disk to memory while it is looked for is in neither for a moment:
// it is found all the same.
TEST_F(TreeTest, FindsWhatMovesMeanwhile) {
  class Moving : public Overlay {
   public:
    std::optional<absl::StatusOr<OpenedObject>> Open(absl::string_view) override {
      return std::nullopt;
    }
    std::optional<absl::StatusOr<ObjectInfo>> Stat(absl::string_view) override {
      if (asked++ == 0) return std::nullopt;
      return ObjectInfo();
    }
    bool Has(absl::string_view) const override { return has; }
    bool has = true;
    int asked = 0;
  };
  Moving overlay;
  tree_->SetOverlay(&overlay);
  EXPECT_TRUE(tree_->Stat("a", Wait::kMayBlock).ok());
  EXPECT_EQ(overlay.asked, 2);
  overlay = Moving();
  EXPECT_TRUE(tree_->Describe("a", Wait::kMayBlock).ok());
  // It has it, and never gives it: there is an end to that.
  EXPECT_TRUE(absl::IsNotFound(Open("a").status()));
  // What is in neither is looked for once.
  overlay = Moving();
  overlay.has = false;
  EXPECT_TRUE(absl::IsNotFound(tree_->Stat("a", Wait::kMayBlock).status()));
  tree_->SetOverlay(nullptr);
}

// What has become of the root is told; another directory of its name is served from when that is
// asked for, by what is open already.
TEST_F(TreeTest, FollowsItsRoot) {
  const auto any = [](int) { return absl::OkStatus(); };
  scratch_.Write("a", "first");
  EXPECT_TRUE(tree_->root().Check().ok());
  EXPECT_EQ(tree_->FollowRoot(any).value_or(true), false);
  const std::string moved = scratch_.outside() + "/moved";
  ASSERT_EQ(rename(scratch_.path().c_str(), moved.c_str()), 0);
  EXPECT_TRUE(absl::StrContains(tree_->root().Check().message(), "moved away"));
  EXPECT_TRUE(absl::IsNotFound(tree_->FollowRoot(any).status()));
  ExpectContent("a", "first");
  ASSERT_EQ(mkdir(scratch_.path().c_str(), 0755), 0);
  scratch_.Write("a", "second");
  EXPECT_TRUE(absl::StrContains(tree_->root().Check().message(), "another directory"));
  EXPECT_TRUE(
      absl::IsAborted(tree_->FollowRoot([](int) { return absl::AbortedError("no"); }).status()));
  ExpectContent("a", "first");
  const uint64_t before = tree_->changes();
  EXPECT_TRUE(tree_->FollowRoot(any).value_or(false));
  EXPECT_GT(tree_->changes(), before);
  ExpectContent("a", "second");
  EXPECT_TRUE(tree_->root().Check().ok());
}

}  // namespace
}  // namespace objmapper::storage
