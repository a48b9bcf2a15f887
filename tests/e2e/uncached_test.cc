// Objects of origins for which there is no room here: who reads bytes gets them all the same, on
// every engine and in every model (docs/origins.md); who wants a descriptor is told why not.
#include <errno.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/http_client.h"
#include "tests/e2e/metrics.h"
#include "tests/e2e/writable.h"
#include "tests/faults/injection.h"
#include "tests/net/sanitized.h"
#include "tests/origin/bad_origin.h"
#include "tests/storage/small_disk.h"

namespace objmapper::e2e {
namespace {

using origin::testing::BadOrigin;
using origin::testing::Fault;

constexpr size_t kMib = 1 << 20;
// Of eight readers of 24 MiB each, who would have 192 MiB. Sanitizers keep freed memory back, to
// see who uses it.
constexpr int64_t kGrowthMax = int64_t{net::kSanitized ? 768 : 96} << 20;

class UncachedTest : public WritableTest {
 protected:
  void StartFetching(std::vector<std::string> flags = {"--disk_evict_at=1M"},
                     const std::string& root = "") {
    flags.insert(flags.begin(), {absl::StrCat("--origin=", origin_.url("base"),
                                              " part=256K block=256K parallel=1"),
                                 "--durability=none", "--admin_listen=" + Admin()});
    server_ = std::make_unique<ServerProcess>(
        root.empty() ? tree_.root() : root,
        ServerOptions{
            .engine = GetParam(), .flags = std::move(flags), .environment = faults_.environment()});
  }
  std::string Admin() const { return tree_.outside() + "/admin"; }
  std::string Put(const std::string& name, size_t size, uint64_t seed = 1) {
    std::string body = Pattern(seed, size);
    origin_.Put("base/" + name, body);
    return body;
  }
  RawClient V1Client(Transport transport) { return RawClient::V1(Connect(Server(), transport)); }
  static void ExpectBody(const Answer& answer, absl::string_view body) {
    ASSERT_TRUE(answer.ok()) << (answer.Has(kErrorEntry) ? answer.metadata.at(kErrorEntry) : "cut");
    EXPECT_TRUE(answer.body == body) << answer.body.size();
  }
  void ExpectNoDescriptor(const std::string& name, const std::string& says) {
    const Answer refused = Client().Get({.mode = kFdPass, .uri = name});
    ExpectRefused(refused, Status::kUnavailable);
    ASSERT_TRUE(refused.Has(kErrorEntry));
    EXPECT_TRUE(absl::StrContains(refused.metadata.at(kErrorEntry), says))
        << refused.metadata.at(kErrorEntry);
    EXPECT_TRUE(refused.Has(kRetryAfterEntry));
  }

