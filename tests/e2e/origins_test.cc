// Objects that come from an origin: asked for once, then as local as any, in every mode and
// dialect, on every engine and in every model (docs/origins.md).
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
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

class OriginsTest : public WritableTest {
 protected:
  // Serves a root that nobody stores in, and fetches from `origin_` what is not there.
  void StartFetching(std::vector<std::string> flags = {}, const std::string& words = "") {
    flags.insert(flags.begin(),
                 absl::StrCat("--origin=", origin_.url("base"), " part=256K block=256K ", words));
    StartWith(std::move(flags));
  }
  void StartWith(std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"--durability=none", "--admin_listen=" + Admin()});
    server_ = std::make_unique<ServerProcess>(
        tree_.root(), ServerOptions{.engine = GetParam(), .flags = std::move(flags)});
  }
  void Restart(const std::string& words) {
    EXPECT_EQ(server_->Stop(SIGTERM), 0) << server_->log();
    StartFetching({}, words);
  }
  std::string Admin() const { return tree_.outside() + "/admin"; }
  std::string OriginsFile() const { return tree_.outside() + "/origins"; }
  void WriteOrigins(const std::string& text) const {
    std::ofstream(OriginsFile(), std::ios::trunc) << text;
  }
  // How often it was asked for an object.
  size_t Asked(const std::string& name) const { return origin_.asked("base/" + name).size(); }

  static void ExpectBody(const Answer& answer, const std::string& body) {
    ASSERT_TRUE(answer.ok()) << (answer.Has(kErrorEntry) ? answer.metadata.at(kErrorEntry) : "cut");
    EXPECT_TRUE((answer.fd.valid() ? Contents(answer.fd.get()) : answer.body) == body);
  }

  BadOrigin origin_;
};
INSTANTIATE_TEST_SUITE_P(Everything, OriginsTest, testing::ValuesIn(kEverything), EngineName);

// Cold by each door, and then warm by the others, when the origin is not asked any more.
TEST_P(OriginsTest, EveryDoor) {
  StartFetching({}, "immutable");
  int number = 0;
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{70'000}, size_t{900'000}}) {
      std::vector<char> modes = {kCopy, kSplice};
      if (transport == Transport::kUnix) modes.push_back(kFdPass);
      for (const char mode : modes) {
        for (const Dialect dialect : {Dialect::kV1, Dialect::kV2}) {
          const std::string name = absl::StrCat("folder/", ++number);
          SCOPED_TRACE(testing::Message() << name << ", mode " << int{mode} << ", " << size
                                          << " bytes, transport " << static_cast<int>(transport));
          const std::string body = Pattern(number, size);
          origin_.Put("base/" + name, body);
          ExpectBody(Open(Server(), transport, dialect).Get({.mode = mode, .uri = name}), body);
          const size_t asked = Asked(name);
          EXPECT_GE(asked, 1u);
          HttpClient http(Connect(Server(), transport));
          const Reply reply = http.Get("/" + name);
          EXPECT_EQ(reply.status, 200);
          EXPECT_TRUE(reply.body == body);
          ExpectBody(Client().Get({.mode = kFdPass, .uri = name}), body);
          EXPECT_EQ(Asked(name), asked);
        }
      }
      const std::string name = absl::StrCat("http/", ++number);
      const std::string body = Pattern(number, size);
      origin_.Put("base/" + name, body);
      HttpClient http(Connect(Server(), transport));
      const Reply reply = http.Get("/" + name);
      EXPECT_EQ(reply.status, 200);
      EXPECT_TRUE(reply.body == body);
      ExpectBody(Client().Get({.mode = kFdPass, .uri = name}), body);
    }
  }
  EXPECT_TRUE(MetricBecomes(Admin(), "objmapper_origin_fetched_total", number));
  EXPECT_EQ(Metric(Admin(), "objmapper_origins"), 1);
}

// What was fetched is there for the next server, and for any that knows of no origin.
TEST_P(OriginsTest, IsKept) {
  origin_.Put("base/a", "of the origin");
  StartFetching({}, "immutable");
  ExpectBody(Client().Get({.mode = kFdPass, .uri = "a"}), "of the origin");
  Restart("immutable");
  ExpectBody(Client().Get({.mode = kCopy, .uri = "a"}), "of the origin");
  EXPECT_EQ(Asked("a"), 1u);
  EXPECT_EQ(server_->Stop(SIGTERM), 0);
  StartWith({});
  ExpectBody(Client().Get({.mode = kCopy, .uri = "a"}), "of the origin");
}

