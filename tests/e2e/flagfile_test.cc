// What the command line, flagfiles and the environment say counts, or is refused by name: nothing
// is skipped. The settings in tools/flagfiles/ are settings that the server takes, and serves with.
#include <errno.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/object_tree.h"
#include "tests/e2e/raw_client.h"
#include "tests/e2e/server_process.h"

namespace objmapper::e2e {
namespace {

class FlagfileTest : public testing::TestWithParam<const char*> {};

// It starts without a warning about a flag, answers in every mode, and stops.
TEST_P(FlagfileTest, Serves) {
  const std::string file =
      absl::StrCat(std::filesystem::current_path().string(), "/tools/flagfiles/", GetParam());
  ASSERT_TRUE(std::filesystem::exists(file)) << file;
  ObjectTree tree;
  const std::string contents = Pattern(1, 300000);
  tree.Add("object", contents);
  ServerProcess server(tree.root(), {.flags = {absl::StrCat("--flagfile=", file)}});
  RawClient client = RawClient::V2(server.Unix(), kInOrder);
  for (const char mode : {kCopy, kSplice, kFdPass}) {
    const Answer answer = client.Get({.mode = mode, .uri = "object"});
    ASSERT_TRUE(answer.ok()) << mode;
    EXPECT_TRUE((mode == kFdPass ? Contents(answer.fd.get()) : answer.body) == contents) << mode;
  }
  EXPECT_EQ(server.log().find("has no effect"), std::string::npos) << server.log();
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

INSTANTIATE_TEST_SUITE_P(All, FlagfileTest,
                         testing::Values("latency.flags", "throughput.flags", "small.flags"),
                         [](const auto& info) {
                           const std::string name = info.param;
                           return name.substr(0, name.find('.'));
                         });

// ---- What flagfiles say ----

class FlagsTest : public testing::Test {
 protected:
  void SetUp() override { tree_.Add("object", "an object"); }

  std::string File(const std::string& name, absl::string_view contents) {
    const std::string path = directory_.path() + "/" + name;
    std::ofstream(path, std::ios::binary) << contents;
    return path;
  }
  // A whole command line, or "--check" and the root in front of it; run to its end.
  ServerProcess::Refusal Run(std::vector<std::string> flags,
                             std::vector<std::string> environment = {}) {
    return ServerProcess::StartRefused(
        tree_.root(),
        {.flags = std::move(flags), .only_flags = true, .environment = std::move(environment)});
  }
  ServerProcess::Refusal Check(std::vector<std::string> flags,
                               std::vector<std::string> environment = {}) {
    flags.insert(flags.begin(), {"--check", "--root=" + tree_.root()});
    return Run(std::move(flags), std::move(environment));
  }
  void ExpectRefused(const ServerProcess::Refusal& refusal, const std::vector<std::string>& words,
                     int status = 2) {
    EXPECT_EQ(refusal.exit_status, status) << refusal.log;
    for (const std::string& word : words)
      EXPECT_TRUE(absl::StrContains(refusal.log, word)) << word << " in:\n" << refusal.log;
    EXPECT_FALSE(absl::StrContains(refusal.log, "would start")) << refusal.log;
  }

  ObjectTree tree_;
  TempDir directory_;
};

// Each of these is skipped by gflags' own reader, and a server starts without what was meant.
TEST_F(FlagsTest, NothingIsSkipped) {
  struct Mistake {
    std::string contents;
    int line;
    std::vector<std::string> words;
  };
  const Mistake mistakes[] = {
      {"--rule_file=rules\n", 1, {"--rule_file is not a flag", "--rules_file meant"}},
      {"# a comment\n\n--rules=x\n", 3, {"--rules is not a flag", "--rules_file meant"}},
      {"--nope=3\n", 1, {"--nope is not a flag"}},
      {"listen_unix /x\n--writable\n", 1, {"\"listen_unix /x\" is not a flag"}},
      {"writable\n", 1, {"\"writable\" is not a flag", "--name=value"}},
      {"server\n--writable\n", 1, {"\"server\" is not a flag", "sections for single programs"}},
      {"--writable\n/usr/local/bin/* other\n--nowritable\n", 2, {"is not a flag"}},
      {"--max_connections\n5\n", 1, {"--max_connections has no value"}},
      {"--max_connections 5\n", 1, {"--max_connections 5 is not a flag", "\"=\""}},
      {"--writable # everybody\n", 1, {"is not a flag", "a comment needs a line of its own"}},
      {"--max_connections=many\n", 1, {"--max_connections=many is not valid", "whole number"}},
      {"--writable=perhaps\n", 1, {"--writable=perhaps is not valid", "true or false"}},
      {"--nowritable=false\n", 1, {"--nowritable takes no value"}},
      {"--norules_file\n", 1, {"--norules_file is not a flag"}},
      {"--\n--writable\n", 1, {"no name after the dashes"}},
      {"--writable\n=3\n", 2, {"is not a flag"}},
      {std::string("--root=/\0x\n", 11), 1, {"NUL"}},
      {"\r\n--nope\r\n", 2, {"--nope is not a flag"}},
      {"--fromenv=no_such_flag\n", 1, {"no_such_flag is not a flag"}},
      {"--fromenv=root\n", 1, {"there is no FLAGS_root"}},
      {"--flagfile=/no/such/file\n", 1, {"--flagfile=/no/such/file cannot be read", "ENOENT"}},
      {"--flagfile=\n", 1, {"--flagfile= names no file"}},
      {"--helpp\n", 1, {"--helpp is not a flag"}},
  };
  for (const Mistake& mistake : mistakes) {
    SCOPED_TRACE(mistake.contents);
    const std::string path = File("mistake.flags", mistake.contents);
    std::vector<std::string> words = mistake.words;
    words.push_back(absl::StrCat(path, ", line ", mistake.line, ": "));
    ExpectRefused(Check({"--flagfile=" + path}), words);
    // In a file that a file names, as well.
    ExpectRefused(Check({"--flagfile=" + File("outer.flags", "--flagfile=" + path)}), words);
  }
}

// All of it at once, so that nobody has to mend one line to be told of the next.
TEST_F(FlagsTest, AllMistakesAreTold) {
  const std::string path = File("f", "--nope\nx\n--pool_size=y\n");
  ExpectRefused(Check({"--flagfile=" + path, "--neither", "stray"}),
                {"line 1: --nope", "line 2: \"x\"", "line 3: --pool_size=y",
                 "--neither is not a flag", "\"stray\" is not a flag"});
}

TEST_F(FlagsTest, FilesThatAreNone) {
  ExpectRefused(Check({"--flagfile=/no/such/file"}),
                {"--flagfile=/no/such/file cannot be read", "ENOENT"});
  ExpectRefused(Check({"--flagfile=" + directory_.path()}),
                {"--flagfile=" + directory_.path(), "EISDIR"});
  ExpectRefused(Check({"--flagfile=/dev/zero"}), {"--flagfile=/dev/zero", "longer"});
  ExpectRefused(Check({"--flagfile=" + File("a", "--writable") + ",/no/such/file"}),
                {"/no/such/file"});
  const std::string a = directory_.path() + "/a";
  const std::string b = File("b", "--flagfile=" + a);
  File("a", "--flagfile=" + b);
  ExpectRefused(Check({"--flagfile=" + a}), {b + ", line 1", "the files include each other"});
  ExpectRefused(Check({"--flagfile=" + File("self", "--flagfile=" + directory_.path() + "/self")}),
                {"the files include each other"});
}

// Carriage returns, a byte order mark, blanks and a missing last newline are an editor's, not a
// part of what is said.
TEST_F(FlagsTest, WhatEditorsWrite) {
  const std::string path = File(
      "f", absl::StrCat("\xef\xbb\xbf--root=", tree_.root(),
                        "\r\n\r\n  # a comment\r\n\t--max-pipeline=7  \r\n",
                        "--listen_unix=", directory_.path(), "/s\r\n-nopersistent_connections"));
  ServerProcess server(tree_.root(), {.flags = {"--flagfile=" + path},
                                      .only_flags = true,
                                      .socket_path = directory_.path() + "/s"});
  EXPECT_TRUE(absl::StrContains(server.log(), "7 requests in a pipeline")) << server.log();
  EXPECT_EQ(RawClient::V1(server.Unix()).Get({.mode = kCopy, .uri = "object"}).body, "an object");
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// Of two that set one flag the later one counts, wherever they stand; in one file that is told.
TEST_F(FlagsTest, TheLaterOneCounts) {
  const std::string inner = File("inner", "--max_pipeline=2\n");
  const std::string outer =
      File("outer", absl::StrCat("--max_pipeline=1\n--flagfile=", inner, "\n"));
  const auto pipeline = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(),
                 {"--root=" + tree_.root(), "--listen_unix=" + directory_.path() + "/s"});
    ServerProcess server(
        tree_.root(),
        {.flags = flags, .only_flags = true, .socket_path = directory_.path() + "/s"});
    const std::string log = server.log();
    EXPECT_EQ(server.Stop(SIGTERM), 0);
    const size_t end = log.find(" requests in a pipeline");
    return log.substr(log.rfind(' ', end - 1) + 1, end - log.rfind(' ', end - 1) - 1);
  };
  EXPECT_EQ(pipeline({"--max_pipeline=9", "--flagfile=" + outer}), "2");
  EXPECT_EQ(pipeline({"--flagfile=" + outer, "--max_pipeline", "9"}), "9");
  EXPECT_EQ(pipeline({"--flagfile=" + inner + "," + outer}), "2");
  const std::string twice = File("twice", "--max_pipeline=1\n--writable\n--max_pipeline=3\n");
  const ServerProcess::Refusal said = Check({"--flagfile=" + twice});
  EXPECT_EQ(said.exit_status, 0) << said.log;
  EXPECT_TRUE(absl::StrContains(said.log, "--max_pipeline is on line 1 and again on line 3"))
      << said.log;
}

// The environment is read where a flag asks for it; a variable that nobody asks for is told.
TEST_F(FlagsTest, TheEnvironment) {
  const std::string bad = File("bad", "--rule_file=x\n");
  ExpectRefused(Check({"--fromenv=flagfile"}, {"FLAGS_flagfile=" + bad}),
                {bad + ", line 1: --rule_file is not a flag"});
  ExpectRefused(Check({"--tryfromenv=flagfile"}, {"FLAGS_flagfile=" + bad}),
                {bad + ", line 1: --rule_file is not a flag"});
  ExpectRefused(Check({"--fromenv=pool_size"}, {"FLAGS_pool_size=x"}),
                {"$FLAGS_pool_size: --pool_size=x is not valid"});
  ExpectRefused(Check({"--fromenv=pool_size"}), {"there is no FLAGS_pool_size"});
  ExpectRefused(Check({"--fromenv=pol_size"}), {"pol_size is not a flag", "--pool_size meant"});
  ServerProcess::Refusal said = Check({"--tryfromenv=pool_size"});
  EXPECT_EQ(said.exit_status, 0) << said.log;
  said = Check({"--fromenv=writable"}, {"FLAGS_writable=true"});
  EXPECT_EQ(said.exit_status, 0) << said.log;
  EXPECT_TRUE(absl::StrContains(said.log, ", writable")) << said.log;
  said = Check({}, {"FLAGS_writable=true"});
  EXPECT_EQ(said.exit_status, 0) << said.log;
  EXPECT_TRUE(absl::StrContains(said.log, "FLAGS_writable is in the environment and has no effect"))
      << said.log;
  EXPECT_FALSE(absl::StrContains(said.log, ", writable")) << said.log;
  // A variable that the unit for systemd would not put on the command line, for want of a letter.
  said = Check({}, {"OBJMAPPER_FLAG=--writable"});
  EXPECT_EQ(said.exit_status, 0) << said.log;
  EXPECT_TRUE(absl::StrContains(
      said.log,
      "OBJMAPPER_FLAG is in the environment and has no effect; is OBJMAPPER_FLAGS meant?"))
      << said.log;
}

// --undefok is somebody's word that a flag may be unknown: it is, and is told; nothing else is.
TEST_F(FlagsTest, Undefok) {
  const std::string newer = File("newer", "--of_tomorrow=3\n--noneither\n");
  ServerProcess::Refusal said = Check({"--flagfile=" + newer, "--undefok=of_tomorrow,neither"});
  EXPECT_EQ(said.exit_status, 0) << said.log;
  EXPECT_TRUE(
      absl::StrContains(said.log, "--of_tomorrow is not a flag of this server, and is ignored"))
      << said.log;
  ExpectRefused(Check({"--flagfile=" + newer, "--undefok=of_tomorrow"}),
                {newer + ", line 2: --noneither"});
  ExpectRefused(Check({"--undefok=pool_size", "--pool_size=x"}), {"--pool_size=x is not valid"});
}

TEST_F(FlagsTest, TheCommandLine) {
  ExpectRefused(Check({"--rule_file=x"}), {"--rule_file is not a flag", "--rules_file meant"});
  ExpectRefused(Check({"--nowritble"}), {"--nowritble is not a flag", "--writable meant"});
  ExpectRefused(Check({"--listen=/x"}), {"--listen_unix"});
  ExpectRefused(Check({"--root"}), {"--root has no value"});
  ExpectRefused(Check({"--root", "--writable"}), {"--root has no value", "--writable"});
  ExpectRefused(Check({"-"}), {"\"-\" is not a flag"});
  ExpectRefused(Check({"--", "--writable"}), {"\"--writable\" is not a flag"});
  ExpectRefused(Check({"--pool_size", "-3"}), {"--pool_size=-3 is not valid"});
  EXPECT_EQ(Run({"--version"}).exit_status, 0);
  EXPECT_EQ(Check({"--max-pipeline", "3"}).exit_status, 0);
}

// ---- server --check ----

// 0, 1 or 2 as a start would go; and nothing is touched.
TEST_F(FlagsTest, CheckSaysWhetherItWouldStart) {
  const std::string socket = directory_.path() + "/s";
  const std::vector<std::string> flags = {
      "--listen_unix=" + socket, "--writable", "--admin_listen=" + directory_.path() + "/admin",
      "--take_over=" + directory_.path() + "/door", "--listen_tcp=127.0.0.1:0"};
  EXPECT_EQ(Check(flags).exit_status, 0);
  EXPECT_FALSE(std::filesystem::exists(socket));
  std::vector<std::string> started = flags;
  started.insert(started.begin(), "--root=" + tree_.root());
  ServerProcess server(tree_.root(), {.flags = started, .only_flags = true, .socket_path = socket});
  RawClient client = RawClient::V1(server.Unix());
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "object"}).body, "an object");
  const std::string log = server.log();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Check(flags).exit_status, 0);
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "object"}).body, "an object");
  EXPECT_EQ(RawClient::V1(server.Unix()).Get({.mode = kCopy, .uri = "object"}).body, "an object");
  EXPECT_EQ(server.log(), log) << "it has noticed nothing";
  EXPECT_EQ(server.Stop(SIGTERM), 0);

  ExpectRefused(Check({"--root=/no/such/folder"}), {"/no/such/folder"});
  ExpectRefused(Check({"--rules_file=" + File("rules", "user nobody /x read\nmistake\n")}),
                {"--rules_file=", "line 2"});
  ExpectRefused(Check({"--rules_file=/no/rules"}), {"--rules_file=/no/rules"});
  ExpectRefused(Check({"--listen_unix=/no/folder/s"}), {"--listen_unix", "/no/folder"}, 1);
  ExpectRefused(Check({"--listen_unix=" + File("plain", "")}), {"is not a socket"}, 1);
  ExpectRefused(Check({"--admin_listen=/no/folder/s"}), {"--admin_listen", "/no/folder"}, 1);
  if (ServerProcess::CanBecomeNobody()) {
    std::filesystem::permissions(tree_.root(), std::filesystem::perms(0755));
    const ServerProcess::Refusal said = Check(
        {"--listen_unix=" + socket, "--writable", "--user=65534", "--listen_tcp=127.0.0.1:0"});
    EXPECT_EQ(said.exit_status, 0) << said.log;
    EXPECT_TRUE(absl::StrContains(said.log, "objects cannot be stored in " + tree_.root()))
        << said.log;
    EXPECT_TRUE(absl::StrContains(said.log, "uid 65534")) << said.log;
  }
}

