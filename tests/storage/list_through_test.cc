// A listing that goes through tells what is there and this disk's own, each name once and in order,
// whatever pages either comes in.
#include "storage/store/list_through.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "storage/store/list_cursor.h"
#include "tests/storage/each.h"
#include "tests/storage/tree_fixture.h"

namespace objmapper::storage {
namespace {

using Uris = std::vector<std::string>;

// Has what the test says, in pages of so many; what it tells has the size 1000.
class ListedRemote : public Remote {
 public:
  bool MayHave(absl::string_view) const override { return false; }
  void Bring(absl::string_view, std::function<void(absl::Status)> done) override {
    done(absl::NotFoundError("none"));
  }
  void ListThere(const AskedThere& asked,
                 std::function<void(absl::StatusOr<ListedThere>)> done) override {
    ListedThere page;
    for (auto there = uris.lower_bound(std::max(asked.from, asked.prefix)); there != uris.end();
         ++there) {
      if (!absl::StartsWith(*there, asked.prefix)) break;
      if (page.entries.size() == page_entries) {
        // As soon as it can be said, or as late.
        page.from = is_eager ? page.entries.back().uri + '\0' : *there;
        break;
      }
      page.entries.push_back({*there, 1000, 1});
    }
    ++pages;
    done(std::move(page));
  }
  bool IsCopy(absl::string_view uri) const override { return copies.count(std::string(uri)) != 0; }

  std::set<std::string> uris, copies;
  size_t page_entries = 3;
  bool is_eager = true;
  int pages = 0;
};

class ListThroughTest : public TreeTest {
 protected:
  void SetUp() override {
    TreeTest::SetUp();
    store_.emplace(Store::Options{.tree = &*tree_, .durability = Durability::kNone});
  }

  absl::StatusOr<ListPage> Page(const ListQuery& query, const ListFilter& filter) {
    ThroughPage page(&*store_, &remote_, query);
    while (true) {
      std::optional<absl::StatusOr<bool>> whole;
      remote_.ListThere(page.asked(), [&](absl::StatusOr<ListedThere> there) {
        whole = page.Take(*std::move(there), filter);
      });
      if (!whole->ok()) return whole->status();
      if (**whole) return page.TakePage();
    }
  }
  // Of all pages, with cursors as clients get them.
  std::map<std::string, uint64_t> All(const std::string& prefix,
                                      absl::FunctionRef<bool(absl::string_view)> permitted,
                                      size_t bytes_max = 1 << 20) {
    std::map<std::string, uint64_t> all;
    const Each filter(permitted);
    ListQuery query{.prefix = prefix, .bytes_max = bytes_max};
    std::string last;
    while (true) {
      const absl::StatusOr<ListPage> page = Page(query, filter);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) return all;
      for (const ListEntry& entry : page->entries) {
        EXPECT_GT(entry.uri, last) << "not in order";
        last = entry.uri;
        all[last] = entry.size;
      }
      if (page->cursor.empty()) return all;
      EXPECT_FALSE(page->entries.empty());
      EXPECT_LT(page->cursor, page->next);
      const std::string cursor = EncodeCursor(prefix, page->cursor, page->next);
      const absl::StatusOr<std::string> place =
          DecodeCursor(prefix, cursor, [&](const ListQuery& query) { return Page(query, filter); });
      EXPECT_TRUE(place.ok()) << place.status();
      query.cursor = *place;
    }
  }
  void Write(const std::string& name) {
    std::filesystem::create_directories(std::filesystem::path(scratch_.PathOf(name)).parent_path());
    scratch_.Write(name, "here");
  }
  static bool Everything(absl::string_view) { return true; }

