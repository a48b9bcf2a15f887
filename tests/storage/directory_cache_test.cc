// A replaced object is seen at once, a moved directory when its entry has expired.
#include "storage/tree/directory_cache.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/storage/tree_fixture.h"

namespace objmapper::storage {
namespace {

constexpr int64_t kValidNs = 1'000'000'000;

// Time is what the test says it is: `now_` in nanoseconds.
class DirectoryCacheTest : public TreeTest {
 protected:
  void SetUp() override {
    scratch_.MakeDirectory("a");
    scratch_.MakeDirectory("a/b");
    scratch_.Write("a/b/object", "first");
    TreeTest::SetUp();
    cache_.emplace(&*tree_, 8, absl::Nanoseconds(kValidNs));
  }
  void TearDown() override {
    cache_.reset();
    TreeTest::TearDown();
  }

  std::string Content(absl::string_view uri) {
    absl::StatusOr<OpenedObject> object = cache_->OpenObject(uri, now_);
    if (!object.ok()) return object.status().ToString();
    EXPECT_EQ(fcntl(object->fd.get(), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY);
    return ReadAll(object->fd.get());
  }
  absl::StatusCode Code(absl::string_view uri) {
    return cache_->OpenObject(uri, now_).status().code();
  }

  std::optional<DirectoryCache> cache_;
  int64_t now_ = 1;
};

// The last name is looked up afresh: a replaced or deleted object is seen at once.
TEST_F(DirectoryCacheTest, SeesReplacedAndDeletedObjectsAtOnce) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Content("a/b/object"), "first");
  scratch_.Write("a/b/next", "second");
  ASSERT_EQ(rename(scratch_.PathOf("a/b/next").c_str(), scratch_.PathOf("a/b/object").c_str()), 0);
  EXPECT_EQ(Content("a/b/object"), "second");
  ASSERT_EQ(unlink(scratch_.PathOf("a/b/object").c_str()), 0);
  EXPECT_EQ(Code("a/b/object"), absl::StatusCode::kNotFound);
}

// In two steps, as in one: the place of a name is its directory, held open whatever becomes of the
// cache, and what was opened there is judged as strictly.
TEST_F(DirectoryCacheTest, OpensInTwoSteps) {
  const std::optional<DirectoryCache::Place> place =
      cache_->Locate("a/b/object", now_, Wait::kMayBlock);
  ASSERT_TRUE(place.has_value());
  EXPECT_EQ(place->name_at, 4u);
  cache_.reset();
  cache_.emplace(&*tree_, 8, absl::Nanoseconds(kValidNs));
  net::UniqueFd fd(openat(place->directory->get(), "object", O_RDONLY | O_CLOEXEC));
  absl::StatusOr<OpenedObject> object = cache_->Take(std::move(fd), "a/b/object");
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(object->info.size, 5u);

  net::UniqueFd directory(openat(place->directory->get(), ".", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(cache_->Take(std::move(directory), "a/b/object").status()));
}

// A name that is no plain one has no place: it could lead elsewhere.
TEST_F(DirectoryCacheTest, LocatesPlainNamesAlone) {
  for (const char* uri : {"a/b/", "a/b/.", "a/b/..", "a/b/object/", "nowhere/object"}) {
    EXPECT_FALSE(cache_->Locate(uri, now_, Wait::kMayBlock).has_value()) << uri;
  }
  EXPECT_FALSE(cache_->Locate(std::string("a/b/ob\0ject", 11), now_, Wait::kMayBlock).has_value());
}

// A directory that is renamed is believed for `valid` and no longer.
TEST_F(DirectoryCacheTest, SeesAnotherDirectoryInTime) {
  EXPECT_EQ(Content("a/b/object"), "first");
  ASSERT_EQ(rename(scratch_.PathOf("a/b").c_str(), scratch_.PathOf("a/old").c_str()), 0);
  scratch_.MakeDirectory("a/b");
  scratch_.Write("a/b/object", "second");
  now_ += kValidNs;
  EXPECT_EQ(Content("a/b/object"), "second");
}

// What takes an object's name within `valid` is judged as strictly as ever.
TEST_F(DirectoryCacheTest, RefusesWhatReplacesAnObject) {
  EXPECT_EQ(Content("a/b/object"), "first");
  ASSERT_EQ(unlink(scratch_.PathOf("a/b/object").c_str()), 0);
  scratch_.MakeDirectory("a/b/object");
  EXPECT_EQ(Code("a/b/object"), absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(rmdir(scratch_.PathOf("a/b/object").c_str()), 0);
  scratch_.Link("a/b/object", scratch_.outside() + "/secret");
  EXPECT_EQ(Code("a/b/object"), absl::StatusCode::kPermissionDenied);
}

// Links that stay inside lead on, and errors are those of the long way.
TEST_F(DirectoryCacheTest, FallsBackToTheLongWay) {
  scratch_.Link("a/b/link", "object");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Content("a/b/link"), "first");
  EXPECT_EQ(Content("/a/b/object"), "first");
  EXPECT_EQ(Code("a/b/"), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Code("a/b/.."), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Code("a/../a/b/object"), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Code("nowhere/object"), absl::StatusCode::kNotFound);
  EXPECT_EQ(Code("a/b/object/x"), absl::StatusCode::kNotFound);
}

// More directories than may be kept: all are found, and no more descriptors are held.
TEST_F(DirectoryCacheTest, KeepsNoMoreThanItMay) {
  const ptrdiff_t before = net::OpenFds();
  for (int i = 0; i < 20; ++i) {
    const std::string name = absl::StrCat("d", i);
    scratch_.MakeDirectory(name);
    scratch_.Write(name + "/object", name);
    EXPECT_EQ(Content(name + "/object"), name);
  }
  EXPECT_EQ(net::OpenFds(), before + 8);
}

// An object of the root itself needs no slash: it too is found, replaced and deleted at once.
TEST_F(DirectoryCacheTest, ObjectsOfTheRoot) {
  scratch_.Write("top", "first");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Content("top"), "first");
  EXPECT_EQ(Content("/top"), "first");
  scratch_.Write("next", "second");
  ASSERT_EQ(rename(scratch_.PathOf("next").c_str(), scratch_.PathOf("top").c_str()), 0);
  EXPECT_EQ(Content("top"), "second");
  ASSERT_EQ(unlink(scratch_.PathOf("top").c_str()), 0);
  EXPECT_EQ(Code("top"), absl::StatusCode::kNotFound);
  EXPECT_EQ(Code("a"), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Code(".."), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Code("."), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Code(""), absl::StatusCode::kInvalidArgument);
}

// From the kernel's caches alone: what has just been opened is had; what is told otherwise is true
// or UNAVAILABLE, never another error than the long way's.
TEST_F(DirectoryCacheTest, FromTheCachesAlone) {
  scratch_.Write("top", "top object");
  scratch_.Link("a/up", "../a/b/object");
  for (const char* uri : {"top", "a/b/object"}) {
    const std::string content = Content(uri);
    for (int i = 0; i < 3; ++i) {
      absl::StatusOr<OpenedObject> object = cache_->OpenObject(uri, now_, Wait::kCachedOnly);
      ASSERT_TRUE(object.ok()) << object.status();
      EXPECT_EQ(ReadAll(object->fd.get()), content);
      now_ += kValidNs;  // the directory is resolved anew, from the caches too
    }
  }
  for (const char* uri : {"absent", "a/b/absent", "a/b", "a/up", "nowhere/object", ".."}) {
    const absl::StatusCode known = Code(uri);
    const absl::StatusCode now = cache_->OpenObject(uri, now_, Wait::kCachedOnly).status().code();
    EXPECT_TRUE(now == known || now == absl::StatusCode::kUnavailable) << uri;
  }
  EXPECT_EQ(Content("a/up"), "first");
}

// A FIFO in the place of an object blocks until a signal comes, and is refused then.
TEST_F(DirectoryCacheTest, ASignalEndsTheWaitForAFifo) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGUSR2, &action, nullptr), 0);
  EXPECT_EQ(Content("a/b/object"), "first");
  ASSERT_EQ(unlink(scratch_.PathOf("a/b/object").c_str()), 0);
  ASSERT_EQ(mkfifo(scratch_.PathOf("a/b/object").c_str(), 0644), 0);
  std::atomic<bool> ended{false};
  absl::StatusCode code = absl::StatusCode::kOk;
  std::thread opener([&] {
    code = Code("a/b/object");
    ended = true;
  });
  // The first signal may come before the open: so again, until it has ended.
  while (!ended) {
    pthread_kill(opener.native_handle(), SIGUSR2);
    usleep(1000);
  }
  opener.join();
  EXPECT_EQ(code, absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace objmapper::storage
