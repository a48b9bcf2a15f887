// Where `objmapper get` puts what it gets.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "tests/client/temporary_folder.h"
#include "tools/cli/commands.h"
#include "tools/cli/terminal_guard.h"

namespace objmapper::tools {
namespace {

using Paths = std::vector<std::string>;

class PlanOutputsTest : public testing::Test {
 protected:
  absl::StatusOr<Paths> Plan(const std::string& output, const Paths& uris, bool json = false) {
    CommandLine line;
    line.command = CommandLine::Command::kGet;
    line.output = output;
    line.uris = uris;
    line.json = json;
    return PlanOutputs(line);
  }

  client::TemporaryFolder folder_;
};

// Standard output takes any number of objects, but no JSON beside them.
TEST_F(PlanOutputsTest, StandardOutput) {
  EXPECT_EQ(Plan("-", {"a", "b/"}).value(), (Paths{"-", "-"}));
  EXPECT_EQ(Plan("-", {"a"}, true).status().code(), absl::StatusCode::kInvalidArgument);
}

// One object may have a file's name, whatever its URI looks like.
TEST_F(PlanOutputsTest, OneFile) {
  EXPECT_EQ(Plan("out", {"a/.."}, true).value(), Paths{"out"});
  const absl::Status several = Plan("out", {"a", "b"}).status();
  EXPECT_EQ(several.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(several.message(), "existing folder, which out is not"));
  // What takes them one behind the other does; the second one would find a FIFO without its reader.
  EXPECT_EQ(Plan("/dev/null", {"a", "b"}).value(), (Paths{"/dev/null", "/dev/null"}));
  EXPECT_EQ(Plan("/dev/stdout", {"a", "b"}).value(), (Paths{"/dev/stdout", "/dev/stdout"}));
  EXPECT_EQ(Plan("/dev/stdout", {"a"}, true).status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(mkfifo(folder_.Path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(Plan(folder_.Path("fifo"), {"a", "b"}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// In a folder the last part of the URI is the name; no URI leads out of the folder, and no object
// overwrites another.
TEST_F(PlanOutputsTest, Folder) {
  EXPECT_EQ(Plan(folder_.path(), {"a", "x/y/b.bin"}).value(),
            (Paths{folder_.Path("a"), folder_.Path("b.bin")}));
  for (const char* uri : {"a/", "a/..", "..", ".", "a/."}) {
    EXPECT_EQ(Plan(folder_.path(), {uri}).status().code(), absl::StatusCode::kInvalidArgument)
        << uri;
  }
  const absl::Status twice = Plan(folder_.path(), {"x/a", "y/a"}).status();
  EXPECT_TRUE(absl::StrContains(twice.message(), "two of the objects would both be")) << twice;
}

// Text is what a terminal shows, in whatever pieces it comes; all else is kept from it.
TEST(TerminalGuardTest, TextAlone) {
  const auto check = [](const std::vector<std::string>& pieces) {
    TerminalGuard guard;
    for (const std::string& piece : pieces) {
      if (!guard.Check(piece).ok()) return false;
    }
    return true;
  };
  EXPECT_TRUE(check({"", "a line\n", "\ttabs, \x1b[1mcolours\x1b[0m\r\n"}));
  EXPECT_TRUE(check({"\xc3", "\xa4", "\xe2\x82", "\xac", "\xf0\x9f", "\x98", "\x80"}));
  EXPECT_FALSE(check({std::string("a\0b", 3)}));
  EXPECT_FALSE(check({"a", "\x01"}));
  EXPECT_FALSE(check({"\x7f"}));
  EXPECT_FALSE(check({"\xff"}));
  EXPECT_FALSE(check({"\xc3", "a"}));
  EXPECT_FALSE(check({"\xe2\x82", "a"}));
  EXPECT_FALSE(check({"\x80"}));
}

}  // namespace
}  // namespace objmapper::tools
