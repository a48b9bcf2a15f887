// Which token is whose, and what no error tells.
#include "session/tokens.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace objmapper::session {
namespace {

// printf %s secret-of-the-builder | sha256sum
constexpr char kHash[] = "7407b64b0deb5f2ddb73fad514d154d8361babbdd8474ec832b21714b086c045";

// A token is known as it is, or by its hash; it is its whole that counts.
TEST(TokensTest, WhoseItIs) {
  const absl::StatusOr<Tokens> tokens =
      Tokens::Parse(absl::StrCat("# a comment\n\n  alice\tsecret-of-alice-0  # and another\n",
                                 "builder sha256:", kHash, "\nalice new-secret-of-alice/+==\n"));
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  EXPECT_EQ(tokens->size(), 3u);
  EXPECT_EQ(tokens->NameOf("secret-of-alice-0"), "alice");
  EXPECT_EQ(tokens->NameOf("new-secret-of-alice/+=="), "alice");
  EXPECT_EQ(tokens->NameOf("secret-of-the-builder"), "builder");
  for (const std::string& other :
       {std::string(), std::string("secret-of-alice-"), std::string("secret-of-alice-00"),
        std::string("Secret-of-alice-0"), std::string(kHash), absl::StrCat("sha256:", kHash),
        std::string("alice")}) {
    EXPECT_EQ(tokens->NameOf(other), "") << other;
  }
  EXPECT_TRUE(tokens->HasName("alice"));
  EXPECT_FALSE(tokens->HasName("bob"));
  EXPECT_EQ(Tokens::Parse("")->size(), 0u);
  EXPECT_EQ(Tokens::Parse("")->NameOf(""), "");
}

// What is wrong is told by its line, and by nothing that stands in it.
TEST(TokensTest, WhatIsWrong) {
  const struct {
    std::string line;
    const char* why;
  } kWrong[] = {
      {"alice", "name and a token"},
      {"alice secret-of-alice-0 more", "name and a token"},
      {"alice secret-of-alic", "fewer than 16"},
      {"alice " + std::string(4097, 's'), "more than 4096"},
      {"alice secret,of,alice,0", "character other than"},
      {"alice sec=ret-of-alice-0", "character other than"},
      {"alice ================", "character other than"},
      {"alice sha256:1234567890abcdef", "64 hexadecimal digits"},
      {absl::StrCat("alice sha256:", kHash, "0"), "64 hexadecimal digits"},
      {absl::StrCat("alice sha256:x", std::string(kHash).substr(1)), "64 hexadecimal digits"},
      {"al/ice secret-of-alice-0", "the name"},
      {"uid=0 secret-of-alice-0", "the name"},
      {"- secret-of-alice-0", "the name"},
      {"secret/of/alice/0 alice", "the name"},
      {std::string(65, 'a') + " secret-of-alice-0", "the name"},
      {"alice secret-of-bob-xyz", "same token"},
  };
  for (const auto& wrong : kWrong) {
    const absl::Status refused =
        Tokens::Parse(absl::StrCat("bob secret-of-bob-xyz\n\n", wrong.line, "\n")).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << wrong.line;
    EXPECT_TRUE(absl::StartsWith(refused.message(), "line 3: ")) << refused;
    EXPECT_TRUE(absl::StrContains(refused.message(), wrong.why)) << refused;
    EXPECT_FALSE(absl::StrContains(refused.message(), "secret")) << refused;
    EXPECT_FALSE(absl::StrContains(refused.message(), "1234567890abcdef")) << refused;
  }
}

TEST(TokensTest, Names) {
  for (const char* name : {"a", "alice", "0", "ci@example.org", "a.b_c-d"})
    EXPECT_TRUE(IsTokenName(name)) << name;
  EXPECT_TRUE(IsTokenName(std::string(64, 'n')));
  for (const char* name : {"", "-", ".", "_a", "a:b", "a b", "a=b", "a\"b", "a\nb", "\xc3\xa4"})
    EXPECT_FALSE(IsTokenName(name)) << name;
}

}  // namespace
}  // namespace objmapper::session