  ListedRemote remote_;
  std::optional<Store> store_;
};

// This disk's own hides what is there; a copy does not, and is not told of where it is there no
// more.
TEST_F(ListThroughTest, WhoseNames) {
  remote_.uris = {"a", "both", "copied", "far/x//y", "z"};
  remote_.copies = {"copied", "gone"};
  for (const char* name : {"both", "copied", "gone", "own"}) Write(name);
  EXPECT_EQ(All("", Everything), (std::map<std::string, uint64_t>{{"a", 1000},
                                                                  {"both", 4},
                                                                  {"copied", 1000},
                                                                  {"far/x//y", 1000},
                                                                  {"own", 4},
                                                                  {"z", 1000}}));
}

// Any sets of names, any pages, any prefix, any rules.
TEST_F(ListThroughTest, AnyNames) {
  std::mt19937 random(1);
  const auto below = [&random](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  for (int round = 0; round < 60; ++round) {
    const std::string folder = absl::StrCat("r", round, "/");
    std::map<std::string, uint64_t> expected;
    remote_.uris.clear();
    remote_.copies.clear();
    remote_.page_entries = 1 + below(5);
    remote_.is_eager = below(2) == 0;
    for (size_t i = below(40); i > 0; --i) {
      std::string name = folder;
      for (size_t parts = 1 + below(3); parts > 0; --parts)
        absl::StrAppend(&name, std::string(1, static_cast<char>('a' + below(4))),
                        parts > 1 ? "/" : ".o");
      const size_t where = below(4);
      if (where != 0) remote_.uris.insert(name);
      if (where != 1) Write(name);
      if (where == 2) remote_.copies.insert(name);
    }
    const char denied = static_cast<char>('a' + below(8));
    const auto permitted = [&](absl::string_view uri) {
      return uri.size() <= folder.size() || uri[folder.size()] != denied;
    };
    // What is here, with the store's own eyes.
    const absl::StatusOr<ListPage> here = store_->List({.prefix = folder}, Each(permitted));
    ASSERT_TRUE(here.ok()) << here.status();
    for (const std::string& uri : remote_.uris)
      if (permitted(uri)) expected[uri] = 1000;
    for (const ListEntry& entry : here->entries)
      if (remote_.copies.count(entry.uri) == 0) expected[entry.uri] = entry.size;
    EXPECT_EQ(All(folder, permitted, /*bytes_max=*/1 + below(200)), expected) << round;
    EXPECT_EQ(All(folder, permitted), expected) << round;
  }
}

// Names as long as cursors are not, and with slashes that cursors use, too.
TEST_F(ListThroughTest, AwkwardCursors) {
  const std::string folder(900, 'f');
  for (int i = 0; i < 20; ++i) {
    remote_.uris.insert(absl::StrCat("x//", i));
    remote_.uris.insert(absl::StrCat("x//=", i));
    remote_.uris.insert(absl::StrCat(folder, "/", std::string(200, 'k'), i));
    remote_.uris.insert(absl::StrCat(std::string(1100, 'p'), "//#", i));
  }
  for (const std::string& prefix :
       {std::string(), std::string("x"), std::string("x//"), folder, std::string(1100, 'p')}) {
    size_t expected = 0;
    for (const std::string& uri : remote_.uris) expected += absl::StartsWith(uri, prefix) ? 1 : 0;
    for (const bool is_eager : {true, false}) {
      remote_.is_eager = is_eager;
      EXPECT_EQ(All(prefix, Everything).size(), expected) << prefix.substr(0, 9);
    }
  }
}

// What the rules hide is passed over by its folder, not name by name, and does not end a listing.
TEST_F(ListThroughTest, Hidden) {
  for (int i = 0; i < 1000; ++i) remote_.uris.insert(absl::StrCat("hidden/", 1000 + i));
  remote_.uris.insert("shown");
  class Hides : public ListFilter {
   public:
    bool Permits(absl::string_view uri) const override { return !absl::StartsWith(uri, "hidden/"); }
    std::optional<std::string> After(absl::string_view) const override { return "hidden0"; }
  };
  const absl::StatusOr<ListPage> page = Page({}, Hides());
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->entries.size(), 1u);
  EXPECT_EQ(page->entries[0].uri, "shown");
  EXPECT_LE(remote_.pages, 2);
}

}  // namespace
}  // namespace objmapper::storage
