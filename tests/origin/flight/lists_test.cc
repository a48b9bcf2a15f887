// Listings of what origins have: every name once, in order, of the line that is for it, whatever
// the pages; and trouble is never a listing that is short.
#include "origin/flight/lists.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <future>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/retry_after.h"
#include "tests/net/sanitized.h"
#include "tests/origin/fake_bucket.h"
#include "tests/origin/flight/flights_fixture.h"

namespace objmapper::origin {
namespace {

using storage::ListedThere;
using testing::FakeBucket;
using testing::KeysOf;
using testing::ManyKeys;
using testing::NextKey;
using testing::Parameter;

class ListsTest : public FlightsTest {
 protected:
  // A line for the bucket.
  std::string Line(const std::string& prefix, const std::string& bucket,
                   const std::string& words = "") {
    return absl::StrCat(prefix, " s3://", bucket, " endpoint=", origin_.url(""), " ", words, "\n");
  }
  void SetLines(const std::string& lines) {
    const absl::StatusOr<Origins> origins = Origins::Parse(lines);
    ASSERT_TRUE(origins.ok()) << origins.status();
    ASSERT_TRUE(flights_->SetOrigins(*origins).ok());
  }
  void Serve(const std::string& bucket, NextKey keys) {
    origin_.Answer(bucket + "/", [fake = FakeBucket(std::move(keys))](const std::string& target) {
      return fake.List(target);
    });
  }
  absl::StatusOr<ListedThere> Page(const std::string& prefix, const std::string& from = "") {
    std::promise<absl::StatusOr<ListedThere>> listed;
    flights_->ListThere({prefix, from}, [&](absl::StatusOr<ListedThere> page) {
      listed.set_value(std::move(page));
    });
    return listed.get_future().get();
  }
  // Of all pages.
  std::vector<std::string> All(const std::string& prefix, std::string from = "") {
    std::vector<std::string> uris;
    do {
      const absl::StatusOr<ListedThere> page = Page(prefix, from);
      if (!page.ok()) {
        ADD_FAILURE() << page.status();
        break;
      }
      for (const ListedThere::Entry& entry : page->entries) uris.push_back(entry.uri);
      EXPECT_TRUE(page->from.empty() || page->from > from) << "it does not get on";
      EXPECT_TRUE(absl::StartsWith(page->from, prefix) || page->from.empty()) << page->from;
      from = page->from;
    } while (!from.empty());
    return uris;
  }
  size_t Requests(const std::string& bucket) { return origin_.asked(bucket + "/").size(); }
};

using Uris = std::vector<std::string>;

// What a listing tells is what can be asked for, with the origin's size and time.
TEST_F(ListsTest, AwkwardKeys) {
  SetLines(Line("/far", "bucket/base"));
  const std::set<std::string> names = {"a",
                                       "a/",
                                       "a/b",
                                       "x//y",
                                       "x/y",
                                       "x y+%2F",
                                       "x&<\">",
                                       "na\u00efve",
                                       "\u00e9",
                                       "\x01",
                                       std::string(300, 'l')};
  std::set<std::string> keys = {"base",   "base0",     "base!",
                                "bas",    "base/../y", "base/..",
                                "base//", "base/./z",  "base/.objmapper-origin/x"};
  Uris expected = {"far", "far//"};
  for (const std::string& name : names) {
    keys.insert("base/" + name);
    expected.push_back("far/" + name);
  }
  expected.push_back("far/./z");
  std::sort(expected.begin(), expected.end());
  Serve("bucket", KeysOf(keys));
  EXPECT_EQ(All("far"), expected);
  EXPECT_EQ(All("far/x//"), Uris({"far/x//y"}));
  EXPECT_EQ(All("far/a"), Uris({"far/a", "far/a/", "far/a/b"}));
  EXPECT_EQ(All("far/none"), Uris());
  EXPECT_TRUE(absl::IsUnimplemented(Page("/far").status()));
  const absl::StatusOr<ListedThere> page = Page("far/x/y");
  ASSERT_TRUE(page.ok() && page->entries.size() == 1);
  EXPECT_EQ(page->entries[0].size, std::string("base/x/y").size());
  EXPECT_EQ(page->entries[0].mtime_s, FakeBucket::kMtime);
}

// From wherever a page is asked for, what is not before it comes, and nothing else.
TEST_F(ListsTest, FromEverywhere) {
  SetLines(Line("/", "bucket"));
  const std::vector<std::string> keys = {"a",         "a/b", "a0",        "b\u00e9",
                                         "b\u00e9/x", "c",   "\U0010ffff"};
  Serve("bucket", KeysOf({keys.begin(), keys.end()}));
  std::vector<std::string> places = {"",          "a\x01",         "a/",    "a/b/\xff",
                                     "b\xc3",     "b\xc3\xa8\xff", "b\xff", std::string(4000, 'b'),
                                     "b\xff\xff", "\xf5",          "c\xc3"};
  for (const std::string& key : keys) {
    places.push_back(key);
    places.push_back(key + std::string(1, '\0'));
    places.push_back(key + std::string(4096, '\xff'));
  }
  for (const std::string& place : places) {
    Uris expected;
    for (const std::string& key : keys)
      if (key >= place) expected.push_back(key);
    EXPECT_EQ(All("", place), expected) << absl::CHexEscape(place.substr(0, 40));
  }
}

// Pages of S3's follow each other without a key that is told twice or not at all; and what is
// passed over is not asked for.
TEST_F(ListsTest, Pages) {
  SetLines(Line("/far", "bucket"));
  Serve("bucket", ManyKeys(3500));
  const Uris all = All("far/");
  EXPECT_EQ(all.size(), 3500u);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_EQ(Requests("bucket"), 4u);
  EXPECT_EQ(All("far/", "far/many0").size(), 0u);
  EXPECT_EQ(All("far/many/", "far/many/0003498").size(), 2u);
  EXPECT_EQ(Requests("bucket"), 6u);
}

// A million names take no more memory than some thousands.
TEST_F(ListsTest, AMillion) {
  if (net::kSanitized) GTEST_SKIP() << "the sanitizer's own memory grows";
  SetLines(Line("/far", "bucket"));
  Serve("bucket", ManyKeys(1'000'000));
  const auto rss_kib = [] {
    FILE* const file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0, resident = 0;
    EXPECT_EQ(fscanf(file, "%lu %lu", &pages, &resident), 2);
    fclose(file);
    return resident * static_cast<unsigned long>(sysconf(_SC_PAGESIZE)) / 1024;
  };
  std::string from, last;
  size_t names = 0, warmed_kib = 0;
  do {
    const absl::StatusOr<ListedThere> page = Page("far/", from);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const ListedThere::Entry& entry : page->entries) {
      ASSERT_GT(entry.uri, last);
      last = entry.uri;
    }
    names += page->entries.size();
    if (names == 20'000) warmed_kib = rss_kib();
    from = page->from;
  } while (!from.empty());
  EXPECT_EQ(names, 1'000'000u);
  ASSERT_GT(warmed_kib, 0u);
  // The names alone are 15 MB; the origin of the tests remembers what it was asked.
  EXPECT_LE(rss_kib(), warmed_kib + 8 * 1024);
}

// The longest line that is for a name decides, also in the middle of another's, and of the others
// no key of that name is told.
TEST_F(ListsTest, Nested) {
  SetLines(Line("/", "root") + Line("/a", "upper/p") + Line("/a/b", "lower") + Line("/z", "last"));
  Serve("root", KeysOf({"a", "a!", "a/x", "a/b/x", "aa", "b", "z/1", "zz"}));
  Serve("upper", KeysOf({"p", "p/b", "p/b!", "p/b/1", "p/b/9", "p/b0", "p/c", "q"}));
  Serve("lower", KeysOf({"1", "2/3"}));
  Serve("last", KeysOf({"1"}));
  EXPECT_EQ(All(""),
            Uris({"a", "a!", "a/b!", "a/b/1", "a/b/2/3", "a/b0", "a/c", "aa", "b", "z/1", "zz"}));
  EXPECT_EQ(All("a/"), Uris({"a/b!", "a/b/1", "a/b/2/3", "a/b0", "a/c"}));
  EXPECT_EQ(All("a/b"), Uris({"a/b!", "a/b/1", "a/b/2/3", "a/b0"}));
  EXPECT_EQ(All("a/b/2"), Uris({"a/b/2/3"}));
}

// Where there is nothing that could be listed, that is said.
TEST_F(ListsTest, Unlisted) {
  SetLines(Line("/far", "bucket") + "/web http://127.0.0.1:1/x\n");
  Serve("bucket", KeysOf({"x"}));
  for (const auto& [prefix, says] : {std::pair("other", "no origin is for it"),
                                     std::pair("web/", "no S3"), std::pair("", "no S3")}) {
    const absl::Status status = Page(prefix).status();
    EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), says)) << status;
  }
  EXPECT_EQ(All("far/"), Uris({"far/x"}));
}

