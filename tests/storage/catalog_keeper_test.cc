// The catalog of a real tree, kept true by the thread that walks and watches it.
#include "storage/catalog/catalog_keeper.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/net/eventually.h"
#include "tests/storage/scratch_root.h"

namespace objmapper::storage {
namespace {

class CatalogKeeperTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<Tree> tree = Tree::Open(scratch_.path());
    ASSERT_TRUE(tree.ok()) << tree.status();
    tree_.emplace(*std::move(tree));
    feed_.emplace(&*tree_, &catalog_);
  }

  void Start(size_t watches_max = 1000, absl::Duration rescan = absl::Hours(1)) {
    CatalogKeeper::Options options;
    options.catalog = &catalog_;
    options.feed = &*feed_;
    options.watches_max = watches_max;
    options.rescan = rescan;
    keeper_ = std::make_unique<CatalogKeeper>(std::move(options));
    ASSERT_TRUE(net::Eventually([this] { return catalog_.complete(); }));
  }

  // "uri uri ..." in their order.
  std::string Uris() const {
    std::vector<std::string> uris;
    catalog_.ForEach("", "", [&](const Catalog::Object& object) {
      uris.push_back(object.uri);
      return true;
    });
    return absl::StrJoin(uris, " ");
  }
  testing::AssertionResult Becomes(const std::string& wanted) const {
    if (net::Eventually([&] { return Uris() == wanted; })) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "it is: " << Uris();
  }
  void Rename(const std::string& from, const std::string& to) {
    ASSERT_EQ(rename(scratch_.PathOf(from).c_str(), scratch_.PathOf(to).c_str()), 0);
  }

  const ScratchRoot scratch_;
  Catalog catalog_;
  std::optional<Tree> tree_;
  std::optional<CatalogFeed> feed_;
  std::unique_ptr<CatalogKeeper> keeper_;
};

// What is there at the start is listed with its size and time once the catalog says that it is
// complete: regular files and symbolic links, none of the server's own names, and nothing that lies
// behind a link.
TEST_F(CatalogKeeperTest, WalksTheTree) {
  for (const char* name : {"a", "a/b", "empty", ".objmapper-trash"}) scratch_.MakeDirectory(name);
  scratch_.Write("top", "12345");
  scratch_.Write("a/b/deep", "123");
  scratch_.Write("a/.hidden", "");
  scratch_.Write("a/.objmapper-new.1", "x");
  scratch_.Write(".objmapper-trash/x", "x");
  scratch_.Link("a/link", "b/deep");
  scratch_.Link("way", "a");
  ASSERT_EQ(mkfifo(scratch_.PathOf("fifo").c_str(), 0600), 0);
  Start();
  EXPECT_EQ(Uris(), "a/.hidden a/b/deep a/link top way");
  EXPECT_TRUE(catalog_.Find("a/link")->link);
  EXPECT_FALSE(catalog_.Find("top")->link);
  EXPECT_EQ(catalog_.bytes(), 8u);
  const std::optional<Catalog::Entry> top = catalog_.Find("top");
  ASSERT_TRUE(top.has_value());
  EXPECT_EQ(top->size, 5u);
  struct stat status;
  ASSERT_EQ(stat(scratch_.PathOf("top").c_str(), &status), 0);
  EXPECT_EQ(top->mtime_s, status.st_mtim.tv_sec);
  EXPECT_EQ(keeper_->watched(), 4u);
  EXPECT_EQ(keeper_->unwatched(), 0u);
}

