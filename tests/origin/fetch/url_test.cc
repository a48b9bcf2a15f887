// Whose a URL is, where a Location leads, what is shown.
#include "origin/fetch/url.h"

#include <gtest/gtest.h>

#include <string>

namespace objmapper::origin::fetch {
namespace {

TEST(OriginOfTest, SchemeHostAndPort) {
  EXPECT_EQ(OriginOf("http://host/a/b?c").value(), "http://host:80");
  EXPECT_EQ(OriginOf("HTTPS://Host.Example/").value(), "https://host.example:443");
  EXPECT_EQ(OriginOf("http://127.0.0.1:9000").value(), "http://127.0.0.1:9000");
  EXPECT_EQ(OriginOf("http://[::1]:80/").value(), "http://[::1]:80");
  EXPECT_EQ(OriginOf("http://host/%2e%2e/../x//y").value(), "http://host:80");
}

TEST(OriginOfTest, WhatIsNoHttp) {
  for (const char* url : {"", "/path", "host", "ftp://host/a", "file:///etc/passwd", "http://",
                          "http://host:99999/", "gopher://host/"}) {
    EXPECT_EQ(OriginOf(url).status().code(), absl::StatusCode::kInvalidArgument) << url;
  }
  EXPECT_FALSE(OriginOf(std::string("http://host/\0", 13)).ok());
  // A password is not repeated.
  const absl::Status userinfo = OriginOf("http://me:secret@host/a?sig=secret").status();
  EXPECT_EQ(userinfo.message(), "http://host/a?... had a user's name in it");
}

TEST(ResolveTest, WhereLocationLeads) {
  const char base[] = "http://host/a/b?c=d";
  EXPECT_EQ(Resolve(base, "http://other:81/x").value(), "http://other:81/x");
  EXPECT_EQ(Resolve(base, "/x/y?z").value(), "http://host/x/y?z");
  EXPECT_EQ(Resolve(base, "x").value(), "http://host/a/x");
  EXPECT_EQ(Resolve(base, "//other/x").value(), "http://other/x");
  EXPECT_EQ(Resolve(base, "/with blank/%20").value(), "http://host/with%20blank/%20");
}

TEST(ResolveTest, WhereNobodyGoes) {
  for (const char* location : {"ftp://host/a", "file:///etc/passwd", "javascript:alert(1)",
                               "http://user:secret@host/", "http://:80:80/"}) {
    const absl::StatusOr<std::string> resolved = Resolve("http://host/a", location);
    EXPECT_FALSE(resolved.ok()) << location << " became " << *resolved;
    EXPECT_EQ(resolved.status().message().find("secret"), std::string::npos);
  }
}

TEST(ShownTest, NoSecrets) {
  EXPECT_EQ(Shown("https://host/a"), "https://host/a");
  EXPECT_EQ(Shown("https://host/a?X-Amz-Signature=secret"), "https://host/a?...");
  EXPECT_EQ(Shown("https://host/a#secret"), "https://host/a?...");
  EXPECT_EQ(Shown("https://me:secret@host/a@b"), "https://host/a@b");
  EXPECT_EQ(Shown("https://me:se@cret@host/a"), "https://host/a");
  EXPECT_EQ(Shown("me:secret@host"), "host");
  EXPECT_EQ(Shown("http://host/\x1b[2J"), "http://host/\\x1b[2J");
  EXPECT_LT(Shown("http://host/" + std::string(10'000, 'x')).size(), 600u);
}

}  // namespace
}  // namespace objmapper::origin::fetch
