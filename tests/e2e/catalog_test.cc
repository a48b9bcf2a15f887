// What the server does with the objects in its folder by itself, and what it tells operators of it.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/metrics.h"
#include "tests/storage/small_disk.h"
#include "tools/cli/admin.h"

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

// Objects that others copy in, move and delete while the server runs are counted within moments;
// directories too.
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
  if (queued_max == 0 || queued_max > 100'000)
    GTEST_SKIP() << "the kernel keeps " << queued_max << " events";
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

// An object whose time has come is removed from the disk by a server that may write, and by no
// other.
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

// On a file system that fills up, the objects go that were used longest ago, until it is below the
// level.
TEST_F(CatalogTest, EvictsFromAFullFileSystem) {
  const storage::SmallDisk disk(tree_.root(), "16m");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  for (int i = 0; i < 12; ++i) Write(absl::StrCat("o", 10 + i), 1 << 20, i);
  ServerProcess server = Start({"--writable", "--disk_evict_at=50%", "--disk_refuse_at=90%"});
  EXPECT_TRUE(Eventually([&] {
    const double used = Metric("objmapper_disk_used_bytes");
    return Metric("objmapper_objects_evicted_total") >= 4 &&
           used <= Metric("objmapper_disk_evict_at_bytes");
  }));
  EXPECT_FALSE(Exists("o10"));
  EXPECT_TRUE(Exists("o21"));
  EXPECT_GE(Metric("objmapper_objects"), 4);
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// The older of two goes when others bring a second one; who has it open keeps it, and the other one
// is served.
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

// What the kernel tells nothing of is found by the next walk: a file that is written through a name
// outside the root, cut by its path, or that its writer keeps open. LIST, and what eviction goes
// by, are right then.
TEST_F(CatalogTest, EventsAreHints) {
  tree_.Add("linked", "1");
  tree_.Add("d/cut", "12345678");
  tree_.Add("open", "");
  const std::string beside = absl::StrCat(tree_.outside(), "/beside");
  ASSERT_EQ(link(tree_.Path("linked").c_str(), beside.c_str()), 0);
  ServerProcess server = Start({"--catalog_rescan=20ms"});
  EXPECT_TRUE(Becomes("objmapper_objects_bytes", 9));
  std::ofstream(beside) << "123456";
  EXPECT_TRUE(Becomes("objmapper_objects_bytes", 14));
  ASSERT_EQ(truncate(tree_.Path("d/cut").c_str(), 3), 0);
  EXPECT_TRUE(Becomes("objmapper_objects_bytes", 9));
  const net::UniqueFd writer(open(tree_.Path("open").c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(write(writer.get(), "1234567890", 10), 10);
  EXPECT_TRUE(Becomes("objmapper_objects_bytes", 19));
  RawClient client = RawClient::V2(server.Unix(), kInOrder);
  const Answer listed = client.Get({.mode = kList, .uri = "open"});
  ASSERT_EQ(listed.body.size(), 2u + 4 + 16);
  EXPECT_EQ(BigEndian(absl::string_view(listed.body).substr(6, 8)), 10u);
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// A file system that is mounted below the root, and goes again, is followed.
TEST_F(CatalogTest, FollowsMounts) {
  tree_.Add("d/under", "123");
  ServerProcess server = Start({"--catalog_rescan=20ms"});
  EXPECT_TRUE(Becomes("objmapper_objects_bytes", 3));
  {
    const storage::SmallDisk disk(tree_.Path("d"), "1m");
    if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
    EXPECT_TRUE(Becomes("objmapper_objects_bytes", 0));
    std::ofstream(tree_.Path("d/over")) << "12345";
    EXPECT_TRUE(Becomes("objmapper_objects_bytes", 5));
  }
  EXPECT_TRUE(Becomes("objmapper_objects_bytes", 3));
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// What lies on another file system below the root brings nothing back on the root's: it is not
// evicted for that.
TEST_F(CatalogTest, EvictsNothingFromAnotherFileSystem) {
  const storage::SmallDisk disk(tree_.root(), "16m");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  std::filesystem::create_directory(tree_.Path("other"));
  const storage::SmallDisk other(tree_.Path("other"), "4m");
  ASSERT_TRUE(other.mounted());
  for (int i = 0; i < 3; ++i) Write(absl::StrCat("other/o", i), 1 << 20, i);  // the oldest of all
  for (int i = 0; i < 12; ++i) Write(absl::StrCat("o", 10 + i), 1 << 20, 10 + i);
  ServerProcess server = Start({"--writable", "--disk_evict_at=50%"});
  EXPECT_TRUE(Eventually([&] {
    return Metric("objmapper_disk_used_bytes") <= Metric("objmapper_disk_evict_at_bytes");
  }));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Exists(absl::StrCat("other/o", i)));
  EXPECT_FALSE(Exists("o10"));
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// A file system that does not say how large it is (ramfs: 0 blocks) is not a full one.
TEST_F(CatalogTest, NoSizeIsNotFull) {
  if (mount("objmapper-test", tree_.root().c_str(), "ramfs", MS_NOSUID | MS_NODEV, "") != 0) {
    GTEST_SKIP() << "no file system can be mounted: " << strerror(errno);
  }
  {
    ServerProcess server =
        Start({"--writable", "--disk_evict_at=50%", "--disk_refuse_at=90%", "--durability=none"});
    EXPECT_TRUE(Becomes("objmapper_catalog_complete", 1));
    RawClient client = RawClient::V2(server.Unix(), kInOrder);
    EXPECT_TRUE(client.Get({.mode = kPut, .uri = "a", .body = "body"}).ok());
    EXPECT_EQ(client.Get({.mode = kCopy, .uri = "a"}).body, "body");
    EXPECT_EQ(Metric("objmapper_objects_evicted_total"), 0);
    EXPECT_EQ(server.Stop(SIGTERM), 0);
  }
  EXPECT_EQ(umount2(tree_.root().c_str(), MNT_DETACH), 0);
}

// A directory that may not be read is said to be one, and not to be more than can be watched.
TEST_F(CatalogTest, UnreadableDirectoriesAreNotTooMany) {
  if (geteuid() == 0 && !ServerProcess::CanBecomeNobody()) GTEST_SKIP() << "root reads any folder";
  tree_.Add("lost+found/a", "1");
  tree_.Add("b", "1");
  ASSERT_EQ(chmod(tree_.Path("lost+found").c_str(), 0), 0);
  ServerProcess server(tree_.root(), {.flags = {"--catalog_rescan=20ms"}, .as_nobody = true});
  EXPECT_TRUE(server.WaitForLog("\"lost+found\" may not be read"));
  EXPECT_TRUE(server.WaitForLog("catalog: complete"));
  RawClient client = RawClient::V2(server.Unix(), kInOrder);
  EXPECT_EQ(client.Get({.mode = kList, .uri = ""}).body.size(), 2u + 1 + 16);
  EXPECT_FALSE(absl::StrContains(server.log(), "than can be watched")) << server.log();
  EXPECT_EQ(server.Stop(SIGTERM), 0);
  ASSERT_EQ(chmod(tree_.Path("lost+found").c_str(), 0755), 0);
}

// A root that is replaced by another directory of its name, and a link to it that is led elsewhere:
// the log and /readyz say so, and SIGHUP has the server serve, list and count what the name means
// by then.
TEST_F(CatalogTest, FollowsAnotherRootAtSighup) {
  tree_.Add("old", "1");
  const std::string way = absl::StrCat(tree_.outside(), "/way"),
                    second = absl::StrCat(tree_.outside(), "/second");
  ASSERT_EQ(symlink(tree_.root().c_str(), way.c_str()), 0);
  std::filesystem::create_directory(second);
  std::ofstream(second + "/second") << "12";
  for (const std::string catalog : {"true", "false"}) {
    ServerProcess server(way, {.flags = {absl::StrCat("--admin_listen=", admin()), "--writable",
                                         "--catalog=" + catalog}});
    RawClient client = RawClient::V2(server.Unix(), kInOrder);
    const auto body = [&](const std::string& uri) {
      return client.Get({.mode = kCopy, .uri = uri}).body;
    };
    const auto listed = [&] { return client.Get({.mode = kList, .uri = ""}).body; };
    const auto ready = [&] {
      const absl::StatusOr<std::string> page =
          tools::FetchFromAdmin(absl::StrCat("unix:", admin()), "/readyz", absl::Seconds(20));
      return page.ok() ? *page : std::string(page.status().message());
    };
    EXPECT_TRUE(Eventually([&] { return ready() == "ready\n"; }));
    EXPECT_EQ(body("old"), "1");

    std::filesystem::remove(way);
    ASSERT_EQ(symlink(second.c_str(), way.c_str()), 0);
    EXPECT_TRUE(Eventually([&] { return absl::StrContains(ready(), "is another directory"); }))
        << ready();
    EXPECT_TRUE(server.WaitForLog("is another directory"));
    EXPECT_EQ(body("old"), "1");
    server.Signal(SIGHUP);
    EXPECT_TRUE(Eventually([&] { return body("second") == "12"; }));
    EXPECT_EQ(client.Get({.mode = kStat, .uri = "old"}).status, Status::kNotFound);
    EXPECT_TRUE(absl::StrContains(listed(), "second") && !absl::StrContains(listed(), "old"));
    EXPECT_TRUE(Eventually([&] { return ready() == "ready\n"; }));
    if (catalog == "true") {
      EXPECT_TRUE(Becomes("objmapper_objects_bytes", 2));
    }

    // And one that is removed.
    std::filesystem::remove_all(second);
    EXPECT_TRUE(Eventually([&] { return absl::StrContains(ready(), "has been "); })) << ready();
    const Answer put = client.Get({.mode = kPut, .uri = "x", .body = "1"});
    EXPECT_EQ(put.status, Status::kUnavailable);
    EXPECT_TRUE(
        absl::StrContains(put.metadata.at(kErrorEntry), "the root has been removed or replaced"))
        << put.metadata.at(kErrorEntry);
    server.Signal(SIGHUP);
    EXPECT_TRUE(server.WaitForLog("the root is unchanged"));
    std::filesystem::create_directory(second);
    std::ofstream(second + "/second") << "1234";
    server.Signal(SIGHUP);
    EXPECT_TRUE(Eventually([&] { return body("second") == "1234"; }));
    EXPECT_TRUE(client.Get({.mode = kPut, .uri = "d/new", .body = "1"}).ok());
    EXPECT_TRUE(absl::StrContains(listed(), "d/new"));
    EXPECT_EQ(server.Stop(SIGTERM), 0);
    std::filesystem::remove_all(second);
    std::filesystem::create_directory(second);
    std::ofstream(second + "/second") << "12";
    std::filesystem::remove(way);
    ASSERT_EQ(symlink(tree_.root().c_str(), way.c_str()), 0);
  }
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
