// OP_DELETE and OP_LIST, on every engine and in every model.
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/e2e/writable.h"

namespace objmapper::e2e {
namespace {

class DeleteListTest : public WritableTest {
 protected:
  struct Entry {
    std::string uri;
    uint64_t size;
    uint64_t mtime_s;
  };
  // Takes the body apart.
  static std::vector<Entry> Entries(absl::string_view body) {
    std::vector<Entry> entries;
    while (body.size() >= 2) {
      const size_t bytes = BigEndian(body.substr(0, 2));
      if (body.size() < 2 + bytes + 16) break;
      entries.push_back({std::string(body.substr(2, bytes)), BigEndian(body.substr(2 + bytes, 8)),
                         BigEndian(body.substr(2 + bytes + 8, 8))});
      body.remove_prefix(2 + bytes + 16);
    }
    EXPECT_EQ(body, "");
    return entries;
  }
  static std::vector<std::string> Uris(const std::vector<Entry>& entries) {
    std::vector<std::string> uris;
    for (const Entry& entry : entries) uris.push_back(entry.uri);
    return uris;
  }
  static std::vector<std::string> List(RawClient* client, const std::string& prefix) {
    const Answer answer = client->Get({.mode = kList, .uri = prefix});
    EXPECT_TRUE(answer.ok()) << answer.status;
    EXPECT_FALSE(answer.Has(kCursorEntry));
    return Uris(Entries(answer.body));
  }
};
INSTANTIATE_TEST_SUITE_P(Everything, DeleteListTest, testing::ValuesIn(kEverything), EngineName);
using UriList = std::vector<std::string>;

// A deleted object is gone for everybody; there is no second time; a descriptor that was passed stays good.
TEST_P(DeleteListTest, Delete) {
  tree_.AddOnce("a/b/c", "contents");
  tree_.AddOnce("a/d", "stays");
  RawClient client = Client();
  RawClient other = Client(Transport::kTcp);
  const Answer passed = client.Get({.mode = kFdPass, .uri = "a/b/c"});
  EXPECT_EQ(other.Get({.mode = kCopy, .uri = "a/b/c"}).body, "contents");
  const Answer deleted = other.Get({.mode = kDelete, .uri = "a/b/c"});
  EXPECT_TRUE(deleted.ok());
  EXPECT_EQ(deleted.content_length, 0u);
  for (const char mode : {kFdPass, kCopy, kSplice, kStat, kDelete}) {
    ExpectRefused(client.Get({.mode = mode, .uri = "a/b/c"}), Status::kNotFound);
  }
  ExpectRefused(other.Get({.mode = kCopy, .uri = "a/b/c"}), Status::kNotFound);
  EXPECT_EQ(Contents(passed.fd.get()), "contents");
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "a/d"}).body, "stays");
  ExpectRefused(client.Get({.mode = kDelete, .uri = "../outside"}), Status::kPermissionDenied);
}

// Entries are sorted by URI, as bytes, tell size and time as STAT does, and begin with the prefix.
TEST_P(DeleteListTest, List) {
  for (const char* uri : {"b/y", "a", "b/x", "b-", "b0/z"}) tree_.AddOnce(uri, uri);
  RawClient client = Client();
  EXPECT_EQ(List(&client, ""), (UriList{"a", "b-", "b/x", "b/y", "b0/z"}));
  EXPECT_EQ(List(&client, "b"), (UriList{"b-", "b/x", "b/y", "b0/z"}));
  EXPECT_EQ(List(&client, "b/"), (UriList{"b/x", "b/y"}));
  EXPECT_EQ(List(&client, "none"), UriList());
  for (const Entry& entry : Entries(client.Get({.mode = kList, .uri = ""}).body)) {
    const Answer stat = client.Get({.mode = kStat, .uri = entry.uri});
    EXPECT_EQ(stat.Number(kSizeEntry), entry.size);
    EXPECT_EQ(stat.Number(kMtimeEntry), entry.mtime_s);
  }
  // What has been stored is listed, what has been deleted is not.
  EXPECT_TRUE(client.Get(Put("b/new", "")).ok());
  EXPECT_TRUE(client.Get({.mode = kDelete, .uri = "b/x"}).ok());
  EXPECT_EQ(List(&client, "b/"), (UriList{"b/new", "b/y"}));
}

