// What a request says of whose it is, and what becomes of it.
#include "session/caller.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace objmapper::session {
namespace {

namespace http = protocol::http;

constexpr char kTokens[] = "alice secret-of-alice-0\nbob secret-of-bob-xyz\n";

// authorization: empty: there is none.
http::Ask Identified(const Access* access, const std::string& authorization) {
  http::Head head;
  if (!authorization.empty()) head.fields.push_back({"Authorization", authorization});
  http::Ask ask;
  Identify(access, head, &ask);
  return ask;
}
std::string Basic(const std::string& pair) {
  return absl::StrCat("Basic ", absl::Base64Escape(pair));
}

TEST(CallerTest, WhoIsIdentified) {
  const Access access(*AccessRules::Parse(""), *Tokens::Parse(kTokens));
  for (const std::string& alice :
       {std::string("Bearer secret-of-alice-0"), Basic("alice:secret-of-alice-0")}) {
    const http::Ask ask = Identified(&access, alice);
    EXPECT_EQ(ask.caller, "alice");
    EXPECT_EQ(ask.refusal, 0);
    EXPECT_FALSE(ask.lacks_token);
  }
  const http::Ask none = Identified(&access, "");
  EXPECT_EQ(none.caller, "");
  EXPECT_EQ(none.refusal, 0);
  EXPECT_TRUE(none.lacks_token);
  // Not known, another's, not sound.
  for (const std::string& wrong :
       {std::string("Bearer secret-of-carol-0"), Basic("bob:secret-of-alice-0"),
        Basic(":secret-of-alice-0"), Basic("alice:secret-of-alice"), std::string("Bearer"),
        std::string("Basic !")}) {
    const http::Ask ask = Identified(&access, wrong);
    EXPECT_EQ(ask.caller, "") << wrong;
    EXPECT_EQ(ask.refusal, 401) << wrong;
    EXPECT_FALSE(ask.lacks_token) << wrong;
  }
  const http::Ask other = Identified(&access, "Digest username=\"alice\"");
  EXPECT_EQ(other.caller, "");
  EXPECT_EQ(other.refusal, 401);
  EXPECT_TRUE(other.lacks_token);
}

// A server that has no tokens does not look at the field: it may be a proxy's.
TEST(CallerTest, WithoutTokens) {
  const Access rules_alone(*AccessRules::Parse(""));
  for (const Access* access : {static_cast<const Access*>(nullptr), &rules_alone}) {
    for (const char* said : {"", "Bearer secret-of-alice-0", "Bearer", "Digest a"}) {
      const http::Ask ask = Identified(access, said);
      EXPECT_EQ(ask.caller, "");
      EXPECT_EQ(ask.refusal, 0);
      EXPECT_FALSE(ask.lacks_token);
    }
  }
}

}  // namespace
}  // namespace objmapper::session
