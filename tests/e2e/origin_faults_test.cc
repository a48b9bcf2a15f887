// What a client gets while its object's origin misbehaves: the right bytes, or a refusal with a
// reason, or a body that is visibly cut; by each door, on both engines, and for no more requests
// than it takes. One row, one fault; docs/reliability.md lists them.
#include <gtest/gtest.h>
#include <signal.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/e2e/http_client.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/metrics.h"
#include "tests/e2e/writable.h"
#include "tests/origin/bad_origin.h"

namespace objmapper::e2e {
namespace {

using origin::testing::BadOrigin;
using origin::testing::Fault;

constexpr size_t kPart = 256 * 1024;
constexpr size_t kBytes = 4 * kPart;
constexpr char kWords[] = " part=256K block=256K parallel=2 stall=1K/1s answer=1s ";

enum class Want : uint8_t {
  kWhole,           // it comes, be it after some attempts
  kAnotherVersion,  // the same, but a body of the old one that has begun is cut off
  kRightOrTrouble,  // what was announced is right; what follows may spoil another answer
  kTrouble,         // UNAVAILABLE, and when to come again; bytes that have begun are cut off
  kForbidden,       // PERMISSION_DENIED, the same
  kAbsent,          // NOT_FOUND, the same
};

struct Row {
  const char* name;
  Want want = Want::kTrouble;
  // Of requests for the object. What is right takes four.
  size_t asked_max = 0;
  std::function<void(BadOrigin*, const std::string& key, const std::string& body)> misbehave;
  std::function<std::string(const BadOrigin&)> url = nullptr;  // of the origin; null: as it is
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }

// What is done wrong with each of its requests, or with the nth.
std::function<void(BadOrigin*, const std::string&, const std::string&)> Does(Fault fault,
                                                                             int nth = 0) {
  return [fault, nth](BadOrigin* origin, const std::string& key, const std::string&) {
    origin->Misbehave(key, nth, fault);
  };
}
std::function<void(BadOrigin*, const std::string&, const std::string&)> Burst(Fault fault) {
  return [fault](BadOrigin* origin, const std::string& key, const std::string&) {
    origin->Misbehave(key, 1, fault);
    origin->Misbehave(key, 2, fault);
  };
}

// An attempt and two more for each of two parts at once, and one part that goes well before.
constexpr size_t kThrice = 3;
constexpr size_t kOneThenTwoThrice = 1 + 2 * kThrice;

const Row kRows[] = {
    {"Refused", Want::kTrouble, 0, [](BadOrigin*, const std::string&, const std::string&) {},
     [](const BadOrigin& origin) { return origin.refused_url("base"); }},
    {"UnknownHost", Want::kTrouble, 0, [](BadOrigin*, const std::string&, const std::string&) {},
     [](const BadOrigin&) { return "http://nowhere.invalid/base"; }},
    {"SilenceBeforeTheHead", Want::kTrouble, kThrice, Does(Fault::SilentBeforeHead())},
    {"SilenceBeforeTheHeadOnce", Want::kWhole, 5, Does(Fault::SilentBeforeHead(), 1)},
    {"SilenceBetweenHeadAndBody", Want::kTrouble, kOneThenTwoThrice, Does(Fault::SilentAt(0))},
    {"SilenceInMidBody", Want::kTrouble, kOneThenTwoThrice, Does(Fault::SilentAt(1000))},
    {"SilenceInMidBodyOnce", Want::kWhole, 5, Does(Fault::SilentAt(1000), 2)},
    {"Drip", Want::kTrouble, kOneThenTwoThrice, Does(Fault::DripFrom(1000))},
    {"CutBeforeTheHead", Want::kTrouble, kThrice, Does(Fault::CutBeforeHead())},
    {"CutInMidBody", Want::kTrouble, kOneThenTwoThrice, Does(Fault::CutAt(0))},
    {"CutInMidBodyOnce", Want::kWhole, 5, Does(Fault::CutAt(1000), 1)},
    {"ResetInMidBody", Want::kTrouble, kOneThenTwoThrice, Does(Fault::ResetAt(0))},
    {"ResetInMidBodyOnce", Want::kWhole, 5, Does(Fault::ResetAt(1000), 3)},
    {"BurstOf500", Want::kWhole, 6, Burst(Fault::Error(500, "InternalError"))},
    {"Always503", Want::kTrouble, kThrice, Does(Fault::Error(503))},
    {"BurstOfSlowDown", Want::kWhole, 6, Burst(Fault::Error(503, "SlowDown"))},
    {"AlwaysSlowDown", Want::kTrouble, kThrice, Does(Fault::Error(503, "SlowDown"))},
    {"MoreThanWasSaid", Want::kTrouble, kOneThenTwoThrice,
     Does(Fault::Says("content-length", "1"))},
    {"LessThanWasSaid", Want::kTrouble, kOneThenTwoThrice,
     Does(Fault::Says("content-length", "9999999"))},
    {"AnotherEtagOnAPart", Want::kTrouble, 4 * 4, Does(Fault::Says("etag", "\"other\""), 0)},
    {"ReplacedInMidFetch", Want::kAnotherVersion, 9,
     [](BadOrigin* origin, const std::string& key, const std::string& body) {
       origin->Misbehave(
           key, 2, Fault::Does(10, [origin, key, body] { origin->Put(key, body, "\"v2\""); }));
     }},
    {"DeletedInMidFetch", Want::kAbsent, 9,
     [](BadOrigin* origin, const std::string& key, const std::string&) {
       origin->Misbehave(key, 2, Fault::Does(10, [origin, key] { origin->Delete(key); }));
     }},
    {"WholeForARange", Want::kWhole, 2, Does(Fault::IgnoresRange())},
    {"AnotherRange", Want::kTrouble, kThrice,
     Does(Fault::Says("content-range", absl::StrCat("bytes 5-", kPart + 4, "/", kBytes)))},
    {"ARedirect", Want::kWhole, 10,
     [](BadOrigin* origin, const std::string& key, const std::string& body) {
       origin->Put("elsewhere/" + key, body, "\"v1\"");
       origin->Misbehave(key, 0, Fault::Redirects(302, "/elsewhere/" + key));
     }},
    {"ALoopOfRedirects", Want::kTrouble, 10,
     [](BadOrigin* origin, const std::string& key, const std::string&) {
       origin->Misbehave(key, 0, Fault::Redirects(302, "/" + key));
     }},
    {"Garbage", Want::kTrouble, kThrice, Does(Fault::Raw("\x16\x03\x01 nothing of HTTP\r\n\r\n"))},
    {"EndlessBody", Want::kRightOrTrouble, kOneThenTwoThrice, Does(Fault::Endless(kPart))},
    {"ForbiddenInMidRun", Want::kForbidden, 4, Does(Fault::Error(403, "AccessDenied"), 3)},
    {"TokensThatHaveExpired", Want::kTrouble, 4, Does(Fault::Error(400, "ExpiredToken"), 0)},
    {"GoneFor410", Want::kAbsent, 1, Does(Fault::Error(410))},
};

class OriginFaultsTest : public testing::TestWithParam<std::tuple<std::string, Row>> {
 protected:
  void SetUp() override {
    const std::string why = WhyNotEngine(std::get<0>(GetParam()));
    if (!why.empty()) GTEST_SKIP() << why;
  }
  const Row& row() const { return std::get<1>(GetParam()); }
  static std::string Key(const std::string& name) { return "base/" + name; }

