// Peers whom the rules deny something, or who were not let in: they learn nothing of what is there,
// remove nothing that is not theirs, and cost next to nothing.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "net/unique_fd.h"
#include "tests/e2e/writable.h"
#include "tests/net/memfd.h"
#include "tests/storage/names_below.h"

namespace objmapper::e2e {
namespace {

class HostileRulesTest : public WritableTest {
 protected:
  void StartWith(const std::string& rules) {
    const std::string path = tree_.outside() + "/rules";
    std::ofstream(path, std::ios::trunc) << rules;
    Start({"--rules_file=" + path});
  }
  std::set<std::string> Names() const {
    return storage::NamesBelow(tree_.root(), storage::Which::kAll);
  }
  // Waits until these are all names there are; a body that was given up is closed a moment later.
  void ExpectNames(const std::set<std::string>& wanted) {
    const absl::Time until = absl::Now() + absl::FromChrono(kPatience);
    while (Names() != wanted && absl::Now() < until) absl::SleepFor(absl::Milliseconds(5));
    EXPECT_EQ(Names(), wanted);
  }
  static Answer Ask(RawClient* client, char mode, const std::string& uri) {
    std::vector<uint32_t> ids;
    const Question question{.mode = mode, .uri = uri, .body = mode == kPut ? "body" : ""};
    if (mode != kPutFd) return client->Get(question);
    const net::UniqueFd fd = net::Memfd("body", /*seals=*/0);
    client->wire().Send(client->Encode({question}, &ids), {fd.get()});
    return client->Next();
  }
};
INSTANTIATE_TEST_SUITE_P(Everything, HostileRulesTest, testing::ValuesIn(kEverything), EngineName);

// Whatever a name stands for that the rules deny, and however it is spelt, the answer is the same
// to the byte: an object, one that others have asked for a moment ago, a folder, a name below an
// object, a link, nothing.
TEST_P(HostileRulesTest, WhatIsDeniedLooksLikeNothing) {
  tree_.Add("open/a", "open");
  tree_.Add("closed/there", "secret");
  tree_.Add("closed/folder/object", "secret");
  std::filesystem::create_directory(tree_.Path("closed/empty"));
  std::filesystem::create_symlink("there", tree_.Path("closed/link"));
  std::filesystem::create_symlink("/etc/passwd", tree_.Path("closed/out"));
  StartWith(absl::StrCat("any /closed none\ntcp / none\nuid ", getuid(), " / read,write\n"));
  const std::set<std::string> before = Names();
  RawClient client = Client();
  EXPECT_TRUE(Ask(&client, kCopy, "open/a").ok());
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    for (const char mode : {kFdPass, kCopy, kSplice, kStat, kPut, kPutFd, kDelete}) {
      if (transport == Transport::kTcp && (mode == kFdPass || mode == kPutFd)) continue;
      RawClient peer = Client(transport);
      const Answer nothing = Ask(&peer, mode, "closed/nothing");
      ExpectRefused(nothing, Status::kPermissionDenied);
      for (const char* uri :
           {"closed/there", "closed//there", "./closed/there", "/closed/./there",
            "closed/there/below", "closed", "closed/", "closed/folder", "closed/folder/object",
            "closed/empty", "closed/link", "closed/out", "closed/.objmapper-1-1-1"}) {
        SCOPED_TRACE(absl::StrCat(std::string(1, mode), " ", uri));
        const Answer answer = Ask(&peer, mode, uri);
        EXPECT_EQ(answer.status, nothing.status);
        EXPECT_EQ(answer.metadata, nothing.metadata);
        EXPECT_EQ(answer.content_length, nothing.content_length);
        EXPECT_EQ(answer.body, "");
        EXPECT_FALSE(answer.fd.valid());
      }
    }
    RawClient peer = Client(transport);
    for (const char* prefix : {"closed", "closed/", "closed/there", "closed/no", "closed//"}) {
      const Answer listed = peer.Get({.mode = kList, .uri = prefix});
      EXPECT_TRUE(listed.ok());
      EXPECT_EQ(listed.body, "") << prefix;
      EXPECT_FALSE(listed.Has(kCursorEntry));
    }
  }
  EXPECT_EQ(Names(), before);
}

// A put over somebody's folder is CONFLICT, though the folder be empty; neither that nor a delete
// nor a put that comes to nothing removes a folder that the server has not made, or that lies above
// what the peer was granted.
TEST_P(HostileRulesTest, FoldersOfOthersStay) {
  for (const char* folder : {"inbox", "inbox/theirs", "drop"})
    std::filesystem::create_directory(tree_.Path(folder));
  StartWith("any /granted/mine read,write\nany /granted read\nany / read,write\n");
  RawClient client = Client();
  for (const char mode : {kPut, kPutFd}) {
    for (const char* uri : {"inbox", "inbox/theirs", "/inbox//theirs", "./drop"}) {
      ExpectRefused(Ask(&client, mode, uri), kConflict);
    }
  }
  ExpectRefused(Ask(&client, kDelete, "drop"), kConflict);
  ExpectRefused(Ask(&client, kPut, "granted"), Status::kPermissionDenied);
  ExpectNames({"inbox", "inbox/theirs", "drop"});
  for (const char* uri : {"inbox/theirs/a", "drop/ours/deep/a", "granted/mine/deep/a"}) {
    for (const char mode : {kPut, kPutFd}) {
      EXPECT_TRUE(Ask(&client, mode, uri).ok()) << uri;
      EXPECT_TRUE(Ask(&client, kDelete, uri).ok()) << uri;
    }
    {
      RawClient gone = Client();
      std::vector<uint32_t> ids;
      const std::string request =
          gone.Encode({Put(absl::StrCat(uri, "/more"), std::string(100'000, 'x'))}, &ids);
      gone.wire().Send(request.substr(0, 50'000));
      // Begun, and ended: from here on names only go.
      gone.wire().HalfClose();
      ExpectRefused(gone.Next(), Status::kProtocolError);
    }
  }
  ExpectNames({"inbox", "inbox/theirs", "drop", "granted"});
  // What is left of the server's own is in nobody's way.
  EXPECT_TRUE(Ask(&client, kPut, "drop/left/over/a").ok());
  ASSERT_EQ(unlink(tree_.Path("drop/left/over/a").c_str()), 0);
  EXPECT_TRUE(Ask(&client, kPut, "drop/left").ok());
  EXPECT_EQ(Ask(&client, kCopy, "drop/left").body, "body");
}

class NobodyTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!ServerProcess::CanHideUsers()) GTEST_SKIP() << "no user namespaces here";
    tree_.Add("a", "object");
  }
  // On a Unix socket alone, in a namespace where everybody's number is that of "nobody".
  ServerOptions Hidden(std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"--root=" + tree_.root(), "--listen_unix=" + path_});
    return {
        .flags = std::move(flags), .only_flags = true, .without_users = true, .socket_path = path_};
  }
  Answer Get() { return RawClient::V1(Wire::ToUnix(path_)).Get({.mode = kCopy, .uri = "a"}); }

  ObjectTree tree_;
  TempDir directory_;
  const std::string path_ = directory_.path() + "/socket";
};

// In a user namespace the kernel tells everybody whom it does not map as one number, that of
// "nobody": a rule or a flag that names it lets in nobody, and the log says so at the start.
TEST_F(NobodyTest, IsNotEverybodyWhomTheNamespaceHides) {
  for (const char* flag : {"--allow_uids=65534", "--allow_gids=65534", "--allow_uids=0,65534"}) {
    SCOPED_TRACE(flag);
    ServerProcess server(tree_.root(), Hidden({flag}));
    EXPECT_TRUE(server.WaitForLog("here: in this user namespace"));
    ExpectRefused(Get(), Status::kPermissionDenied);
  }
  const std::string rules = tree_.outside() + "/rules";
  for (const char* rule :
       {"uid 65534 / read", "gid 65534 / read", "uid 65534 / read\ngid 65534 / read\ntcp / read"}) {
    SCOPED_TRACE(rule);
    std::ofstream(rules, std::ios::trunc) << rule << "\n";
    ServerProcess server(tree_.root(), Hidden({"--rules_file=" + rules}));
    EXPECT_TRUE(server.WaitForLog("here: in this user namespace"));
    ExpectRefused(Get(), Status::kPermissionDenied);
    std::ofstream(rules, std::ios::trunc) << "any / read\n";
    server.Signal(SIGHUP);
    ASSERT_TRUE(server.WaitForLog("SIGHUP: 1 rules are now in effect"));
    EXPECT_EQ(Get().body, "object");
  }
}

class TurnedAwayTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, TurnedAwayTest, testing::ValuesIn(kEngines), EngineName);

int Sockets(const ServerProcess& server) {
  const std::map<std::string, int> all = server.Descriptors();
  const auto found = all.find("socket");
  return found == all.end() ? 0 : found->second;
}

// However many come who are not let in, and say nothing and stay, they hold few descriptors and for
// a moment; each reads why.
TEST_P(TurnedAwayTest, HoldFewDescriptors) {
  ObjectTree tree;
  tree.Add("a", "object");
  ServerProcess server(tree.root(), {.engine = GetParam(), .flags = {"--max_connections=2"}});
  RawClient inside[] = {RawClient::V1(server.Unix()), RawClient::V1(server.Tcp())};
  for (RawClient& client : inside)
    EXPECT_EQ(client.Get({.mode = kCopy, .uri = "a"}).body, "object");
  const int before = Sockets(server);
  std::vector<RawClient> turned_away;
  int most = 0;
  for (int i = 0; i < 400; ++i) {
    turned_away.push_back(RawClient::V1(i % 2 == 0 ? server.Unix() : server.Tcp()));
    if (i % 20 == 0) most = std::max(most, Sockets(server));
  }
  most = std::max(most, Sockets(server));
  EXPECT_LE(most, before + 64 + 1);  // one is being accepted
  for (RawClient& client : turned_away) {
    // It stays open at its own end meanwhile: the server does not wait for it to close.
    ExpectRefused(client.Next(), Status::kUnavailable);
  }
  const absl::Time until = absl::Now() + absl::FromChrono(kPatience);
  while (Sockets(server) > before && absl::Now() < until) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_EQ(Sockets(server), before);
  for (RawClient& client : inside)
    EXPECT_EQ(client.Get({.mode = kCopy, .uri = "a"}).body, "object");
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// An operator who allows more connections than there are descriptors is told at the start.
TEST_P(TurnedAwayTest, LimitsThatDoNotFitAreNamed) {
  ObjectTree tree;
  {
    ServerProcess server(
        tree.root(),
        {.engine = GetParam(), .flags = {"--max_connections=5000"}, .descriptors_max = 1000});
    EXPECT_TRUE(server.WaitForLog(
        "--max_connections=5000 and --fd_cache_entries=1024 exceed 1000 descriptors"));
  }
  ServerProcess server(tree.root(), {.engine = GetParam(),
                                     .flags = {"--max_connections=100", "--fd_cache_entries=16"},
                                     .descriptors_max = 1000});
  EXPECT_FALSE(absl::StrContains(server.log(), "do not fit"));
}

}  // namespace
}  // namespace objmapper::e2e
