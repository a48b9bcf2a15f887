// The signatures that AWS has published are the ones that are made.
#include "origin/s3/sign.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "origin/s3/url.h"

namespace objmapper::origin::s3 {
namespace {

std::string Value(const Fields& fields, absl::string_view name) {
  for (const auto& field : fields) {
    if (field.first == name) return field.second;
  }
  return "";
}

std::string Between(absl::string_view text, absl::string_view before, absl::string_view after) {
  const size_t begin = text.find(before) + before.size();
  return std::string(text.substr(begin, text.find(after, begin) - begin));
}

struct Vector {
  const char* name;
  const char* method;
  std::string path;
  std::string query;
  Fields fields;
  std::string payload;
  const char* signed_fields;
  const char* signature;
};

// Amazon S3's API reference, "Signature Calculations for the Authorization Header: Transferring
// Payload in a Single Chunk".
TEST(SignTest, ExamplesOfTheS3Reference) {
  const Keys keys = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};
  const absl::Time now = absl::FromCivil(absl::CivilDay(2013, 5, 24), absl::UTCTimeZone());
  const std::string empty(kEmptyPayload);
  const Vector kVectors[] = {
      {"GET Object",
       "GET",
       "/test.txt",
       "",
       {{"Range", "bytes=0-9"}},
       empty,
       "host;range;x-amz-content-sha256;x-amz-date",
       "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
      {"PUT Object",
       "PUT",
       "/" + EncodeKey("test$file.text"),
       "",
       {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
       Sha256Hex("Welcome to Amazon S3."),
       "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
       "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
      {"GET Bucket lifecycle",
       "GET",
       "/",
       Query().Add("lifecycle").Text(),
       {},
       empty,
       "host;x-amz-content-sha256;x-amz-date",
       "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
      {"List Objects",
       "GET",
       "/",
       Query().Add("prefix", "J").Add("max-keys", "2").Text(),
       {},
       empty,
       "host;x-amz-content-sha256;x-amz-date",
       "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
  };
  for (const Vector& vector : kVectors) {
    SCOPED_TRACE(vector.name);
    const Fields fields = Sign(keys, {"us-east-1"},
                               {vector.method, "examplebucket.s3.amazonaws.com", vector.path,
                                vector.query, vector.fields, vector.payload},
                               now);
    EXPECT_EQ(Value(fields, "x-amz-date"), "20130524T000000Z");
    EXPECT_EQ(Value(fields, "x-amz-content-sha256"), vector.payload);
    EXPECT_EQ(Value(fields, "Authorization"),
              absl::StrCat("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
                           "aws4_request, SignedHeaders=",
                           vector.signed_fields, ", Signature=", vector.signature));
  }
}

// The aws-sig-v4-test-suite, but for what S3 does otherwise (paths are normalized there) and what
// HTTP has given up (values of several lines).
TEST(SignTest, TestSuite) {
  constexpr char kUnreserved[] =
      "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const Keys keys = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};
  const absl::Time now =
      absl::FromCivil(absl::CivilSecond(2015, 8, 30, 12, 36, 0), absl::UTCTimeZone());
  const std::string empty(kEmptyPayload);
  const std::string form = Sha256Hex("Param1=value1");
  const Vector kVectors[] = {
      {"get-vanilla",
       "GET",
       "/",
       "",
       {},
       empty,
       "host;x-amz-date",
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-vanilla-empty-query-key",
       "GET",
       "/",
       Query().Add("Param1", "value1").Text(),
       {},
       empty,
       "host;x-amz-date",
       "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
      {"get-vanilla-query-order-key-case",
       "GET",
       "/",
       Query().Add("Param2", "value2").Add("Param1", "value1").Text(),
       {},
       empty,
       "host;x-amz-date",
       "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
      {"get-vanilla-query-order-encoded",
       "GET",
       "/",
       Query().Add("Param-3", "Value3").Add("Param", "Value2").Add("\u1234", "Value1").Text(),
       {},
       empty,
       "host;x-amz-date",
       "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
      {"get-vanilla-query-unreserved",
       "GET",
       "/",
       Query().Add(kUnreserved, kUnreserved).Text(),
       {},
       empty,
       "host;x-amz-date",
       "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
      {"get-vanilla-utf8-query",
       "GET",
       "/",
       Query().Add("\u1234", "bar").Text(),
       {},
       empty,
       "host;x-amz-date",
       "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
      {"get-unreserved",
       "GET",
       "/" + EncodeKey(kUnreserved),
       "",
       {},
       empty,
       "host;x-amz-date",
       "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
      {"get-utf8",
       "GET",
       "/" + EncodeKey("\u1234"),
       "",
       {},
       empty,
       "host;x-amz-date",
       "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
      {"get-space-unnormalized",
       "GET",
       "/" + EncodeKey("example space/"),
       "",
       {},
       empty,
       "host;x-amz-date",
       "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
      {"get-slashes-unnormalized",
       "GET",
       "/" + EncodeKey("/example//"),
       "",
       {},
       empty,
       "host;x-amz-date",
       "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5"},
      {"get-slash-dot-slash-unnormalized",
       "GET",
       "/" + EncodeKey("./"),
       "",
       {},
       empty,
       "host;x-amz-date",
       "68714168e6557f8f2de0ef956fc24dc2593a4bd2961f8df51898d8a134695145"},
      {"get-relative-relative-unnormalized",
       "GET",
       "/" + EncodeKey("example1/example2/../.."),
       "",
       {},
       empty,
       "host;x-amz-date",
       "dc33e0856fd4baca4d7aa2146c38958283844764f38c74252a333df5e613003b"},
      {"get-header-key-duplicate",
       "GET",
       "/",
       "",
       {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}},
       empty,
       "host;my-header1;x-amz-date",
       "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
      {"get-header-value-order",
       "GET",
       "/",
       "",
       {{"My-Header1", "value4"},
        {"My-Header1", "value1"},
        {"My-Header1", "value3"},
        {"My-Header1", "value2"}},
       empty,
       "host;my-header1;x-amz-date",
       "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
      {"get-header-value-trim",
       "GET",
       "/",
       "",
       {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}},
       empty,
       "host;my-header1;my-header2;x-amz-date",
       "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
      {"post-vanilla",
       "POST",
       "/",
       "",
       {},
       empty,
       "host;x-amz-date",
       "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
      {"post-header-key-sort",
       "POST",
       "/",
       "",
       {{"My-Header1", "value1"}},
       empty,
       "host;my-header1;x-amz-date",
       "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
      {"post-x-www-form-urlencoded",
       "POST",
       "/",
       "",
       {{"Content-Type", "application/x-www-form-urlencoded"},
        {"Content-Length", "13"},
        {"x-amz-content-sha256", form}},
       form,
       "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
       "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"},
  };
  for (const Vector& vector : kVectors) {
    SCOPED_TRACE(vector.name);
    const std::string authorization =
        Value(Sign(keys, {"us-east-1", "service"},
                   {vector.method, "example.amazonaws.com", vector.path, vector.query,
                    vector.fields, vector.payload},
                   now),
              "Authorization");
    EXPECT_EQ(Between(authorization, "SignedHeaders=", ","), vector.signed_fields);
    EXPECT_EQ(authorization.substr(authorization.find("Signature=") + 10), vector.signature);
  }
}

// get-vanilla-with-session-token of the same: the token is sent and signed.
TEST(SignTest, ASessionsToken) {
  const std::string token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
  const Keys keys = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token};
  const Fields fields =
      Sign(keys, {"us-east-1", "service"}, {"GET", "example.amazonaws.com", "/"},
           absl::FromCivil(absl::CivilSecond(2015, 8, 30, 12, 36, 0), absl::UTCTimeZone()));
  EXPECT_EQ(Value(fields, "x-amz-security-token"), token);
  EXPECT_TRUE(
      absl::EndsWith(Value(fields, "Authorization"),
                     "SignedHeaders=host;x-amz-date;x-amz-security-token, "
                     "Signature=07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"));
}

// Whatever of a request is changed, the signature is another; what is not given is not signed.
TEST(SignTest, EachPartCounts) {
  const Keys keys = {"AKIDEXAMPLE", "secret"};
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  const SignedRequest request = {"GET", "h:9000", "/b/k", "", {{"Range", "bytes=0-1"}}};
  const auto sign = [&](const SignedRequest& changed, Scope scope = {"eu-west-1"}) {
    return Value(Sign(keys, scope, changed, now), "Authorization");
  };
  std::vector<std::string> all = {sign(request)};
  SignedRequest changed = request;
  changed.method = "PUT";
  all.push_back(sign(changed));
  changed = request;
  changed.host = "h";
  all.push_back(sign(changed));
  changed = request;
  changed.path = "/b/K";
  all.push_back(sign(changed));
  changed = request;
  changed.query = "a=";
  all.push_back(sign(changed));
  changed = request;
  changed.fields[0].second = "bytes=0-2";
  all.push_back(sign(changed));
  changed = request;
  changed.payload = kUnsignedPayload;
  all.push_back(sign(changed));
  all.push_back(sign(request, {"eu-west-2"}));
  all.push_back(Value(Sign(keys, {"eu-west-1"}, request, now + absl::Seconds(1)), "Authorization"));
  all.push_back(
      Value(Sign({"AKIDEXAMPLE", "Secret"}, {"eu-west-1"}, request, now), "Authorization"));
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = 0; j < i; ++j)
      EXPECT_NE(all[i].substr(all[i].size() - 64), all[j].substr(all[j].size() - 64)) << i << j;
  }
  EXPECT_EQ(sign(request), all[0]);
}

// Keys show which they are, and nothing else.
TEST(SignTest, KeysAreNotShown) {
  const auto shown = [](const Keys& keys) {
    std::ostringstream out;
    out << keys;
    return out.str() + testing::PrintToString(keys);
  };
  EXPECT_EQ(shown({}), "no keysno keys");
  const std::string text = shown({"AKIAIOSFODNN7EXAMPLE", "the-secret", "the-token"});
  EXPECT_TRUE(absl::StrContains(text, "MPLE")) << text;
  for (const char* secret : {"the-secret", "the-token", "AKIA", "N7EXAMPLE"})
    EXPECT_FALSE(absl::StrContains(text, secret)) << text;
  EXPECT_FALSE(absl::StrContains(shown({"short", "s"}), "ort"));
}

}  // namespace
}  // namespace objmapper::origin::s3
