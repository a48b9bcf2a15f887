// Requests that two servers could read in two ways (request smuggling): all of docs/http-cases.md,
// on every engine, however reads split them, and behind others; and as PUT.
#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/http_cases.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

const std::vector<HttpCase>& Cases() {
  static const auto* const cases = new std::vector<HttpCase>(LoadHttpCases());
  return *cases;
}

bool IsHead(const HttpCase& one) { return absl::StartsWith(one.bytes, "HEAD "); }

// All that comes of a case and what is behind it, in the page's words. An end that is not the
// server's own is asked for only where the page says that the server waits.
std::string EndOf(const HttpCase& one, Wire wire, bool to_head) {
  if (one.waits()) wire.HalfClose();
  std::string verdict = HttpVerdict(wire.ReadToEnd(), to_head);
  if (one.waits()) absl::StrReplaceAll({{" close", " waits"}}, &verdict);
  return verdict;
}

// Until the server has taken all that was sent so far off a Unix socket (unix(7), SIOCOUTQ), or has
// closed it.
void AwaitTaken(const Wire& wire) {
  const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
  while (absl::Now() < give_up) {
    int left = 0;
    ASSERT_EQ(ioctl(wire.fd(), SIOCOUTQ, &left), 0);
    pollfd ended{wire.fd(), POLLRDHUP, 0};
    if (left == 0 || poll(&ended, 1, 0) == 1) return;
  }
  FAIL() << "the server takes nothing";
}

class HttpSmugglingTest : public SetupTest {
 protected:
  void SetUp() override {
    SetupTest::SetUp();
    for (const HttpObject& object : kHttpObjects) SharedTree().AddOnce(object.name, object.content);
  }
  Wire Http() const { return Connect(Server(), GetParam().transport); }
};

// What the page says; and the page never says that a body's words are a request's.
TEST_P(HttpSmugglingTest, IsAnsweredAsThePageSays) {
  for (const HttpCase& one : Cases()) {
    Wire wire = Http();
    wire.Send(absl::StrCat(one.bytes, kHttpBehind));
    EXPECT_EQ(EndOf(one, std::move(wire), IsHead(one)), one.told) << one.name;
    // By any reading that field is another, and the request has no body.
    const bool has_none = absl::StrContains(one.bytes, "Content_Length");
    EXPECT_EQ(absl::StrContains(one.told, "smuggled"), has_none) << one.name;
  }
}

