// What the server does with the objects in its folder by itself, and what it tells operators of it.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/metrics.h"
#include "tests/storage/small_disk.h"

namespace objmapper::e2e {
namespace {

class CatalogTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(tree_.root()); }

  ServerProcess Start(std::vector<std::string> flags = {}) {
    flags.push_back(absl::StrCat("--admin_listen=", admin()));
    return ServerProcess(tree_.root(), {.flags = std::move(flags)});
  }
  std::string admin() const { return absl::StrCat(folder_.path(), "/admin"); }
  double Metric(const std::string& name) const { return e2e::Metric(admin(), name); }
  static bool Eventually(const std::function<bool()>& condition) {
    const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
    while (!condition()) {
      if (absl::Now() > give_up) return false;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return true;
  }
  ::testing::AssertionResult Becomes(const std::string& name, double wanted) const {
    return MetricBecomes(admin(), name, wanted);
  }
  bool Exists(const std::string& uri) const { return access(tree_.Path(uri).c_str(), F_OK) == 0; }
  // Written in one piece, and last used so many seconds after a time long ago.
  void Write(const std::string& uri, size_t bytes, int64_t used) {
    const std::string path = tree_.Path(uri);
    std::ofstream(path, std::ios::binary) << std::string(bytes, 'x');
    const timespec time = {1'600'000'000 + used, 0};
    const timespec times[] = {time, time};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }

  ObjectTree tree_;
  const TempDir folder_;
};

// Objects that others copy in, move and delete while the server runs are counted within moments; directories too.
TEST_F(CatalogTest, FollowsWhatOthersDo) {
  tree_.Add("a/b", "123");
  ServerProcess server = Start();
  EXPECT_TRUE(Becomes("objmapper_catalog_complete", 1));
  EXPECT_TRUE(Becomes("objmapper_objects", 1));
  tree_.Add("c/d/e", "12345");
  EXPECT_TRUE(Becomes("objmapper_objects_bytes", 8));
  EXPECT_TRUE(Becomes("objmapper_catalog_folders_watched", 4));
  ASSERT_EQ(rename(tree_.Path("c").c_str(), absl::StrCat(tree_.outside(), "/c").c_str()), 0);
  EXPECT_TRUE(Becomes("objmapper_objects_bytes", 3));
  std::filesystem::remove_all(tree_.Path("a"));
  EXPECT_TRUE(Becomes("objmapper_objects", 0));
  EXPECT_EQ(Metric("objmapper_catalog_folders_unwatched"), 0);
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// Without a single watch the same is found by looking again, and the log says once that it is so.
TEST_F(CatalogTest, FollowsWithoutWatches) {
  tree_.Add("a/b", "123");
  ServerProcess server = Start({"--catalog_watches=0", "--catalog_rescan=10ms"});
  tree_.Add("c/d/e", "12345");
  EXPECT_TRUE(Becomes("objmapper_objects", 2));
  std::filesystem::remove_all(tree_.Path("c"));
  EXPECT_TRUE(Becomes("objmapper_objects", 1));
  EXPECT_GT(Metric("objmapper_catalog_rescans_total"), 0);
  EXPECT_TRUE(server.WaitForLog("more directories than can be watched"));
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// More changes than the kernel keeps for a server that stands still: it walks everything again.
TEST_F(CatalogTest, RecoversFromALossOfEvents) {
  tree_.Add("old", "1");
  ServerProcess server = Start();
  EXPECT_TRUE(Becomes("objmapper_catalog_complete", 1));
  int queued_max = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> queued_max;
  if (queued_max == 0 || queued_max > 100'000) GTEST_SKIP() << "the kernel keeps " << queued_max << " events";
  server.Signal(SIGSTOP);
  const std::string path = tree_.Path("busy");
  // Twice as many as there is room for: it may have read some before it came to stand.
  for (int i = 0; i <= queued_max; ++i) {
    close(open(path.c_str(), O_CREAT | O_RDONLY | O_CLOEXEC, 0600));
    unlink(path.c_str());
  }
  tree_.Add("d/new", "12");
  server.Signal(SIGCONT);
  EXPECT_TRUE(Becomes("objmapper_objects_bytes", 3));
  EXPECT_TRUE(Becomes("objmapper_catalog_rescans_total", 1));
  EXPECT_TRUE(server.WaitForLog("the whole tree is walked again"));
}

// An object whose time has come is removed from the disk by a server that may write, and by no other.
TEST_F(CatalogTest, RemovesWhatHasExpired) {
  const std::string path = tree_.Add("d/mortal", "1");
  const std::string then = absl::StrCat(absl::ToUnixSeconds(absl::Now()) - 1);
  if (setxattr(path.c_str(), "user.objmapper.expires", then.data(), then.size(), 0) != 0) {
    GTEST_SKIP() << "no extended attributes here";
  }
  ASSERT_EQ(chmod(path.c_str(), 01644), 0);
  {
    ServerProcess server = Start();
    EXPECT_TRUE(Becomes("objmapper_catalog_complete", 1));
    EXPECT_EQ(server.Stop(SIGTERM), 0);
  }
  EXPECT_TRUE(Exists("d/mortal"));
  ServerProcess server = Start({"--writable"});
  EXPECT_TRUE(Becomes("objmapper_objects_expired_total", 1));
  EXPECT_FALSE(Exists("d/mortal"));
  EXPECT_TRUE(Exists("d"));  // which no server has made
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// On a file system that fills up, the objects go that were used longest ago, until it is below the level.
TEST_F(CatalogTest, EvictsFromAFullFileSystem) {
  const storage::SmallDisk disk(tree_.root(), "16m");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  for (int i = 0; i < 12; ++i) Write(absl::StrCat("o", 10 + i), 1 << 20, i);
  ServerProcess server = Start({"--writable", "--disk_evict_at=50%", "--disk_refuse_at=90%"});
  EXPECT_TRUE(Eventually([&] {
    const double used = Metric("objmapper_disk_used_bytes");
    return Metric("objmapper_objects_evicted_total") >= 4 && used <= Metric("objmapper_disk_evict_at_bytes");
  }));
  EXPECT_FALSE(Exists("o10"));
  EXPECT_TRUE(Exists("o21"));
  EXPECT_GE(Metric("objmapper_objects"), 4);
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// The older of two goes when others bring a second one; who has it open keeps it, and the other one is served.
TEST_F(CatalogTest, EvictsTheOlderOne) {
  Write("held", 600, 1);
  ServerProcess server = Start({"--writable", "--disk_evict_at=1000"});
  EXPECT_TRUE(Becomes("objmapper_catalog_complete", 1));
  const net::UniqueFd held(open(tree_.Path("held").c_str(), O_RDONLY | O_CLOEXEC));
  Write("newer", 600, 5);
  EXPECT_TRUE(Becomes("objmapper_objects_evicted_total", 1));
  EXPECT_FALSE(Exists("held"));
  EXPECT_EQ(Contents(held.get()), std::string(600, 'x'));
  RawClient client = RawClient::V1(server.Unix());
  EXPECT_TRUE(client.Get({.mode = kFdPass, .uri = "newer"}).ok());
  EXPECT_TRUE(Becomes("objmapper_objects_bytes", 600));
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// Without a catalog there is none in the figures, and the server serves as ever.
TEST_F(CatalogTest, MayBeTurnedOff) {
  tree_.Add("a", "1");
  ServerProcess server = Start({"--catalog=false"});
  EXPECT_EQ(Metric("objmapper_objects"), -1);
  RawClient client = RawClient::V1(server.Unix());
  EXPECT_TRUE(client.Get({.mode = kCopy, .uri = "a"}).ok());
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

}  // namespace
}  // namespace objmapper::e2e
