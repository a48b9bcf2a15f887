// What an origin's URL and words say, and what is wrong with those that say nothing.
#include "origin/config/origin.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"

namespace objmapper::origin {
namespace {

Origin Parse(absl::string_view text) {
  const absl::StatusOr<Origin> origin = ParseOrigin(text);
  EXPECT_TRUE(origin.ok()) << text << ": " << origin.status();
  return origin.ok() ? *origin : Origin();
}

// Without words it is as the documentation says.
TEST(OriginTest, WithoutWords) {
  const Origin origin = Parse("s3://models");
  EXPECT_EQ(origin.kind, Origin::Kind::kS3);
  EXPECT_EQ(origin.bucket, "models");
  EXPECT_EQ(origin.key_prefix, "");
  EXPECT_FALSE(origin.endpoint.has_value());
  EXPECT_FALSE(origin.path_style.has_value());
  EXPECT_FALSE(origin.anonymous);
  EXPECT_FALSE(origin.immutable);
  EXPECT_EQ(origin.revalidate, absl::Seconds(60));
  EXPECT_EQ(origin.negative, absl::Seconds(2));
  EXPECT_EQ(origin.stale_if_error, absl::ZeroDuration());
  EXPECT_EQ(origin.part_bytes, 8u << 20);
  EXPECT_EQ(origin.parallel, 8u);
  EXPECT_EQ(origin.block_bytes, 8u << 20);
  EXPECT_EQ(origin.stall_bytes, 1024u);
  EXPECT_EQ(origin.stall_time, absl::Seconds(10));
  EXPECT_FALSE(origin.write_through);
}

TEST(OriginTest, EachWord) {
  const Origin origin = Parse(
      "s3://models/v2/final/ endpoint=http://127.0.0.1:7480/ region=eu-west-1 path_style "
      "profile=ceph\\040two revalidate=1h30m negative=0 stale_if_error=10m part=64M parallel=16\t"
      "block=256K stall=4K/30s write=through anonymous");
  EXPECT_EQ(origin.key_prefix, "v2/final");
  EXPECT_EQ(origin.endpoint->Text(), "http://127.0.0.1:7480");
  EXPECT_EQ(origin.region, "eu-west-1");
  EXPECT_EQ(origin.path_style, true);
  EXPECT_EQ(origin.profile, "ceph two");
  EXPECT_TRUE(origin.anonymous);
  EXPECT_EQ(origin.revalidate, absl::Minutes(90));
  EXPECT_EQ(origin.negative, absl::ZeroDuration());
  EXPECT_EQ(origin.stale_if_error, absl::Minutes(10));
  EXPECT_EQ(origin.part_bytes, 64u << 20);
  EXPECT_EQ(origin.parallel, 16u);
  EXPECT_EQ(origin.block_bytes, 256u << 10);
  EXPECT_EQ(origin.stall_bytes, 4096u);
  EXPECT_EQ(origin.stall_time, absl::Seconds(30));
  EXPECT_TRUE(origin.write_through);

  const Origin http = Parse("https://Cache.Rack7.Example:8443/a%20b/ immutable stall=0");
  EXPECT_EQ(http.kind, Origin::Kind::kHttp);
  EXPECT_EQ(http.endpoint->Text(), "https://cache.rack7.example:8443/a%20b");
  EXPECT_TRUE(http.immutable);
  EXPECT_EQ(http.stall_bytes, 0u);
  EXPECT_EQ(Parse("s3://models endpoint=http://s3.example path_style=false").path_style, false);
}

// The text of an origin is a line that makes it again.
TEST(OriginTest, Text) {
  const std::pair<const char*, const char*> kCases[] = {
      {"s3://models", "/ s3://models"},
      {"s3://models/a/", "/ s3://models/a"},
      {"s3://models revalidate=60 part=8388608 stall=1024/10s", "/ s3://models"},
      {"s3://models/with\\040blank\\043\\n region=eu-west-1 path_style anonymous",
       "/ s3://models/with\\040blank\\043\\n region=eu-west-1 path_style=true anonymous"},
      {"s3://models endpoint=https://h:443 path_style=false profile=a\\040b",
       "/ s3://models endpoint=https://h path_style=false profile=a\\040b"},
      {"http://h/x immutable negative=0.5 parallel=1 part=65537 block=1G",
       "/ http://h/x immutable negative=500ms part=65537 parallel=1 block=1G"},
      {"http://h revalidate=0 stale_if_error=2h stall=0 write=through",
       "/ http://h revalidate=0 stale_if_error=2h stall=0 write=through"},
      {"http://h stall=1M/1m", "/ http://h stall=1M/1m"},
  };
  for (const auto& [line, text] : kCases) {
    const Origin origin = Parse(line);
    EXPECT_EQ(origin.Text(), text);
    EXPECT_EQ(Parse(absl::string_view(text).substr(2)), origin) << text;
    EXPECT_EQ(testing::PrintToString(origin), text);
  }
}

TEST(OriginTest, WhatIsWrong) {
  const std::pair<const char*, const char*> kCases[] = {
      {"", "there is no URL"},
      {"models", "begins with s3://"},
      {"ftp://h/x", "not with \"ftp://\""},
      {"S3://models", "not with \"S3://\""},
      {"s3://", "not the name of a bucket"},
      {"s3://a", "not the name of a bucket"},
      {"s3://AKIASECRET:secret@models", "never keys"},
      {"s3://models//x", "empty component"},
      {"s3://models/x//", "empty component"},
      {"s3://models//", "empty component"},
      {"s3://models/x/../y", "\"..\""},
      {"s3://models/\\q", "wrong escape"},
      {"s3://models/x\\0", "wrong escape"},
      {"http://user:secret@h/", "password"},
      {"http://h/?token=secret", "query"},
      {"http://h/a/../b", "\"..\""},
      {"http://h region=eu-west-1", "\"region\" is for s3:// alone"},
      {"http://h endpoint=http://h", "\"endpoint\" is for s3:// alone"},
      {"http://h path_style", "\"path_style\" is for s3:// alone"},
      {"http://h anonymous", "\"anonymous\" is for s3:// alone"},
      {"s3://models endpoint=h:7480", "\"endpoint\" is no URL: it does not begin with http://"},
      {"s3://models endpoint=http://x:secret@h", "password"},
      {"s3://models endpoint=", "\"endpoint\" is no URL"},
      {"s3://models region=EU", "region=\"EU\" is not the name of a region"},
      {"s3://models region", "\"region\" needs a value: region=..."},
      {"s3://models path_style=yes", "path_style=\"yes\" is not true or false"},
      {"s3://my.models path_style=false", "cannot be part of a host"},
      {"s3://models profile=", "not the name of a profile"},
      {"s3://models profile=a]", "not the name of a profile"},
      {"s3://models immutable=1", "\"immutable\" has no value"},
      {"s3://models immutable revalidate=5s", "exclude each other"},
      {"s3://models revalidate=fast", "revalidate=\"fast\" is not a time"},
      {"s3://models revalidate=-1s", "revalidate=\"-1s\" is not a time"},
      {"s3://models revalidate=inf", "is not a time"},
      {"s3://models revalidate=", "is not a time"},
      {"s3://models negative=2s negative=3s", "\"negative\" is there twice"},
      {"s3://models path_style path_style=true", "\"path_style\" is there twice"},
      {"s3://models part=8m", "part=\"8m\" is not bytes from 64K to 5G"},
      {"s3://models part=63K", "part=\"63K\" is not bytes"},
      {"s3://models part=6G", "is not bytes"},
      {"s3://models part=18446744073709551616", "is not bytes"},
      {"s3://models part=18014398509481985K", "is not bytes"},
      {"s3://models part=K", "is not bytes"},
      {"s3://models part=-1", "is not bytes"},
      {"s3://models block=2G", "block=\"2G\" is not bytes from 64K to 1G"},
      {"s3://models parallel=0", "parallel=\"0\" is not a number from 1 to 256"},
      {"s3://models parallel=257", "is not a number"},
      {"s3://models stall=1K", "stall=\"1K\" is not bytes in a time"},
      {"s3://models stall=1K/0", "is not bytes in a time"},
      {"s3://models stall=0/10s", "is not bytes in a time"},
      {"s3://models answer=0", "answer=\"0\" is not a time of at least 100ms"},
      {"s3://models slow=often", "slow=\"often\" is not a time"},
      {"s3://models write=back", "write=\"back\" is not through"},
      {"s3://models write", "\"write\" needs a value"},
      {"s3://models ttl=5", "\"ttl\" is not one of the words endpoint=, region=,"},
      {"s3://models http://x:secret@h", "something behind the URL is not one of the words"},
      {"s3://models aws_secret_access_key=secret", "\"aws_secret_access_key\" is not one"},
  };
  for (const auto& [line, why] : kCases) {
    const absl::Status status = ParseOrigin(line).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << line;
    EXPECT_TRUE(absl::StrContains(status.message(), why)) << line << ": " << status;
    EXPECT_FALSE(absl::StrContains(status.message(), "secret") && !absl::StrContains(why, "secret"))
        << status;
  }
}

TEST(OriginTest, Prefixes) {
  const std::pair<const char*, const char*> kGood[] = {
      {"/", ""},      {"///", ""}, {"/a", "a"}, {"//a//b/", "a/b"}, {"/a\\040b\\043", "a b#"},
      {"/...", "..."}};
  for (const auto& [path, prefix] : kGood) EXPECT_EQ(*ParsePrefix(path), prefix);
  for (const char* path : {"", "a", "/a/../b", "/.", "/a\\", "/a\\0"})
    EXPECT_EQ(ParsePrefix(path).status().code(), absl::StatusCode::kInvalidArgument) << path;
}

}  // namespace
}  // namespace objmapper::origin