// The expiry of objects is read where their mode says that there is one.
TEST_F(CatalogKeeperTest, ReadsWhatExpires) {
  for (const char* name : {"mortal", "immortal", "unmarked"}) scratch_.Write(name, "1");
  for (const char* name : {"mortal", "unmarked"}) {
    if (setxattr(scratch_.PathOf(name).c_str(), "user.objmapper.expires", "4000000000", 10, 0) !=
        0) {
      GTEST_SKIP() << "no extended attributes here: " << strerror(errno);
    }
  }
  chmod(scratch_.PathOf("mortal").c_str(), 01644);
  Start();
  EXPECT_EQ(catalog_.Find("mortal")->expires_s, 4'000'000'000u);
  EXPECT_EQ(catalog_.Find("immortal")->expires_s, 0u);
  EXPECT_EQ(catalog_.Find("unmarked")->expires_s, 0u);
}

// Files that others copy, rename, cut and delete in the tree are followed.
TEST_F(CatalogKeeperTest, FollowsFiles) {
  scratch_.MakeDirectory("d");
  scratch_.Write("d/a", "1");
  Start();
  scratch_.Write("d/b", "1");
  scratch_.Write("c", "1");
  EXPECT_TRUE(Becomes("c d/a d/b"));
  Rename("d/a", "d/z");
  EXPECT_TRUE(Becomes("c d/b d/z"));
  unlink(scratch_.PathOf("d/b").c_str());
  EXPECT_TRUE(Becomes("c d/z"));
  scratch_.Write("c", "longer");
  EXPECT_TRUE(net::Eventually([this] { return catalog_.Find("c")->size == 6; }));
}

// Directories that come, with all that is in them, move and go are followed.
TEST_F(CatalogKeeperTest, FollowsDirectories) {
  Start();
  std::filesystem::create_directories(scratch_.PathOf("a/b/c"));
  scratch_.Write("a/b/c/1", "1");
  scratch_.Write("a/b/2", "1");
  EXPECT_TRUE(Becomes("a/b/2 a/b/c/1"));
  Rename("a/b", "z");
  EXPECT_TRUE(Becomes("z/2 z/c/1"));
  scratch_.Write("z/c/3", "1");
  EXPECT_TRUE(Becomes("z/2 z/c/1 z/c/3"));
  ASSERT_EQ(rename(scratch_.PathOf("z").c_str(), (scratch_.outside() + "/z").c_str()), 0);
  EXPECT_TRUE(Becomes(""));
  EXPECT_TRUE(net::Eventually([this] { return keeper_->watched() == 2; }));  // the root and "a"
  ASSERT_EQ(rename((scratch_.outside() + "/z").c_str(), scratch_.PathOf("a/z").c_str()), 0);
  EXPECT_TRUE(Becomes("a/z/2 a/z/c/1 a/z/c/3"));
  std::filesystem::remove_all(scratch_.PathOf("a"));
  EXPECT_TRUE(Becomes(""));
}

// A name that is a directory now, an object then, and a directory again is what it is last.
TEST_F(CatalogKeeperTest, FollowsANameThatChangesItsKind) {
  scratch_.MakeDirectory("n");
  scratch_.Write("n/x", "1");
  Start();
  std::filesystem::remove_all(scratch_.PathOf("n"));
  scratch_.Write("n", "1");
  EXPECT_TRUE(Becomes("n"));
  unlink(scratch_.PathOf("n").c_str());
  scratch_.MakeDirectory("n");
  scratch_.Write("n/y", "1");
  EXPECT_TRUE(Becomes("n/y"));
}

// What cannot be watched is looked at again and again: it is followed all the same.
TEST_F(CatalogKeeperTest, RescansWhatItCannotWatch) {
  std::filesystem::create_directories(scratch_.PathOf("a/b"));
  scratch_.Write("a/b/1", "1");
  Start(/*watches_max=*/1, absl::Milliseconds(1));
  EXPECT_EQ(keeper_->watched(), 1u);
  EXPECT_EQ(keeper_->unwatched(), 2u);
  scratch_.Write("a/b/2", "1");
  EXPECT_TRUE(Becomes("a/b/1 a/b/2"));
  Rename("a/b", "a/c");
  EXPECT_TRUE(Becomes("a/c/1 a/c/2"));
  std::filesystem::create_directories(scratch_.PathOf("a/c/d/e"));
  scratch_.Write("a/c/d/e/3", "1");
  EXPECT_TRUE(Becomes("a/c/1 a/c/2 a/c/d/e/3"));
  std::filesystem::remove_all(scratch_.PathOf("a/c"));
  EXPECT_TRUE(Becomes(""));
  EXPECT_TRUE(net::Eventually([this] { return keeper_->unwatched() == 1; }));
  EXPECT_GT(keeper_->rescans(), 0u);
}

// All is looked at again and again, whatever is told: what no event tells of is found, in what is
// watched too, and also when there was something that could not be watched, and has gone.
TEST_F(CatalogKeeperTest, WalksAllWhateverIsTold) {
  std::filesystem::create_directories(scratch_.PathOf("a/b"));
  scratch_.Write("c", "1");
  const std::string beside = scratch_.outside() + "/beside";
  ASSERT_EQ(link(scratch_.PathOf("c").c_str(), beside.c_str()), 0);
  Start(/*watches_max=*/1, absl::Milliseconds(2));
  EXPECT_EQ(keeper_->unwatched(), 2u);
  std::filesystem::remove_all(scratch_.PathOf("a"));
  EXPECT_TRUE(net::Eventually([this] { return keeper_->unwatched() == 0; }));
  for (const int size : {5, 9, 2}) {
    ASSERT_EQ(truncate(beside.c_str(), size), 0);
    EXPECT_TRUE(
        net::Eventually([&] { return catalog_.Find("c")->size == static_cast<uint64_t>(size); }));
  }
}

// What may not be read is left out, with what was known to be in it, and is looked for again.
TEST_F(CatalogKeeperTest, AnUnreadableDirectoryIsLeftOut) {
  if (geteuid() == 0) GTEST_SKIP() << "root reads any folder";
  scratch_.MakeDirectory("d");
  scratch_.Write("d/a", "1");
  Start(/*watches_max=*/1000, absl::Milliseconds(2));
  ASSERT_EQ(chmod(scratch_.PathOf("d").c_str(), 0), 0);
  EXPECT_TRUE(Becomes(""));
  EXPECT_EQ(keeper_->unwatched(), 0u);
  ASSERT_EQ(chmod(scratch_.PathOf("d").c_str(), 0755), 0);
  EXPECT_TRUE(Becomes("d/a"));
}

// A change that is told is in the catalog when the call returns, whatever spelling of its name it
// was made by, and whatever becomes of events: here none come.
TEST_F(CatalogKeeperTest, KnowsWhatItIsTold) {
  Start(/*watches_max=*/0);
  scratch_.MakeDirectory("d");
  scratch_.Write("d/a", "1");
  feed_->Refresh("//d/./a");
  EXPECT_EQ(Uris(), "d/a");
  unlink(scratch_.PathOf("d/a").c_str());
  feed_->Refresh("d//a");
  EXPECT_EQ(Uris(), "");
  scratch_.Link("way", "d");
  scratch_.Write("d/a", "1");
  feed_->Refresh("way/a");
  EXPECT_FALSE(catalog_.Find("way/a").has_value()) << "it is d/a, which the watch tells";
  unlink(scratch_.PathOf("way").c_str());
  feed_->Refresh("d/.objmapper-new");
  feed_->Refresh("");
  feed_->Refresh("d");
  EXPECT_EQ(Uris(), "");
}

// Threads that change the same names at once leave the catalog as the disk is, though the walk goes
// over it all the time.
TEST_F(CatalogKeeperTest, ManyChangersLeaveTheTruth) {
  scratch_.MakeDirectory("d");
  Start(/*watches_max=*/0, absl::ZeroDuration());
  std::vector<std::thread> changers;
  for (int t = 0; t < 4; ++t) {
    changers.emplace_back([this, t] {
      for (int i = 0; i < 1000; ++i) {
        const std::string uri = absl::StrCat("d/", i % 5);
        if ((i + t) % 2 == 0) {
          close(open(scratch_.PathOf(uri).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        } else {
          unlink(scratch_.PathOf(uri).c_str());
        }
        feed_->Refresh(uri);
      }
    });
  }
  for (std::thread& changer : changers) changer.join();
  std::vector<std::string> there;
  for (int i = 0; i < 5; ++i) {
    const std::string uri = absl::StrCat("d/", i);
    if (std::filesystem::exists(scratch_.PathOf(uri))) there.push_back(uri);
  }
  EXPECT_EQ(Uris(), absl::StrJoin(there, " "));
}

// More changes than the kernel keeps are made while the keeper is busy: it walks everything again.
TEST_F(CatalogKeeperTest, WalksAgainAfterALossOfEvents) {
  std::atomic<bool> busy{false}, hold{true};
  CatalogKeeper::Options options;
  options.catalog = &catalog_;
  options.feed = &*feed_;
  options.watches_max = 1000;
  options.upkeep = [&](int64_t now_ns) {
    while (catalog_.complete() && hold) busy = true;
    return now_ns + 1'000'000;
  };
  scratch_.MakeDirectory("d");
  for (int i = 0; i < 3; ++i) scratch_.Write(absl::StrCat("d/old", i), "1");
  keeper_ = std::make_unique<CatalogKeeper>(std::move(options));
  ASSERT_TRUE(net::Eventually([&] { return busy.load(); }));
  const std::string path = scratch_.PathOf("d/busy");
  for (int i = 0; i < 10'000; ++i) {
    close(open(path.c_str(), O_CREAT | O_RDONLY | O_CLOEXEC, 0600));
    unlink(path.c_str());
  }
  scratch_.Write("d/new", "1");
  unlink(scratch_.PathOf("d/old1").c_str());
  hold = false;
  EXPECT_TRUE(Becomes("d/new d/old0 d/old2"));
  scratch_.Write("d/newer", "1");
  EXPECT_TRUE(Becomes("d/new d/newer d/old0 d/old2")) << "and is watched again";
}

}  // namespace
}  // namespace objmapper::storage
