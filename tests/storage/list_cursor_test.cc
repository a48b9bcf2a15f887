// A cursor fits its fields and says its place exactly, whatever the names are.
#include "storage/store/list_cursor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace objmapper::storage {
namespace {

using Uris = std::set<std::string>;

// Pages of three, as Store::List() makes them.
absl::StatusOr<ListPage> PageOf(const Uris& uris, const ListQuery& query) {
  ListPage page;
  for (const std::string& uri : uris) {
    if (!absl::StartsWith(uri, query.prefix) || uri <= query.cursor) continue;
    if (page.entries.size() == 3) {
      page.cursor = page.entries.back().uri;
      page.next = uri;
      break;
    }
    page.entries.push_back({uri, 0, 0});
  }
  return page;
}

absl::StatusOr<std::string> Decode(const Uris& uris, absl::string_view prefix,
                                   absl::string_view cursor) {
  return DecodeCursor(prefix, cursor, [&](const ListQuery& query) { return PageOf(uris, query); });
}

// Names of all lengths up to the most, with folders in common or not, of any bytes but NUL.
Uris SomeUris(std::mt19937* random) {
  const auto below = [random](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(*random);
  };
  std::string common;
  for (size_t bytes = below(4000); common.size() < bytes;)
    absl::StrAppend(&common, std::string(1 + below(250), 'c'), "/");
  Uris uris;
  for (size_t i = 0; i < 12; ++i) {
    std::string uri = common.substr(
        0, below(2) == 0 ? common.size() : common.find('/', below(common.size() + 1)));
    if (uri.size() < common.size() && !absl::EndsWith(uri, "/")) uri += '/';
    if (absl::StartsWith(uri, "/")) uri = "";
    for (size_t bytes = below(std::min<size_t>(4095 - std::min<size_t>(uri.size(), 4090), 250)) + 1;
         bytes > 0; --bytes) {
      const char byte = static_cast<char>(1 + below(255));
      uri += byte == '/' || below(2) == 0 ? 'x' : byte;
    }
    uris.insert(uri.substr(0, 4095));
  }
  return uris;
}

// Between any two neighbours, for any prefix of both: it fits, all that was listed is behind it and
// all that comes is before it; also when all has gone that had been listed, as long as what comes
// is there.
TEST(ListCursorTest, SaysThePlace) {
  std::mt19937 random(1);
  for (int round = 0; round < 400; ++round) {
    const Uris uris = SomeUris(&random);
    for (auto last = uris.begin(), next = std::next(last); next != uris.end(); ++last, ++next) {
      const size_t common = static_cast<size_t>(
          std::mismatch(last->begin(), last->end(), next->begin(), next->end()).first -
          last->begin());
      for (const size_t bytes : {size_t{0}, size_t{1}, common / 2, common, size_t{1020},
                                 size_t{1021}, size_t{1022}, size_t{3000}}) {
        if (bytes > common) continue;
        const std::string prefix = last->substr(0, bytes);
        const std::string cursor = EncodeCursor(prefix, *last, *next);
        ASSERT_FALSE(cursor.empty());
        ASSERT_LE(cursor.size(), 1021u);
        ASSERT_LE(prefix.size() + 1 + cursor.size(), 4096u) << prefix.size() << " " << last->size();
        const Uris left(next, uris.end());
        for (const Uris* there : {&uris, &left}) {
          const absl::StatusOr<std::string> place = Decode(*there, prefix, cursor);
          ASSERT_TRUE(place.ok()) << place.status();
          EXPECT_LE(*last, *place);
          EXPECT_GT(*next, *place);
        }
      }
    }
  }
}

// Short names are told as they are: what servers before told, which a client may still have.
TEST(ListCursorTest, ShortNamesAreTheirOwnCursors) {
  EXPECT_EQ(EncodeCursor("a", "ab", "ac"), "ab");
  EXPECT_EQ(*Decode({}, "a", "ab"), "ab");
  EXPECT_EQ(*Decode({}, "", ""), "");
}

// The object that a long prefix itself names has a place too.
TEST(ListCursorTest, TheObjectOfThePrefix) {
  const std::string prefix(4094, 'p');
  const std::string cursor = EncodeCursor(prefix, prefix, prefix + "\x01");
  EXPECT_EQ(cursor.size(), 1u);
  const absl::StatusOr<std::string> place = Decode({}, prefix, cursor);
  ASSERT_TRUE(place.ok());
  EXPECT_GE(*place, prefix);
  EXPECT_LT(*place, prefix + "\x01");
}

// Where all has gone that is beside the place, the client is told to begin anew, rather than
// anything wrong.
TEST(ListCursorTest, APlaceThatHasGone) {
  const std::string deep(2000, 'd');
  const std::string cursor = EncodeCursor("", deep + "a", deep + "b");
  EXPECT_EQ(Decode({}, "", cursor).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Decode({deep + "c"}, "", cursor).ok());
}

}  // namespace
}  // namespace objmapper::storage
