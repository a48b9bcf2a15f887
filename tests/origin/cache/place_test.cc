// Places of URIs: no two share one, and none leads elsewhere.
#include "origin/cache/place.h"

#include <gtest/gtest.h>
#include <limits.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "storage/tree/reserved_name.h"

namespace objmapper::origin {
namespace {

// What the kernel would read as another name, or does not take, is no path.
TEST(PlaceTest, TellsPathsFromOtherKeys) {
  for (const std::string& uri :
       {std::string("a"), std::string("a/b"), std::string("/a"), std::string("a/...b"),
        std::string("\xff\n"), std::string(NAME_MAX, 'a'), std::string("a/.objmapper"),
        std::string("a b%2F")}) {
    EXPECT_TRUE(IsPath(uri)) << uri;
  }
  std::string deep = "a";
  for (int i = 0; i < 300; ++i) deep += "/a";
  for (const std::string& uri :
       {std::string(""), std::string("/"), std::string("x//y"), std::string("x/"),
        std::string("x/./y"), std::string("./x"), std::string("x/.."), std::string("../x"),
        std::string("."), std::string(".."), std::string(NAME_MAX + 1, 'a'), std::string("a\0b", 3),
        std::string(".objmapper-origin/whole/ua"), std::string("a/.objmapper-1/b"), deep}) {
    EXPECT_FALSE(IsPath(uri)) << uri;
  }
}

// Every name is one component of a reserved folder, and tells its URI where that is short.
TEST(PlaceTest, NamesAreReadable) {
  EXPECT_EQ(EncodedName("x//y"), "ux%2F%2Fy");
  EXPECT_EQ(EncodedName("../a b"), "u..%2Fa%20b");
  EXPECT_EQ(EncodedName("///a"), EncodedName("a"));
  EXPECT_EQ(EncodedPlace("x/"), ".objmapper-origin/whole/ux%2F");
  EXPECT_TRUE(storage::HasReservedName(EncodedPlace("a")));
  EXPECT_EQ(DecodedName("ux%2F%2Fy"), "x//y");
  EXPECT_EQ(EncodedName(std::string(254, 'a')).size(), 255u);
  EXPECT_EQ(EncodedName(std::string(255, 'a')).front(), 'd');
}

// What EncodedName() has not written stands for nothing: so no URI has two names.
TEST(PlaceTest, KnowsItsOwnNames) {
  for (const std::string& name :
       {std::string(""), std::string("x"), std::string("u%2f"), std::string("u%"),
        std::string("u%4"), std::string("u%41"), std::string("u/"), std::string("u%2Fa"),
        EncodedName(std::string(999, 'a')), absl::StrCat("u", std::string(300, 'a'))}) {
    EXPECT_EQ(DecodedName(name), std::nullopt) << name;
  }
}

// Different URIs have different names, and short ones can be told from their names.
TEST(PlaceTest, IsInjective) {
  const std::vector<std::string> pieces = {"a",
                                           "A",
                                           "/",
                                           "//",
                                           ".",
                                           "..",
                                           "%",
                                           "%2F",
                                           "u",
                                           "d",
                                           "\n",
                                           "\xff",
                                           std::string(1, '\0'),
                                           std::string(90, 'l')};
  std::mt19937_64 random(20);
  std::set<std::string> uris, names, parts;
  for (int i = 0; i < 20'000; ++i) {
    std::string uri = "b";  // slashes at the front mean nothing
    for (uint64_t n = random() % 6; n > 0; --n) uri += pieces[random() % pieces.size()];
    uris.insert(uri);
    const std::string name = EncodedName(uri);
    EXPECT_LE(name.size(), size_t{NAME_MAX});
    EXPECT_FALSE(absl::StrContains(name, '/'));
    EXPECT_FALSE(absl::StrContains(name, std::string(1, '\0')));
    EXPECT_NE(name, "..");
    if (name.front() == 'u') {
      EXPECT_EQ(DecodedName(name), uri);
    }
    names.insert(name);
    parts.insert(PartName(uri));
  }
  EXPECT_EQ(names.size(), uris.size());
  EXPECT_EQ(parts.size(), uris.size());
}

}  // namespace
}  // namespace objmapper::origin