// What this disk has is served, whatever the origin has of that name.
TEST_P(OriginsTest, WhatIsHereWins) {
  tree_.Add("mine", "of this disk");
  origin_.Put("base/mine", "of the origin");
  StartFetching();
  ExpectBody(Client().Get({.mode = kCopy, .uri = "mine"}), "of this disk");
  ExpectBody(Client().Get({.mode = kFdPass, .uri = "mine"}), "of this disk");
  EXPECT_EQ(Asked("mine"), 0u);
}

// Only what the origin says is not there is not there; else it is trouble, with its reason.
TEST_P(OriginsTest, AbsenceAndTrouble) {
  origin_.Put("base/forbidden", "x");
  origin_.Misbehave("base/forbidden", 0, Fault::Error(403, "AccessDenied"));
  origin_.Misbehave("base/bucket", 0, Fault::Error(500, "InternalError"));
  StartFetching();
  RawClient client = Client();
  for (const char mode : {kFdPass, kCopy}) {
    ExpectRefused(client.Get({.mode = mode, .uri = "nothing"}), Status::kNotFound);
    ExpectRefused(client.Get({.mode = mode, .uri = "forbidden"}), Status::kPermissionDenied);
  }
  const Answer trouble = client.Get({.mode = kCopy, .uri = "bucket"});
  ExpectRefused(trouble, Status::kUnavailable);
  EXPECT_TRUE(absl::StrContains(trouble.metadata.at(kErrorEntry), "500"))
      << trouble.metadata.at(kErrorEntry);
  HttpClient http(Connect(Server(), Transport::kUnix));
  EXPECT_EQ(http.Get("/nothing").status, 404);
  EXPECT_EQ(http.Get("/forbidden").status, 403);
}

