// AUTH: connections of V2 that say whose their requests are (docs/protocol.md, "Tokens";
// docs/security.md, "Tokens"), on every engine and in every model.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/e2e/http_client.h"
#include "tests/e2e/tokens_fixture.h"
#include "tests/net/eventually.h"

namespace objmapper::e2e {
namespace {

constexpr Transport kBoth[] = {Transport::kUnix, Transport::kTcp};
constexpr char kAlice[] = "secret-of-alice-0";
constexpr char kBob[] = "secret-of-bob-xyz";
constexpr char kNobody[] = "secret-of-nobody";

class V2TokensTest : public TokensFixture {
 protected:
  RawClient TokenClient(Transport transport, uint16_t more = 0) {
    RawClient client = Client(transport, kInOrder | kTakesTokens | more);
    EXPECT_NE(client.capabilities() & kTakesTokens, 0);
    return client;
  }
  // Says them all in one piece, each with its token before it: null: none is said.
  struct Said {
    const char* token;
    Question question;
  };
  static void Say(RawClient* client, const std::vector<Said>& all) {
    std::string bytes;
    std::vector<uint32_t> ids;
    for (const Said& said : all) {
      if (said.token != nullptr) bytes += Auth(said.token);
      bytes += client->Encode({said.question}, &ids);
    }
    client->wire().Send(bytes);
  }
  static void Say(RawClient* client, const char* token, const Question& question) {
    Say(client, {{token, question}});
  }
  static Question Of(char mode, const char* uri) { return {.mode = mode, .uri = uri}; }
  // Nothing of a token, nor of whose it would be, is in an answer.
  static void ExpectDenied(const Answer& answer) {
    ExpectRefused(answer, Status::kPermissionDenied);
    for (const char* secret : {"secret-of", "alice", "bob"})
      EXPECT_FALSE(absl::StrContains(answer.metadata.at(kErrorEntry), secret));
  }
};
INSTANTIATE_TEST_SUITE_P(Everything, V2TokensTest, testing::ValuesIn(kEverything), EngineName);

// Each mode, by each name: a token holds for what comes behind it, until the next; an empty one
// takes the name away. All of it in one piece, so that requests before and behind are under way
// together, and the connection wanders between the lanes.
TEST_P(V2TokensTest, HoldsForWhatFollows) {
  StartWithTokens();
  for (const Transport transport : kBoth) {
    std::vector<char> modes = {kCopy, kSplice, kStat};
    if (transport == Transport::kUnix) modes.push_back(kFdPass);
    RawClient client = TokenClient(transport);
    std::vector<Said> all;
    std::vector<bool> allowed;
    const auto say = [&](const char* token, const char* uri, bool may) {
      for (const char mode : modes) {
        all.push_back({mode == modes[0] ? token : nullptr, Of(mode, uri)});
        allowed.push_back(may);
      }
    };
    say(nullptr, "alice/a", false);
    say(kAlice, "alice/a", true);
    say(nullptr, "bob/a", false);
    say(nullptr, "open/a", true);
    say(kBob, "bob/a", true);
    say(nullptr, "alice/a", false);
    say(kNobody, "open/a", false);
    say(nullptr, "alice/a", false);
    say("", "open/a", true);
    say(nullptr, "bob/a", false);
    say(kAlice, "alice/a", true);
    Say(&client, all);
    for (size_t i = 0; i < all.size(); ++i) {
      SCOPED_TRACE(absl::StrCat(i, " ", all[i].question.uri));
      const Answer answer = client.Next();
      if (!allowed[i]) {
        ExpectRefused(answer, Status::kPermissionDenied);
        continue;
      }
      ASSERT_TRUE(answer.ok());
      const std::string wanted = all[i].question.uri == "alice/a" ? "of alice"
                                 : all[i].question.uri == "bob/a" ? "of bob"
                                                                  : "anybody's";
      if (answer.mode == kFdPass) {
        EXPECT_EQ(Contents(answer.fd.get()), wanted);
      } else if (answer.mode == kStat) {
        EXPECT_EQ(answer.Number(kSizeEntry), wanted.size());
      } else {
        EXPECT_EQ(answer.body, wanted);
      }
    }
  }
}

// The first thing said behind HELLO, with it in one piece or byte by byte.
TEST_P(V2TokensTest, ByteByByte) {
  StartWithTokens();
  for (const Transport transport : kBoth) {
    for (const char mode : {kCopy, kFdPass}) {
      if (mode == kFdPass && transport == Transport::kTcp) continue;
      Wire wire = Connect(Server(), transport);
      const std::string bytes = absl::StrCat(Hello(kInOrder | kTakesTokens, 0), Auth(kAlice),
                                             V2Request(1, Of(mode, "alice/a")));
      for (const char byte : bytes) wire.Send(absl::string_view(&byte, 1));
      wire.Read(10);
      const std::string header = wire.Read(kV2HeaderBytes);
      EXPECT_EQ(header.substr(0, 6), absl::string_view("\x02\0\0\0\1\0", 6));
    }
  }
}

// What a token's name may store, remove and see listed. A refused body does not disturb what
// follows, and leaves nothing.
TEST_P(V2TokensTest, Operations) {
  StartWithTokens();
  for (const Transport transport : kBoth) {
    RawClient client = TokenClient(transport);
    Say(&client, {{nullptr, Put("alice/new", "x")},
                  {kNobody, Put("alice/new", "y")},
                  {kBob, Put("alice/new", "z")},
                  {kAlice, Put("alice/new", "of alice")},
                  {nullptr, Of(kCopy, "alice/new")},
                  {nullptr, Of(kList, "")},
                  {kBob, Of(kList, "")},
                  {"", Of(kList, "")},
                  {kNobody, Of(kList, "")},
                  {kBob, Of(kDelete, "alice/new")},
                  {kAlice, Of(kDelete, "alice/new")},
                  {nullptr, Of(kStat, "alice/new")}});
    for (int i = 0; i < 3; ++i) ExpectRefused(client.Next(), Status::kPermissionDenied);
    EXPECT_TRUE(client.Next().ok());
    EXPECT_EQ(client.Next().body, "of alice");
    for (const char* shown : {"alice/a alice/new open/a", "bob/a open/a", "open/a"}) {
      const Answer list = client.Next();
      ASSERT_TRUE(list.ok());
      for (const char* name : {"alice/a", "alice/new", "bob/a", "open/a"})
        EXPECT_EQ(absl::StrContains(list.body, name), absl::StrContains(shown, name)) << name;
    }
    ExpectDenied(client.Next());
    ExpectRefused(client.Next(), Status::kPermissionDenied);
    EXPECT_TRUE(client.Next().ok());
    ExpectRefused(client.Next(), Status::kNotFound);
  }
}

// Answers in any order are still each request's own.
TEST_P(V2TokensTest, OutOfOrder) {
  StartWithTokens();
  RawClient client = TokenClient(Transport::kTcp, kOutOfOrder);
  std::vector<Said> all;
  for (int i = 0; i < 30; ++i) {
    all.push_back({i % 2 == 0 ? kAlice : kBob, Of(kCopy, i % 3 == 0 ? "alice/a" : "bob/a")});
    all.back().question.flags = i % 5 == 0 ? kPriority : 0;
  }
  Say(&client, all);
  for (size_t i = 0; i < all.size(); ++i) {
    const Answer answer = client.Next();
    const Said& said = all[answer.id - 0x80000000u];
    const bool alices = said.question.uri == "alice/a";
    EXPECT_EQ(answer.ok(), (std::string(said.token) == kAlice) == alices) << answer.id;
    if (!answer.ok()) continue;
    EXPECT_EQ(answer.body, alices ? "of alice" : "of bob");
  }
}

// AUTH is for who has negotiated it, with a server that has tokens.
TEST_P(V2TokensTest, NotNegotiated) {
  StartWithTokens();
  for (const Transport transport : kBoth) {
    RawClient client = Client(transport);
    std::vector<uint32_t> ids;
    const std::string before = client.Encode({Of(kCopy, "open/a")}, &ids);
    client.wire().Send(before + Auth(kAlice) + V2Request(9, Of(kCopy, "open/a")));
    EXPECT_EQ(client.Next().body, "anybody's");
    const Answer answer = client.Next();
    ExpectRefused(answer, Status::kProtocolError);
    EXPECT_FALSE(absl::StrContains(answer.metadata.at(kErrorEntry), "secret"));
    EXPECT_EQ(client.Next().reason, kCloseProtocolError);
  }
}
TEST_P(V2TokensTest, NotOffered) {
  Start({"--rules_file=" + Path("rules")});
  EXPECT_EQ(Client(Transport::kTcp, kInOrder | kTakesTokens).capabilities(), kInOrder);
}

// The longest token that may be, and one more.
TEST_P(V2TokensTest, Long) {
  const std::string token(4096, 't');
  WriteTokens("alice " + token + "\n");
  StartWithTokens();
  for (const Transport transport : kBoth) {
    RawClient client = TokenClient(transport);
    Say(&client, token.c_str(), Of(kCopy, "alice/a"));
    EXPECT_EQ(client.Next().body, "of alice");
    client.wire().Send(absl::string_view("\x05\x10\x01", 3));
    ExpectRefused(client.Next(), Status::kProtocolError);
    EXPECT_EQ(client.Next().reason, kCloseProtocolError);
  }
}

// Any number of them, with or without a request behind, is taken as it comes.
TEST_P(V2TokensTest, ManyOfThem) {
  StartWithTokens();
  for (const Transport transport : kBoth) {
    RawClient client = TokenClient(transport);
    std::string many;
    for (int i = 0; i < 20'000; ++i) many += Auth(i % 3 == 0 ? kBob : i % 3 == 1 ? "" : kNobody);
    client.wire().Send(many);
    Say(&client, kAlice, Of(kCopy, "alice/a"));
    EXPECT_EQ(client.Next().body, "of alice");
  }
}

// SIGHUP brings the tokens that the file has now, also for connections that have said theirs.
TEST_P(V2TokensTest, SighupRevokes) {
  StartWithTokens();
  RawClient unix_client = TokenClient(Transport::kUnix), tcp_client = TokenClient(Transport::kTcp);
  for (RawClient* client : {&unix_client, &tcp_client}) {
    Say(client, kAlice, Of(kCopy, "alice/a"));
    EXPECT_EQ(client->Next().body, "of alice");
  }
  WriteTokens("bob secret-of-alice-0\nalice new-secret-of-alice\n");
  Server().Signal(SIGHUP);
  ASSERT_TRUE(Server().WaitForLog("SIGHUP: 3 rules are now in effect"));
  for (RawClient* client : {&unix_client, &tcp_client}) {
    ExpectRefused(client->Get(Of(kCopy, "alice/a")), Status::kPermissionDenied);
    EXPECT_EQ(client->Get(Of(kCopy, "bob/a")).body, "of bob");
  }
  WriteTokens("alice new-secret-of-alice\n");
  Server().Signal(SIGHUP);
  ASSERT_TRUE(net::Eventually(
      [&] { return unix_client.Get(Of(kCopy, "open/a")).status == Status::kPermissionDenied; }));
  for (RawClient* client : {&unix_client, &tcp_client}) {
    ExpectDenied(client->Get(Of(kCopy, "open/a")));
    Say(client, "new-secret-of-alice", Of(kCopy, "alice/a"));
    EXPECT_EQ(client->Next().body, "of alice");
  }
}

// A successor knows whose token was said, by its own file, and the token needs no second word;
// half a message goes along.
TEST_P(V2TokensTest, TakenOver) {
  TempDir directory;
  const auto start = [&](std::vector<std::string> flags) {
    flags.insert(flags.end(),
                 {"--writable", "--durability=none", "--take_over=" + directory.path() + "/door"});
    return std::make_unique<ServerProcess>(
        tree_.root(),
        ServerOptions{
            .engine = GetParam(), .flags = flags, .socket_path = directory.path() + "/socket"});
  };
  std::unique_ptr<ServerProcess> server = start(WithTokens({}));
  std::vector<RawClient> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(
        RawClient::V2(i < 3 ? server->Unix() : server->Tcp(), kInOrder | kTakesTokens));
    if (i > 0) Say(&clients[i], kAlice, Of(i == 2 ? kFdPass : kCopy, "alice/a"));
    if (i > 0) {
      EXPECT_TRUE(clients[i].Next().ok());
    }
  }
  const std::string half = Auth(kAlice);
  clients[0].wire().Send(half.substr(0, 7));
  const auto follow = [&](std::vector<std::string> flags) {
    std::unique_ptr<ServerProcess> next = start(std::move(flags));
    EXPECT_EQ(server->WaitForExit(), 0);
    EXPECT_FALSE(absl::StrContains(server->log(), "secret-of"));
    server = std::move(next);
  };
  follow(WithTokens({}));
  clients[0].wire().Send(half.substr(7));
  for (RawClient& client : clients) EXPECT_EQ(client.Get(Of(kCopy, "alice/a")).body, "of alice");
  // To one whose file does not know it.
  WriteTokens("bob secret-of-bob-xyz\n");
  follow(WithTokens({}));
  for (RawClient& client : clients) ExpectDenied(client.Get(Of(kCopy, "open/a")));
  // To one that has no tokens: nobody has a name.
  follow({"--rules_file=" + Path("rules")});
  for (RawClient& client : clients) {
    ExpectRefused(client.Get(Of(kCopy, "alice/a")), Status::kPermissionDenied);
    EXPECT_EQ(client.Get(Of(kCopy, "open/a")).body, "anybody's");
  }
  // And to one that has them again.
  WriteTokens("alice secret-of-alice-0\n");
  follow(WithTokens({}));
  for (RawClient& client : clients) EXPECT_EQ(client.Get(Of(kCopy, "alice/a")).body, "of alice");
  EXPECT_EQ(server->Stop(SIGTERM), 0);
}

// Who only says whose requests are to come, and asks nothing, is idle.
TEST_P(V2TokensTest, AloneItKeepsNobody) {
  StartWithTokens({"--idle_timeout=300ms"});
  RawClient client = TokenClient(Transport::kTcp);
  EXPECT_EQ(client.Get(Of(kCopy, "open/a")).body, "anybody's");
  const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
  bool open = true;
  while (open && absl::Now() < give_up) {
    open = client.wire().Send(Auth(kAlice));
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_FALSE(open) << "it lasts as long as it says AUTH";
}

// No token is in the log or on a page of the operators', whatever becomes of its requests.
TEST_P(V2TokensTest, NothingIsShown) {
  const std::string admin = tree_.outside() + "/admin";
  StartWithTokens({"--log_requests", "--slow_request_us=1", "--admin_listen=unix:" + admin});
  RawClient client = TokenClient(Transport::kTcp);
  for (const char* token : {kAlice, kNobody, kBob}) {
    Say(&client, {{token, Of(kCopy, "alice/a")}, {nullptr, Put("alice/new", "x")}});
    client.Next();
    client.Next();
  }
  for (const char* page : {"/connz", "/flagz", "/metrics", "/", "/stats"}) {
    const std::string text = HttpClient(Wire::ToUnix(admin)).Get(page).body;
    EXPECT_FALSE(text.empty()) << page;
    EXPECT_FALSE(absl::StrContains(text, "secret-of")) << page;
  }
  client.wire().Send(absl::StrCat(Auth(kAlice), "?", kBob));
  EXPECT_EQ(client.Next().status, Status::kProtocolError);
  EXPECT_TRUE(Server().WaitForLog("OP_COPY \"alice/a\": OK"));
  EXPECT_EQ(Server().Stop(SIGTERM), 0);
  EXPECT_FALSE(absl::StrContains(Server().log(), "secret-of")) << Server().log();
  server_.reset();
}

}  // namespace
}  // namespace objmapper::e2e
