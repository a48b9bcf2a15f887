// A folder's pages: what is in them, and that they are one listing together.
#include "storage/store/folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/net/memfd.h"
#include "tests/storage/tree_fixture.h"

namespace objmapper::storage {
namespace {

class FolderTest : public TreeTest {
 protected:
  void SetUp() override {
    TreeTest::SetUp();
    absl::StatusOr<std::unique_ptr<MemoryTier>> tier =
        MemoryTier::Create({.bytes_max = 1 << 20, .objects_max = 100});
    ASSERT_TRUE(tier.ok()) << tier.status();
    tier_ = *std::move(tier);
    tree_->SetOverlay(tier_.get());
  }
  void TearDown() override {
    tree_->SetOverlay(nullptr);
    tier_.reset();
    TreeTest::TearDown();
  }

  void Remember(absl::string_view uri, absl::string_view content) {
    net::UniqueFd fd = net::Memfd(content);
    const absl::StatusOr<bool> adopted =
        tier_->Adopt(uri, &fd, absl::InfiniteDuration(), [] { return absl::OkStatus(); });
    ASSERT_TRUE(adopted.ok() && *adopted);
  }

  absl::StatusOr<FolderPage> Page(const FolderQuery& query) {
    return ListFolder(*tree_, tier_.get(), query, filter_);
  }
  // All of it, "sub/ a=3"; in pages of at most so many bytes.
  std::string All(absl::string_view folder, size_t bytes_max = 1 << 20) {
    FolderQuery query{.folder = std::string(folder), .bytes_max = bytes_max};
    std::vector<std::string> told;
    for (pages_ = 1;; ++pages_) {
      absl::StatusOr<FolderPage> page = Page(query);
      if (!page.ok()) return absl::StrCat(absl::StatusCodeToString(page.status().code()));
      for (const FolderEntry& entry : page->entries) {
        told.push_back(entry.place.is_object ? absl::StrCat(entry.place.name, "=", entry.size)
                                             : absl::StrCat(entry.place.name, "/"));
      }
      if (!page->last.has_value()) break;
      query.after = page->last;
    }
    return absl::StrJoin(told, " ");
  }

