// How old an origin's object may be, and what is said of that: what clients ask for by HTTP's
// Cache-Control, Age and Cache-Status in answers, and V2's STALE. The origin counts what it is
// asked.
#include <gtest/gtest.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/http_client.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/metrics.h"
#include "tests/e2e/object_tree.h"
#include "tests/e2e/writable.h"
#include "tests/origin/bad_origin.h"

namespace objmapper::e2e {
namespace {

using origin::testing::BadOrigin;
using origin::testing::Fault;

constexpr char kNoCache[] = "Cache-Control: no-cache\n";
constexpr char kOnlyIfCached[] = "Cache-Control: only-if-cached\n";
constexpr uint16_t kVersions = 0x2000;
constexpr uint8_t kStaleEntry = 0x08;

class OriginsFreshnessTest : public WritableTest {
 protected:
  // Objects below "far/" are fetched; words: of the origin's line.
  void StartFetching(const std::string& words) {
    const std::string file = tree_.outside() + "/origins";
    std::ofstream(file, std::ios::trunc)
        << "/far " << origin_.url("base") << " part=256K block=256K " << words << "\n";
    server_ = std::make_unique<ServerProcess>(
        tree_.root(), ServerOptions{.engine = GetParam(),
                                    .flags = {"--durability=none", "--origins_file=" + file,
                                              "--admin_listen=" + Admin()}});
  }
  std::string Admin() const { return tree_.outside() + "/admin"; }
  // How often the origin was asked for an object since this was last called.
  size_t Asked(const std::string& name) {
    const size_t all = origin_.asked("base/" + name).size();
    return all - std::exchange(asked_[name], all);
  }
  // One request on a connection of its own.
  Reply Http(absl::string_view path, absl::string_view fields = "",
             absl::string_view method = "GET") {
    return HttpClient(Connect(Server(), Transport::kUnix)).Ask(method, path, fields);
  }
  // The same, and what it has begun to fetch is here: the bytes go out a moment before.
  Reply Fetched(absl::string_view path, absl::string_view fields = "") {
    Reply reply = Http(path, fields);
    EXPECT_TRUE(MetricBecomes(Admin(), "objmapper_origin_fetching", 0));
    return reply;
  }
  static std::string StatusOf(const Reply& reply) { return reply.Field("Cache-Status"); }
  static int64_t AgeOf(const Reply& reply) {
    int64_t age = -1;
    EXPECT_TRUE(absl::SimpleAtoi(reply.Field("Age"), &age)) << reply.head;
    return age;
  }
  static void ExpectHit(const Reply& reply) {
    EXPECT_TRUE(absl::StartsWith(StatusOf(reply), "objmapper; hit")) << reply.head;
    EXPECT_GE(AgeOf(reply), 0);
  }

