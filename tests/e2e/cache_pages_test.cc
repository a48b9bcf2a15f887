// What the operator's door tells, and does, of what was fetched from origins: by HTTP, as curl and
// a browser would ask it.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/http_client.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/metrics.h"
#include "tests/e2e/writable.h"
#include "tests/net/eventually.h"
#include "tests/origin/bad_origin.h"

namespace objmapper::e2e {
namespace {

using origin::testing::BadOrigin;
using origin::testing::Fault;

constexpr char kChange[] = "Objmapper-Change: yes\n";

class CachePagesTest : public WritableTest {
 protected:
  void SetUp() override {
    WritableTest::SetUp();
    if (IsSkipped()) return;
    tree_.Add("own", "of this disk");
    origin_.Put("base/a", "of the origin", "\"tag\"");
    origin_.Put("base/x//y", "awkward", "\"tag\"");
    StartFetching();
  }
  void StartFetching() {
    server_ = std::make_unique<ServerProcess>(
        tree_.root(),
        ServerOptions{
            .engine = GetParam(),
            .flags = {"--durability=none", "--drain_timeout=2s", "--admin_listen=" + Admin(),
                      absl::StrCat("--origin=", origin_.url("base"), " immutable")}});
  }
  std::string Admin() const { return tree_.outside() + "/admin"; }
  Reply Ask(const std::string& method, const std::string& target, const std::string& fields = "") {
    return HttpClient(Wire::ToUnix(Admin())).Ask(method, target, fields);
  }
  Reply Change(const std::string& target) { return Ask("POST", target, kChange); }
  void Fetch(const std::string& uri) {
    EXPECT_TRUE(Client().Get({.mode = kFdPass, .uri = uri}).ok()) << uri;
  }
  size_t Asked(const std::string& name) const { return origin_.asked("base/" + name).size(); }
  static void Expect(const Reply& reply, int status, const std::vector<std::string>& says) {
    EXPECT_EQ(reply.status, status) << reply.body;
    EXPECT_EQ(reply.Field("Content-Type"), "application/json");
    for (const std::string& text : says)
      EXPECT_TRUE(absl::StrContains(reply.body, text)) << text << " in " << reply.body;
  }