// What does not fit one answer comes in pages, none of which is larger than 1 MiB, nothing twice and nothing left out.
TEST_P(DeleteListTest, Pages) {
  UriList all;
  for (int i = 0; i < 6000; ++i) {
    all.push_back(absl::StrCat("pages/", 100'000 + i, std::string(200, 'n')));
    tree_.AddOnce(all.back(), "");
  }
  RawClient client = Client();
  UriList got;
  std::string cursor;
  int pages = 0;
  do {
    std::string uri = "pages/";
    if (!cursor.empty()) absl::StrAppend(&uri, absl::string_view("\0", 1), cursor);
    const Answer page = client.Get({.mode = kList, .uri = uri});
    ASSERT_TRUE(page.ok());
    EXPECT_LE(page.body.size(), 1024u * 1024);
    for (const std::string& listed : Uris(Entries(page.body))) got.push_back(listed);
    cursor = page.Has(kCursorEntry) ? page.metadata.at(kCursorEntry) : "";
  } while (!cursor.empty() && ++pages < 100);
  EXPECT_EQ(got, all);
}

// A page ends where the next one can begin: CURSOR is metadata, which is shorter than a URI may be.
TEST_P(DeleteListTest, PagesOfLongNames) {
  UriList all;
  std::string deep;
  for (int i = 0; i < 6; ++i) absl::StrAppend(&deep, "/", std::string(200, 'd'));
  for (int i = 0; i < 1200; ++i) {
    // Every tenth is short enough to be named.
    all.push_back(absl::StrCat("pages/", 10'000 + i, i % 10 == 0 ? "" : deep));
    tree_.AddOnce(all.back(), "");
  }
  RawClient client = Client();
  UriList got;
  std::string uri = "pages/";
  for (int pages = 1;; ++pages) {
    const Answer page = client.Get({.mode = kList, .uri = uri});
    ASSERT_TRUE(page.ok()) << page.status;
    for (const std::string& listed : Uris(Entries(page.body))) got.push_back(listed);
    if (!page.Has(kCursorEntry)) {
      EXPECT_GT(pages, 1);
      break;
    }
    uri = absl::StrCat("pages/", absl::string_view("\0", 1), page.metadata.at(kCursorEntry));
  }
  EXPECT_EQ(got, all);
}

// Whoever may not read an object does not see it.
TEST_P(DeleteListTest, ListGoesByTheRules) {
  tree_.AddOnce("open/x", "x");
  tree_.AddOnce("closed/x", "x");
  const std::string rules = tree_.outside() + "/rules";
  std::ofstream(rules) << "any /open read\n";
  Start({"--rules_file=" + rules});
  RawClient client = Client();
  EXPECT_EQ(List(&client, ""), (UriList{"open/x"}));
  EXPECT_EQ(List(&client, "closed/"), UriList());
}

// A read-only server lists, and deletes nothing.
TEST_P(DeleteListTest, ReadOnly) {
  tree_.AddOnce("x", "x");
  Start({"--writable=false"});
  RawClient client = Client();
  EXPECT_EQ(List(&client, ""), (UriList{"x"}));
  ExpectRefused(client.Get({.mode = kDelete, .uri = "x"}), Status::kUnsupportedOp);
  ExpectRefused(client.Get(Put("y", "body")), Status::kUnsupportedOp);
  ExpectRefused(client.Get({.mode = kPutFd, .uri = "y"}), Status::kUnsupportedOp);
  EXPECT_EQ(List(&client, ""), (UriList{"x"}));
}

}  // namespace
}  // namespace objmapper::e2e
