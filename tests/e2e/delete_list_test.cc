// OP_DELETE and OP_LIST, on every engine and in every model.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <string>
#include <utility>
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

// A deleted object is gone for everybody; there is no second time; a descriptor that was passed
// stays good.
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

// What does not fit one answer comes in pages, none of which is larger than 1 MiB, nothing twice
// and nothing left out.
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

// All pages of `prefix`, each of which is told to `each` before the next one is asked for.
UriList AllPages(RawClient* client, const std::string& prefix,
                 const std::function<UriList(absl::string_view body)>& uris, int* pages) {
  UriList got;
  std::string uri = prefix;
  for (*pages = 1; *pages < 1000; ++*pages) {
    const Answer page = client->Get({.mode = kList, .uri = uri});
    EXPECT_TRUE(page.ok()) << page.status;
    if (!page.ok()) return got;
    for (const std::string& listed : uris(page.body)) got.push_back(listed);
    if (!page.Has(kCursorEntry)) return got;
    EXPECT_LE(prefix.size() + 1 + page.metadata.at(kCursorEntry).size(), 4096u);
    uri = absl::StrCat(prefix, absl::string_view("\0", 1), page.metadata.at(kCursorEntry));
  }
  ADD_FAILURE() << "there is no end";
  return got;
}

// Names of which none fits a cursor, and that all have more than a cursor holds in common: they are
// listed all the same, by the catalog and by the walk, with long prefixes and short ones, and while
// what has been listed is removed (rm -r).
TEST_P(DeleteListTest, PagesOfNamesThatNoCursorHolds) {
  std::string deep;
  for (int i = 0; i < 5; ++i) absl::StrAppend(&deep, std::string(205, 'd'), "/");
  UriList all;
  for (int i = 0; i < 1100; ++i) {
    all.push_back(absl::StrCat(deep, 10'000 + i, "\x01\xff\n", std::string(20, 'n')));
    tree_.AddOnce(all.back(), "");
  }
  Start({GetParam().size() % 2 == 0 ? "--catalog=false" : "--catalog=true"});
  RawClient client = Client();
  const auto uris = [](absl::string_view body) { return Uris(Entries(body)); };
  int pages;
  for (const size_t bytes : {size_t{0}, size_t{10}, size_t{1020}, deep.size()}) {
    EXPECT_EQ(AllPages(&client, deep.substr(0, bytes), uris, &pages), all) << bytes;
    EXPECT_GT(pages, 1);
  }
  RawClient other = Client();
  EXPECT_EQ(AllPages(
                &client, "",
                [&](absl::string_view body) {
                  UriList page = uris(body);
                  for (const std::string& uri : page)
                    EXPECT_TRUE(other.Get({.mode = kDelete, .uri = uri}).ok());
                  return page;
                },
                &pages),
            all);
  EXPECT_EQ(List(&client, ""), UriList());
}

// The longest names there can be, with prefixes of any length: the field that has both has room for
// both.
TEST_P(DeleteListTest, PagesOfTheLongestNames) {
  std::string folder;
  net::UniqueFd directory(open(tree_.root().c_str(), O_DIRECTORY | O_CLOEXEC));
  while (folder.size() < 3850) {
    const std::string name(200, 'd');
    ASSERT_EQ(mkdirat(directory.get(), name.c_str(), 0755), 0);
    directory.Reset(openat(directory.get(), name.c_str(), O_DIRECTORY | O_CLOEXEC));
    absl::StrAppend(&folder, name, "/");
  }
  UriList all;
  for (int i = 0; i < 300; ++i) {
    std::string name(4095 - folder.size() - 3, 'n');
    absl::StrAppend(&name, 100 + i);
    const net::UniqueFd file(
        openat(directory.get(), name.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    ASSERT_TRUE(file.valid());
    all.push_back(folder + name);
  }
  RawClient client = Client();
  const auto uris = [](absl::string_view body) { return Uris(Entries(body)); };
  int pages;
  for (const size_t bytes : {0, 1, 1021, 1022, 2000, 3070, 3080, 4000, 4092}) {
    EXPECT_EQ(AllPages(&client, all[0].substr(0, bytes), uris, &pages), all) << bytes;
    EXPECT_GT(pages, 1);
  }
}

// What is no cursor of ours is refused with a sentence, or is a place like any other.
TEST_P(DeleteListTest, CursorsThatNobodyGave) {
  for (const char* uri : {"a", "b", "c"}) tree_.AddOnce(uri, "");
  RawClient client = Client();
  const auto with = [](absl::string_view cursor) {
    return absl::StrCat(absl::string_view("\0", 1), cursor);
  };
  for (const char* cursor : {"//", "//?", "//+", "//#", "//#0123", "//!a"}) {
    ExpectRefused(client.Get({.mode = kList, .uri = with(cursor)}), Status::kInvalidRequest);
  }
  const std::string unknown = absl::StrCat("//#", std::string(32, '0'), "0400b");
  ExpectRefused(client.Get({.mode = kList, .uri = with(unknown + "beginning")}),
                Status::kInvalidRequest);
  ExpectRefused(
      client.Get({.mode = kList, .uri = with(unknown + std::string(1021 - unknown.size(), 'b'))}),
      Status::kUnavailable);
  EXPECT_EQ(Uris(Entries(client.Get({.mode = kList, .uri = with("a")}).body)), (UriList{"b", "c"}));
  EXPECT_EQ(Uris(Entries(client.Get({.mode = kList, .uri = with("//=a")}).body)),
            (UriList{"b", "c"}));
  EXPECT_EQ(Uris(Entries(client.Get({.mode = kList, .uri = with("//+b")}).body)),
            (UriList{"b", "c"}));
}

// A directory is CONFLICT to all that may be asked of it, in every model, and to what would take
// its name.
TEST_P(DeleteListTest, DirectoriesAreConflicts) {
  tree_.AddOnce("d/x", "x");
  RawClient client = Client();
  for (const char mode : {kFdPass, kCopy, kSplice, kStat, kDelete}) {
    ExpectRefused(client.Get({.mode = mode, .uri = "d"}), kConflict);
  }
  ExpectRefused(client.Get(Put("d", "body")), kConflict);
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "d/x"}).body, "x");
}

// Times before 1970 and beyond what nanoseconds hold are told as they are, by LIST and by STAT.
TEST_P(DeleteListTest, TimesOfAnyAge) {
  const std::vector<std::pair<std::string, int64_t>> times = {
      {"1969", -1}, {"1901", -2'147'483'648}, {"2200", 7'258'118'400}, {"2300", 10'413'792'000}};
  for (const auto& [uri, seconds] : times) {
    tree_.AddOnce(uri, "x");
    const timespec stamp = {seconds, seconds == -1 ? 500'000'000 : 0};
    const timespec stamps[] = {stamp, stamp};
    ASSERT_EQ(utimensat(AT_FDCWD, tree_.Path(uri).c_str(), stamps, 0), 0);
  }
  RawClient client = Client();
  for (const Entry& entry : Entries(client.Get({.mode = kList, .uri = ""}).body)) {
    struct stat status;
    // a file system may not keep them all
    ASSERT_EQ(stat(tree_.Path(entry.uri).c_str(), &status), 0);
    EXPECT_EQ(static_cast<int64_t>(entry.mtime_s), status.st_mtim.tv_sec) << entry.uri;
    const Answer told = client.Get({.mode = kStat, .uri = entry.uri});
    EXPECT_EQ(static_cast<int64_t>(told.Number(kMtimeEntry)), status.st_mtim.tv_sec) << entry.uri;
  }
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