// Objects of origins are only read; others can be stored beside them.
TEST_P(OriginsTest, IsReadOnly) {
  origin_.Put("base/a", "of the origin");
  WriteOrigins(absl::StrCat("/far ", origin_.url("base"), "\n"));
  StartWith({"--origins_file=" + OriginsFile(), "--writable"});
  RawClient client = Client();
  ExpectBody(client.Get({.mode = kCopy, .uri = "far/a"}), "of the origin");
  const Answer refused = client.Get(Put("far/a", "x"));
  ExpectRefused(refused, Status::kUnsupportedOp);
  EXPECT_TRUE(absl::StrContains(refused.metadata.at(kErrorEntry), "far/a"));
  ExpectRefused(client.Get(Put("far/new", Pattern(1, 400'000))), Status::kUnsupportedOp);
  ExpectRefused(client.Get({.mode = kDelete, .uri = "far/a"}), Status::kUnsupportedOp);
  ExpectBody(client.Get({.mode = kCopy, .uri = "far/a"}), "of the origin");
  EXPECT_TRUE(client.Get(Put("near", "x")).ok());
  HttpClient http(Connect(Server(), Transport::kTcp));
  EXPECT_EQ(http.Put("/far/a", "x").status, 405);
  EXPECT_EQ(http.Put("/near", "y").status, 204);
}

// A file that is read again counts from then on; one that makes no sense changes nothing.
TEST_P(OriginsTest, Reload) {
  origin_.Put("base/a", "first");
  origin_.Put("other/a", "second");
  WriteOrigins(absl::StrCat("/one ", origin_.url("base"), "\n"));
  StartWith({"--origins_file=" + OriginsFile()});
  RawClient client = Client();
  ExpectBody(client.Get({.mode = kCopy, .uri = "one/a"}), "first");
  ExpectRefused(client.Get({.mode = kCopy, .uri = "two/a"}), Status::kNotFound);

  WriteOrigins("/two nonsense://x\n");
  Server().Signal(SIGHUP);
  ASSERT_TRUE(Server().WaitForLog("the origins are unchanged"));
  EXPECT_EQ(Metric(Admin(), "objmapper_origins_last_reload_successful"), 0);
  ExpectRefused(client.Get({.mode = kCopy, .uri = "two/a"}), Status::kNotFound);

  WriteOrigins(absl::StrCat("/one ", origin_.url("base"), "\n/two ", origin_.url("other"), "\n"));
  Server().Signal(SIGHUP);
  ASSERT_TRUE(Server().WaitForLog("2 origins are now in use"));
  ExpectBody(client.Get({.mode = kFdPass, .uri = "two/a"}), "second");
  EXPECT_EQ(Metric(Admin(), "objmapper_origins_last_reload_successful"), 1);
}

// A URI is exactly itself, though the kernel would take it for another.
TEST_P(OriginsTest, KeysThatAreNoPath) {
  StartFetching({}, "immutable");
  const std::vector<std::string> names = {"x/y", "x//y", "x/" + std::string(300, 'n'), "x/y/", "x"};
  for (const std::string& name : names) origin_.Put("base/" + name, "it is " + name);
  for (int again = 0; again < 2; ++again) {
    for (const std::string& name : names) {
      for (const char mode : {kFdPass, kCopy}) {
        SCOPED_TRACE(name);
        ExpectBody(Client().Get({.mode = mode, .uri = name}), "it is " + name);
        EXPECT_EQ(Asked(name), 1u);
      }
    }
    // Which an HTTP server would take for another.
    ExpectRefused(Client().Get({.mode = kCopy, .uri = "x/./y"}), Status::kPermissionDenied);
    Restart("immutable");
  }
}

// LIST tells what is here, under whatever name it is kept; what was not asked for yet is not.
TEST_P(OriginsTest, Listing) {
  StartFetching({}, "immutable");
  const std::vector<std::string> names = {"x//y", "x/y", "z", "x/y/"};
  for (const std::string& name : names) origin_.Put("base/" + name, "it is " + name);
  origin_.Put("base/not/asked", "x");
  for (const std::string& name : names)
    ExpectBody(Client().Get({.mode = kCopy, .uri = name}), "it is " + name);
  // Each with its length before it, and size and time behind (docs/protocol.md), in order.
  size_t bytes = 0;
  for (const std::string& name : names) bytes += 2 + name.size() + 16;
  std::string told;
  // The catalog hears of files a moment later.
  const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
  do {
    told = Client().Get({.mode = kList, .uri = ""}).body;
  } while (told.size() != bytes && absl::Now() < give_up);
  EXPECT_EQ(told.size(), bytes);
  size_t at = 0;
  for (const std::string name : {"x//y", "x/y", "x/y/", "z"}) {
    const size_t found =
        told.find(std::string(1, '\0') + static_cast<char>(name.size()) + name, at);
    EXPECT_NE(found, told.npos) << name;
    at = found;
  }
}

// An origin that hangs keeps nobody waiting but those who want what it has, and not the server.
TEST_P(OriginsTest, AnOriginThatHangs) {
  tree_.Add("here", "of this disk");
  origin_.Put("base/slow", Pattern(1, 200'000));
  origin_.Misbehave("base/slow", 0, Fault::SilentAt(1000));
  StartFetching({"--drain_timeout=1s"});
  RawClient waits = Client();
  waits.Ask({.mode = kFdPass, .uri = "slow"});
  RawClient also = Client(Transport::kTcp);
  also.Ask({.mode = kCopy, .uri = "slow"});
  EXPECT_TRUE(MetricBecomes(Admin(), "objmapper_origin_fetching", 1));
  for (int i = 0; i < 20; ++i)
    ExpectBody(Client().Get({.mode = i % 2 == 0 ? kFdPass : kCopy, .uri = "here"}), "of this disk");
  EXPECT_EQ(Server().Stop(SIGTERM), 0) << Server().log();
}

class OriginFlagsTest : public testing::Test {
 protected:
  ObjectTree tree_;
};

// What makes no sense is refused before anything is served, and a password is never shown.
TEST_F(OriginFlagsTest, Refused) {
  for (const auto& [flag, says] : {
           std::pair("--origin=ftp://host/x", "ftp"),
           std::pair("--origin=http://user:geheim@host/x", "password"),
           std::pair("--origin=s3://bucket/x nonsense=1", "nonsense"),
           std::pair("--origins_file=/nowhere/origins", "/nowhere/origins"),
       }) {
    const ServerProcess::Refusal refusal =
        ServerProcess::StartRefused(tree_.root(), {.flags = {flag}});
    EXPECT_NE(refusal.exit_status, 0) << flag;
    EXPECT_TRUE(absl::StrContains(refusal.log, says)) << flag << ": " << refusal.log;
    EXPECT_FALSE(absl::StrContains(refusal.log, "geheim")) << refusal.log;
  }
}

}  // namespace
}  // namespace objmapper::e2e