// Trouble is told as such, with when to come again; until then nobody is asked.
TEST_F(ListsTest, Trouble) {
  SetLines(Line("/far", "bucket"));
  Serve("bucket", KeysOf({"x"}));
  origin_.Misbehave("bucket/", 1, Fault::Error(404, "NoSuchBucket"));
  absl::Status status = Page("far/").status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "NoSuchBucket")) << status;
  EXPECT_GT(net::RetryAfterMs(status), 0u);
  EXPECT_TRUE(absl::IsResourceExhausted(Page("far/").status()));
  EXPECT_EQ(Requests("bucket"), 1u);
  EXPECT_TRUE(absl::StrContains(flights_->ReadOrigins()[0].counts.trouble, "NoSuchBucket"));
  now_s_ += 2;
  EXPECT_EQ(All("far/"), Uris({"far/x"}));
  EXPECT_TRUE(flights_->ReadOrigins()[0].counts.over);

  origin_.Misbehave("bucket/", 1, Fault::Error(403, "AccessDenied"));
  EXPECT_TRUE(absl::IsPermissionDenied(Page("far/").status()));
  now_s_ += 60;
  // A burst is waited out.
  origin_.Misbehave("bucket/", 1, Fault::Error(503, "SlowDown"));
  EXPECT_EQ(All("far/"), Uris({"far/x"}));
}

