// New rules apply from the next request on.
#include "session/access.h"

#include <gtest/gtest.h>

#include <memory>

namespace objmapper::session {
namespace {

const net::PeerCredentials kAlice{1, 1000, 100};

bool Reads(const Access& access, std::unique_ptr<Standing>* standing) {
  return access.Permits(standing, {kAlice, /*fd=*/-1}, "a", Right::kRead);
}

// New rules hold from the next request on, for connections that are open too.
TEST(AccessTest, ReplacedRulesHoldAtOnce) {
  Access access(*AccessRules::Parse("uid 1000 / read"));
  std::unique_ptr<Standing> standing;
  EXPECT_TRUE(Reads(access, &standing));
  EXPECT_TRUE(Reads(access, &standing));
  access.Replace(*AccessRules::Parse(""));
  EXPECT_FALSE(Reads(access, &standing));
  access.Replace(*AccessRules::Parse("any / read"));
  EXPECT_TRUE(Reads(access, &standing));
  std::unique_ptr<Standing> another;
  EXPECT_TRUE(Reads(access, &another));
}

// On one connection requests of several names, and of none, are each judged by its own.
TEST(AccessTest, NamesAreRequestsOwn) {
  Access access(*AccessRules::Parse("name a /a read\nname b /b read\nany /c read"),
                *Tokens::Parse("a secret-of-a-01234\nb secret-of-b-01234"));
  std::unique_ptr<Standing> standing;
  const auto reads = [&](absl::string_view name, absl::string_view uri) {
    return access.Permits(&standing, {kAlice, /*fd=*/-1, name}, uri, Right::kRead);
  };
  for (int round = 0; round < 2; ++round) {
    EXPECT_FALSE(reads("", "a"));
    EXPECT_TRUE(reads("a", "a"));
    EXPECT_FALSE(reads("", "a"));
    EXPECT_FALSE(reads("b", "a"));
    EXPECT_TRUE(reads("b", "b"));
    EXPECT_FALSE(reads("a", "b"));
    EXPECT_TRUE(reads("", "c"));
  }
  EXPECT_EQ(access.KeptFolders({kAlice, -1, "a"}, "x/y"), 1u);
}

// Tokens that are replaced are nobody's at once.
TEST(AccessTest, ReplacedTokens) {
  Access access(*AccessRules::Parse(""), *Tokens::Parse("a secret-of-a-01234"));
  EXPECT_TRUE(access.knows_tokens());
  EXPECT_EQ(access.NameOf("secret-of-a-01234"), "a");
  access.Replace(*AccessRules::Parse(""));
  EXPECT_EQ(access.NameOf("secret-of-a-01234"), "a");
  access.Replace(*AccessRules::Parse(""), *Tokens::Parse("a secret-of-a-56789"));
  EXPECT_EQ(access.NameOf("secret-of-a-01234"), "");
  EXPECT_EQ(access.NameOf("secret-of-a-56789"), "a");
  access.Replace(*AccessRules::Parse(""), Tokens());
  EXPECT_TRUE(access.knows_tokens());
  EXPECT_EQ(access.NameOf("secret-of-a-56789"), "");
  EXPECT_FALSE(Access(*AccessRules::Parse("")).knows_tokens());
}

}  // namespace
}  // namespace objmapper::session
