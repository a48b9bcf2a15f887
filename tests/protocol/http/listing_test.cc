// Names of strangers on a page, in links, and in JSON.
#include "protocol/http/listing.h"

#include <gtest/gtest.h>
#include <stdio.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "protocol/http/listing_page.h"

namespace objmapper::protocol::http {
namespace {

constexpr int64_t kTime = 1'795'687'201;  // 2026-11-26 10:00:01 UTC

// What is added for one entry, beside what stands around all.
std::string Added(bool json, const ListingEntry& entry) {
  ListingBody body(json, "");
  std::string text;
  body.Begin(&text);
  const size_t begin = text.size();
  body.Add(entry, &text);
  return text.substr(begin);
}
std::string Row(absl::string_view name, bool is_folder = false, uint64_t size = 1) {
  return Added(/*json=*/false, {name, is_folder, size, kTime});
}
std::string Json(absl::string_view name) { return Added(/*json=*/true, {name, false, 7, kTime}); }
std::string Whole(bool json, absl::string_view folder, const std::vector<ListingEntry>& entries) {
  ListingBody body(json, folder);
  std::string text;
  body.Begin(&text);
  for (const ListingEntry& entry : entries) body.Add(entry, &text);
  body.End(&text);
  return text;
}

// A link leads to the very name, and what is shown is nothing but text.
TEST(ListingTest, NamesOnAPage) {
  const struct {
    std::string name, link, shown;
  } kCases[] = {
      {"plain-1_2.3~x", "plain-1_2.3~x", "plain-1_2.3~x"},
      {"<b>&\"'", "%3Cb%3E%26%22%27", "&lt;b&gt;&amp;&quot;&#39;"},
      {"a b%20?c#d", "a%20b%2520%3Fc%23d", "a b%20?c#d"},
      {"a\nb\rc\td\x1b", "a%0Ab%0Dc%09d%1B", "a%0Ab%0Dc%09d%1B"},
      {"caf\xC3\xA9", "caf%C3%A9", "caf\xC3\xA9"},
      {"caf\xE9!", "caf%E9%21", "caf%E9!"},
      // turns what follows around; has no width
      {"\xE2\x80\xAE"
       "txt",
       "%E2%80%AEtxt", "%E2%80%AEtxt"},
      {"a\xE2\x80\x8B"
       "b",
       "a%E2%80%8Bb", "a%E2%80%8Bb"},
      {"javascript:alert(1)", "javascript%3Aalert%281%29", "javascript:alert(1)"},
      {"\\\\host", "%5C%5Chost", "\\\\host"},
  };
  for (const auto& each : kCases) {
    EXPECT_TRUE(absl::StrContains(Row(each.name),
                                  absl::StrCat("<a href=\"", each.link, "\">", each.shown, "</a>")))
        << Row(each.name);
    EXPECT_TRUE(
        absl::StrContains(Row(each.name, /*is_folder=*/true),
                          absl::StrCat("<a href=\"", each.link, "/\">", each.shown, "/</a>")))
        << Row(each.name, true);
  }
}

TEST(ListingTest, NamesInJson) {
  const auto name = [](absl::string_view raw) {
    std::string text = Json(raw);
    EXPECT_TRUE(absl::StrContains(text, "\", \"type\":\"file\"")) << text;
    return text.substr(0, text.find("\", \"type"));
  };
  EXPECT_EQ(name("a b%20?#<>&'"), "\r\n{ \"name\":\"a b%20?#<>&'");
  EXPECT_EQ(name("\"\\"), "\r\n{ \"name\":\"\\\"\\\\");
  EXPECT_EQ(name("\n\x01\x7f"), "\r\n{ \"name\":\"\\u000a\\u0001\\u007f");
  EXPECT_EQ(name("caf\xC3\xA9 \xE2\x80\xAE"), "\r\n{ \"name\":\"caf\xC3\xA9 \xE2\x80\xAE");
  EXPECT_EQ(name("caf\xE9 \xC0\xAF"), "\r\n{ \"name\":\"caf%E9 %C0%AF");
}

// As nginx writes it.
TEST(ListingTest, JsonIsAnArray) {
  EXPECT_EQ(Whole(true, "a/", {}), "[\r\n]");
  EXPECT_EQ(
      Whole(true, "a/", {{"sub", true, 0, kTime}, {"b", false, 12, 0}}),
      "[\r\n"
      "{ \"name\":\"sub\", \"type\":\"directory\", \"mtime\":\"Thu, 26 Nov 2026 10:00:01 GMT\" "
      "},\r\n"
      "{ \"name\":\"b\", \"type\":\"file\", \"mtime\":\"Thu, 01 Jan 1970 00:00:00 GMT\", "
      "\"size\":12 }\r\n]");
}

TEST(ListingTest, Sizes) {
  const struct {
    uint64_t bytes;
    const char* cell;
  } kCases[] = {
      {0, "<td title=\"0 bytes\">0 B<"},
      {1, "<td title=\"1 byte\">1 B<"},
      {1023, "<td title=\"1023 bytes\">1023 B<"},
      {1024, "<td title=\"1024 bytes\">1.0 KiB<"},
      {1536, "<td title=\"1536 bytes\">1.5 KiB<"},
      {1048575, "<td title=\"1048575 bytes\">1.0 MiB<"},
      {uint64_t{5} << 30, "<td title=\"5368709120 bytes\">5.0 GiB<"},
      {UINT64_MAX, "<td title=\"18446744073709551615 bytes\">16.0 EiB<"},
  };
  for (const auto& each : kCases)
    EXPECT_TRUE(absl::StrContains(Row("a", false, each.bytes), each.cell)) << each.cell;
  EXPECT_FALSE(absl::StrContains(Row("a", /*is_folder=*/true), "title="));
}

TEST(ListingTest, Times) {
  EXPECT_TRUE(absl::StrContains(Row("a"), "<td>2026-11-26 10:00:01\n"));
  for (const int64_t strange : {INT64_MIN, INT64_MAX}) {
    for (const bool json : {false, true})
      EXPECT_TRUE(
          absl::StrContains(Added(json, {"a", false, 1, strange}), strange < 0 ? "0000" : "9999"));
  }
}

// Each folder on the way is a link, by steps up, so that it holds wherever the tree is mounted.
TEST(ListingTest, Way) {
  const auto way = [](absl::string_view folder) {
    const std::string page = Whole(false, folder, {});
    const size_t begin = page.find("<h1>") + 4;
    return page.substr(begin, page.find("</h1>") - begin);
  };
  EXPECT_EQ(way(""), "<a href=\"./\">/</a>");
  EXPECT_EQ(way("a/<b>/"),
            "<a href=\"../../\">/</a><a href=\"../\">a/</a><a href=\"./\">&lt;b&gt;/</a>");
  EXPECT_EQ(way("a//b/"),
            "<a href=\"../../../\">/</a><a href=\"../../\">a/</a><a href=\"./\">b/</a>");
  EXPECT_EQ(way("a//"), "<a href=\"../../\">/</a><a href=\"../\">a/</a>");
}

TEST(ListingTest, TellsTheSum) {
  EXPECT_TRUE(absl::StrContains(Whole(false, "", {}), "<p>This folder is empty.</p>"));
  EXPECT_TRUE(
      absl::StrContains(Whole(false, "", {{"a", true}, {"b", false, 1024}, {"c", false, 1}}),
                        "<p>1 folder, 2 objects, 1.0 KiB</p>"));
  EXPECT_TRUE(absl::StrContains(Whole(false, "</title><script>alert(1)</script>/", {}),
                                "<title>/&lt;/title&gt;&lt;script&gt;"));
}

// The policy lets the page's own style and script run: by what sha256sum says of them.
TEST(ListingTest, PolicyHasTheHashes) {
  for (const absl::string_view text : {kPageStyle, kPageScript}) {
    const std::string file = testing::TempDir() + "/page_part";
    FILE* const out = fopen(file.c_str(), "w");
    ASSERT_NE(out, nullptr);
    ASSERT_EQ(fwrite(text.data(), 1, text.size(), out), text.size());
    fclose(out);
    FILE* const sum = popen(absl::StrCat("sha256sum '", file, "'").c_str(), "r");
    ASSERT_NE(sum, nullptr);
    char hex[65] = "";
    ASSERT_NE(fgets(hex, sizeof(hex), sum), nullptr);
    pclose(sum);
    const std::string hash = absl::Base64Escape(absl::HexStringToBytes(hex));
    EXPECT_TRUE(absl::StrContains(kPagePolicy, absl::StrCat("'sha256-", hash, "'"))) << hash;
    EXPECT_FALSE(absl::StrContains(text, "</")) << "it would end itself";
  }
  EXPECT_TRUE(absl::StartsWith(kPagePolicy, "default-src 'none'; "));
  const std::string page = Whole(false, "", {});
  EXPECT_TRUE(absl::StrContains(page, absl::StrCat("<style>", kPageStyle, "</style>")));
  EXPECT_TRUE(absl::StrContains(page, absl::StrCat("<script>", kPageScript, "</script>")));
}

TEST(ListingTest, WantsJson) {
  const auto wants = [](absl::string_view accept, absl::string_view query = "") {
    Head head;
    if (!accept.empty()) head.fields.push_back({"Accept", accept});
    return WantsJson(head, query);
  };
  EXPECT_FALSE(wants(""));
  EXPECT_FALSE(wants("*/*"));
  EXPECT_TRUE(wants("application/json"));
  EXPECT_TRUE(wants("Application/JSON; charset=utf-8, text/plain, */*"));
  EXPECT_FALSE(wants("text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8"));
  EXPECT_TRUE(wants("text/html;q=0.5, application/json ; q=0.9"));
  EXPECT_FALSE(wants("application/json;q=0"));
  EXPECT_FALSE(wants("application/jsonx"));
  EXPECT_TRUE(wants("text/html", "a=b&format=json"));
  EXPECT_FALSE(wants("application/json", "format=html"));
  EXPECT_FALSE(wants("", "format=jsonx&xformat=json"));
}

// It never leads to another host, and nothing of it ends the header line.
TEST(ListingTest, FolderLocation) {
  const auto location = [](absl::string_view path, absl::string_view query = "") {
    Ask ask;
    ask.path = std::string(path);
    ask.query = std::string(query);
    return FolderLocation(ask);
  };
  EXPECT_EQ(location("a/b c"), "/a/b%20c/");
  EXPECT_EQ(location("/evil.example/a"), "/evil.example/a/");
  EXPECT_EQ(location("///evil.example"), "/evil.example/");
  EXPECT_EQ(location("\\evil.example"), "/%5Cevil.example/");
  EXPECT_EQ(location("a\r\nX: y"), "/a%0D%0AX%3A%20y/");
  EXPECT_EQ(location("a?b#c"), "/a%3Fb%23c/");
  EXPECT_EQ(location("a", "format=json&x=%20"), "/a/?format=json&x=%20");
  EXPECT_EQ(location("a", "\"<\\\xE9"), "/a/?%22%3C%5C%E9");
}

}  // namespace
}  // namespace objmapper::protocol::http
