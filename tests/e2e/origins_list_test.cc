// OP_LIST that goes through to the origins, on every engine and in every model (docs/origins.md).
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/metrics.h"
#include "tests/e2e/object_tree.h"
#include "tests/e2e/writable.h"
#include "tests/net/eventually.h"
#include "tests/net/sanitized.h"
#include "tests/origin/bad_origin.h"
#include "tests/origin/fake_bucket.h"

namespace objmapper::e2e {
namespace {

using origin::testing::BadOrigin;
using origin::testing::FakeBucket;
using origin::testing::Fault;
using origin::testing::KeysOf;
using origin::testing::ManyKeys;
using origin::testing::NextKey;

class OriginsListTest : public WritableTest {
 protected:
  void Start(std::vector<std::string> flags) {
    flags.push_back("--durability=none");
    server_ = std::make_unique<ServerProcess>(
        tree_.root(), ServerOptions{.engine = GetParam(),
                                    .flags = std::move(flags),
                                    .environment = {"AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
                                                    "AWS_SECRET_ACCESS_KEY=secret"}});
  }
  // All objects from the bucket.
  void StartOverBucket(std::vector<std::string> flags = {}) {
    flags.push_back("--origin=" + Bucket("bucket"));
    Start(std::move(flags));
  }
  std::string Bucket(const std::string& name) const {
    return absl::StrCat("s3://", name, " region=nowhere immutable endpoint=", origin_.url(""));
  }
  void Serve(const std::string& bucket, NextKey keys) {
    origin_.Answer(bucket + "/", [fake = FakeBucket(std::move(keys))](const std::string& target) {
      return fake.List(target);
    });
  }
  RawClient Lister(Transport transport = Transport::kUnix) {
    return Client(transport, kInOrder | kListsThrough);
  }
  struct Listed {
    std::string uri;
    uint64_t size;
    friend bool operator==(const Listed&, const Listed&) = default;
  };
  static std::vector<Listed> Entries(absl::string_view body) {
    std::vector<Listed> entries;
    while (body.size() >= 2) {
      const size_t bytes = BigEndian(body.substr(0, 2));
      if (body.size() < 2 + bytes + 16) break;
      entries.push_back({std::string(body.substr(2, bytes)), BigEndian(body.substr(2 + bytes, 8))});
      body.remove_prefix(2 + bytes + 16);
    }
    EXPECT_EQ(body, "");
    return entries;
  }
  // Page after page, each on whichever connection.
  template <typename Each>
  void ListAll(const std::string& prefix, Each each) {
    std::string cursor;
    do {
      std::string uri = prefix;
      if (!cursor.empty()) absl::StrAppend(&uri, absl::string_view("\0", 1), cursor);
      const Answer page = Lister().Get({.mode = kList, .uri = uri, .flags = kThrough});
      ASSERT_TRUE(page.ok()) << page.status << " "
                             << (page.Has(kErrorEntry) ? page.metadata.at(kErrorEntry) : "");
      ASSERT_LE(page.content_length, 1u << 20);
      for (const Listed& entry : Entries(page.body)) each(entry);
      cursor = page.Has(kCursorEntry) ? page.metadata.at(kCursorEntry) : "";
    } while (!cursor.empty());
  }
  std::vector<std::string> Uris(const std::string& prefix) {
    std::vector<std::string> uris;
    ListAll(prefix, [&](const Listed& entry) { uris.push_back(entry.uri); });
    return uris;
  }
  size_t Lists(const std::string& bucket) const { return origin_.asked(bucket + "/").size(); }