// What a variable that is not set leaves of "--rules_file=$RULES" is not passed over.
TEST_F(FlagsTest, NothingIsGiven) {
  for (const char* flag :
       {"--rules_file=", "--allow_uids=", "--allow_gids=", "--user=", "--root="}) {
    const ServerProcess::Refusal said = Check({flag});
    // there is no ./objects here
    EXPECT_EQ(said.exit_status, absl::string_view(flag) == "--root=" ? 2 : 0) << said.log;
    EXPECT_TRUE(absl::string_view(flag) == "--root=" ||
                absl::StrContains(said.log, absl::StrCat(flag, " is empty")))
        << said.log;
  }
}

// A start that insists on rings would fail where they are refused.
TEST_F(FlagsTest, CheckKnowsOfRings) {
  for (const char* flag :
       {"--io_engine=uring", "--fdpass_engine=uring", "--concurrency_model=uring"}) {
    const ServerProcess::Refusal said = ServerProcess::StartRefused(
        tree_.root(), {.flags = {"--check", "--root=" + tree_.root(), flag},
                       .only_flags = true,
                       .io_uring_errno = EPERM});
    ExpectRefused(said, {flag, "EPERM"}, 1);
  }
  const ServerProcess::Refusal said =
      ServerProcess::StartRefused(tree_.root(), {.flags = {"--check", "--root=" + tree_.root()},
                                                 .only_flags = true,
                                                 .io_uring_errno = EPERM});
  EXPECT_EQ(said.exit_status, 0) << said.log;
}

