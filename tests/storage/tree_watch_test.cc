// Every change of a name in a watched directory is reported, with its path.
#include "storage/catalog/tree_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "tests/net/open_fds.h"
#include "tests/storage/scratch_root.h"

namespace objmapper::storage {
namespace {

using Added = TreeWatch::Added;
using Names = std::set<std::string>;

class TreeWatchTest : public testing::Test {
 protected:
  Added Add(TreeWatch* watch, const std::string& path) {
    const net::UniqueFd fd(open(scratch_.PathOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    EXPECT_TRUE(fd.valid()) << path;
    return watch->Add(fd.get(), path);
  }
  // Names that changed; directories with a '/' behind them. inotify tells of a change before the
  // call that makes it returns.
  Names Changes(TreeWatch* watch) {
    Names names;
    std::vector<TreeWatch::Change> changes;
    do {
      changes.clear();
      EXPECT_TRUE(watch->Read(&changes));
      for (const TreeWatch::Change& change : changes)
        names.insert(change.path + (change.directory ? "/" : ""));
    } while (!changes.empty());
    return names;
  }
  void Rename(const std::string& from, const std::string& to) {
    ASSERT_EQ(rename(scratch_.PathOf(from).c_str(), scratch_.PathOf(to).c_str()), 0);
  }

  const ScratchRoot scratch_;
};

// Whatever is done to a name in a watched directory is told, with the path that the directory was
// added under.
TEST_F(TreeWatchTest, TellsEveryKindOfChange) {
  scratch_.MakeDirectory("d");
  scratch_.Write("d/old", "1");
  TreeWatch watch(100);
  EXPECT_EQ(Add(&watch, ""), Added::kNew);
  EXPECT_EQ(Add(&watch, "d"), Added::kNew);
  EXPECT_EQ(watch.watches(), 2u);
  EXPECT_EQ(Changes(&watch), Names{});
  scratch_.Write("top", "1");
  scratch_.Write("d/new", "1");
  EXPECT_EQ(Changes(&watch), (Names{"top", "d/new"}));
  Rename("d/old", "moved");
  EXPECT_EQ(Changes(&watch), (Names{"d/old", "moved"}));
  unlink(scratch_.PathOf("d/new").c_str());
  EXPECT_EQ(Changes(&watch), Names{"d/new"});
  scratch_.Write("top", "longer");
  EXPECT_EQ(Changes(&watch), Names{"top"});
  chmod(scratch_.PathOf("top").c_str(), 01644);
  EXPECT_EQ(Changes(&watch), Names{"top"});
  scratch_.MakeDirectory("e");
  EXPECT_EQ(Changes(&watch), Names{"e/"});
}

// The descriptor is readable when there is something to read, and not when there is not.
TEST_F(TreeWatchTest, IsReadableWhenSomethingHasChanged) {
  TreeWatch watch(100);
  Add(&watch, "");
  pollfd polled = {watch.fd(), POLLIN, 0};
  EXPECT_EQ(poll(&polled, 1, 0), 0);
  scratch_.Write("a", "1");
  EXPECT_EQ(poll(&polled, 1, 0), 1);
  Changes(&watch);
  EXPECT_EQ(poll(&polled, 1, 0), 0);
}

// No more directories are watched than the bound says; one that goes makes room for another.
TEST_F(TreeWatchTest, RefusesBeyondItsBound) {
  for (const char* name : {"a", "b", "c"}) scratch_.MakeDirectory(name);
  TreeWatch watch(2);
  EXPECT_EQ(Add(&watch, "a"), Added::kNew);
  EXPECT_EQ(Add(&watch, "b"), Added::kNew);
  EXPECT_EQ(Add(&watch, "c"), Added::kRefused);
  EXPECT_EQ(Add(&watch, "a"), Added::kSame);
  EXPECT_EQ(watch.watches(), 2u);
  rmdir(scratch_.PathOf("a").c_str());
  Changes(&watch);
  EXPECT_EQ(watch.watches(), 1u) << "the kernel ends the watch of a directory that goes";
  EXPECT_EQ(Add(&watch, "c"), Added::kNew);
  TreeWatch none(0);
  EXPECT_EQ(Add(&none, "b"), Added::kRefused);
}

// A directory that is renamed is let go with all below it, so that nothing is told under names that
// are no more.
TEST_F(TreeWatchTest, LetsGoOfADirectoryThatIsRenamed) {
  scratch_.MakeDirectory("a");
  scratch_.MakeDirectory("a/b");
  TreeWatch watch(100);
  for (const char* path : {"", "a", "a/b"}) Add(&watch, path);
  Rename("a", "z");
  scratch_.Write("z/b/file", "1");
  EXPECT_EQ(Changes(&watch), (Names{"a/", "z/"}));
  EXPECT_EQ(watch.watches(), 1u);
  EXPECT_FALSE(watch.Has("a/b"));
  EXPECT_EQ(Add(&watch, "z"), Added::kNew);
  EXPECT_EQ(Add(&watch, "z/b"), Added::kNew);
  scratch_.Write("z/b/file", "2");
  EXPECT_EQ(Changes(&watch), Names{"z/b/file"});
}

// A directory that is found at its new name before its renaming has been told is kept there.
TEST_F(TreeWatchTest, FollowsADirectoryThatIsFoundFirst) {
  scratch_.MakeDirectory("a");
  TreeWatch watch(100);
  Add(&watch, "");
  Add(&watch, "a");
  Rename("a", "z");
  EXPECT_EQ(Add(&watch, "z"), Added::kNew);
  EXPECT_FALSE(watch.Has("a"));
  EXPECT_EQ(Changes(&watch), (Names{"a/", "z/"}));
  scratch_.Write("z/file", "1");
  EXPECT_EQ(Changes(&watch), Names{"z/file"});
}

// Another directory under a known path is not the same one, and events of the old one are not told
// under it.
TEST_F(TreeWatchTest, TellsApartDirectoriesOfOneName) {
  scratch_.MakeDirectory("a");
  TreeWatch watch(100);
  EXPECT_EQ(Add(&watch, "a"), Added::kNew);
  Rename("a", "old");
  scratch_.MakeDirectory("a");
  EXPECT_EQ(Add(&watch, "a"), Added::kNew);
  scratch_.Write("old/file", "1");
  EXPECT_EQ(Changes(&watch), Names{});
  scratch_.Write("a/file", "1");
  EXPECT_EQ(Changes(&watch), Names{"a/file"});
}

// More events than the kernel keeps: that is told, nothing is watched, and it can begin anew.
TEST_F(TreeWatchTest, SaysWhenEventsWereLost) {
  int queued_max = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> queued_max;
  if (queued_max == 0 || queued_max > 1'000'000)
    GTEST_SKIP() << "the kernel keeps too many events: " << queued_max;
  TreeWatch watch(100);
  Add(&watch, "");
  const ptrdiff_t fds = net::OpenFds();
  // Two events each; the same one twice in a row would be kept once.
  for (int i = 0; i <= queued_max / 2; ++i) {
    const std::string path = scratch_.PathOf("busy");
    close(open(path.c_str(), O_CREAT | O_RDONLY | O_CLOEXEC, 0600));
    unlink(path.c_str());
  }
  std::vector<TreeWatch::Change> changes;
  bool whole = true;
  do {
    changes.clear();
    whole = watch.Read(&changes);
  } while (whole && !changes.empty());
  EXPECT_FALSE(whole);
  EXPECT_EQ(watch.watches(), 0u);
  EXPECT_EQ(net::OpenFds(), fds);
  EXPECT_EQ(Changes(&watch), Names{});
  EXPECT_EQ(Add(&watch, ""), Added::kNew);
  scratch_.Write("after", "1");
  EXPECT_EQ(Changes(&watch), Names{"after"});
}

}  // namespace
}  // namespace objmapper::storage