// Behind a request that is sound and answered. There everything is HTTP.
TEST_P(HttpSmugglingTest, BehindASoundRequest) {
  for (const HttpCase& one : Cases()) {
    Wire wire = Http();
    wire.Send(absl::StrCat("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n", one.bytes, kHttpBehind));
    if (one.waits()) wire.HalfClose();
    const std::string answered = wire.ReadToEnd();
    absl::string_view rest = answered;
    std::string body;
    EXPECT_EQ(TakeHttpReply(&rest, /*to_head=*/false, &body), "200") << one.name;
    EXPECT_EQ(body, "what a holds");
    const std::string verdict = HttpVerdict(rest, IsHead(one));
    if (one.is_no_http()) {
      EXPECT_TRUE(verdict == "400 close" || verdict == "501") << one.name << ": " << verdict;
    } else {
      EXPECT_EQ(one.waits() ? absl::StrReplaceAll(verdict, {{" close", " waits"}}) : verdict,
                one.told)
          << one.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, HttpSmugglingTest,
                         testing::ValuesIn(Setups({Transport::kUnix, Transport::kTcp},
                                                  {Dialect::kV1})),
                         SetupName);

// ---- However it is split ----

// A quarter of the page for each, so that they run beside each other.
class HttpSplitTest : public testing::TestWithParam<std::tuple<std::string, size_t>> {
 public:
  static constexpr size_t kParts = 4;

 protected:
  void SetUp() override {
    const std::string why = WhyNotEngine(std::get<0>(GetParam()));
    if (!why.empty()) GTEST_SKIP() << why;
    for (const HttpObject& object : kHttpObjects) SharedTree().AddOnce(object.name, object.content);
  }
};

// The server reads a case in two parts, split at each of its bytes in turn: the answer is the same.
TEST_P(HttpSplitTest, IsTheSame) {
  const ServerProcess& server = SharedServer(std::get<0>(GetParam()));
  for (size_t i = std::get<1>(GetParam()); i < Cases().size(); i += kParts) {
    const HttpCase& one = Cases()[i];
    const size_t step = 1 + one.bytes.size() / 200;  // of long ones not every byte
    for (size_t at = 1; at <= one.bytes.size(); at += step) {
      Wire wire = server.Unix();
      wire.Send(one.bytes.substr(0, at));
      // The first byte alone does not say whose language it is, and stays where it is.
      if (at > 1) AwaitTaken(wire);
      wire.Send(absl::StrCat(one.bytes.substr(at), kHttpBehind));
      const std::string verdict = EndOf(one, std::move(wire), IsHead(one));
      // Whose body is asked for before it is here, is answered at once, and that is the end.
      const bool early = absl::StrContains(one.bytes, "Expect: 100-continue") &&
                         verdict == absl::StrCat(one.told, " close");
      EXPECT_TRUE(verdict == one.told || early)
          << one.name << ", split at " << at << ": " << verdict << " and not " << one.told;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, HttpSplitTest,
                         testing::Combine(testing::ValuesIn(kEngines),
                                          testing::Range(size_t{0}, HttpSplitTest::kParts)),
                         [](const auto& info) {
                           return absl::StrCat(std::get<0>(info.param), "_",
                                               std::get<1>(info.param));
                         });

// ---- Requests that write ----

class HttpWriteTest : public EngineTest {
 protected:
  // The cases that have a body, with `begin` for their method and target, to a server that stores;
  // `of` says whether an answer is one to a case that says so of GET.
  void TryBodies(absl::string_view begin, bool (*of)(absl::string_view, absl::string_view)) {
    ObjectTree tree;
    for (const HttpObject& object : kHttpObjects) tree.Add(object.name, object.content);
    ServerProcess server(tree.root(), {.engine = GetParam(), .flags = {"--writable"}});
    size_t tried = 0;
    for (const HttpCase& one : Cases()) {
      const bool has_body = absl::StrContains(one.bytes, "Content-Length") ||
                            absl::StrContains(one.bytes, "Transfer-Encoding");
      // Of a length that GET does not take PUT waits for more, and who asks first is told to go on.
      if (!has_body || !absl::StartsWith(one.bytes, "GET /a HTTP/1.1") || one.waits() ||
          absl::StartsWith(one.told, "413") || absl::StrContains(one.bytes, "Expect:"))
        continue;
      ++tried;
      Wire wire = server.Unix();
      wire.Send(absl::StrCat(begin, one.bytes.substr(6), kHttpBehind));
      const std::string verdict = HttpVerdict(wire.ReadToEnd(), /*to_head=*/false);
      EXPECT_TRUE(of(one.told, verdict)) << one.name << ": " << verdict << ", of " << one.told;
    }
    EXPECT_GT(tried, 100u);
    EXPECT_EQ(server.Stop(SIGTERM), 0);
  }
};

// Whether `verdict` is `told` with another of `statuses` for 200.
bool IsWith(absl::string_view statuses, absl::string_view told, absl::string_view verdict) {
  if (told == verdict) return true;
  return told.size() >= 3 && verdict.size() >= 3 && told.substr(3) == verdict.substr(3) &&
         told.substr(0, 3) == "200" && absl::StrContains(statuses, verdict.substr(0, 3));
}

// What is unsound ends the connection as it does for GET, with the same status, and a body ends
// where it does for GET.
TEST_P(HttpWriteTest, BodiesOfPut) {
  TryBodies("PUT /put", [](absl::string_view told, absl::string_view verdict) {
    return IsWith("201 204", told, verdict);
  });
}

// The same; there is nothing to delete.
TEST_P(HttpWriteTest, BodiesOfDelete) {
  TryBodies("DELETE /put", [](absl::string_view told, absl::string_view verdict) {
    return IsWith("404", told, verdict);
  });
}

// A body that DELETE comes with and that is not here yet is nothing that the server has, and it
// answers, or waits; whatever comes of it, others are served.
TEST_P(HttpWriteTest, DeleteAndABodyToCome) {
  ObjectTree tree;
  for (const HttpObject& object : kHttpObjects) tree.Add(object.name, object.content);
  ServerProcess server(tree.root(), {.engine = GetParam(), .flags = {"--writable"}});
  for (const char* framing :
       {"Content-Length: 1000", "Content-Length: 100000000", "Transfer-Encoding: chunked"}) {
    for (const char* expects : {"", "Expect: 100-continue\r\n"}) {
      for (const char* begun : {"", "1", "g\r\n"}) {
        tree.AddOnce("gone", "what is to go");
        Wire wire = server.Unix();
        wire.Send(absl::StrCat("DELETE /gone HTTP/1.1\r\nHost: localhost\r\n", expects, framing,
                               "\r\n\r\n", begun));
        wire.HalfClose();
        const std::string answered = wire.ReadToEnd();
        const std::string verdict = HttpVerdict(answered, /*to_head=*/false);
        EXPECT_TRUE(verdict == "204 close" || absl::StartsWith(verdict, "4"))
            << framing << " " << expects << begun << ": " << answered;
        EXPECT_FALSE(absl::StrContains(answered, "what is to go"));
      }
    }
  }
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

INSTANTIATE_TEST_SUITE_P(All, HttpWriteTest, testing::ValuesIn(kEngines), EngineName);

}  // namespace
}  // namespace objmapper::e2e
