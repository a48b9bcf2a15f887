// The tree while others change it. Each race runs for a number of opens, not for a time.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/tree/tree.h"
#include "tests/storage/tree_fixture.h"

namespace objmapper::storage {
namespace {

constexpr int kOpens = 3000;

// Does something again and again on a thread of its own until it is destroyed. Has done it at
// least once when the constructor returns.
class Meanwhile {
 public:
  explicit Meanwhile(std::function<void()> work)
      : thread_([this, work = std::move(work)] {
          do {
            work();
            rounds_.fetch_add(1);
            rounds_.notify_one();
          } while (!stop_.load());
        }) {
    rounds_.wait(0);
  }
  ~Meanwhile() {
    stop_.store(true);
    thread_.join();
  }

 private:
  std::atomic<int> rounds_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

class TreeRaceTest : public TreeTest {
 protected:
  // Replaces `name` as a careful writer does.
  void Replace(const std::string& name, const std::string& content) {
    scratch_.Write(absl::StrCat(name, ".new"), content);
    EXPECT_EQ(
        rename(scratch_.PathOf(absl::StrCat(name, ".new")).c_str(), scratch_.PathOf(name).c_str()),
        0);
  }

  void Exchange(const std::string& a, const std::string& b) {
    EXPECT_EQ(renameat2(AT_FDCWD, scratch_.PathOf(a).c_str(), AT_FDCWD, scratch_.PathOf(b).c_str(),
                        RENAME_EXCHANGE),
              0);
  }
};

// An object that is replaced by rename all the time is there all the time: whole, old or new, and
// its info is that of the bytes that come with it.
TEST_F(TreeRaceTest, ReplacedByRenameIsOldOrNew) {
  const std::string old_content(100, 'o');
  const std::string new_content(5000, 'n');
  Replace("a", old_content);
  Meanwhile replacing([&] {
    Replace("a", new_content);
    Replace("a", old_content);
  });
  for (int i = 0; i < kOpens; ++i) {
    absl::StatusOr<OpenedObject> object = tree_->OpenObject("a", Wait::kMayBlock);
    ASSERT_TRUE(object.ok()) << object.status();
    const std::string content = ReadAll(object->fd.get());
    ASSERT_TRUE(content == old_content || content == new_content) << content.size();
    ASSERT_EQ(object->info.size, content.size());
  }
}

// A walk through ".." that renames disturb is begun anew until it arrives, as good as always; else
// it asks to try again, and never says that an object is missing or forbidden.
TEST_F(TreeRaceTest, DisturbedWalkArrivesOrAsksToTryAgain) {
  scratch_.MakeDirectory("d");
  scratch_.Write("a", "alpha");
  scratch_.Write("noise", "");
  scratch_.Write("noise2", "");
  scratch_.Link("d/link", "../d/../d/../a");
  Meanwhile renaming([&] { Exchange("noise", "noise2"); });
  int arrived = 0;
  for (int i = 0; i < kOpens; ++i) {
    absl::StatusOr<OpenedObject> object = tree_->OpenObject("d/link", Wait::kMayBlock);
    if (object.ok()) {
      ++arrived;
      ASSERT_EQ(ReadAll(object->fd.get()), "alpha");
    } else {
      ASSERT_EQ(object.status().code(), absl::StatusCode::kResourceExhausted) << object.status();
    }
  }
  EXPECT_GE(arrived, kOpens - kOpens / 1000);
}

// Swapping a directory for a link that leads out, while it is walked through, opens no way out.
TEST_F(TreeRaceTest, SwappedDirectoryIsNoWayOut) {
  scratch_.MakeDirectory("d");
  scratch_.Write("d/secret", "inside");
  scratch_.Link("out", "../outside");
  Meanwhile swapping([&] { Exchange("d", "out"); });
  for (int i = 0; i < kOpens; ++i) {
    absl::StatusOr<OpenedObject> object = tree_->OpenObject("d/secret", Wait::kMayBlock);
    if (object.ok()) {
      ASSERT_EQ(ReadAll(object->fd.get()), "inside");
    } else {
      ASSERT_TRUE(absl::IsPermissionDenied(object.status()) ||
                  absl::IsResourceExhausted(object.status()))
          << object.status();
    }
  }
}

// Moving a directory out of the root, while a walk is in it and about to go "..", opens no way out.
TEST_F(TreeRaceTest, MovedDirectoryIsNoWayOut) {
  scratch_.MakeDirectory("d");
  scratch_.MakeDirectory("d/e");
  scratch_.Write("d/secret", "inside");
  scratch_.Link("link", "d/e/../secret");
  const std::string inside = scratch_.PathOf("d/e");
  const std::string moved = absl::StrCat(scratch_.outside(), "/e");
  Meanwhile moving([&] {
    EXPECT_EQ(rename(inside.c_str(), moved.c_str()), 0);
    EXPECT_EQ(rename(moved.c_str(), inside.c_str()), 0);
  });
  for (int i = 0; i < kOpens; ++i) {
    absl::StatusOr<OpenedObject> object = tree_->OpenObject("link", Wait::kMayBlock);
    if (!object.ok()) continue;  // it was away, or the walk was disturbed
    ASSERT_EQ(ReadAll(object->fd.get()), "inside");
  }
}

// Any number of threads may use one tree at once.
TEST_F(TreeRaceTest, ServesManyThreads) {
  constexpr int kThreads = 4;
  for (int t = 0; t < kThreads; ++t) scratch_.Write(absl::StrCat(t), absl::StrCat("content ", t));
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < kOpens / kThreads; ++i) {
        absl::StatusOr<OpenedObject> object = tree_->OpenObject(absl::StrCat(t), Wait::kMayBlock);
        ASSERT_TRUE(object.ok()) << object.status();
        ASSERT_EQ(ReadAll(object->fd.get()), absl::StrCat("content ", t));
        ASSERT_FALSE(tree_->Stat("missing", Wait::kMayBlock).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace objmapper::storage
