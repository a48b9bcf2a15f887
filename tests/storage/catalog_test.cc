// The catalog holds what was settled last, in the order of bytes, within its memory.
#include "storage/catalog/catalog.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

namespace objmapper::storage {
namespace {

using Entry = Catalog::Entry;

class CatalogTest : public testing::Test {
 protected:
  void Put(absl::string_view uri, Entry entry = {}) {
    ASSERT_TRUE(catalog_.Settle(uri, catalog_.Before(uri), entry));
  }
  void Erase(absl::string_view uri) {
    ASSERT_TRUE(catalog_.Settle(uri, catalog_.Before(uri), std::nullopt));
  }
  std::vector<std::string> All(absl::string_view prefix = "", absl::string_view after = "") const {
    std::vector<std::string> uris;
    catalog_.ForEach(prefix, after, [&](const Catalog::Object& object) {
      uris.push_back(object.uri);
      return true;
    });
    return uris;
  }
  // "name" or "name/", all of them, taken `max` at a time.
  std::vector<std::string> ChildrenOf(absl::string_view directory, size_t max) const {
    std::vector<std::string> names;
    std::string position;
    while (true) {
      const std::vector<Catalog::Child> children = catalog_.Children(directory, max, &position);
      if (children.empty()) return names;
      EXPECT_LE(children.size(), max);
      for (const Catalog::Child& child : children)
        names.push_back(child.name + (child.directory ? "/" : ""));
    }
  }

