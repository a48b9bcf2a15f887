// Addresses are read and written without loss; anything else is refused with the reason.
#include "net/address.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace objmapper::net {
namespace {

// Every URL that is read is written back as it was.
TEST(ParseUrlTest, RoundTrips) {
  for (const char* url :
       {"unix:/run/objmapper.sock", "unix:relative.sock", "unix:@objmapper", "unix:/with space:7",
        "tcp://127.0.0.1:7070", "tcp://[::1]:7070", "tcp://[fe80::1%lo]:7070",
        "tcp://localhost:65535", "tcp://node-1.example.org:1", "tcp://127.0.0.1:0"}) {
    absl::StatusOr<Address> address = ParseUrl(url);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->ToUrl(), url);
  }
}

// The parts land where the header says.
TEST(ParseUrlTest, FillsTheParts) {
  absl::StatusOr<Address> unix_address = ParseUrl("unix:@name");
  ASSERT_TRUE(unix_address.ok());
  EXPECT_EQ(unix_address->kind, Address::Kind::kUnix);
  EXPECT_EQ(unix_address->path, "@name");

  absl::StatusOr<Address> tcp_address = ParseUrl("tcp://[::1]:7070");
  ASSERT_TRUE(tcp_address.ok());
  EXPECT_EQ(tcp_address->kind, Address::Kind::kTcp);
  EXPECT_EQ(tcp_address->host, "::1");
  EXPECT_EQ(tcp_address->port, 7070);
}

// A socket's path may stand alone where it can be nothing else.
TEST(ParseUrlTest, PathsAlone) {
  for (const std::string path : {"/run/x.sock", "./x.sock", "../x.sock", "/@"}) {
    EXPECT_TRUE(IsSocketPath(path));
    const absl::StatusOr<Address> address = ParseUrl(path);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->ToUrl(), absl::StrCat("unix:", path));
  }
  for (const char* other : {"", "x.sock", ".x", "unix:/x", "tcp://h:1", "@x"})
    EXPECT_FALSE(IsSocketPath(other)) << other;
}

struct BadText {
  const char* text;
  const char* reason;  // a piece of the message
};

class BadUrlTest : public testing::TestWithParam<BadText> {};

// What is no URL is refused in a sentence that quotes it and says why.
TEST_P(BadUrlTest, IsRefused) {
  const absl::Status status = ParseUrl(GetParam().text).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(status.message(), GetParam().reason)) << status;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadUrlTest,
    testing::Values(
        BadText{"", "expected unix:/path"}, BadText{"run/x.sock", "bad address \"run/x.sock\""},
        BadText{"x.sock", "or a path such as"}, BadText{"http://host:80", "expected unix:/path"},
        BadText{"unix:", "path"}, BadText{"unix:@", "needs a name"},
        BadText{"tcp:127.0.0.1:80", "expected unix:/path"},
        BadText{"tcp://", "expected tcp://host:port"},
        BadText{"tcp://:80", "expected tcp://host:port"},
        BadText{"tcp://80", "expected tcp://host:port"},
        BadText{"tcp://host", "expected tcp://host:port"}, BadText{"tcp://host:", "not a port"},
        BadText{"tcp://host:+80", "not a port"}, BadText{"tcp://host: 80", "not a port"},
        BadText{"tcp://host:65536", "not a port"}, BadText{"tcp://host:99999999999", "not a port"},
        BadText{"tcp://host:80/", "not a port"}, BadText{"tcp://ho st:80", "not a host name"},
        BadText{"tcp://::1:80", "brackets"}, BadText{"tcp://[::1:80", "no \"]\""},
        BadText{"tcp://[::1]80", "after the \"]\""}, BadText{"tcp://[::1]", "after the \"]\""},
        BadText{"tcp://[127.0.0.1]:80", "not an IPv6 address"},
        BadText{"tcp://[]:80", "expected tcp://host:port"}));

// sun_path's 108 bytes hold a path of 107 and its NUL.
TEST(UnixAddressTest, LengthEndsAt107Bytes) {
  EXPECT_TRUE(UnixAddress(std::string(107, 'a')).ok());
  const absl::Status status = UnixAddress(std::string(108, 'a')).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(status.message(), "at most 107 bytes, this one has 108"));
}

// A NUL would silently cut the path.
TEST(UnixAddressTest, RefusesNul) {
  EXPECT_EQ(UnixAddress(absl::string_view("/run/a\0b", 8)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// A listen flag may leave the host out; it then means this machine alone.
TEST(ParseHostPortTest, ReadsEveryForm) {
  const struct {
    const char* text;
    const char* url;
  } cases[] = {
      {"7070", "tcp://127.0.0.1:7070"},       {":7070", "tcp://127.0.0.1:7070"},
      {"0.0.0.0:7070", "tcp://0.0.0.0:7070"}, {"[::]:7070", "tcp://[::]:7070"},
      {"localhost:0", "tcp://localhost:0"},   {"[::1]:65535", "tcp://[::1]:65535"},
  };
  for (const auto& c : cases) {
    absl::StatusOr<Address> address = ParseHostPort(c.text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->ToUrl(), c.url);
  }
}

// What is none of the forms is refused, quoting the text.
TEST(ParseHostPortTest, RefusesTheRest) {
  for (const char* text : {"", ":", "host", "host:", "65536", ":65536", "::1", "[::1]", "[x]:80",
                           "a b:80", "-1", "80 "}) {
    const absl::Status status = ParseHostPort(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_TRUE(absl::StartsWith(status.message(), absl::StrCat("bad address \"", text, "\": ")))
        << status;
  }
}

}  // namespace
}  // namespace objmapper::net