  BadOrigin origin_;
};
INSTANTIATE_TEST_SUITE_P(Everything, OriginsListTest, testing::ValuesIn(kEverything), EngineName);
using UriList = std::vector<std::string>;

// What is there is told whether it has come or not, beside this disk's own; without the flag only
// what is here. A name that is told can be had.
TEST_P(OriginsListTest, ThereAndHere) {
  const std::vector<std::string> names = {"a", "a/b", "both", "x//y", "x/y/", "\u00e9 +%2F&"};
  std::set<std::string> keys(names.begin(), names.end());
  for (const char* hidden : {"/front", "x/../y", ".objmapper-origin/whole/ux"}) keys.insert(hidden);
  Serve("bucket", KeysOf(keys));
  origin_.Put("bucket/x//y", "content");
  origin_.Put("bucket/a/b", "content");
  tree_.Add("own", "of this disk");
  tree_.Add("both", "of this disk");
  StartOverBucket();
  const UriList all = {"a", "a/b", "both", "own", "x//y", "x/y/", "\u00e9 +%2F&"};
  EXPECT_EQ(Uris(""), all);
  EXPECT_EQ(Uris("x/"), (UriList{"x//y", "x/y/"}));
  EXPECT_EQ(Uris("none"), UriList());
  RawClient client = Lister();
  for (const char* name : {"x//y", "a/b"})
    EXPECT_EQ(client.Get({.mode = kCopy, .uri = name}).body, "content");
  EXPECT_EQ(Uris(""), all);
  EXPECT_TRUE(net::Eventually([&] {
    const std::vector<Listed> here = Entries(client.Get({.mode = kList, .uri = ""}).body);
    return here == std::vector<Listed>{{"a/b", 7}, {"both", 12}, {"own", 12}, {"x//y", 7}};
  }));
  // The disk's own with its size, what has come with the origin's.
  std::vector<Listed> sizes;
  ListAll("", [&](const Listed& entry) { sizes.push_back(entry); });
  ASSERT_EQ(sizes.size(), all.size());
  EXPECT_EQ(sizes[1], (Listed{"a/b", 3}));
  EXPECT_EQ(sizes[2], (Listed{"both", 12}));
  // What the origin has no more is told of no more.
  Serve("bucket", KeysOf({"a"}));
  EXPECT_EQ(Uris(""), (UriList{"a", "both", "own"}));
}

// More than a page of S3's, through cursors; and a server that starts anew goes on where the old
// one was.
TEST_P(OriginsListTest, Pages) {
  Serve("bucket", ManyKeys(2500));
  StartOverBucket();
  const Answer first = Lister().Get({.mode = kList, .uri = "many/", .flags = kThrough});
  ASSERT_TRUE(first.ok() && first.Has(kCursorEntry));
  const std::vector<Listed> begin = Entries(first.body);
  EXPECT_EQ(Server().Stop(SIGTERM), 0) << Server().log();
  StartOverBucket();
  const std::string uri =
      absl::StrCat("many/", absl::string_view("\0", 1), first.metadata.at(kCursorEntry));
  const Answer second = Lister().Get({.mode = kList, .uri = uri, .flags = kThrough});
  const std::vector<Listed> rest = Entries(second.body);
  ASSERT_FALSE(begin.empty() || rest.empty());
  EXPECT_EQ(begin.front().uri, "many/0000000");
  const auto number = [](const Listed& entry) {
    int number = -1;
    EXPECT_TRUE(absl::SimpleAtoi(entry.uri.substr(5), &number)) << entry.uri;
    return number;
  };
  EXPECT_EQ(number(rest.front()), number(begin.back()) + 1);
  EXPECT_EQ(Uris("many/").size(), 2500u);
}

// Keys as long as S3's may be: longer than a cursor.
TEST_P(OriginsListTest, LongKeys) {
  std::set<std::string> keys;
  for (int i = 0; i < 1500; ++i) keys.insert(absl::StrCat(std::string(1020, 'k'), 1000 + i));
  Serve("bucket", KeysOf(keys));
  StartOverBucket();
  EXPECT_EQ(Uris("kkk"), UriList(keys.begin(), keys.end()));
}

// Each name from the line that is for it, with those of other lines between its own.
TEST_P(OriginsListTest, NestedOrigins) {
  Serve("outer", KeysOf({"a", "in/hidden", "in0", "z"}));
  Serve("inner", KeysOf({"1", "2"}));
  const std::string file = tree_.outside() + "/origins";
  std::ofstream(file) << "/ " << Bucket("outer") << "\n/in " << Bucket("inner") << "\n/web "
                      << origin_.url("web") << "\n";
  Start({"--origins_file=" + file});
  EXPECT_EQ(Uris("in"), (UriList{"in/1", "in/2", "in0"}));
  EXPECT_EQ(Uris("a"), UriList{"a"});
  for (const char* prefix : {"web/", "w", ""}) {
    const Answer refused = Lister().Get({.mode = kList, .uri = prefix, .flags = kThrough});
    ExpectRefused(refused, Status::kUnsupportedOp);
    EXPECT_TRUE(absl::StrContains(refused.metadata.at(kErrorEntry), "no S3"));
  }
}

// Only what the peer may read is told, and of no other name that it is there.
TEST_P(OriginsListTest, Rules) {
  std::set<std::string> keys = {"shown/a", "shown/b", "z"};
  for (int i = 0; i < 3000; ++i) keys.insert(absl::StrCat("hidden/", i));
  Serve("bucket", KeysOf(keys));
  const std::string file = tree_.outside() + "/rules";
  std::ofstream(file) << "any /hidden none\nany / read\n";
  StartOverBucket({"--rules_file=" + file});
  EXPECT_EQ(Uris(""), (UriList{"shown/a", "shown/b", "z"}));
  EXPECT_EQ(Uris("hidden/"), UriList());
  // The folder is passed over as a whole.
  EXPECT_LE(Lists("bucket"), 8u);
}

// Trouble is no listing that is short, and who asks is told when to come again. Where nothing can
// be listed that is said; so it is to who has not agreed on it.
TEST_P(OriginsListTest, Refusals) {
  Serve("bucket", KeysOf({"a"}));
  origin_.Misbehave("bucket/", 0, Fault::Error(404, "NoSuchBucket"));
  StartOverBucket();
  const Answer trouble = Lister().Get({.mode = kList, .uri = "", .flags = kThrough});
  ExpectRefused(trouble, Status::kUnavailable);
  EXPECT_TRUE(absl::StrContains(trouble.metadata.at(kErrorEntry), "NoSuchBucket"));
  EXPECT_GT(trouble.Number(kRetryAfterEntry), 0u);
  ExpectRefused(Client().Get({.mode = kList, .uri = "", .flags = kThrough}),
                Status::kCapabilityError);
  ExpectRefused(Lister().Get({.mode = kCopy, .uri = "a", .flags = kThrough}),
                Status::kInvalidRequest);
  EXPECT_EQ(Server().Stop(SIGTERM), 0) << Server().log();
  Start({});
  ExpectRefused(Lister().Get({.mode = kList, .uri = "", .flags = kThrough}),
                Status::kUnsupportedOp);
}

// While an origin does not answer, nobody waits but who has asked for its list; and a server ends.
TEST_P(OriginsListTest, AnOriginThatHangs) {
  tree_.Add("here", "of this disk");
  origin_.Misbehave("bucket/", 0, Fault::SilentBeforeHead());
  StartOverBucket({"--drain_timeout=1s"});
  std::vector<RawClient> waiting;
  for (int i = 0; i < 20; ++i) {
    waiting.push_back(Lister(i % 2 == 0 ? Transport::kUnix : Transport::kTcp));
    waiting.back().Ask({.mode = kList, .uri = "", .flags = kThrough});
  }
  EXPECT_TRUE(net::Eventually([&] { return origin_.at_once() > 0; }));
  for (int i = 0; i < 20; ++i) {
    const Answer answer = Client().Get({.mode = i % 2 == 0 ? kFdPass : kCopy, .uri = "here"});
    ASSERT_TRUE(answer.ok());
  }
  EXPECT_EQ(Server().Stop(SIGTERM), 0) << Server().log();
}

// A million names go through a server whose memory does not grow with them.
class OriginsListMemoryTest : public OriginsListTest {};
INSTANTIATE_TEST_SUITE_P(Engines, OriginsListMemoryTest, testing::Values("auto"), EngineName);

TEST_P(OriginsListMemoryTest, AMillion) {
  if (net::kSanitized) GTEST_SKIP() << "the sanitizer's own memory grows";
  Serve("bucket", ManyKeys(1'000'000));
  StartOverBucket();
  const auto rss_kib = [&] {
    std::ifstream statm(absl::StrCat("/proc/", Server().pid(), "/statm"));
    uint64_t pages = 0, resident = 0;
    EXPECT_TRUE(statm >> pages >> resident);
    return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) / 1024;
  };
  uint64_t names = 0, warmed_kib = 0;
  std::string last;
  ListAll("", [&](const Listed& entry) {
    if (entry.uri <= last) ADD_FAILURE() << entry.uri << " behind " << last;
    last = entry.uri;
    if (++names == 50'000) warmed_kib = rss_kib();
  });
  EXPECT_EQ(names, 1'000'000u);
  ASSERT_GT(warmed_kib, 0u);
  // The names alone are 12 MB.
  EXPECT_LE(rss_kib(), warmed_kib + 6 * 1024);
}

}  // namespace
}  // namespace objmapper::e2e