  BadOrigin origin_;
  const faults::Injection faults_{tree_.outside()};
};
INSTANTIATE_TEST_SUITE_P(Everything, UncachedTest, testing::ValuesIn(kEverything), EngineName);

// By each door that gives bytes, whole and in part; and nothing of it stays.
TEST_P(UncachedTest, EveryDoor) {
  StartFetching();
  const std::string body = Put("large", 2 * kMib + 5);
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    for (const char mode : {kCopy, kSplice}) {
      SCOPED_TRACE(testing::Message() << "mode " << mode << ", " << static_cast<int>(transport));
      ExpectBody(V1Client(transport).Get({.mode = mode, .uri = "large"}), body);
      RawClient client = Client(transport);
      ExpectBody(client.Get({.mode = mode, .uri = "large"}), body);
      ExpectBody(client.Get({.mode = mode,
                             .uri = "large",
                             .flags = kWithRange,
                             .offset = kMib - 3,
                             .length = 700'000}),
                 absl::string_view(body).substr(kMib - 3, 700'000));
    }
    EXPECT_EQ(Client(transport).Get({.mode = kStat, .uri = "large"}).Number(kSizeEntry),
              body.size());
    HttpClient http(Connect(Server(), transport));
    EXPECT_TRUE(http.Get("/large").body == body);
    EXPECT_EQ(http.Ask("HEAD", "/large").Field("Content-Length"), absl::StrCat(body.size()));
    const Reply part = http.Get("/large", "Range: bytes=100-299999\n");
    EXPECT_EQ(part.status, 206);
    EXPECT_TRUE(part.body == body.substr(100, 299'900));
    const Reply parts = http.Get("/large", "Range: bytes=0-99,2000000-2000099\n");
    EXPECT_EQ(parts.status, 206);
    EXPECT_TRUE(absl::StrContains(parts.body, body.substr(0, 100)) &&
                absl::StrContains(parts.body, body.substr(2'000'000, 100)));
    const std::string etag = http.Ask("HEAD", "/large").Field("ETag");
    EXPECT_EQ(http.Get("/large", absl::StrCat("If-None-Match: ", etag, "\n")).status, 304);
    EXPECT_TRUE(http.Get("/large").body == body);
  }
  ExpectNoDescriptor("large", "more than can be kept");
  EXPECT_TRUE(MetricBecomes(Admin(), "objmapper_origin_uncached_open", 0));
  EXPECT_GE(Metric(Admin(), "objmapper_origin_uncached_total"), 16);
  EXPECT_GE(Metric(Admin(), "objmapper_origin_uncached_bytes_total"), 8.0 * body.size());
  EXPECT_EQ(Metric(Admin(), "objmapper_origin_fetched_total"), 0);
  EXPECT_EQ(Metric(Admin(), "objmapper_origin_failed_total"), 0);
  // What it is tells a byte, also to those who ask before it has been tried to keep it; but where a
  // thread waits for its client, it has tried to have all of it brought before.
  const std::string other = Put("other", 2 * kMib);
  EXPECT_EQ(Client().Get({.mode = kStat, .uri = "other"}).Number(kSizeEntry), other.size());
  const bool waits = absl::StartsWith(GetParam(), "model_") && GetParam() != "model_uring" &&
                     GetParam() != "model_epoll";
  EXPECT_EQ(origin_.asked("base/other").size(), waits ? 2u : 1u);
  // What fits is kept as ever.
  const std::string small = Put("small", 300'000);
  ExpectBody(Client().Get({.mode = kCopy, .uri = "small"}), small);
  EXPECT_TRUE(Contents(Client().Get({.mode = kFdPass, .uri = "small"}).fd.get()) == small);
}

// Several on one connection, between others, in whatever order they may be answered.
TEST_P(UncachedTest, Pipelined) {
  StartFetching();
  const std::string one = Put("one", kMib + 7, 1), other = Put("other", 2 * kMib, 2);
  tree_.Add("here", "of this disk");
  for (const uint16_t order : {uint16_t{0}, kOutOfOrder}) {
    RawClient client = Client(Transport::kTcp, kInOrder | order);
    const std::vector<std::string> uris = {"one", "here", "other", "one", "here", "other"};
    std::vector<Question> questions;
    for (const std::string& uri : uris) questions.push_back({.mode = kCopy, .uri = uri});
    const std::vector<uint32_t> ids = client.AskAll(questions);
    for (size_t i = 0; i < uris.size(); ++i) {
      const Answer answer = client.Next();
      const auto its = std::find(ids.begin(), ids.end(), answer.id);
      ASSERT_NE(its, ids.end());
      const std::string& uri = uris[static_cast<size_t>(its - ids.begin())];
      ExpectBody(answer, uri == "one" ? one : uri == "other" ? other : "of this disk");
    }
  }
}

// Eight who do not read hold nobody up, and cost the memory that the flag says: not the object's.
TEST_P(UncachedTest, SlowReadersCostTheirWindows) {
  StartFetching({"--disk_evict_at=1M", "--origin_uncached_bytes=8M"});
  const std::string body = Put("large", 24 * kMib);
  ExpectBody(Client().Get({.mode = kCopy, .uri = "large"}), body);
  const int64_t before = Server().resident_bytes();
  std::vector<RawClient> slow;
  for (int i = 0; i < 8; ++i) {
    slow.push_back(Client(i % 2 == 0 ? Transport::kUnix : Transport::kTcp));
    slow.back().Ask({.mode = i % 3 == 0 ? kSplice : kCopy, .uri = "large"});
  }
  EXPECT_TRUE(MetricBecomes(Admin(), "objmapper_origin_uncached_open", 8));
  ExpectBody(Client().Get({.mode = kCopy, .uri = "large"}), body);
  EXPECT_LE(Metric(Admin(), "objmapper_origin_uncached_window_bytes"), 8.0 * kMib);
  std::vector<std::thread> readers;
  for (RawClient& client : slow)
    readers.emplace_back([&client, &body] { ExpectBody(client.Next(), body); });
  for (std::thread& reader : readers) reader.join();
  EXPECT_LT(Server().resident_bytes() - before, kGrowthMax);
  EXPECT_TRUE(MetricBecomes(Admin(), "objmapper_origin_uncached_open", 0));
}

// A client that reads nothing for --request_timeout is let go, and what was asked for it is over.
TEST_P(UncachedTest, AReaderThatStalls) {
  StartFetching({"--disk_evict_at=1M", "--request_timeout=1s"});
  Put("large", 40 * kMib);
  RawClient stalls = Client();
  stalls.Ask({.mode = kCopy, .uri = "large"});
  EXPECT_TRUE(MetricBecomes(Admin(), "objmapper_origin_uncached_open", 1));
  EXPECT_TRUE(MetricBecomes(Admin(), "objmapper_origin_uncached_open", 0));
  EXPECT_TRUE(MetricBecomes(Admin(), "objmapper_connections_timed_out_total", 1));
}

// An object that is replaced meanwhile is cut, never mixed; before its first byte it is the new
// one.
TEST_P(UncachedTest, AnotherVersion) {
  StartFetching({"--disk_evict_at=1M", "--origin_uncached_bytes=1M"});
  const std::string old = Put("large", 24 * kMib, 1);
  RawClient client = Client();
  client.Ask({.mode = kCopy, .uri = "large"});
  Answer answer = client.NextHead();
  const std::string now = Put("large", 24 * kMib, 2);
  client.ReadBody(&answer, old.size());
  EXPECT_TRUE(answer.cut);
  EXPECT_LT(answer.body.size(), old.size());
  EXPECT_TRUE(answer.body == old.substr(0, answer.body.size()));
  ExpectBody(Client().Get({.mode = kCopy, .uri = "large"}), now);
}

// Where the origin fails before the first byte it is an ordinary error, not one of this disk's.
TEST_P(UncachedTest, TroubleBeforeTheFirstByte) {
  // Each answer asks anew what it is, and then for its bytes.
  StartFetching({"--disk_evict_at=1M", "--fd_cache_valid_ms=0"});
  const std::string body = Put("large", 2 * kMib);
  ExpectBody(Client().Get({.mode = kCopy, .uri = "large"}), body);
  origin_.Misbehave("base/large", 2, Fault::Error(403, "AccessDenied"));
  ExpectRefused(Client().Get({.mode = kCopy, .uri = "large"}), Status::kPermissionDenied);
  ExpectBody(Client().Get({.mode = kCopy, .uri = "large"}), body);
}

struct Failing {
  const char* call;
  int error;
};

// The disk fills up, or fails, in the midst of a fetch: what has come is sent, and the rest behind
// it. The reasons are the disk's.
TEST_P(UncachedTest, ADiskThatFailsInMidFetch) {
  StartFetching({});
  int number = 0;
  for (const Failing& failing :
       {Failing{"pwrite", ENOSPC}, Failing{"pwrite", EDQUOT}, Failing{"pwrite", EIO},
        Failing{"pwrite", EROFS}, Failing{"openat", ENOSPC}, Failing{"fsetxattr", ENOSPC},
        Failing{"linkat", ENOSPC}}) {
    for (const int every : {1, 5}) {
      const std::string name = absl::StrCat("object/", ++number);
      SCOPED_TRACE(testing::Message() << failing.call << " " << failing.error << " of " << every);
      const std::string body = Put(name, 3 * kMib + 11, static_cast<uint64_t>(number));
      faults::Fault& fault = faults_.Of(failing.call);
      fault.error = failing.error;
      fault.calls = 1;
      fault.every = every;
      ExpectBody(Client().Get({.mode = kCopy, .uri = name}), body);
      HttpClient http(Connect(Server(), Transport::kTcp));
      EXPECT_TRUE(http.Get("/" + name, "Range: bytes=1000000-\n").body == body.substr(1'000'000));
      fault.every = 0;
      ExpectBody(Client().Get({.mode = kSplice, .uri = name}), body);
    }
  }
}

// A disk that is full, for real.
TEST_P(UncachedTest, ASmallDisk) {
  const std::string root = tree_.outside() + "/small";
  std::filesystem::create_directory(root);
  const storage::SmallDisk disk(root, "4m");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  const std::string larger = Put("larger", 6 * kMib, 1), beside = Put("beside", 3 * kMib, 2);

  std::ofstream(root + "/mine", std::ios::binary) << Pattern(3, 2 * kMib);
  StartFetching({"--disk_evict_at=100%"}, root);
  for (int again = 0; again < 2; ++again) {
    ExpectBody(Client().Get({.mode = kCopy, .uri = "larger"}), larger);
    ExpectBody(Client().Get({.mode = kCopy, .uri = "beside"}), beside);
    HttpClient http(Connect(Server(), Transport::kTcp));
    EXPECT_TRUE(http.Get("/beside").body == beside);
  }
  ExpectNoDescriptor("larger", "file system");
  ExpectNoDescriptor("beside", "No space left");
  EXPECT_TRUE(Client().Get({.mode = kCopy, .uri = "mine"}).body == Pattern(3, 2 * kMib));
  EXPECT_EQ(server_->Stop(SIGTERM), 0) << server_->log();
  server_.reset();
}

}  // namespace
}  // namespace objmapper::e2e