  std::unique_ptr<MemoryTier> tier_;
  // Of a folder that is not permitted, nothing in it is either.
  struct Only : ListFilter {
    bool Permits(absl::string_view uri) const override {
      return permitted.empty() || permitted.contains(std::string(uri));
    }
    std::optional<std::string> After(absl::string_view) const override { return std::nullopt; }
    std::set<std::string> permitted;  // empty: all
  };
  Only filter_;
  int pages_ = 0;
};

TEST_F(FolderTest, FoldersFirstThenByName) {
  scratch_.Write("b", "22");
  scratch_.Write("a", "1");
  scratch_.MakeDirectory("z");
  scratch_.MakeDirectory("z/empty");
  scratch_.MakeDirectory("B");
  scratch_.Write("B/x", "");
  EXPECT_EQ(All(""), "B/ z/ a=1 b=2");
  EXPECT_EQ(All("B/"), "x=0");
  EXPECT_EQ(All("z/"), "empty/") << "empty ones too";
  EXPECT_EQ(All("z/empty/"), "");
  EXPECT_EQ(All("missing/"), "NOT_FOUND");
  EXPECT_EQ(All("a/"), "NOT_FOUND") << "an object";
  EXPECT_EQ(All("../"), "PERMISSION_DENIED");
}

// Pages of any size are the same listing.
TEST_F(FolderTest, Pages) {
  std::string all;
  for (int i = 100; i < 200; ++i) {
    scratch_.MakeDirectory(absl::StrCat("sub", i));
    absl::StrAppend(&all, "sub", i, "/ ");
  }
  for (int i = 100; i < 300; ++i) {
    scratch_.Write(absl::StrCat("object", i), "xyz");
    absl::StrAppend(&all, "object", i, "=3 ");
  }
  all.pop_back();
  EXPECT_EQ(All(""), all);
  EXPECT_EQ(pages_, 1);
  EXPECT_EQ(All("", 5000), all);
  EXPECT_GT(pages_, 5);
  EXPECT_EQ(All("", 1), all) << "one entry at least";
  EXPECT_EQ(pages_, 300);
}

// What comes and goes between two pages changes nothing for what stays.
TEST_F(FolderTest, PagesOfAFolderThatChanges) {
  for (const char* name : {"b", "d", "f", "h"}) scratch_.Write(name, "");
  const absl::StatusOr<FolderPage> first = Page({.bytes_max = 300});
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(first->entries.size(), 2u);
  ASSERT_TRUE(first->last.has_value());
  EXPECT_EQ(first->last->name, "d");
  ASSERT_EQ(unlink(scratch_.PathOf("d").c_str()), 0);
  for (const char* name : {"a", "c", "e"}) scratch_.Write(name, "");
  const absl::StatusOr<FolderPage> second = Page({.after = first->last});
  ASSERT_TRUE(second.ok());
  std::vector<std::string> names;
  for (const FolderEntry& entry : second->entries) names.push_back(entry.place.name);
  EXPECT_EQ(names, (std::vector<std::string>{"e", "f", "h"}));
  EXPECT_FALSE(second->last.has_value());
}

// What cannot be had under its name is not shown.
TEST_F(FolderTest, LeftOut) {
  scratch_.Write("object", "12345");
  scratch_.Write(".hidden", "");
  scratch_.Write(".objmapper-1", "");
  scratch_.MakeDirectory("sub");
  ASSERT_EQ(mkfifo(scratch_.PathOf("fifo").c_str(), 0644), 0);
  scratch_.Link("link", "object");
  scratch_.Link("dangling", "nowhere");
  scratch_.Link("outside", "../outside/secret");
  scratch_.Link("to_folder", "sub");
  scratch_.Write("sub/x", "1");
  EXPECT_EQ(All(""), "sub/ .hidden=0 link=5 object=5");
  EXPECT_EQ(All("to_folder/"), "x=1") << "as an object is found behind a link";
}

TEST_F(FolderTest, Times) {
  scratch_.Write("object", "1");
  scratch_.MakeDirectory("sub");
  const timespec times[2] = {{1'000'000, 0}, {2'000'000, 0}};
  for (const char* name : {"object", "sub"})
    ASSERT_EQ(utimensat(AT_FDCWD, scratch_.PathOf(name).c_str(), times, 0), 0);
  const absl::StatusOr<FolderPage> page = Page({});
  ASSERT_TRUE(page.ok());
  for (const FolderEntry& entry : page->entries)
    EXPECT_EQ(entry.mtime_s, 2'000'000) << entry.place.name;
}

// Objects in memory are told as readers find them, with the folders that they are in.
TEST_F(FolderTest, Memory) {
  scratch_.Write("both", "on the disk");
  scratch_.MakeDirectory("sub");
  scratch_.Write("sub/a", "1");
  Remember("both", "in memory");
  Remember("sub/b", "22");
  Remember("only/in/memory", "333");
  Remember("only/x", "4444");
  EXPECT_EQ(All(""), "only/ sub/ both=9");
  EXPECT_EQ(All("", 1), "only/ sub/ both=9");
  EXPECT_EQ(All("sub/"), "a=1 b=2");
  EXPECT_EQ(All("only/"), "in/ x=4");
  EXPECT_EQ(All("only/in/"), "memory=3");
  EXPECT_EQ(All("only/in/memory/"), "NOT_FOUND");
  const absl::StatusOr<FolderPage> page = Page({});
  ASSERT_TRUE(page.ok());
  EXPECT_GT(page->entries[0].mtime_s, 0) << "that of what is in it";
}

// The filter is asked for each object, and of a folder whether something may be seen in it.
TEST_F(FolderTest, Filter) {
  scratch_.MakeDirectory("open");
  scratch_.MakeDirectory("closed");
  scratch_.Write("a", "");
  scratch_.Write("secret", "");
  Remember("memory/secret", "1");
  Remember("memory_too", "1");
  filter_.permitted = {"a", "open/"};
  EXPECT_EQ(All(""), "open/ a=0");
  EXPECT_EQ(All("memory/"), "");
}

}  // namespace
}  // namespace objmapper::storage