  Catalog catalog_;
};

using Names = std::vector<std::string>;

// What was settled last is there, and the totals are those of what is there.
TEST_F(CatalogTest, HoldsWhatWasSettledLast) {
  Put("a", {.size = 10, .mtime_s = 5, .used_s = 7});
  Put("b", {.size = 20});
  Put("a", {.size = 3, .mtime_s = 6, .used_s = 4});
  ASSERT_TRUE(catalog_.Find("a").has_value());
  EXPECT_EQ(catalog_.Find("a")->size, 3u);
  EXPECT_EQ(catalog_.Find("a")->mtime_s, 6);
  EXPECT_EQ(catalog_.Find("a")->used_s, 7u) << "the later use stays";
  EXPECT_EQ(catalog_.objects(), 2u);
  EXPECT_EQ(catalog_.bytes(), 23u);
  Erase("a");
  Erase("never there");
  EXPECT_FALSE(catalog_.Find("a").has_value());
  EXPECT_EQ(catalog_.objects(), 1u);
  EXPECT_EQ(catalog_.bytes(), 20u);
}

// Objects come in the order of their bytes, which are unsigned, whatever order they came in; a name
// is before what it begins.
TEST_F(CatalogTest, IsInTheOrderOfBytes) {
  for (const char* uri : {"b/c", "\xff", "a/b", "a-b", "a0", "b", "a", "a/b/c"}) Put(uri);
  EXPECT_EQ(All(), (Names{"a", "a-b", "a/b", "a/b/c", "a0", "b", "b/c", "\xff"}));
  EXPECT_EQ(All("a/"), (Names{"a/b", "a/b/c"}));
  EXPECT_EQ(All("a", "a-b"), (Names{"a/b", "a/b/c", "a0"}));
  EXPECT_EQ(All("a/", "a"), (Names{"a/b", "a/b/c"}))
      << "a place before the prefix is its beginning";
  EXPECT_EQ(All("a/", "b"), Names{});
  EXPECT_EQ(All("c"), Names{});
}

// A visit goes on from slice to slice without missing or repeating one, and ends where it is told
// to.
TEST_F(CatalogTest, VisitsManyExactlyOnce) {
  std::set<std::string> wanted;
  for (int i = 0; i < 5000; ++i) {
    const std::string uri = absl::StrCat("d", i % 7, "/", i);
    Put(uri);
    wanted.insert(uri);
  }
  EXPECT_EQ(All(), Names(wanted.begin(), wanted.end()));
  int visits = 0;
  catalog_.ForEach("", "", [&](const Catalog::Object&) { return ++visits < 300; });
  EXPECT_EQ(visits, 300);
}

// What is not touched while a visit goes on is visited once, although its neighbours come and go.
TEST_F(CatalogTest, VisitsWhatStaysWhileOthersChange) {
  std::set<std::string> staying;
  for (int i = 0; i < 3000; ++i) {
    staying.insert(absl::StrCat("s/", i, "+"));
    Put(absl::StrCat("s/", i, "+"));
  }
  std::atomic<bool> stop{false};
  std::thread changer([&] {
    for (int i = 0; !stop; i = (i + 1) % 3000) {
      const std::string uri = absl::StrCat("s/", i);
      catalog_.Settle(uri, catalog_.Before(uri), Entry{});
      catalog_.Settle(uri, catalog_.Before(uri), std::nullopt);
    }
  });
  for (int round = 0; round < 20; ++round) {
    Names seen;
    std::string last;
    for (const std::string& uri : All("s/")) {
      EXPECT_LT(last, uri);
      last = uri;
      if (uri.back() == '+') seen.push_back(uri);
    }
    EXPECT_EQ(seen, Names(staying.begin(), staying.end()));
  }
  stop = true;
  changer.join();
}

// Who asked the disk before another one settled the name is refused; who asked afterwards is not.
TEST_F(CatalogTest, RefusesWhatIsOlderThanItKnows) {
  const Catalog::Ticket early = catalog_.Before("a");
  Put("a", {.size = 2});
  EXPECT_FALSE(catalog_.Settle("a", early, Entry{.size = 1}));
  EXPECT_FALSE(catalog_.Settle("a", early, std::nullopt));
  EXPECT_EQ(catalog_.Find("a")->size, 2u);
  std::vector<std::string> again;
  catalog_.SettleAll({{{"a", {.size = 1}}, early}, {{"b", {.size = 5}}, catalog_.Before("b")}},
                     &again);
  EXPECT_EQ(again, Names{"a"});
  EXPECT_EQ(catalog_.Find("a")->size, 2u);
  EXPECT_EQ(catalog_.Find("b")->size, 5u);
}

// Objects of one batch never refuse each other, though they share counts.
TEST_F(CatalogTest, ABatchSettlesWhole) {
  std::vector<Catalog::Looked> batch;
  for (int i = 0; i < 100; ++i) {
    Catalog::Looked looked;
    looked.object.uri = absl::StrCat("x", i);
    looked.ticket = catalog_.Before(looked.object.uri);
    batch.push_back(looked);
  }
  std::vector<std::string> again;
  catalog_.SettleAll(batch, &again);
  EXPECT_EQ(again, Names{});
  EXPECT_EQ(catalog_.objects(), 100u);
}

// The names in a directory are told once each, without what lies below them, in pieces of any size.
TEST_F(CatalogTest, TellsADirectorysNames) {
  for (const char* uri : {"a/x", "a/y/1", "a/y/2", "a/y/z/3", "a/y-", "a/y0", "a/z", "b", "c/d/e"})
    Put(uri);
  for (size_t max : {1, 2, 3, 100}) {
    EXPECT_EQ(ChildrenOf("", max), (Names{"a/", "b", "c/"}));
    EXPECT_EQ(ChildrenOf("a/", max), (Names{"x", "y-", "y/", "y0", "z"}));
    EXPECT_EQ(ChildrenOf("a/y/", max), (Names{"1", "2", "z/"}));
    EXPECT_EQ(ChildrenOf("nowhere/", max), Names{});
  }
}

// Those that expire are known in their order, through replacement and deletion.
TEST_F(CatalogTest, KnowsWhatExpires) {
  EXPECT_EQ(catalog_.Expired(UINT32_MAX, 1), Names{});
  Put("never");
  Put("late", {.expires_s = 300});
  Put("soon", {.expires_s = 100});
  Put("then", {.expires_s = 200});
  EXPECT_EQ(catalog_.Expired(100, 10), Names{"soon"});
  EXPECT_EQ(catalog_.Expired(99, 10), Names{});
  EXPECT_EQ(catalog_.Expired(250, 10), (Names{"soon", "then"}));
  EXPECT_EQ(catalog_.Expired(1000, 1), Names{"soon"});
  Put("soon");                      // replaced by one that stays
  Put("then", {.expires_s = 400});  // and by one that stays longer
  EXPECT_EQ(catalog_.Expired(299, 1), Names{});
  EXPECT_EQ(catalog_.Expired(300, 1), Names{"late"});
  Erase("late");
  EXPECT_EQ(catalog_.Expired(1000, 10), Names{"then"});
  Erase("then");
  EXPECT_EQ(catalog_.Expired(UINT32_MAX, 1), Names{});
}

// A use is remembered if it is the latest, and makes no object.
TEST_F(CatalogTest, RemembersTheLatestUse) {
  Put("a", {.used_s = 10});
  catalog_.Touch("a", 20);
  catalog_.Touch("a", 15);
  catalog_.Touch("b", 15);
  EXPECT_EQ(catalog_.Find("a")->used_s, 20u);
  EXPECT_FALSE(catalog_.Find("b").has_value());
}

TEST(ToSeconds32Test, ClampsToWhatFits) {
  EXPECT_EQ(ToSeconds32(-1), 0u);
  EXPECT_EQ(ToSeconds32(1'700'000'000), 1'700'000'000u);
  EXPECT_EQ(ToSeconds32(int64_t{1} << 40), 0xffffffffu);
}

// Who passes over what he has no use for sees all else once, wherever what he passes over ends.
TEST_F(CatalogTest, PassesOverWhatIsNotWanted) {
  for (int i = 0; i < 1000; ++i) {
    Put(absl::StrCat("a/", 1000 + i));
    Put(absl::StrCat("b/", 1000 + i));
  }
  Put("c");
  for (const char* from : {"a/1001", "a/1128", "a/1500", "b/1000", "b0", "c", "d"}) {
    SCOPED_TRACE(from);
    std::vector<std::string> seen;
    catalog_.ForEachFrom("", "", [&](const Catalog::Object& object, std::string* next) {
      seen.push_back(object.uri);
      if (object.uri == "a/1000") *next = from;
      return true;
    });
    std::vector<std::string> wanted = All();
    wanted.erase(std::remove_if(wanted.begin() + 1, wanted.end(),
                                [&](const std::string& uri) { return uri < from; }),
                 wanted.end());
    EXPECT_EQ(seen, wanted);
  }
}

// It takes no more memory than it may: what is too much is left out, and then it is not complete.
// What is known can change.
TEST(CatalogRoomTest, LeavesOutWhatIsTooMuch) {
  Catalog catalog(/*memory_max=*/10'000);
  const auto put = [&](const std::string& uri, uint64_t size) {
    Catalog::Entry entry;
    entry.size = size;
    EXPECT_TRUE(catalog.Settle(uri, catalog.Before(uri), entry));
  };
  catalog.SetComplete();
  int stored = 0;
  while (catalog.HasRoomFor(absl::StrCat("object", stored)))
    put(absl::StrCat("object", stored++), 1);
  EXPECT_GT(stored, 50);
  EXPECT_TRUE(catalog.complete());
  put("one more", 1);
  EXPECT_TRUE(catalog.left_out());
  EXPECT_FALSE(catalog.complete());
  EXPECT_EQ(catalog.objects(), static_cast<uint64_t>(stored));
  EXPECT_LE(catalog.memory(), 10'000u);
  EXPECT_FALSE(catalog.HasRoomAgain());
  EXPECT_TRUE(catalog.HasRoomFor("object0"));
  put("object0", 77);
  EXPECT_EQ(catalog.Find("object0")->size, 77u);
  for (int i = 0; i < stored; ++i) {
    const std::string uri = absl::StrCat("object", i);
    EXPECT_TRUE(catalog.Settle(uri, catalog.Before(uri), std::nullopt));
  }
  EXPECT_TRUE(catalog.HasRoomAgain());
  EXPECT_EQ(catalog.memory(), 0u);
}

// An object with holes counts as what it takes.
TEST_F(CatalogTest, HolesDoNotCount) {
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, uint64_t{4096}, uint64_t{262143},
                               uint64_t{262145}, uint64_t{123'456'789'012}}) {
    Entry entry;
    entry.size = uint64_t{15} << 40;
    entry.SetTaken(bytes);
    EXPECT_GE(entry.taken(), bytes);
    EXPECT_LE(entry.taken(), bytes + bytes / 100'000);
    Put("sparse", entry);
    EXPECT_EQ(catalog_.bytes(), entry.taken());
    EXPECT_EQ(catalog_.Find("sparse")->size, uint64_t{15} << 40);
  }
  Entry whole;
  whole.size = 1000;
  whole.SetTaken(4096);
  EXPECT_EQ(whole.taken(), 1000u);
  Put("sparse", whole);
  EXPECT_EQ(catalog_.bytes(), 1000u);
  Erase("sparse");
  EXPECT_EQ(catalog_.bytes(), 0u);
}

}  // namespace
}  // namespace objmapper::storage
