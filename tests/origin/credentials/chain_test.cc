// Where keys come from, which place comes first, and that no error tells any.
#include "origin/credentials/chain.h"

#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "tests/origin/credentials/fixture.h"

namespace objmapper::origin {
namespace {

using Code = absl::StatusCode;

constexpr char kArn[] = "arn:aws:iam::123456789012:role/reader";

class ChainTest : public CredentialsFixture {
 protected:
  // The id of what is found, "none", or the error.
  std::string Find() {
    const absl::StatusOr<std::optional<Credentials>> found = FindCredentials(options());
    std::ostringstream shown;
    if (!found.ok()) {
      shown << found.status();
    } else if (found->has_value()) {
      shown << **found << testing::PrintToString(**found);
    }
    EXPECT_FALSE(absl::StrContains(shown.str(), "secret")) << shown.str();
    if (!found.ok()) return found.status().ToString();
    return found->has_value() ? (*found)->keys.access_key_id : "none";
  }

  std::string StsAnswer() {
    return absl::StrCat(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
        "<AssumeRoleWithWebIdentityResult><Audience>a</Audience><AssumedRoleUser><Arn>x</Arn>"
        "</AssumedRoleUser><Credentials><SessionToken>secret-token</SessionToken>"
        "<SecretAccessKey>secret-key</SecretAccessKey><Expiration>",
        absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", now_ + absl::Hours(1), absl::UTCTimeZone()),
        "</Expiration><AccessKeyId>STS</AccessKeyId></Credentials>"
        "</AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>1</RequestId>"
        "</ResponseMetadata></AssumeRoleWithWebIdentityResponse>");
  }
};

// Each place hides those behind it.
TEST_F(ChainTest, TheOrder) {
  EXPECT_EQ(Find(), "none");
  ASSERT_EQ(asked_.size(), 1u);  // the instance's service, which is not there
  answers_ = {HttpAnswer{200, "t"}, HttpAnswer{200, "role"},
              HttpAnswer{200, Json("INSTANCE", now_ + absl::Hours(1))}};
  EXPECT_EQ(Find(), "INSTANCE");

  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/x";
  answers_ = {HttpAnswer{200, Json("CONTAINER", now_ + absl::Hours(1))}};
  EXPECT_EQ(Find(), "CONTAINER");

  asked_.clear();
  Write(".aws/credentials",
        "[default]\naws_access_key_id=DEFAULT\naws_secret_access_key=secret\n"
        "[other]\naws_access_key_id=OTHER\naws_secret_access_key=secret\n");
  EXPECT_EQ(Find(), "DEFAULT");
  variables_["AWS_PROFILE"] = "other";
  EXPECT_EQ(Find(), "OTHER");
  EXPECT_TRUE(asked_.empty());

  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = Write("token", "secret-identity\n");
  variables_["AWS_ROLE_ARN"] = kArn;
  answers_ = {HttpAnswer{200, StsAnswer()}};
  EXPECT_EQ(Find(), "STS");

  variables_["AWS_ACCESS_KEY_ID"] = "VARIABLE";
  variables_["AWS_SECRET_ACCESS_KEY"] = "secret";
  EXPECT_EQ(Find(), "VARIABLE");
  // An origin's own profile is what it says, and nothing else.
  profile_ = "other";
  EXPECT_EQ(Find(), "OTHER");
  profile_ = "none";
  EXPECT_TRUE(absl::StrContains(Find(), "the profile \"none\" is neither in ")) << Find();
  Write(".aws/config", "[profile none]\nregion = eu-west-1\n");
  EXPECT_TRUE(absl::StrContains(Find(), "the profile \"none\" has no keys")) << Find();
}

// What is set up and does not work is an error, not a reason to go on.
TEST_F(ChainTest, HalfSetUp) {
  variables_["AWS_ACCESS_KEY_ID"] = "ID";
  EXPECT_TRUE(absl::StrContains(Find(), "only one is set")) << Find();
  variables_.erase("AWS_ACCESS_KEY_ID");
  variables_["AWS_SECRET_ACCESS_KEY"] = "secret";
  EXPECT_TRUE(absl::StrContains(Find(), "only one is set")) << Find();
  variables_.erase("AWS_SECRET_ACCESS_KEY");
  variables_["AWS_PROFILE"] = "missing";
  EXPECT_TRUE(absl::StrContains(Find(), "the profile \"missing\" is neither")) << Find();
  variables_.erase("AWS_PROFILE");
  Write(".aws/config", "[default]\nrole_arn = x\nsource_profile = y\n");
  EXPECT_TRUE(absl::StrContains(Find(), "has source_profile, which is not followed")) << Find();
  Write(".aws/config", "[default]\nrole_arn = x\n");
  EXPECT_TRUE(absl::StrContains(Find(), "role_arn without web_identity_token_file")) << Find();
  Write(".aws/config", "[default]\ncredential_process = x\n");
  EXPECT_TRUE(absl::StrContains(Find(), "has credential_process")) << Find();
  // Keys beside it are good all the same.
  Write(".aws/credentials", "[default]\naws_access_key_id=ID\naws_secret_access_key=secret\n");
  EXPECT_EQ(Find(), "ID");
  EXPECT_TRUE(asked_.empty());
}

TEST_F(ChainTest, WebIdentity) {
  region_ = "eu-west-1";
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = Write("token", "secret+identity/=\n");
  EXPECT_TRUE(absl::StrContains(Find(), "no role to take with it")) << Find();
  variables_["AWS_ROLE_ARN"] = kArn;
  variables_["AWS_ROLE_SESSION_NAME"] = "me";
  answers_ = {HttpAnswer{200, StsAnswer()}};
  const Credentials found = **FindCredentials(options());
  EXPECT_EQ(found.keys, (s3::Keys{"STS", "secret-key", "secret-token"}));
  EXPECT_EQ(found.expires, now_ + absl::Hours(1));
  ASSERT_EQ(asked_.size(), 1u);
  EXPECT_EQ(asked_[0].method, "POST");
  EXPECT_EQ(asked_[0].url, "https://sts.eu-west-1.amazonaws.com/");
  EXPECT_FALSE(asked_[0].direct);
  EXPECT_EQ(Field(asked_[0], "Content-Type"), "application/x-www-form-urlencoded");
  EXPECT_EQ(
      asked_[0].body,
      "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2F"
      "reader&RoleSessionName=me&Version=2011-06-15&WebIdentityToken=secret%2Bidentity%2F%3D");

  // The token is read each time, and a profile may name it.
  variables_.erase("AWS_WEB_IDENTITY_TOKEN_FILE");
  variables_.erase("AWS_ROLE_SESSION_NAME");
  const std::string token = Write("token", "another");
  Write(".aws/config",
        absl::StrCat("[default]\nrole_arn = x\nweb_identity_token_file = ", token, "\n"));
  answers_ = {HttpAnswer{200, StsAnswer()}};
  EXPECT_EQ(Find(), "STS");
  EXPECT_TRUE(absl::EndsWith(asked_[1].body, "WebIdentityToken=another"));
  EXPECT_TRUE(absl::StrContains(asked_[1].body, "RoleSessionName=objmapper-1800000000&"));

  const struct {
    absl::StatusOr<HttpAnswer> answer;
    const char* why;
  } kBad[] = {
      {absl::UnavailableError("refused"), "STS at https://sts.eu-west-1.amazonaws.com: refused"},
      {HttpAnswer{403,
                  "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized"
                  "</Message></Error></ErrorResponse>"},
       "403 AccessDenied: \"Not authorized\""},
      {HttpAnswer{400,
                  "<ErrorResponse><Error><Code>Invalid</Code><Message>another is bad, secret"
                  "</Message></Error></ErrorResponse>"},
       "400 Invalid"},
      {HttpAnswer{500, "secret"}, "status 500"},
      {HttpAnswer{200, "secret"}, "its answer: at byte"},
      {HttpAnswer{200, "<x/>"}, "there are none in the answer"},
      {HttpAnswer{200,
                  "<a><Credentials><AccessKeyId>a</AccessKeyId><SecretAccessKey>secret"
                  "</SecretAccessKey><Expiration>soon</Expiration></Credentials></a>"},
       "Expiration is no time"},
      {HttpAnswer{200,
                  "<a><Credentials><AccessKeyId>a</AccessKeyId><SecretAccessKey>secret"
                  "</SecretAccessKey><Expiration>2020-01-01T00:00:00Z</Expiration>"
                  "</Credentials></a>"},
       "expired at 2020-01-01T00:00:00"},
  };
  for (const auto& c : kBad) {
    answers_ = {c.answer};
    EXPECT_TRUE(absl::StrContains(Find(), c.why)) << c.why;
    answers_ = {c.answer};
    EXPECT_TRUE(absl::StartsWith(Find(), "UNAVAILABLE")) << c.why;
  }
  Write("token", "two\nlines");
  EXPECT_TRUE(absl::StrContains(Find(), "does not hold a token, in one line")) << Find();
  unlink(token.c_str());
  EXPECT_TRUE(absl::StartsWith(Find(), "FAILED_PRECONDITION")) << Find();
  EXPECT_TRUE(absl::StrContains(Find(), token)) << Find();
}

TEST_F(ChainTest, Containers) {
  const absl::Time later = now_ + absl::Hours(6);
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/x?y=z";
  answers_ = {HttpAnswer{200, Json("ECS", later)}};
  Credentials found = **FromContainer(options());
  EXPECT_EQ(found.keys, (s3::Keys{"ECS", "secret-of-ECS", "token-of-ECS"}));
  EXPECT_EQ(found.expires, later);
  EXPECT_EQ(asked_[0].url, "http://169.254.170.2/v2/credentials/x?y=z");
  EXPECT_EQ(Field(asked_[0], "Authorization"), "");
  EXPECT_TRUE(asked_[0].direct);

  variables_.erase("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://169.254.170.23/v1/credentials";
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "secret of the variable";
  answers_ = {HttpAnswer{200, Json("EKS", later)}};
  EXPECT_EQ(Find(), "EKS");
  EXPECT_EQ(Field(asked_[1], "Authorization"), "secret of the variable");
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = Write("token", "secret of the file\n");
  answers_ = {HttpAnswer{200, Json("EKS", later)}};
  EXPECT_EQ(Find(), "EKS");
  EXPECT_EQ(Field(asked_[2], "Authorization"), "secret of the file");
  Write("token", "secret\r\nX-Evil: y");
  EXPECT_TRUE(absl::StrContains(Find(), "does not hold a token")) << Find();
  EXPECT_EQ(asked_.size(), 3u);
  variables_.erase("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");

  answers_ = {HttpAnswer{403, "secret"}};
  EXPECT_TRUE(absl::StrContains(Find(), "169.254.170.23: it answered with status 403"));
  EXPECT_TRUE(absl::StrContains(Find(), "connection refused"));
}

// Keys, and the token that they are had with, go over plain HTTP to known hosts alone.
TEST_F(ChainTest, WhomContainersAsk) {
  for (const char* host : {"127.0.0.1", "127.0.0.1:8080", "127.255.0.1", "localhost:1",
                           "169.254.170.2", "169.254.170.23", "[::1]:80", "[fd00:ec2::23]"})
    EXPECT_TRUE(IsContainerHost(host)) << host;
  for (const char* host :
       {"", "10.0.0.1", "128.0.0.1", "127.0.0.1.evil.example", "127.0.0.256", "127.1",
        "169.254.169.254", "localhost.evil.example", "[::2]", "[", "evil.example:127"})
    EXPECT_FALSE(IsContainerHost(host)) << host;
  const std::pair<const char*, const char*> kBad[] = {
      {"http://evil.example/x", "over plain HTTP"},
      {"http://127.0.0.1@evil.example/x", "not a URL"},
      {"file:///etc/passwd", "not a URL"},
  };
  for (const auto& [url, why] : kBad) {
    variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url;
    EXPECT_TRUE(absl::StrContains(Find(), why)) << Find();
  }
  for (const char* uri : {"@evil.example/", ".evil.example/", "x"}) {
    variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = uri;
    EXPECT_TRUE(absl::StrContains(Find(), "RELATIVE_URI is not a URL")) << Find();
  }
  EXPECT_TRUE(asked_.empty());
  variables_.erase("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "https://any.example/x";
  answers_ = {HttpAnswer{200, Json("TLS", now_ + absl::Hours(1))}};
  EXPECT_EQ(Find(), "TLS");
  EXPECT_FALSE(asked_[0].direct);
}

TEST_F(ChainTest, Instances) {
  answers_ = {HttpAnswer{200, "secret-token"}, HttpAnswer{200, "my role\nother"},
              HttpAnswer{200, Json("EC2", now_ + absl::Hours(6))}};
  EXPECT_EQ(Find(), "EC2");
  ASSERT_EQ(asked_.size(), 3u);
  EXPECT_EQ(asked_[0].method, "PUT");
  EXPECT_EQ(asked_[0].url, "http://169.254.169.254/latest/api/token");
  EXPECT_EQ(Field(asked_[0], "X-aws-ec2-metadata-token-ttl-seconds"), "21600");
  EXPECT_EQ(asked_[1].url, "http://169.254.169.254/latest/meta-data/iam/security-credentials/");
  EXPECT_EQ(Field(asked_[1], "X-aws-ec2-metadata-token"), "secret-token");
  EXPECT_EQ(asked_[2].url,
            "http://169.254.169.254/latest/meta-data/iam/security-credentials/my%20role");
  EXPECT_EQ(Field(asked_[2], "X-aws-ec2-metadata-token"), "secret-token");
  EXPECT_TRUE(asked_[2].direct);

  answers_ = {HttpAnswer{200, "t"}, HttpAnswer{404, ""}};
  EXPECT_EQ(Find(), "none");
  const struct {
    std::deque<absl::StatusOr<HttpAnswer>> answers;
    const char* why;
  } kBad[] = {
      {{HttpAnswer{403, ""}}, "169.254.169.254: it answered with status 403"},
      {{HttpAnswer{200, "secret\nX: y"}}, "no token"},
      {{HttpAnswer{200, "t"}}, "connection refused"},
      {{HttpAnswer{200, "t"}, HttpAnswer{200, "role"}, HttpAnswer{500, ""}}, "status 500"},
      {{HttpAnswer{200, "t"}, HttpAnswer{200, "role"},
        HttpAnswer{200, "{\"Code\": \"AssumeRoleUnauthorizedAccess\"}"}},
       "it answered \"AssumeRoleUnauthorizedAccess\""},
      {{HttpAnswer{200, "t"}, HttpAnswer{200, "role"}, HttpAnswer{200, "<secret>"}}, "JSON"},
      {{HttpAnswer{200, "t"}, HttpAnswer{200, "role"}, HttpAnswer{200, "[]"}}, "JSON"},
      {{HttpAnswer{200, "t"}, HttpAnswer{200, "role"}, HttpAnswer{200, "{\"AccessKeyId\": 5}"}},
       "there are none in the answer"},
      {{HttpAnswer{200, "t"}, HttpAnswer{200, "role"}, HttpAnswer{200, Json("OLD", now_)}},
       "expired at"},
  };
  for (const auto& c : kBad) {
    answers_ = c.answers;
    EXPECT_TRUE(absl::StrContains(Find(), c.why)) << c.why;
  }
  asked_.clear();
  answers_.clear();
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"] = "IPv6";
  EXPECT_EQ(Find(), "none");
  EXPECT_EQ(asked_[0].url, "http://[fd00:ec2::254]/latest/api/token");
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:1338/";
  EXPECT_EQ(Find(), "none");
  EXPECT_EQ(asked_[1].url, "http://127.0.0.1:1338/latest/api/token");
  variables_["AWS_EC2_METADATA_DISABLED"] = "TRUE";
  EXPECT_EQ(Find(), "none");
  EXPECT_EQ(asked_.size(), 2u);
}

}  // namespace
}  // namespace objmapper::origin