  // What came of an object before its end must be its beginning, whatever happens then.
  void ExpectPrefix(const std::string& came) {
    EXPECT_LT(came.size(), body_.size());
    EXPECT_TRUE(came == body_.substr(0, came.size())) << "wrong bytes among " << came.size();
  }
  void Judge(const Answer& answer, bool may_be_cut) {
    if (row().want == Want::kWhole ||
        (row().want == Want::kAnotherVersion && !(may_be_cut && answer.cut)) ||
        (row().want == Want::kRightOrTrouble && answer.ok())) {
      ASSERT_TRUE(answer.ok()) << (answer.Has(kErrorEntry) ? answer.metadata.at(kErrorEntry)
                                                           : "cut");
      EXPECT_TRUE((answer.fd.valid() ? Contents(answer.fd.get()) : answer.body) == body_);
      return;
    }
    if (may_be_cut && answer.cut) return ExpectPrefix(answer.body);
    switch (row().want) {
      case Want::kForbidden:
        return ExpectRefused(answer, Status::kPermissionDenied);
      case Want::kAbsent:
        return ExpectRefused(answer, Status::kNotFound);
      default:
        ExpectRefused(answer, Status::kUnavailable);
        EXPECT_TRUE(answer.Has(kRetryAfterEntry)) << answer.metadata.at(kErrorEntry);
    }
  }
  void JudgeHttp(HttpClient* client) {
    client->Say("GET /http HTTP/1.1\nHost: localhost\n\n");
    std::string head;
    while (!absl::EndsWith(head, "\r\n\r\n"))
      ASSERT_EQ(client->wire().ReadInto(1, &head), Wire::Got::kAll) << head;
    std::string body;
    size_t length = 0;
    for (const absl::string_view line : absl::StrSplit(head, "\r\n")) {
      if (absl::StartsWith(line, "Content-Length: ")) {
        ASSERT_TRUE(absl::SimpleAtoi(line.substr(16), &length)) << line;
      }
    }
    const Wire::Got got = client->wire().ReadInto(length, &body);
    if (row().want == Want::kWhole ||
        (row().want == Want::kAnotherVersion && got == Wire::Got::kAll) ||
        (row().want == Want::kRightOrTrouble && absl::StartsWith(head, "HTTP/1.1 200 ") &&
         got == Wire::Got::kAll)) {
      EXPECT_TRUE(absl::StartsWith(head, "HTTP/1.1 200 ")) << head << body;
      EXPECT_TRUE(got == Wire::Got::kAll && body == body_);
    } else if (absl::StartsWith(head, "HTTP/1.1 200 ")) {
      EXPECT_EQ(got, Wire::Got::kEnd) << "it must be cut";
      ExpectPrefix(body);
    } else {
      const char* const status = row().want == Want::kForbidden ? "403 "
                                 : row().want == Want::kAbsent  ? "404 "
                                                                : "503 ";
      EXPECT_TRUE(absl::StartsWith(head, absl::StrCat("HTTP/1.1 ", status))) << head;
      EXPECT_EQ(absl::StrContains(head, "\r\nRetry-After: "), status == absl::string_view("503 "))
          << head;
    }
  }