// What makes no sense is no listing: garbage, a page that ends in the middle, another order, keys
// that were not asked for, and a list that never ends.
TEST_F(ListsTest, Nonsense) {
  SetLines(Line("/far", "bucket/p"));
  const std::string begin = "<ListBucketResult><IsTruncated>";
  const auto key = [](const std::string& name) {
    return absl::StrCat("<Contents><Key>", name,
                        "</Key><LastModified>2020-09-13T12:26:40Z</LastModified><Size>1</Size>"
                        "</Contents>");
  };
  const std::string more = "true</IsTruncated><NextContinuationToken>t</NextContinuationToken>";
  const std::string end = "</ListBucketResult>";
  for (const std::string& body : {std::string("hello"), begin + "false</IsTruncated>" + key("p/a"),
                                  begin + "false</IsTruncated>" + key("p/b") + key("p/a") + end,
                                  begin + "false</IsTruncated>" + key("q/a") + end,
                                  begin + more + end, begin + "true</IsTruncated>" + end}) {
    origin_.Answer("bucket/", [body](const std::string&) { return body; });
    const absl::Status status = Page("far/").status();
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << body << ": " << status;
    now_s_ += 60;
  }
  // The same page, whatever is asked for.
  origin_.Answer("bucket/", [&](const std::string&) { return begin + more + key("p/a") + end; });
  absl::StatusOr<ListedThere> page = Page("far/");
  ASSERT_TRUE(page.ok()) << page.status();
  page = Page("far/", page->from);
  EXPECT_TRUE(absl::IsResourceExhausted(page.status())) << page.status();
}

// A server that stops waits for nobody's list.
TEST_F(ListsTest, Stop) {
  SetLines(Line("/far", "bucket"));
  origin_.Misbehave("bucket/", 0, Fault::SilentBeforeHead());
  std::promise<absl::Status> told;
  flights_->ListThere({"far/", ""}, [&](const absl::StatusOr<ListedThere>& page) {
    told.set_value(page.status());
  });
  while (origin_.at_once() == 0) std::this_thread::yield();
  flights_->Stop();
  EXPECT_TRUE(absl::IsResourceExhausted(told.get_future().get()));
  EXPECT_TRUE(absl::IsResourceExhausted(Page("far/").status()));
}

// What has come is a copy; what somebody has put here, or no line is for, is not.
TEST_F(ListsTest, Copies) {
  SetOrigins("");
  origin_.Put("base/come", "content");
  ASSERT_TRUE(Bring("far/come").ok());
  scratch_.Write("far/own", "content");
  scratch_.Write("near", "content");
  EXPECT_TRUE(flights_->IsCopy("far/come"));
  EXPECT_FALSE(flights_->IsCopy("far/own"));
  EXPECT_FALSE(flights_->IsCopy("far/none"));
  EXPECT_FALSE(flights_->IsCopy("near"));
  ASSERT_TRUE(flights_->SetOrigins(Origins()).ok());
  EXPECT_FALSE(flights_->IsCopy("far/come"));
}

}  // namespace
}  // namespace objmapper::origin
