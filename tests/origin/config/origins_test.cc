// Which line a URI is for, and which object it names there.
#include "origin/config/origins.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace objmapper::origin {
namespace {

using Code = absl::StatusCode;

constexpr char kFile[] =
    "# what is where\n"
    "\n"
    "/models        s3://models/v2   region=eu-west-1 immutable   # of two words\n"
    "  /models/old\ts3://attic\n"
    "/mirror        https://mirror.example/pub/\n"
    "/site          http://site.example\n"
    "/with\\040blank s3://blanks\n";

Origins Parse(absl::string_view text) {
  const absl::StatusOr<Origins> origins = Origins::Parse(text);
  EXPECT_TRUE(origins.ok()) << origins.status();
  return origins.ok() ? *origins : Origins();
}

// The longest prefix in whole components decides, and what is behind it is appended.
TEST(OriginsTest, WhereObjectsAre) {
  const Origins origins = Parse(kFile);
  EXPECT_EQ(origins.all().size(), 5u);
  const struct {
    std::string uri;
    const char* text;
  } kCases[] = {
      {"models/llama/7b.bin", "s3://models/v2/llama/7b.bin"},
      {"/models/llama/7b.bin", "s3://models/v2/llama/7b.bin"},
      {"///models/llama/7b.bin", "s3://models/v2/llama/7b.bin"},
      {"models/old/x", "s3://attic/x"},
      {"models/older", "s3://models/v2/older"},
      {"models", "s3://models/v2"},
      {"with blank/x", "s3://blanks/x"},
      {"mirror/a b/c", "https://mirror.example/pub/a%20b/c"},
      {"mirror", "https://mirror.example/pub"},
      {"site/x", "http://site.example/x"},
      // Keys that are no path.
      {"models/", "s3://models/v2/"},
      {"models//x", "s3://models/v2//x"},
      {"models/x/", "s3://models/v2/x/"},
      {"models/x//y", "s3://models/v2/x//y"},
      {"models/./x", "s3://models/v2/./x"},
      {"models/../x", "s3://models/v2/../x"},
      {"models/x/..", "s3://models/v2/x/.."},
      {"models/old//x", "s3://attic//x"},
      {"models/old//", "s3://attic//"},
      {"models/.objmapper-1", "s3://models/v2/.objmapper-1"},
      {"mirror//x//", "https://mirror.example/pub//x//"},
      {"site//", "http://site.example//"},
  };
  for (const auto& c : kCases) {
    const absl::StatusOr<Location> found = origins.Find(c.uri);
    ASSERT_TRUE(found.ok()) << c.uri << found.status();
    EXPECT_EQ(found->Text(), c.text) << c.uri;
  }
  EXPECT_EQ(origins.Find("models/a\nb")->Text(), "s3://models/v2/a\\x0ab");
  EXPECT_EQ(origins.Find("models/a\nb")->key, "v2/a\nb");
}

TEST(OriginsTest, WhereNoneAre) {
  const Origins origins = Parse(kFile);
  const struct {
    std::string uri;
    Code code;
    const char* why;
  } kCases[] = {
      {"other", Code::kNotFound, "\"other\": there is no origin"},
      {"", Code::kNotFound, "no origin"},
      {"/", Code::kNotFound, "no origin"},
      {"models2/x", Code::kNotFound, "no origin"},
      {"model", Code::kNotFound, "no origin"},
      {"./models/x", Code::kNotFound, "no origin"},
      {".//models/x", Code::kNotFound, "no origin"},
      {"models/old", Code::kFailedPrecondition, "a whole bucket"},
      {"models/old/", Code::kFailedPrecondition, "a whole bucket"},
      {"site", Code::kFailedPrecondition, "a whole server"},
      {"site/", Code::kFailedPrecondition, "a whole server"},
      {"mirror/../x", Code::kPermissionDenied, "\"..\""},
      {"mirror/x/..", Code::kPermissionDenied, "\"..\""},
      {"mirror/./x", Code::kPermissionDenied, "\"..\""},
      {std::string("models/x\0y", 10), Code::kInvalidArgument, "NUL"},
      {"models/" + std::string(1022, 'k'), Code::kOutOfRange, "1024"},
  };
  for (const auto& c : kCases) {
    const absl::Status status = origins.Find(c.uri).status();
    EXPECT_EQ(status.code(), c.code) << c.uri;
    EXPECT_TRUE(absl::StrContains(status.message(), c.why)) << status;
  }
  EXPECT_EQ(origins.Find("models/" + std::string(1021, 'k'))->key.size(), 1024u);
  EXPECT_EQ(Origins().Find("x").status().code(), Code::kNotFound);
}

// "/" is for what no other line is for; slashes in front of a URI are no key's.
TEST(OriginsTest, TheWholeNameSpace) {
  const Origins origins = Parse("/ s3://all\n/models s3://models\n");
  EXPECT_EQ(origins.Find("x/y")->Text(), "s3://all/x/y");
  EXPECT_EQ(origins.Find("/x")->Text(), "s3://all/x");
  EXPECT_EQ(origins.Find("//x")->Text(), "s3://all/x");
  EXPECT_EQ(origins.Find("//models/x")->Text(), "s3://models/x");
  EXPECT_EQ(origins.Find("models/x")->Text(), "s3://models/x");
  EXPECT_EQ(origins.Find("modelsx")->Text(), "s3://all/modelsx");
  EXPECT_EQ(origins.Find("").status().code(), Code::kFailedPrecondition);

  const absl::StatusOr<Origins> flag = Origins::OfFlag("s3://all/p endpoint=http://h:7480");
  ASSERT_TRUE(flag.ok()) << flag.status();
  EXPECT_EQ(flag->Find("x")->Text(), "s3://all/p/x");
  EXPECT_EQ(flag->Find("")->key, "p/");
  EXPECT_EQ(flag->all().size(), 1u);
  EXPECT_FALSE(Origins::OfFlag("").ok());
  EXPECT_FALSE(Origins::OfFlag("/models s3://models").ok());
}

// A key of a listing has the URI that finds it; keys that another line hides have none.
TEST(OriginsTest, NamesOfListedKeys) {
  const Origins origins =
      Parse("/ s3://all\n/models s3://models/v2\n/models/old s3://attic\n/deep http://h/\n");
  const struct {
    const char* prefix;
    const char* key;
    const char* uri;  // null: none
  } kCases[] = {
      {"", "x/y", "x/y"},
      {"", "/x", nullptr},
      {"", "//x", nullptr},
      {"", "x/", "x/"},
      {"", "../x", "../x"},
      {"", "models/x", nullptr},
      {"", "models", nullptr},
      {"", "", nullptr},
      {"models", "v2/x", "models/x"},
      {"models", "v2", "models"},
      {"models", "v2/", "models/"},
      {"models", "v2//x", "models//x"},
      {"models", "v2x", nullptr},
      {"models", "v3/x", nullptr},
      {"models", "v2/old/x", nullptr},
      {"models", "v2/old", nullptr},
      {"models/old", "x", "models/old/x"},
      {"models/old", "/x", "models/old//x"},
      {"deep", "x", nullptr},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(absl::StrCat(c.prefix, " ", c.key));
    const Origin* origin = nullptr;
    for (const auto& candidate : origins.all()) {
      if (candidate->prefix == c.prefix) origin = candidate.get();
    }
    ASSERT_NE(origin, nullptr);
    const std::optional<std::string> uri = origins.UriOf(*origin, c.key);
    ASSERT_EQ(uri.has_value(), c.uri != nullptr);
    if (!uri.has_value()) continue;
    EXPECT_EQ(*uri, c.uri);
    EXPECT_EQ(origins.Find(*uri)->key, c.key);
  }
  const Origins own = Parse("/ s3://all/p");
  EXPECT_EQ(own.UriOf(*own.all()[0], "p/x"), "x");
  EXPECT_EQ(own.UriOf(*own.all()[0], "p//x"), std::nullopt);
  EXPECT_EQ(own.UriOf(*own.all()[0], "p"), std::nullopt);
}

// In the order of the URIs a line's prefix and what is below it are two stretches, with another
// line's between them.
TEST(OriginsTest, Stretches) {
  const Origins origins = Parse("/ s3://all\n/a s3://upper\n/a/b s3://lower\n");
  std::vector<std::pair<std::string, std::string>> stretches;  // where each begins, and whose it is
  std::optional<std::string> place = "";
  while (place.has_value()) {
    const Origins::Stretch stretch = origins.StretchAt(*place);
    ASSERT_NE(stretch.origin, nullptr);
    EXPECT_EQ(stretch.origin.get(), origins.LineOf(*place)) << *place;
    ASSERT_TRUE(!stretch.end.has_value() || *stretch.end > *place);
    if (stretches.empty() || stretches.back().second != stretch.origin->prefix)
      stretches.emplace_back(*place, stretch.origin->prefix);
    place = stretch.end;
  }
  const std::string nul(1, '\0');
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"", ""},           {"a", "a"},      {"a" + nul, ""}, {"a/", "a"}, {"a/b", "a/b"},
      {"a/b" + nul, "a"}, {"a/b/", "a/b"}, {"a/b0", "a"},   {"a0", ""}};
  EXPECT_EQ(stretches, expected);
  EXPECT_EQ(Parse("/a s3://upper").StretchAt("").origin, nullptr);

  const auto meeting = [&origins](absl::string_view prefix) {
    std::vector<std::string> prefixes;
    for (const auto& origin : origins.Meeting(prefix)) prefixes.push_back(origin->prefix);
    return prefixes;
  };
  using Prefixes = std::vector<std::string>;
  EXPECT_EQ(meeting(""), (Prefixes{"", "a", "a/b"}));
  EXPECT_EQ(meeting("a"), (Prefixes{"", "a", "a/b"}));
  EXPECT_EQ(meeting("a/"), (Prefixes{"a", "a/b"}));
  EXPECT_EQ(meeting("a/b/c"), Prefixes{"a/b"});
  EXPECT_EQ(meeting("b"), Prefixes{""});
}