  ObjectTree tree_;
  const std::string body_ = Pattern(7, kBytes);
  BadOrigin origin_;
};

TEST_P(OriginFaultsTest, ByEachDoor) {
  const std::string url = row().url == nullptr ? origin_.url("base") : row().url(origin_);
  const std::string admin = tree_.outside() + "/admin";
  ServerProcess server(tree_.root(), {.engine = std::get<0>(GetParam()),
                                      .flags = {"--origin=" + url + kWords, "--durability=none",
                                                "--admin_listen=" + admin}});
  for (const char* name : {"fd", "copy", "splice", "http"}) {
    origin_.Put(Key(name), body_, "\"v1\"");
    row().misbehave(&origin_, Key(name), body_);
  }
  std::vector<std::thread> doors;
  for (const auto& [mode, name] :
       {std::pair(kFdPass, "fd"), {kCopy, "copy"}, {kSplice, "splice"}}) {
    doors.emplace_back([&, mode = mode, name = name] {
      RawClient client = Open(server, Transport::kUnix, Dialect::kV2);
      Judge(client.Get({.mode = mode, .uri = name}), /*may_be_cut=*/mode != kFdPass);
      if (mode != kFdPass || row().want != Want::kTrouble) return;
      // Who asks again at once is told what is known, and nobody else is asked.
      const size_t asked = origin_.asked(Key(name)).size();
      ExpectRefused(client.Get({.mode = mode, .uri = name}), Status::kUnavailable);
      EXPECT_EQ(origin_.asked(Key(name)).size(), asked);
    });
  }
  doors.emplace_back([&] {
    HttpClient client(Connect(server, Transport::kTcp));
    JudgeHttp(&client);
  });
  for (std::thread& door : doors) door.join();
  EXPECT_TRUE(MetricBecomes(admin, "objmapper_origin_fetching", 0));
  EXPECT_EQ(Metric(admin, "objmapper_origin_requests_running"), 0);
  for (const char* name : {"fd", "copy", "splice", "http"}) {
    const size_t asked = origin_.asked(Key(name)).size();
    EXPECT_LE(asked, row().asked_max) << name;
    if (row().want != Want::kRightOrTrouble) {
      EXPECT_EQ(asked > 0, row().asked_max > 0) << name;
    }
  }
  EXPECT_EQ(server.Stop(SIGTERM), 0) << server.log();
}

INSTANTIATE_TEST_SUITE_P(Engines, OriginFaultsTest,
                         testing::Combine(testing::ValuesIn(kEngines), testing::ValuesIn(kRows)),
                         [](const testing::TestParamInfo<OriginFaultsTest::ParamType>& info) {
                           return absl::StrCat(std::get<1>(info.param).name, "_",
                                               std::get<0>(info.param));
                         });

// Five hundred clients that come at once move its bytes once.
TEST(OriginCrowdTest, FiveHundredAtOnce) {
  for (const std::string& engine : kEngines) {
    if (!WhyNotEngine(engine).empty()) continue;
    SCOPED_TRACE(engine);
    BadOrigin origin;
    ObjectTree tree;
    const std::string body = Pattern(3, kBytes);
    origin.Put("base/hot", body);
    ServerProcess server(
        tree.root(), {.engine = engine,
                      .flags = {"--origin=" + origin.url("base") + kWords, "--durability=none"}});
    std::vector<RawClient> clients;
    for (int i = 0; i < 500; ++i) {
      clients.push_back(Open(server, Transport::kUnix, Dialect::kV2));
      clients.back().Ask({.mode = i % 5 == 0 ? kFdPass : kCopy, .uri = "hot"});
    }
    for (RawClient& client : clients) {
      const Answer answer = client.Next();
      ASSERT_TRUE(answer.ok());
      EXPECT_TRUE((answer.fd.valid() ? Contents(answer.fd.get()) : answer.body) == body);
    }
    EXPECT_EQ(origin.bytes_sent(), body.size());
    EXPECT_EQ(origin.asked("base/hot").size(), 4u);
    EXPECT_EQ(server.Stop(SIGTERM), 0) << server.log();
  }
}

}  // namespace
}  // namespace objmapper::e2e