  BadOrigin origin_;
  std::map<std::string, size_t> asked_;
};
INSTANTIATE_TEST_SUITE_P(Everything, OriginsFreshnessTest, testing::ValuesIn(kEverything),
                         EngineName);

// no-cache, max-age=0 and Pragma have it compared, whatever its line says; if it has changed, all
// have the new one from then on.
TEST_P(OriginsFreshnessTest, NoCache) {
  for (const char* words : {"revalidate=1h", "immutable"}) {
    SCOPED_TRACE(words);
    StartFetching(words);
    for (const size_t size : {size_t{10}, size_t{70'000}, size_t{900'000}}) {
      const std::string name = absl::StrCat(std::string(1, words[0]), size);
      const std::string path = "/far/" + name, old_one = Pattern(1, size),
                        new_one = Pattern(2, size);
      origin_.Put("base/" + name, old_one);
      EXPECT_TRUE(Fetched(path).body == old_one);
      Asked(name);
      for (const char* fields : {kNoCache, "Cache-Control: max-age=0\n", "Pragma: no-cache\n",
                                 "Range: bytes=0-4\nPragma: no-cache\n"}) {
        const Reply same = Http(path, fields);
        EXPECT_EQ(Asked(name), 1u) << fields;
        EXPECT_EQ(StatusOf(same), "objmapper; fwd=request; fwd-status=304") << fields;
        EXPECT_EQ(same.body.size(), same.status == 206 ? 5 : size);
      }
      ExpectHit(Http(path));
      EXPECT_EQ(Asked(name), 0u);
      origin_.Put("base/" + name, new_one);
      EXPECT_TRUE(Http(path).body == old_one);
      EXPECT_EQ(Asked(name), 0u);
      const Reply changed = Fetched(path, kNoCache);
      EXPECT_TRUE(changed.body == new_one);
      EXPECT_EQ(StatusOf(changed), "objmapper; fwd=request; stored");
      EXPECT_GT(Asked(name), 0u);
      const Reply after = Http(path);
      EXPECT_TRUE(after.body == new_one);
      EXPECT_EQ(Asked(name), 0u);
      origin_.Delete("base/" + name);
      EXPECT_EQ(Http(path, kNoCache).status, 404);
      EXPECT_EQ(Asked(name), 1u);
    }
    EXPECT_EQ(Server().Stop(SIGTERM), 0) << Server().log();
  }
}

// max-age: only what is older.
TEST_P(OriginsFreshnessTest, MaxAge) {
  StartFetching("immutable");
  origin_.Put("base/a", "content");
  EXPECT_EQ(Fetched("/far/a").body, "content");
  Asked("a");
  ExpectHit(Http("/far/a", "Cache-Control: max-age=3600\n"));
  EXPECT_EQ(Asked("a"), 0u);
  while (AgeOf(Http("/far/a")) < 2) usleep(20'000);
  EXPECT_EQ(Asked("a"), 0u);
  const Reply compared = Http("/far/a", "Cache-Control: max-age=1\n");
  EXPECT_EQ(compared.body, "content");
  EXPECT_EQ(StatusOf(compared), "objmapper; fwd=request; fwd-status=304");
  EXPECT_EQ(Asked("a"), 1u);
  // It is as young for others.
  EXPECT_LT(AgeOf(Http("/far/a")), 2);
}

// What has no origin, or is this disk's own, is what it is; and nothing is said of it.
TEST_P(OriginsFreshnessTest, OwnObjects) {
  tree_.Add("far/own", "of this disk");
  tree_.Add("near", "of this disk, too");
  origin_.Put("base/own", "of the origin");
  StartFetching("immutable");
  for (const char* path : {"/far/own", "/near"}) {
    for (const char* fields : {"", kNoCache, kOnlyIfCached, "Cache-Control: max-age=1\n"}) {
      const Reply reply = Http(path, fields);
      EXPECT_EQ(reply.status, 200) << path << fields;
      EXPECT_TRUE(absl::StartsWith(reply.body, "of this disk"));
      EXPECT_EQ(reply.Field("Age"), "") << path << fields;
      EXPECT_EQ(StatusOf(reply), "") << path << fields;
    }
  }
  EXPECT_EQ(Http("/nothing", kOnlyIfCached).status, 404);
  EXPECT_EQ(Asked("own"), 0u);
}

// only-if-cached asks no origin, ever: what is here and not due, or 504.
TEST_P(OriginsFreshnessTest, OnlyIfCached) {
  StartFetching("revalidate=2s");
  for (const char* name : {"a", "b"}) origin_.Put(absl::StrCat("base/", name), "content");
  EXPECT_EQ(Http("/far/a", kOnlyIfCached).status, 504);
  EXPECT_EQ(Http("/far/b", kOnlyIfCached, "HEAD").status, 504);
  EXPECT_EQ(Asked("a") + Asked("b"), 0u);
  EXPECT_EQ(Fetched("/far/a").body, "content");
  Asked("a");
  const Reply here = Http("/far/a", kOnlyIfCached);
  if (here.status != 504) {  // in time, as it nearly always is
    EXPECT_EQ(here.body, "content");
    ExpectHit(here);
  }
  EXPECT_EQ(Http("/far/a", "Cache-Control: only-if-cached, no-cache\n").status, 504);
  EXPECT_EQ(Asked("a"), 0u);
  int status = 0;
  while ((status = Http("/far/a", kOnlyIfCached).status) == 200) usleep(20'000);
  EXPECT_EQ(status, 504);
  EXPECT_EQ(Asked("a"), 0u);
  EXPECT_EQ(StatusOf(Http("/far/a")), "objmapper; fwd=stale; fwd-status=304");
  EXPECT_EQ(Asked("a"), 1u);
}

// What was done for an answer: for those of each kind.
TEST_P(OriginsFreshnessTest, CacheStatus) {
  StartFetching("immutable");
  for (const size_t size : {size_t{0}, size_t{10}, size_t{900'000}}) {
    const std::string name = absl::StrCat("a", size), path = "/far/" + name;
    origin_.Put("base/" + name, Pattern(1, size));
    const Reply miss = Fetched(path);
    EXPECT_EQ(miss.status, 200);
    EXPECT_EQ(StatusOf(miss), "objmapper; fwd=uri-miss; stored");
    EXPECT_LE(AgeOf(miss), 1);
    const std::string etag = absl::StrCat("If-None-Match: ", miss.Field("ETag"), "\n");
    for (const auto& [fields, status] :
         {std::pair<std::string, int>("", 200), {etag, 304}, {"Range: bytes=0-4\n", 206}}) {
      for (const char* method : {"GET", "HEAD"}) {
        const Reply hit = Http(path, fields, method);
        const bool is_get = method == std::string("GET");
        const int part = !is_get ? 200 : size == 0 ? 416 : 206;
        EXPECT_EQ(hit.status, status == 206 ? part : status) << hit.head;
        EXPECT_EQ(StatusOf(hit), "objmapper; hit") << hit.head;
        EXPECT_GE(AgeOf(hit), 0);
      }
    }
  }
  // Of what it was asked when another server ran, too.
  EXPECT_EQ(Server().Stop(SIGTERM), 0);
  StartFetching("immutable");
  const Reply hit = Http("/far/a10");
  EXPECT_EQ(StatusOf(hit), "objmapper; hit");
  EXPECT_GE(AgeOf(hit), 0);
  EXPECT_EQ(Server().Stop(SIGTERM), 0);
  StartFetching("revalidate=1h");
  EXPECT_TRUE(absl::StartsWith(StatusOf(Http("/far/a10")), "objmapper; hit; ttl=3"));
}

// A client that says no-cache over and over has its origin asked ten times in a second at most, and
// not at all where it has failed; others have what is here.
TEST_P(OriginsFreshnessTest, NoCacheIsNoStorm) {
  StartFetching("immutable");
  origin_.Put("base/a", "content");
  EXPECT_EQ(Fetched("/far/a").body, "content");
  Asked("a");
  constexpr size_t kRequests = 200;
  HttpClient client(Connect(Server(), Transport::kUnix));
  const time_t before = time(nullptr);
  for (size_t i = 0; i < kRequests; ++i) EXPECT_EQ(client.Get("/far/a", kNoCache).body, "content");
  const size_t seconds = static_cast<size_t>(time(nullptr) - before) + 1;
  EXPECT_LE(Asked("a"), std::min(kRequests, 10 * seconds));

  origin_.Misbehave("base/a", 0, Fault::Error(400, "OutOfOrder"));
  usleep(1'100'000);
  const Reply trouble = client.Get("/far/a", kNoCache);
  EXPECT_EQ(trouble.status, 503);
  EXPECT_NE(trouble.Field("Retry-After"), "");
  EXPECT_TRUE(absl::StrContains(trouble.body, "400")) << trouble.body;
  EXPECT_EQ(client.Get("/far/a").body, "content");
  EXPECT_EQ(Asked("a"), 1u);
}

// stale_if_error: what is handed out though its origin should be asked says so, in each dialect
// that can, to those who want to be told.
TEST_P(OriginsFreshnessTest, Stale) {
  StartFetching("revalidate=0 stale_if_error=1h");
  const std::string large = Pattern(1, 300'000);
  origin_.Put("base/a", "content");
  origin_.Put("base/large", large);
  for (const char* name : {"a", "large"}) {
    SCOPED_TRACE(name);
    const std::string uri = absl::StrCat("far/", name);
    const std::vector<char> modes = {kFdPass, kCopy, kSplice, kStat};
    const auto is_stale = [&](char mode, uint16_t capabilities) {
      const Answer answer =
          Client(Transport::kUnix, kInOrder | capabilities).Get({.mode = mode, .uri = uri});
      EXPECT_TRUE(answer.ok());
      const bool has_body = mode == kCopy || mode == kSplice;
      EXPECT_TRUE(!has_body || answer.body == (uri == "far/a" ? "content" : large));
      return answer.Has(kStaleEntry);
    };
    for (const char mode : modes) EXPECT_FALSE(is_stale(mode, kVersions)) << int{mode};
    origin_.Misbehave(absl::StrCat("base/", name), 0, Fault::Error(400, "OutOfOrder"));
    for (int again = 0; again < 2; ++again) {
      for (const char mode : modes) {
        EXPECT_TRUE(is_stale(mode, kVersions)) << int{mode};
        EXPECT_FALSE(is_stale(mode, 0)) << int{mode};
      }
      for (const char* method : {"GET", "HEAD"}) {
        const Reply reply = Http("/" + uri, "", method);
        EXPECT_EQ(reply.status, 200);
        EXPECT_TRUE(absl::StartsWith(StatusOf(reply), "objmapper; hit; ttl=")) << reply.head;
        EXPECT_TRUE(absl::EndsWith(StatusOf(reply), "; detail=stale-if-error")) << reply.head;
      }
    }
    // It has not been compared.
    EXPECT_EQ(Http("/" + uri, kNoCache).status, 503);
  }
}

}  // namespace
}  // namespace objmapper::e2e
