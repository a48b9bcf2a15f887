// Where a bucket is, and how what is in it is written.
#include "origin/s3/url.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace objmapper::origin::s3 {
namespace {

// Every byte, once: the unreserved and '/' stay, all else is %XX in upper case.
TEST(UrlTest, EveryByteOfAKey) {
  constexpr absl::string_view kStay =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  for (int value = 0; value < 256; ++value) {
    const std::string byte(1, static_cast<char>(value));
    char coded[4];
    snprintf(coded, sizeof(coded), "%%%02X", value);
    const bool stays = absl::StrContains(kStay, byte);
    EXPECT_EQ(EncodeQuery(byte), stays ? byte : coded) << value;
    EXPECT_EQ(EncodeKey(byte), stays || byte == "/" ? byte : coded) << value;
  }
  EXPECT_EQ(EncodeKey("a b+c%20/\u00e9=('!*')//../~"),
            "a%20b%2Bc%2520/%C3%A9%3D%28%27%21%2A%27%29//../~");
}

// By their encoded names, and by values where these are the same.
TEST(UrlTest, QueriesAreSorted) {
  EXPECT_EQ(Query().Text(), "");
  EXPECT_EQ(Query()
                .Add("prefix", "a/b c")
                .Add("list-type", "2")
                .Add("\u1234", "x")
                .Add("b", "2")
                .Add("b", "1")
                .Add("uploads")
                .Text(),
            "%E1%88%B4=x&b=1&b=2&list-type=2&prefix=a%2Fb%20c&uploads=");
}

TEST(UrlTest, WhereABucketIs) {
  const struct {
    Bucket::Where where;
    const char* url;  // of the key "k/é"
  } kCases[] = {
      {{"models", "eu-west-1"}, "https://models.s3.eu-west-1.amazonaws.com/k/%C3%A9"},
      {{"models", ""}, "https://models.s3.us-east-1.amazonaws.com/k/%C3%A9"},
      {{"models", "cn-north-1"}, "https://models.s3.cn-north-1.amazonaws.com.cn/k/%C3%A9"},
      {{"models", "us-gov-west-1"}, "https://models.s3.us-gov-west-1.amazonaws.com/k/%C3%A9"},
      // A certificate's wildcard is good for one label.
      {{"my.models", "eu-west-1"}, "https://s3.eu-west-1.amazonaws.com/my.models/k/%C3%A9"},
      {{"My_models", "eu-west-1"}, "https://s3.eu-west-1.amazonaws.com/My_models/k/%C3%A9"},
      {{"models", "eu-west-1", {}, true}, "https://s3.eu-west-1.amazonaws.com/models/k/%C3%A9"},
      {{"models", "", *ParseEndpoint("http://127.0.0.1:7480")},
       "http://127.0.0.1:7480/models/k/%C3%A9"},
      {{"models", "", *ParseEndpoint("http://[::1]:7480/")}, "http://[::1]:7480/models/k/%C3%A9"},
      {{"models", "auto", *ParseEndpoint("https://account.r2.cloudflarestorage.com")},
       "https://account.r2.cloudflarestorage.com/models/k/%C3%A9"},
      {{"models", "", *ParseEndpoint("https://gateway.example/s3/"), true},
       "https://gateway.example/s3/models/k/%C3%A9"},
      {{"models", "", *ParseEndpoint("https://S3.Example:443"), false},
       "https://models.s3.example/k/%C3%A9"},
  };
  for (const auto& c : kCases) {
    const absl::StatusOr<Bucket> bucket = Bucket::Make(c.where);
    ASSERT_TRUE(bucket.ok()) << c.url << bucket.status();
    EXPECT_EQ(bucket->Object("k/\u00e9").Text(), c.url);
    EXPECT_EQ(bucket->name(), c.where.name);
  }
  const Bucket bucket = *Bucket::Make({"models", "", *ParseEndpoint("http://h:7480")});
  EXPECT_EQ(bucket.region(), "us-east-1");
  EXPECT_EQ(bucket.List(Query().Add("list-type", "2")).Text(), "http://h:7480/models/?list-type=2");
  EXPECT_EQ(bucket.Object("/x", Query().Add("uploads")).Text(), "http://h:7480/models//x?uploads=");
  EXPECT_EQ(bucket.Object("x").host, "h:7480");
}

TEST(UrlTest, WhereNoBucketIs) {
  const struct {
    Bucket::Where where;
    const char* why;
  } kCases[] = {
      {{"ab", "eu-west-1"}, "not the name of a bucket"},
      {{std::string(256, 'a'), "eu-west-1"}, "not the name of a bucket"},
      {{"a/b", "eu-west-1"}, "not the name of a bucket"},
      {{"..a", "eu-west-1"}, "not the name of a bucket"},
      {{"a..b", "eu-west-1"}, "not the name of a bucket"},
      {{"a b\n", "eu-west-1"}, "not the name of a bucket"},
      {{"models", "auto"}, "\"auto\" is no region of AWS's"},
      {{"models", "eu-west-1.evil.example/"}, "no region of AWS's"},
      {{"models", "evil.example/x-1", *ParseEndpoint("http://h")}, "not the name of a region"},
      {{"my.models", "eu-west-1", {}, false}, "path_style"},
      {{"models", "", *ParseEndpoint("http://10.0.0.1:80"), false}, "path_style"},
      {{"models", "", *ParseEndpoint("http://[::1]"), false}, "path_style"},
  };
  for (const auto& c : kCases) {
    const absl::Status status = Bucket::Make(c.where).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.where.name;
    EXPECT_TRUE(absl::StrContains(status.message(), c.why)) << status;
  }
}

TEST(UrlTest, Endpoints) {
  const struct {
    const char* text;
    const char* url;
  } kGood[] = {
      {"http://h", "http://h"},
      {"https://H.Example:8443/a/b%20c/", "https://h.example:8443/a/b%20c"},
      {"http://h:80/", "http://h"},
      {"http://h:443", "http://h:443"},
      {"https://h:443", "https://h"},
      {"https://[fd00:ec2::23]:80", "https://[fd00:ec2::23]:80"},
      {"http://my_host", "http://my_host"},
      {"http://h/a//b/x..y/..z", "http://h/a//b/x..y/..z"},
  };
  for (const auto& c : kGood) {
    const absl::StatusOr<Endpoint> endpoint = ParseEndpoint(c.text);
    ASSERT_TRUE(endpoint.ok()) << c.text << endpoint.status();
    EXPECT_EQ(endpoint->Text(), c.url);
    EXPECT_EQ(*ParseEndpoint(endpoint->Text()), *endpoint);
  }
  const struct {
    const char* text;
    const char* why;
  } kBad[] = {
      {"", "http://"},
      {"s3://secret", "http://"},
      {"HTTP://h", "http://"},
      {"http://", "no host"},
      {"http:///x", "no host"},
      {"http://user:secret@h", "password"},
      {"http://h/x?token=secret", "query"},
      {"http://h#secret", "query or a fragment"},
      {"http://h:", "port"},
      {"http://h:0", "port"},
      {"http://h:65536", "port"},
      {"http://h:8o", "port"},
      {"http://h:-1", "port"},
      {"http://[::1", "no host"},
      {"http://[::x]", "no host"},
      {"http://h h", "no host"},
      {"http://h\r\nX: y", "port"},
      {"http://-h", "no host"},
      {"http://h..x", "no host"},
      {"http://h/a b", "%XX"},
      {"http://h/a%2", "%XX"},
      {"http://h/a%zz", "%XX"},
      {"http://h/a/../b", "\"..\""},
      {"http://h/a/%2e%2E", "\"..\""},
      {"http://h/./b", "\"..\""},
      {"http://h/\xc3\xa9", "%XX"},
  };
  for (const auto& c : kBad) {
    const absl::Status status = ParseEndpoint(c.text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.text;
    EXPECT_TRUE(absl::StrContains(status.message(), c.why)) << c.text << status;
    EXPECT_FALSE(absl::StrContains(status.message(), "secret")) << status;
  }
}

}  // namespace
}  // namespace objmapper::origin::s3