// An error names the line and what is wrong with it, and nothing that may be a password.
TEST(OriginsTest, NonsenseIsNamedWithItsLine) {
  const std::pair<const char*, const char*> kCases[] = {
      {"/models", "line 1: there is no URL"},
      {"\n\nmodels s3://models", "line 3: \"models\" is not a path"},
      {"/a/../b s3://models", "line 1: \"/a/../b\" is not a path"},
      {"/a s3://models\n/b s3://models\n//a/ s3://other", "line 3: an earlier line has the same"},
      {"/a s3://models revalidate=x", "line 1: revalidate=\"x\" is not"},
      {"https://user:secret@h/", "line 1: before the URL there is no prefix"},
      {"/a https://user:secret@h/", "line 1: the URL cannot be an origin's"},
      {"/a s3://models\r\n/b h\r\n", "line 2: an origin begins with s3://"},
  };
  for (const auto& [text, why] : kCases) {
    const absl::Status status = Origins::Parse(text).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << text;
    EXPECT_TRUE(absl::StartsWith(status.message(), why)) << status;
    EXPECT_FALSE(absl::StrContains(status.message(), "secret")) << status;
  }
}

// What a location points to outlives the table, which may be replaced while it is fetched.
TEST(OriginsTest, LocationsOutliveTheTable) {
  absl::StatusOr<Location> found = Parse(kFile).Find("models/x");
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->origin->region, "eu-west-1");
}

TEST(OriginsTest, Files) {
  const std::string path = testing::TempDir() + "origins_" + std::to_string(getpid());
  std::ofstream(path) << kFile;
  EXPECT_EQ(Origins::Load(path)->all().size(), 5u);
  std::ofstream(path) << "/a nothing";
  const absl::Status broken = Origins::Load(path).status();
  EXPECT_TRUE(absl::StartsWith(broken.message(), absl::StrCat(path, ": line 1: "))) << broken;
  unlink(path.c_str());
  const absl::Status missing = Origins::Load(path).status();
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_TRUE(absl::StrContains(missing.message(), path)) << missing;
}

}  // namespace
}  // namespace objmapper::origin
