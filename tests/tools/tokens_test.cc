// The objmapper program with a token, as its user has it, against the real server.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/client/temporary_folder.h"
#include "tests/e2e/object_tree.h"
#include "tests/e2e/server_process.h"
#include "tests/tools/program.h"

namespace objmapper::tools {
namespace {

class TokensTest : public testing::Test {
 protected:
  void SetUp() override {
    tree_.Add("alice/a", "of alice");
    tree_.Add("open/a", "anybody's");
    folder_.Write("file", "a file");
    folder_.Write("alice", "secret-of-alice-0\n");
    folder_.Write("nobody", "secret-of-nobody\n");
    folder_.Write("empty", "");
    folder_.Write("two", "secret-of-alice-0\nsecret\n");
    std::filesystem::create_directory(folder_.Path("d"));
    folder_.Write("d/x", "x");
    std::ofstream(tree_.outside() + "/rules") << "name alice /alice read,write\nany /open read\n";
    const std::string tokens = tree_.outside() + "/tokens";
    std::ofstream(tokens) << "alice secret-of-alice-0\n";
    ASSERT_EQ(chmod(tokens.c_str(), 0600), 0);
  }
  std::vector<std::string> Flags() const {
    return {"--writable", absl::StrCat("--rules_file=", tree_.outside(), "/rules"),
            absl::StrCat("--tokens_file=", tree_.outside(), "/tokens")};
  }
  // In folder_, with `environment` before it.
  Outcome Run(const e2e::ServerProcess& server, const std::string& arguments,
              const std::string& environment = "") const {
    Outcome outcome = RunShell(absl::StrCat("cd ", folder_.path(), " && ", environment,
                                            " OBJMAPPER_SERVER=unix:", server.socket_path(), " ",
                                            program_, " ", arguments),
                               folder_.Path("stderr"));
    EXPECT_FALSE(absl::StrContains(outcome.err + outcome.out, "secret")) << outcome.err;
    return outcome;
  }

  const std::string program_ = std::filesystem::absolute("tools/objmapper").string();
  client::TemporaryFolder folder_;
  e2e::ObjectTree tree_;
};

// Every command that asks the server does so as the one whose token it is: from a file, or from
// the environment. Without one it is denied what is not anybody's.
TEST_F(TokensTest, EveryCommand) {
  const e2e::ServerProcess server(tree_.root(), {.flags = Flags()});
  for (const std::string& arguments :
       {std::string("get alice/a"), std::string("stat alice/a"), std::string("put file alice/b"),
        std::string("cp obj:alice/a back"), std::string("cp -r d obj:alice/d"),
        std::string("cp --fd file obj:alice/fd"), std::string("cp -r obj:alice/d out"),
        std::string("rm alice/b"), std::string("rm -r alice/d")}) {
    Outcome outcome = Run(server, arguments);
    EXPECT_EQ(outcome.exit_code, 1) << arguments << ": " << outcome.err;
    outcome = Run(server, arguments, "OBJMAPPER_TOKEN=\"$(cat alice)\"");
    EXPECT_EQ(outcome.exit_code, 0) << arguments << ": " << outcome.err;
    if (absl::StartsWith(arguments, "rm")) continue;
    outcome = Run(server, absl::StrCat(arguments, " --token_file=alice"));
    EXPECT_EQ(outcome.exit_code, 0) << arguments << ": " << outcome.err;
  }
  EXPECT_EQ(Run(server, "ls").out, "open/a\n");
  EXPECT_EQ(Run(server, "ls --token_file alice").out, "alice/a\nalice/fd\nopen/a\n");
  EXPECT_EQ(Run(server, "ping -n 1 --token_file=alice").exit_code, 0);
}

// The file goes before the environment, and an empty name of one means none.
TEST_F(TokensTest, WhichOne) {
  const e2e::ServerProcess server(tree_.root(), {.flags = Flags()});
  const std::string alice = "OBJMAPPER_TOKEN=\"$(cat alice)\"";
  EXPECT_EQ(Run(server, "get alice/a --token_file=", alice).exit_code, 1);
  EXPECT_EQ(Run(server, "get open/a --token_file=", alice).out, "anybody's");
  const Outcome outcome = Run(server, "get open/a --token_file=nobody", alice);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(outcome.err, "PERMISSION_DENIED")) << outcome.err;
  EXPECT_TRUE(absl::StrContains(outcome.err, "token")) << outcome.err;
}

// What is wrong with a file is said by its name; what UDP and other commands do not know, too.
TEST_F(TokensTest, Mistakes) {
  const e2e::ServerProcess server(tree_.root(), {.flags = Flags()});
  for (const auto& [arguments, code, said] :
       {std::tuple("get open/a --token_file=none", 5, "token file none"),
        {"get open/a --token_file=empty", 2, "token file empty: there is no token in it"},
        {"get open/a --token_file=two", 2, "token file two: there is more than a token"},
        {"get open/a --token_file=alice --server=udp://127.0.0.1:1", 2, "UDP carries no tokens"},
        {"stats --token_file=alice", 2, "objmapper stats has no flag --token_file"},
        {"get open/a --token=x", 2, "objmapper get has no flag --token"}}) {
    const Outcome outcome = Run(server, arguments);
    EXPECT_EQ(outcome.exit_code, code) << arguments;
    EXPECT_TRUE(absl::StrContains(outcome.err, said)) << outcome.err;
  }
}

// A server that takes no tokens does not get one, and nothing is done.
TEST_F(TokensTest, ServerWithoutTokens) {
  const e2e::ServerProcess server(tree_.root(), {.flags = {"--writable"}});
  for (const char* arguments : {"get open/a", "put file new", "ls", "ping -n 1"}) {
    const Outcome outcome = Run(server, absl::StrCat(arguments, " --token_file=alice"));
    EXPECT_EQ(outcome.exit_code, 1) << arguments;
    EXPECT_TRUE(absl::StrContains(outcome.err, "takes no tokens")) << outcome.err;
  }
  EXPECT_EQ(Run(server, "stat new").exit_code, 1);
}

}  // namespace
}  // namespace objmapper::tools
