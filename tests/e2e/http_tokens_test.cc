// Requests over HTTP that say whose they are: docs/security.md ("Tokens") and docs/http.md, on
// every engine and in every model.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/http_client.h"
#include "tests/e2e/tokens_fixture.h"

namespace objmapper::e2e {
namespace {

constexpr Transport kBoth[] = {Transport::kUnix, Transport::kTcp};
constexpr char kAlice[] = "Authorization: Bearer secret-of-alice-0\n";
constexpr char kBob[] = "Authorization: Bearer secret-of-bob-xyz\n";
constexpr char kNobody[] = "Authorization: Bearer secret-of-nobody\n";
constexpr char kAsks[] = "Bearer realm=\"objmapper\"";
constexpr char kInvalid[] = "Bearer realm=\"objmapper\", error=\"invalid_token\"";

std::string Basic(absl::string_view pair) {
  return absl::StrCat("Authorization: Basic ", absl::Base64Escape(pair), "\n");
}

class HttpTokensTest : public TokensFixture {
 protected:
  HttpClient Http(Transport transport = Transport::kTcp) {
    return HttpClient(Connect(Server(), transport));
  }
  // 401, with what is asked for.
  static void ExpectAsked(const Reply& reply, absl::string_view challenge) {
    EXPECT_EQ(reply.status, 401) << reply.head;
    EXPECT_EQ(reply.Field("WWW-Authenticate"), challenge) << reply.head;
    EXPECT_TRUE(absl::StrContains(reply.head, "\r\nWWW-Authenticate: Basic realm=")) << reply.head;
    EXPECT_FALSE(reply.closes()) << reply.head;
  }
  static void ExpectDenied(const Reply& reply) {
    EXPECT_EQ(reply.status, 403) << reply.head;
    EXPECT_EQ(reply.Field("WWW-Authenticate"), "");
  }
};
INSTANTIATE_TEST_SUITE_P(Everything, HttpTokensTest, testing::ValuesIn(kEverything), EngineName);

// Who may, who may not, and who is asked who it is; all on one connection.
TEST_P(HttpTokensTest, WhoIsServed) {
  StartWithTokens();
  for (const Transport transport : kBoth) {
    HttpClient client = Http(transport);
    EXPECT_EQ(client.Get("/alice/a", kAlice).body, "of alice");
    ExpectAsked(client.Get("/alice/a"), kAsks);
    ExpectDenied(client.Get("/alice/a", kBob));
    EXPECT_EQ(client.Get("/bob/a", kBob).body, "of bob");
    for (const char* fields : {"", kAlice, kBob})
      EXPECT_EQ(client.Get("/open/a", fields).body, "anybody's") << fields;
    // What is not known is not passed over, not even where anybody may.
    ExpectAsked(client.Get("/open/a", kNobody), kInvalid);
    ExpectAsked(client.Get("/alice/a", kNobody), kInvalid);
    ExpectAsked(client.Get("/open/a", "Authorization: Bearer\n"), kInvalid);
    ExpectAsked(client.Get("/open/a", absl::StrCat(kAlice, kAlice)), kInvalid);
    ExpectAsked(client.Get("/open/a", "Authorization: Digest username=\"alice\"\n"), kAsks);
    EXPECT_EQ(client.Get("/alice/a", Basic("alice:secret-of-alice-0")).body, "of alice");
    ExpectAsked(client.Get("/alice/a", Basic("bob:secret-of-alice-0")), kInvalid);
    ExpectAsked(client.Ask("HEAD", "/alice/a"), kAsks);
    EXPECT_EQ(client.Ask("HEAD", "/alice/a", kAlice).status, 200);
    // Browsers ask beforehand without a token.
    EXPECT_EQ(client.Ask("OPTIONS", "/alice/a").status, 204);
  }
}

// Whoever may not read sees no difference between what is there and what is not.
TEST_P(HttpTokensTest, WhatIsNotThere) {
  StartWithTokens();
  HttpClient client = Http();
  const auto body = [&](const char* path, const char* fields) {
    return client.Get(path, fields).body;
  };
  EXPECT_EQ(body("/alice/a", ""), body("/alice/none", ""));
  EXPECT_EQ(body("/alice/a", kBob), body("/alice/none", kBob));
  EXPECT_EQ(client.Get("/alice/none", kAlice).status, 404);
}

// Rights to write are a name's too; a body that is refused is not waited for.
TEST_P(HttpTokensTest, Writing) {
  StartWithTokens();
  HttpClient client = Http();
  ExpectAsked(client.Put("/alice/new", "x"), kAsks);
  ExpectAsked(client.Put("/alice/new", "x", kNobody), kInvalid);
  ExpectDenied(client.Put("/alice/new", "x", kBob));
  ExpectDenied(client.Put("/bob/a", "x", kBob));
  EXPECT_EQ(client.Put("/alice/in/new", "x", kAlice).status, 201);
  EXPECT_EQ(client.Get("/alice/in/new", kAlice).body, "x");
  ExpectAsked(client.Ask("DELETE", "/alice/in/new"), kAsks);
  ExpectDenied(client.Ask("DELETE", "/alice/in/new", kBob));
  EXPECT_EQ(client.Ask("DELETE", "/alice/in/new", kAlice).status, 204);
  EXPECT_EQ(client.Get("/alice/in/new", kAlice).status, 404);
  // Its sender waits to be told, and is told no.
  client.Say(absl::StrCat("PUT /alice/new HTTP/1.1\nHost: localhost\nContent-Length: 5\n",
                          "Expect: 100-continue\n\n"));
  EXPECT_EQ(client.Next().status, 401);
  EXPECT_TRUE(client.AtEnd());
}

// A proxy's connection carries requests of many: each is judged by its own token, whatever came
// before it and comes behind.
TEST_P(HttpTokensTest, ManyNamesOnOneConnection) {
  StartWithTokens();
  const struct {
    const char* fields;
    int status;
  } kSequence[] = {{kAlice, 200},  {"", 401},      {kBob, 403}, {kAlice, 200},
                   {kNobody, 401}, {"", 401},      {kBob, 403}, {"", 401},
                   {kAlice, 200},  {kNobody, 401}, {kBob, 403}, {kAlice, 200}};
  for (const Transport transport : kBoth) {
    HttpClient client = Http(transport);
    std::string all;
    for (const auto& one : kSequence) {
      absl::StrAppend(&all, "GET /alice/a HTTP/1.1\nHost: localhost\n", one.fields, "\n");
    }
    client.Say(all);
    for (const auto& one : kSequence) {
      const Reply reply = client.Next();
      EXPECT_EQ(reply.status, one.status) << one.fields;
      EXPECT_EQ(reply.body == "of alice", one.status == 200) << one.fields;
    }
  }
}

// A folder's listing shows what the request's name may read; where that is nothing, who it is
// is asked. An index.html is read by the same name.
TEST_P(HttpTokensTest, Listings) {
  tree_.Add("alice/page/index.html", "alice's page");
  StartWithTokens({"--http_index"});
  HttpClient client = Http();
  const auto root = [&](const char* fields) {
    const Reply reply = client.Get("/?format=json", fields);
    EXPECT_EQ(reply.status, 200) << reply.head;
    std::string shown;
    for (const char* name : {"alice", "bob", "open"}) {
      if (absl::StrContains(reply.body, absl::StrCat("\"", name, "\""))) shown += name[0];
    }
    return shown;
  };
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(root(kAlice), "ao");
    EXPECT_EQ(root(""), "o");
    EXPECT_EQ(root(kBob), "bo");
    ExpectAsked(client.Get("/?format=json", kNobody), kInvalid);
  }
  ExpectAsked(client.Get("/alice/"), kAsks);
  ExpectAsked(client.Get("/none/"), kAsks);
  ExpectDenied(client.Get("/alice/", kBob));
  EXPECT_EQ(client.Get("/alice/", kAlice).status, 200);
  EXPECT_EQ(client.Get("/alice/page/", kAlice).body, "alice's page");
  ExpectAsked(client.Get("/alice/page/"), kAsks);
  ExpectDenied(client.Get("/alice/page/", kBob));
}

// Clients of the server's own protocol that say no token (v2_tokens_test.cc) are who they are
// otherwise, also beside connections that have some.
TEST_P(HttpTokensTest, OtherDialects) {
  StartWithTokens();
  HttpClient http = Http();
  EXPECT_EQ(http.Get("/alice/a", kAlice).status, 200);
  for (const Transport transport : kBoth) {
    RawClient client = Client(transport);
    EXPECT_EQ(client.Get({.mode = kCopy, .uri = "alice/a"}).status, Status::kPermissionDenied);
    EXPECT_EQ(client.Get({.mode = kCopy, .uri = "open/a"}).body, "anybody's");
    const Answer list = client.Get({.mode = kList, .uri = ""});
    EXPECT_TRUE(absl::StrContains(list.body, "open/a"));
    EXPECT_FALSE(absl::StrContains(list.body, "alice"));
  }
}

// SIGHUP brings the tokens that the file has now, on open connections too. A file with an error, or
// one that others may read, changes nothing.
TEST_P(HttpTokensTest, SighupRevokes) {
  StartWithTokens();
  HttpClient client = Http();
  EXPECT_EQ(client.Get("/alice/a", kAlice).status, 200);
  const auto fails = [&](const char* why) {
    Server().Signal(SIGHUP);
    EXPECT_TRUE(Server().WaitForLog(why)) << Server().log();
    EXPECT_EQ(client.Get("/alice/a", kAlice).status, 200);
    ExpectAsked(client.Get("/alice/a", "Authorization: Bearer new-secret-of-alice\n"), kInvalid);
  };
  WriteTokens("alice new-secret-of-alice\nbob\n");
  fails("line 2: it is not a name and a token");
  WriteTokens("alice new-secret-of-alice\n", 0644);
  fails("every user may read it (mode 0644)");
  WriteTokens("alice new-secret-of-alice\n");
  Server().Signal(SIGHUP);
  ASSERT_TRUE(Server().WaitForLog("SIGHUP: 3 rules are now in effect"));
  ExpectAsked(client.Get("/alice/a", kAlice), kInvalid);
  ExpectAsked(client.Get("/bob/a", kBob), kInvalid);
  EXPECT_EQ(client.Get("/alice/a", "Authorization: Bearer new-secret-of-alice\n").status, 200);
  EXPECT_FALSE(absl::StrContains(Server().log(), "secret-of-")) << "a token is in the log";
}

// No token is in any log, whatever becomes of its request; the access log has the name.
TEST_P(HttpTokensTest, NothingIsInTheLog) {
  StartWithTokens(
      {"--log_requests", "--slow_request_us=1", "--http_access_log=" + Path("access_log")});
  const std::string encoded = absl::Base64Escape("alice:secret-of-alice-0");
  {
    HttpClient client = Http();
    EXPECT_EQ(client.Get("/alice/a", kAlice).status, 200);
    EXPECT_EQ(client.Get("/alice/a", Basic("alice:secret-of-alice-0")).status, 200);
    EXPECT_EQ(client.Get("/alice/a", Basic("bob:secret-of-alice-0")).status, 401);
    for (const char* fields : {kBob, kNobody, "Authorization: Bearer secret-of-alice-0 x\n",
                               "Authorization: Digest secret-of-alice-0\n"}) {
      const Reply reply = client.Get("/alice/a", fields);
      EXPECT_FALSE(absl::StrContains(reply.head + reply.body, "secret-of")) << reply.head;
    }
    EXPECT_EQ(client.Put("/alice/new", "x", kAlice).status, 201);
    EXPECT_EQ(client.Get("/a%zz", kAlice).status, 400);
  }
  {
    HttpClient unsound = Http();
    EXPECT_EQ(unsound.Get("/alice/a", absl::StrCat(kAlice, " folded\n")).status, 400);
  }
  EXPECT_TRUE(Server().WaitForLog("OP_PUT \"alice/new\": OK"));
  std::string access_log;
  const auto lines = [&] { return std::count(access_log.begin(), access_log.end(), '\n'); };
  const absl::Time until = absl::Now() + absl::FromChrono(kPatience);
  while (lines() < 10 && absl::Now() < until) {
    absl::SleepFor(absl::Milliseconds(5));
    std::ifstream file(Path("access_log"));
    access_log.assign(std::istreambuf_iterator<char>(file), {});
  }
  EXPECT_EQ(lines(), 10) << access_log;
  EXPECT_TRUE(absl::StrContains(access_log, " - alice [")) << access_log;
  EXPECT_TRUE(absl::StrContains(access_log, " - bob [")) << access_log;
  EXPECT_EQ(Server().Stop(SIGTERM), 0);
  for (const std::string& log : {Server().log(), access_log}) {
    EXPECT_FALSE(absl::StrContains(log, "secret-of")) << log;
    EXPECT_FALSE(absl::StrContains(log, encoded)) << log;
  }
  server_.reset();
}

// A server whose tokens others may read does not start, nor one that has no use for them.
TEST(HttpTokensFlagTest, WhatDoesNotStart) {
  ObjectTree tree;
  const std::string tokens = tree.outside() + "/tokens", rules = tree.outside() + "/rules";
  std::ofstream(tokens) << "alice secret-of-alice-0\n";
  std::ofstream(rules) << "name alice / read\n";
  ASSERT_EQ(chmod(tokens.c_str(), 0604), 0);
  ServerProcess::Refusal refusal = ServerProcess::StartRefused(
      tree.root(), {.flags = {"--rules_file=" + rules, "--tokens_file=" + tokens}});
  EXPECT_EQ(refusal.exit_status, 2);
  EXPECT_TRUE(absl::StrContains(refusal.log, "every user may read it")) << refusal.log;
  ASSERT_EQ(chmod(tokens.c_str(), 0600), 0);
  refusal = ServerProcess::StartRefused(tree.root(), {.flags = {"--tokens_file=" + tokens}});
  EXPECT_EQ(refusal.exit_status, 2);
  EXPECT_TRUE(absl::StrContains(refusal.log, "it needs --rules_file")) << refusal.log;
}

}  // namespace
}  // namespace objmapper::e2e