// A server that everybody may reach and write to is somebody's decision.
TEST_F(FlagsTest, WritesFromTheNetworkNeedRules) {
  for (const char* address :
       {"0.0.0.0:0", "[::]:0", "192.0.2.7:1", "node.example:1", "127.example:1"}) {
    SCOPED_TRACE(address);
    const std::string listen = absl::StrCat("--listen_tcp=127.0.0.1:0,", address);
    ExpectRefused(Check({listen, "--writable"}),
                  {"--writable", address, "--rules_file", "--unprotected_writes"});
    ServerProcess::Refusal said = Check({listen, "--writable", "--unprotected_writes"});
    EXPECT_EQ(said.exit_status, 0) << said.log;
    EXPECT_TRUE(absl::StrContains(said.log, "may read and write every object")) << said.log;
    said = Check({listen});
    EXPECT_EQ(said.exit_status, 0) << said.log;
    EXPECT_TRUE(absl::StrContains(said.log, "may read every object")) << said.log;
    said = Check({listen, "--writable", "--rules_file=" + File("rules", "any / read\n")});
    EXPECT_EQ(said.exit_status, 0) << said.log;
    EXPECT_FALSE(absl::StrContains(said.log, "every object")) << said.log;
  }
  for (const char* address : {"127.0.0.1:0", "[::1]:0", "localhost:0", "127.1.2.3:0", ":0"}) {
    const ServerProcess::Refusal said =
        Check({absl::StrCat("--listen_tcp=", address), "--writable"});
    EXPECT_EQ(said.exit_status, 0) << address << said.log;
  }
  ExpectRefused(Check({"--unprotected_writes"}), {"--unprotected_writes", "--writable"});
  // Datagrams only read.
  const ServerProcess::Refusal said = Check({"--listen_udp=0.0.0.0:0", "--writable"});
  EXPECT_EQ(said.exit_status, 0) << said.log;
  EXPECT_TRUE(absl::StrContains(said.log, "every client that reaches --listen_udp=0.0.0.0:0"))
      << said.log;
}

}  // namespace
}  // namespace objmapper::e2e
