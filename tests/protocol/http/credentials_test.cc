// What Authorization says, and what is taken for nothing.
#include "protocol/http/credentials.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace objmapper::protocol::http {
namespace {

using Kind = Credentials::Kind;

// fields: lines with their ends.
Credentials Said(const std::string& fields) {
  const std::string text = absl::StrCat("GET / HTTP/1.1\r\nHost: a\r\n", fields, "\r\n");
  HeadReader reader;
  Head head;
  const HeadReader::Result result = reader.Read(text, &head);
  EXPECT_EQ(result.refusal.status, 0) << fields;
  EXPECT_EQ(result.consumed, text.size());
  return CredentialsOf(head);
}
Credentials Of(const std::string& value) {
  return Said(absl::StrCat("Authorization: ", value, "\r\n"));
}
std::string Basic(const std::string& pair) {
  return absl::StrCat("Basic ", absl::Base64Escape(pair));
}

TEST(CredentialsTest, Bearer) {
  EXPECT_EQ(Said("").kind, Kind::kNone);
  for (const char* value :
       {"Bearer abc-._~+/9==", "bearer abc-._~+/9==", "BEARER   abc-._~+/9=="}) {
    const Credentials said = Of(value);
    EXPECT_EQ(said.kind, Kind::kToken) << value;
    EXPECT_EQ(said.token, "abc-._~+/9==");
    EXPECT_FALSE(said.has_user);
  }
  for (const char* value : {"Bearer", "Bearer a b", "Bearer a,b", "Bearer \"a\"",
                            "Bearer ==", "Bearer a=b", "Bearer a, Bearer b"})
    EXPECT_EQ(Of(value).kind, Kind::kUnsound) << value;
  for (const char* value : {"", "Digest username=\"a\"", "abc", "Bearers abc", "Bearer\tabc"})
    EXPECT_EQ(Of(value).kind, Kind::kOther) << value;
}

TEST(CredentialsTest, Basic) {
  const Credentials said = Of(Basic("alice:pass:word"));
  EXPECT_EQ(said.kind, Kind::kToken);
  EXPECT_TRUE(said.has_user);
  EXPECT_EQ(said.user, "alice");
  EXPECT_EQ(said.token, "pass:word");
  EXPECT_EQ(Of(Basic(":token")).user, "");
  for (const std::string& value :
       {std::string("Basic"), std::string("Basic !"), Basic("no colon"), Basic("alice:"),
        std::string("Basic YWxpY2U6cGFzcw== x"), std::string("Basic YQ")}) {
    EXPECT_EQ(Of(value).kind, Kind::kUnsound) << value;
  }
}

// Of two fields another reader might take the other.
TEST(CredentialsTest, Two) {
  EXPECT_EQ(Said("Authorization: Bearer a\r\nauthorization: Bearer a\r\n").kind, Kind::kUnsound);
  EXPECT_EQ(Said("Authorization: Digest a\r\nAUTHORIZATION: Bearer a\r\n").kind, Kind::kUnsound);
}

}  // namespace
}  // namespace objmapper::protocol::http