  BadOrigin origin_;
};
INSTANTIATE_TEST_SUITE_P(Engines, CachePagesTest, testing::Values("uring", "epoll"), EngineName);

// What is here, where it came from, and each error with its status.
TEST_P(CachePagesTest, Look) {
  Expect(Ask("GET", "/cache?uri=a"), 404, {R"({"objects":[{"uri":"a","status":404,"error":")"});
  Fetch("a");
  Fetch("x//y");
  Expect(Ask("GET", "/cache?uri=%2Fa&uri=x//y&uri=own"), 200,
         {R"({"objects":[{"uri":"/a","state":"whole","size":13,"bytes_here":13,"pinned":false,)"
          R"("being_fetched":false,"encoded_name":false,"source":")" +
              origin_.url("base/a") + R"(","etag":"\"tag\"","fetched_unix_s":)",
          R"({"uri":"x//y","state":"whole")", R"("encoded_name":true)",
          R"({"uri":"own","state":"own","size":12,"bytes_here":12,"pinned":false,)"
          R"("being_fetched":false}]})"});
  Expect(Ask("GET", "/cache?uri=b%FF&uri=a"), 404, {R"([{"uri_hex":"62ff","status":404)"});
  Expect(Ask("GET", "/origins"), 200, {R"("url":")" + origin_.url("base"), R"("fetched":2,)"});
  EXPECT_EQ(Ask("HEAD", "/cache?uri=a").status, 200);
  EXPECT_EQ(Asked("a"), 1u);
}

// A change is done, told, and lasts; what cannot be done is 404 or 409.
TEST_P(CachePagesTest, Changes) {
  Fetch("a");
  Fetch("x//y");
  Expect(Change("/cache/pin?uri=a&uri=x//y"), 200,
         {R"({"objects":[{"uri":"a","pinned":true},{"uri":"x//y","pinned":true}]})"});
  Expect(Change("/cache/evict?uri=a"), 409, {"is pinned"});
  EXPECT_EQ(server_->Stop(SIGTERM), 0) << server_->log();
  StartFetching();
  Expect(Change("/cache/evict?uri=x//y&uri=own&uri=nothing"), 409,
         {"is pinned", R"({"uri":"own","status":409)", R"({"uri":"nothing","status":404)"});
  Expect(Change("/cache/unpin?uri=x//y"), 200, {R"("pinned":false)"});
  Expect(Change("/cache/evict?uri=x//y"), 200, {R"({"uri":"x//y","freed_bytes":)"});
  Expect(Change("/cache/evict?force=1&uri=a"), 200, {R"({"uri":"a","freed_bytes":)"});
  EXPECT_FALSE(std::filesystem::exists(tree_.Path("a")));
  Fetch("a");
  Fetch("x//y");
  EXPECT_EQ(Asked("a"), 2u);
  EXPECT_EQ(Asked("x//y"), 2u);
  EXPECT_EQ(Client().Get({.mode = kCopy, .uri = "own"}).body, "of this disk");
}

// What a page of another site can make a browser send changes nothing: a form's POST, with whatever
// it says; a question for leave (CORS) gets none.
TEST_P(CachePagesTest, NoPageOfAnotherSite) {
  Fetch("a");
  for (const char* change : {"/cache/evict", "/cache/pin", "/cache/unpin"}) {
    const std::string target = absl::StrCat(change, "?uri=a");
    const Reply form = Ask("POST", target,
                           "Origin: http://evil.example\nSec-Fetch-Site: cross-site\n"
                           "Content-Type: application/x-www-form-urlencoded\nContent-Length: 0\n");
    EXPECT_EQ(form.status, 403) << form.body;
    EXPECT_TRUE(absl::StrContains(form.body, "Objmapper-Change")) << form.body;
    EXPECT_EQ(Ask("POST", target, "Objmapper-Change: \n").status, 403);
    EXPECT_EQ(Ask("POST", target, absl::StrCat(kChange, "Content-Length: 5\n")).status, 413);
    const Reply leave = Ask("OPTIONS", target,
                            "Origin: http://evil.example\nAccess-Control-Request-Method: POST\n"
                            "Access-Control-Request-Headers: objmapper-change\n");
    EXPECT_EQ(leave.status, 405);
    EXPECT_FALSE(absl::StrContains(leave.head, "Access-Control")) << leave.head;
    const Reply get = Ask("GET", target, kChange);
    EXPECT_EQ(get.status, 405);
    EXPECT_EQ(get.Field("Allow"), "POST");
  }
  const Reply post = Change("/cache?uri=a");
  EXPECT_EQ(post.status, 405);
  EXPECT_EQ(post.Field("Allow"), "GET, HEAD");
  for (const char* page : {"/", "/metrics", "/healthz", "/readyz", "/cache/", "/cache/drop"})
    EXPECT_EQ(Change(page).status, 405) << page;
  Expect(Ask("GET", "/cache?uri=a"), 200, {R"("pinned":false)"});
}

// Over TCP a name that is none of this server's is not heard, whatever it asks for.
TEST_P(CachePagesTest, NamesOfStrangers) {
  ServerProcess server(tree_.root(), {.engine = GetParam(),
                                      .flags = {"--admin_listen=127.0.0.1:0",
                                                absl::StrCat("--origin=", origin_.url("base"))}});
  const std::string log = server.log();
  const std::string said = "status page and metrics on tcp://127.0.0.1:";
  const size_t at = log.find(said) + said.size();
  int port = 0;
  ASSERT_TRUE(absl::SimpleAtoi(log.substr(at, log.find('\n', at) - at), &port));
  for (const auto& [host, status] : {std::pair("evil.example", 421), std::pair("localhost", 404)}) {
    for (const char* page : {"/cache/evict?uri=a", "/cache/pin?uri=a"}) {
      HttpClient client(Wire::ToTcp(static_cast<uint16_t>(port)));
      client.Say(absl::StrCat("POST ", page, " HTTP/1.1\nHost: ", host, "\n", kChange, "\n"));
      EXPECT_EQ(client.Next().status, status) << host << page;
    }
  }
}

// What makes no sense is said to make none, and bounds are kept.
TEST_P(CachePagesTest, Nonsense) {
  Fetch("a");
  for (const char* query : {"", "?", "?url=a", "?uri=%", "?uri=%2", "?uri=%zz", "?force=1"}) {
    for (const char* page : {"/cache/evict", "/cache/pin"}) {
      const Reply reply = Change(absl::StrCat(page, query));
      EXPECT_EQ(reply.status, 400) << page << query;
      EXPECT_NE(reply.body, "");
    }
    EXPECT_EQ(Ask("GET", absl::StrCat("/cache", query)).status, 400) << query;
  }
  EXPECT_EQ(Change("/cache/evict?uri=a&force=yes").status, 400);
  Expect(Change("/cache/evict?uri="), 400, {R"({"uri":"","status":400)"});
  Expect(Change("/cache/evict?uri=a%00b"), 400, {"NUL"});
  std::string many = "/cache/pin?uri=a";
  for (int i = 0; i < 256; ++i) many += "&uri=a";
  const Reply too_many = Change(many);
  EXPECT_EQ(too_many.status, 400);
  EXPECT_TRUE(absl::StrContains(too_many.body, "257")) << too_many.body;
  for (const char* uri : {"..%2Fouter", ".objmapper-origin%2Fpart", "%2e%2e", "folder%2F..%2Fa"})
    EXPECT_EQ(Change(absl::StrCat("/cache/evict?uri=", uri)).status, 404) << uri;
  Expect(Ask("GET", "/cache?uri=a"), 200, {R"("pinned":false)"});
}

// Whoever looks while an object comes is told so, and the change that cannot be now is refused.
TEST_P(CachePagesTest, WhatIsBeingFetched) {
  origin_.Put("base/slow", std::string(100'000, 's'));
  origin_.Misbehave("base/slow", 0, Fault::SilentAt(1000));
  RawClient waits = Client();
  waits.Ask({.mode = kFdPass, .uri = "slow"});
  EXPECT_TRUE(MetricBecomes(Admin(), "objmapper_origin_fetching", 1));
  EXPECT_TRUE(net::Eventually([&] {
    return absl::StrContains(Ask("GET", "/cache?uri=slow").body,
                             R"({"uri":"slow","state":"part","size":100000,"bytes_here":0,)"
                             R"("pinned":false,"being_fetched":true,)");
  }));
  Expect(Change("/cache/evict?uri=slow&force=1"), 409, {"being fetched"});
  Expect(Ask("GET", "/origins"), 200,
         {R"("state":"unused","requests":1,"fetches":1,"fetched":0,)"});
}

}  // namespace
}  // namespace objmapper::e2e
