// Rules that are read again, and those that cannot be.
#include "server/rules_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "tests/client/temporary_folder.h"

namespace objmapper::server {
namespace {

class RulesFileTest : public testing::Test {
 protected:
  bool Reads(const session::Access& access) {
    return access.Permits(&standing_, {net::PeerCredentials{1, 1000, 100}, /*fd=*/-1}, "a",
                          session::Right::kRead);
  }

  const client::TemporaryFolder folder_;
  std::unique_ptr<session::Standing> standing_;  // of one connection
};

// Without the flag everybody may do everything, and there is nothing to be read again.
TEST_F(RulesFileTest, NoFile) {
  RulesFile rules("");
  EXPECT_TRUE(rules.Read().ok());
  EXPECT_EQ(rules.access(), nullptr);
  EXPECT_EQ(rules.figures(), std::nullopt);
  EXPECT_EQ(rules.ReadAgain().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(rules.figures(), std::nullopt);
}

// A server does not start without rules that it was to have.
TEST_F(RulesFileTest, AFileThatCannotBeRead) {
  RulesFile missing(folder_.Path("rules"));
  EXPECT_EQ(missing.Read().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(missing.access(), nullptr);
  folder_.Write("rules", "any / fly\n");
  RulesFile wrong(folder_.Path("rules"));
  EXPECT_EQ(wrong.Read().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(wrong.figures(), std::nullopt);
}

// What is read again holds at once, for connections that have asked before too; of what cannot be
// read nothing holds, and the operator sees why, until it can be.
TEST_F(RulesFileTest, ReadAgain) {
  folder_.Write("rules", "uid 1000 / read\nany / none\n");
  RulesFile rules(folder_.Path("rules"));
  ASSERT_TRUE(rules.Read().ok());
  ASSERT_NE(rules.access(), nullptr);
  const session::Access& access = *rules.access();
  EXPECT_TRUE(Reads(access));
  EXPECT_EQ(rules.figures()->count, 2u);
  EXPECT_GT(rules.figures()->read_unix_s, 0);
  EXPECT_EQ(rules.figures()->reloads, 0u) << "the first time is none";

  folder_.Write("rules", "any / none\n");
  EXPECT_EQ(rules.ReadAgain().value_or(0), 1u);
  EXPECT_EQ(rules.access(), &access);
  EXPECT_FALSE(Reads(access));
  EXPECT_EQ(rules.figures()->count, 1u);
  EXPECT_EQ(rules.figures()->reloads, 1u);

  folder_.Write("rules", "any / read\nany / fly\n");
  const absl::Status wrong = rules.ReadAgain().status();
  EXPECT_EQ(wrong.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(Reads(access));
  EXPECT_EQ(rules.figures()->count, 1u);
  EXPECT_EQ(rules.figures()->reloads, 1u);
  EXPECT_EQ(rules.figures()->reloads_failed, 1u);
  EXPECT_EQ(rules.figures()->error, std::string(wrong.message()));

  folder_.Write("rules", "any / read\n");
  EXPECT_TRUE(rules.ReadAgain().ok());
  EXPECT_TRUE(Reads(access));
  EXPECT_EQ(rules.figures()->reloads, 2u);
  EXPECT_EQ(rules.figures()->error, "");
}

// Rules and tokens come into force together, or neither does.
TEST_F(RulesFileTest, Tokens) {
  const std::string path = folder_.Path("tokens");
  const auto write = [&](const char* text) {
    folder_.Write("tokens", text);
    ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  };
  folder_.Write("rules", "any / none\n");
  EXPECT_EQ(RulesFile(folder_.Path("rules"), path).Read().code(), absl::StatusCode::kNotFound);
  write("alice secret-of-alice-0\n");
  RulesFile rules(folder_.Path("rules"), path);
  ASSERT_TRUE(rules.Read().ok());
  const session::Access& access = *rules.access();
  EXPECT_EQ(access.NameOf("secret-of-alice-0"), "alice");

  // Others may read it.
  folder_.Write("rules", "any / read\n");
  write("bob secret-of-bob-xyz\n");
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  EXPECT_EQ(rules.ReadAgain().status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(rules.figures()->error, "every user may read it"));
  EXPECT_EQ(access.NameOf("secret-of-alice-0"), "alice");
  EXPECT_EQ(access.NameOf("secret-of-bob-xyz"), "");
  EXPECT_FALSE(Reads(access));

  // The rules are wrong.
  write("bob secret-of-bob-xyz\n");
  folder_.Write("rules", "any / fly\n");
  EXPECT_FALSE(rules.ReadAgain().ok());
  EXPECT_EQ(access.NameOf("secret-of-bob-xyz"), "");

  folder_.Write("rules", "any / read\n");
  EXPECT_TRUE(rules.ReadAgain().ok());
  EXPECT_EQ(access.NameOf("secret-of-alice-0"), "");
  EXPECT_EQ(access.NameOf("secret-of-bob-xyz"), "bob");
  EXPECT_TRUE(Reads(access));
}

}  // namespace
}  // namespace objmapper::server
