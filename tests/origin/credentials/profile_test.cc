// The two files, as the SDKs read them, and who says where S3 is.
#include "origin/credentials/profile.h"

#include <string>

#include "absl/strings/match.h"
#include "origin/credentials/ini_file.h"
#include "tests/origin/credentials/fixture.h"

namespace objmapper::origin {
namespace {

using ProfileTest = CredentialsFixture;

TEST_F(ProfileTest, IniFiles) {
  const absl::StatusOr<IniFile> file = IniFile::Parse(
      "# a comment\n; and another\n\n[default]\r\nRegion = eu-west-1 ; here\r\n"
      "empty =\nurl=http://h/#not ;x\n[profile  'with blank' ] # behind\n"
      "s3 =\n  endpoint_url = http://h:1\n\taddressing_style=path\nkey = a = b\n  \n"
      "[default]\nmore = 1\nregion = eu-west-2\n");
  ASSERT_TRUE(file.ok()) << file.status();
  const IniFile::Section& usual = *file->Find("default");
  EXPECT_EQ(Value(usual, "region"), "eu-west-2");
  EXPECT_EQ(Value(usual, "more"), "1");
  EXPECT_EQ(Value(usual, "empty"), "");
  EXPECT_EQ(Value(usual, "none"), "");
  EXPECT_EQ(Value(usual, "url"), "http://h/#not");
  const IniFile::Section* const other = file->Find("profile with blank");
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(Value(*other, "s3.endpoint_url"), "http://h:1");
  EXPECT_EQ(Value(*other, "s3.addressing_style"), "path");
  EXPECT_EQ(Value(*other, "key"), "a = b");
  EXPECT_EQ(file->Find("profile"), nullptr);
  EXPECT_EQ(IniFile::Parse("[a]\n  indented = 1")->Find("a")->at("indented"), "1");

  const std::pair<const char*, const char*> kBad[] = {
      {"secret = 1", "line 1: before it there is no [section]"},
      {"[a]\nx=1\nsecret", "line 3: it is neither"},
      {"[a]\n=secret", "line 2: it is neither"},
      {"[secret", "line 1: behind \"[\""},
  };
  for (const auto& [text, why] : kBad) {
    const absl::Status status = IniFile::Parse(text).status();
    EXPECT_TRUE(absl::StartsWith(status.message(), why)) << status;
    EXPECT_FALSE(absl::StrContains(status.message(), "secret")) << status;
  }
}

TEST_F(ProfileTest, Paths) {
  EXPECT_EQ(PathsOf(environment()).config, home_ + "/.aws/config");
  EXPECT_EQ(PathsOf(environment()).credentials, home_ + "/.aws/credentials");
  variables_["AWS_CONFIG_FILE"] = "~/x";
  variables_["AWS_SHARED_CREDENTIALS_FILE"] = "/y";
  EXPECT_EQ(PathsOf(environment()).config, home_ + "/x");
  EXPECT_EQ(PathsOf(environment()).credentials, "/y");
  variables_.clear();
  EXPECT_EQ(PathsOf(environment()).config, "");
  EXPECT_FALSE(LoadProfile(environment(), "")->found);
}

TEST_F(ProfileTest, TwoFilesMakeOne) {
  EXPECT_FALSE(LoadProfile(environment(), "")->found);
  Write(".aws/config",
        "[default]\nregion = eu-west-1\naws_access_key_id = fromconfig\n"
        "aws_secret_access_key = x\n"
        "[profile ci]\nregion = eu-west-2\nendpoint_url = http://all:1\nservices = here\n"
        "[services here]\ns3 =\n  endpoint_url = http://s3:1\n"
        "[profile pod]\nrole_arn = arn:aws:iam::1:role/r\nweb_identity_token_file = /token\n"
        "role_session_name = me\n"
        "[ci]\nregion = not-this\n");
  Write(
      ".aws/credentials",
      "[default]\naws_access_key_id = ID\naws_secret_access_key = SECRET # of it\n"
      "aws_session_token = TOKEN\n[ci]\naws_access_key_id = CI\naws_secret_access_key = a/b+c=\n");
  Profile profile = *LoadProfile(environment(), "");
  EXPECT_EQ(profile.name, "default");
  EXPECT_TRUE(profile.found);
  EXPECT_EQ(profile.keys, (s3::Keys{"ID", "SECRET", "TOKEN"}));
  EXPECT_EQ(profile.region, "eu-west-1");

  profile = *LoadProfile(environment(), "ci");
  EXPECT_EQ(profile.keys, (s3::Keys{"CI", "a/b+c=", ""}));
  EXPECT_EQ(profile.region, "eu-west-2");
  EXPECT_EQ(profile.s3_endpoint_url, "http://s3:1");
  EXPECT_EQ(profile.sts_endpoint_url, "http://all:1");

  variables_["AWS_PROFILE"] = "pod";
  profile = *LoadProfile(environment(), "");
  EXPECT_EQ(profile.name, "pod");
  EXPECT_EQ(profile.role_arn, "arn:aws:iam::1:role/r");
  EXPECT_EQ(profile.web_identity_token_file, "/token");
  EXPECT_EQ(profile.role_session_name, "me");
  EXPECT_EQ(profile.unsupported, "");
  EXPECT_EQ(LoadProfile(environment(), "ci")->name, "ci");
  EXPECT_FALSE(LoadProfile(environment(), "none")->found);
}

TEST_F(ProfileTest, WhatIsWrong) {
  Write(".aws/credentials", "[default]\naws_access_key_id = the-id\n");
  absl::Status status = LoadProfile(environment(), "").status();
  EXPECT_TRUE(absl::StrContains(status.message(), "/.aws/credentials: of aws_access_key_id and"))
      << status;
  EXPECT_FALSE(absl::StrContains(status.message(), "the-id")) << status;
  const std::string config = Write(".aws/config", "nonsense");
  status = LoadProfile(environment(), "").status();
  EXPECT_TRUE(absl::StartsWith(status.message(), config + ": line 1: ")) << status;
  Write(".aws/credentials", "");
  for (const char* key : {"credential_process", "source_profile", "sso_session"}) {
    Write(".aws/config", absl::StrCat("[default]\n", key, " = the-value\n"));
    const Profile profile = *LoadProfile(environment(), "");
    EXPECT_TRUE(absl::StrContains(profile.unsupported, key)) << profile.unsupported;
    EXPECT_FALSE(absl::StrContains(profile.unsupported, "the-value")) << profile.unsupported;
  }
}

// The origin's word, then variables, then the profile; each in its turn taken away.
TEST_F(ProfileTest, WhereS3Is) {
  Profile profile;
  profile.name = "p";
  profile.region = "profile-1";
  profile.s3_endpoint_url = "http://profile";
  variables_["AWS_REGION"] = "variable-1";
  variables_["AWS_DEFAULT_REGION"] = "default-1";
  variables_["AWS_ENDPOINT_URL_S3"] = "http://s3";
  variables_["AWS_ENDPOINT_URL"] = "http://all";
  const auto place = [&](Place said = {}) {
    const absl::StatusOr<Place> place = PlaceOf(environment(), profile, said);
    EXPECT_TRUE(place.ok()) << place.status();
    return absl::StrCat(place->region, " ",
                        place->endpoint.has_value() ? place->endpoint->Text() : "none");
  };
  EXPECT_EQ(place({"said-1", *s3::ParseEndpoint("http://said")}), "said-1 http://said");
  EXPECT_EQ(place(), "variable-1 http://s3");
  variables_.erase("AWS_REGION");
  variables_.erase("AWS_ENDPOINT_URL_S3");
  EXPECT_EQ(place(), "default-1 http://all");
  variables_.erase("AWS_DEFAULT_REGION");
  variables_.erase("AWS_ENDPOINT_URL");
  EXPECT_EQ(place(), "profile-1 http://profile");
  variables_["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true";
  EXPECT_EQ(place(), "profile-1 none");
  variables_.clear();
  profile = Profile();
  EXPECT_EQ(place(), " none");

  profile.name = "p";
  profile.s3_endpoint_url = "http://user:secret@h";
  absl::Status status = PlaceOf(environment(), profile, {}).status();
  EXPECT_TRUE(absl::StrContains(status.message(), "endpoint_url of the profile \"p\"")) << status;
  EXPECT_FALSE(absl::StrContains(status.message(), "secret")) << status;
  variables_["AWS_REGION"] = "EU west";
  status = PlaceOf(environment(), profile, {}).status();
  EXPECT_TRUE(absl::StrContains(status.message(), "AWS_REGION=\"EU west\"")) << status;
}

TEST_F(ProfileTest, WhereStsIs) {
  Profile profile;
  EXPECT_EQ(StsEndpoint(environment(), profile, "")->Text(), "https://sts.amazonaws.com");
  EXPECT_EQ(StsEndpoint(environment(), profile, "cn-north-1")->Text(),
            "https://sts.cn-north-1.amazonaws.com.cn");
  profile.sts_endpoint_url = "http://profile";
  EXPECT_EQ(StsEndpoint(environment(), profile, "eu-west-1")->Text(), "http://profile");
  variables_["AWS_ENDPOINT_URL"] = "http://all";
  variables_["AWS_ENDPOINT_URL_S3"] = "http://s3";
  EXPECT_EQ(StsEndpoint(environment(), profile, "eu-west-1")->Text(), "http://all");
  variables_["AWS_ENDPOINT_URL_STS"] = "http://sts";
  EXPECT_EQ(StsEndpoint(environment(), profile, "eu-west-1")->Text(), "http://sts");
}

}  // namespace
}  // namespace objmapper::origin
