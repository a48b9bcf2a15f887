// Two files make one profile: in ~/.aws/config its section is "profile NAME", but for "default", in
// ~/.aws/credentials NAME.
#include "origin/credentials/profile.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "origin/credentials/ini_file.h"
#include "text/printable.h"

namespace objmapper::origin {
namespace {

// What the SDKs would follow from here: another program, another profile's keys for a role, a
// browser's session.
constexpr absl::string_view kNotFollowed[] = {"credential_process", "source_profile",
                                              "credential_source",  "sso_session",
                                              "sso_start_url",      "login_session"};

absl::StatusOr<s3::Keys> KeysOf(const IniFile::Section& section, absl::string_view file) {
  s3::Keys keys = {Value(section, "aws_access_key_id"), Value(section, "aws_secret_access_key"),
                   Value(section, "aws_session_token")};
  if (keys.access_key_id.empty() != keys.secret_access_key.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        text::Printable(file), ": of aws_access_key_id and aws_secret_access_key one is missing"));
  }
  return keys;
}

// An endpoint_url of one service's, in the section that `services` names, or its own.
std::string EndpointUrl(const IniFile& config, const IniFile::Section& section,
                        absl::string_view service) {
  const std::string services = Value(section, "services");
  const IniFile::Section* const named =
      services.empty() ? nullptr : config.Find(absl::StrCat("services ", services));
  const std::string url =
      named == nullptr ? "" : Value(*named, absl::StrCat(service, ".endpoint_url"));
  return url.empty() ? Value(section, "endpoint_url") : url;
}

struct Said {
  std::string value;
  std::string by;
};

// The first that says something; of nobody, an empty one.
Said First(std::initializer_list<Said> all) {
  for (const Said& said : all) {
    if (!said.value.empty()) return said;
  }
  return {};
}

Said Variable(const Environment& environment, const char* name) {
  return {environment(name), name};
}

std::string Of(const Profile& profile) {
  return absl::StrCat("the profile ", text::Quoted(profile.name, 64));
}

absl::StatusOr<std::optional<s3::Endpoint>> EndpointOf(const Environment& environment,
                                                       const char* variable, const Profile& profile,
                                                       const std::string& profiles) {
  const bool ignored =
      absl::EqualsIgnoreCase(environment("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true");
  const Said said = ignored ? Said()
                            : First({Variable(environment, variable),
                                     Variable(environment, "AWS_ENDPOINT_URL"),
                                     {profiles, absl::StrCat("endpoint_url of ", Of(profile))}});
  if (said.value.empty()) return std::nullopt;
  absl::StatusOr<s3::Endpoint> endpoint = s3::ParseEndpoint(said.value);
  if (!endpoint.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(said.by, " is not an endpoint: ", endpoint.status().message()));
  }
  return *std::move(endpoint);
}

}  // namespace

ProfilePaths PathsOf(const Environment& environment) {
  const std::string home = environment("HOME");
  const auto path = [&](const char* variable, const char* below_home) {
    const std::string own = environment(variable);
    if (!own.empty()) {
      return absl::StartsWith(own, "~/") && !home.empty() ? absl::StrCat(home, own.substr(1)) : own;
    }
    return home.empty() ? "" : absl::StrCat(home, below_home);
  };
  return {path("AWS_CONFIG_FILE", "/.aws/config"),
          path("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials")};
}

absl::StatusOr<Profile> LoadProfile(const Environment& environment, const std::string& name) {
  Profile profile;
  profile.name = First({{name, ""}, Variable(environment, "AWS_PROFILE"), {"default", ""}}).value;
  const ProfilePaths paths = PathsOf(environment);

  if (!paths.config.empty()) {
    const absl::StatusOr<IniFile> config = IniFile::Load(paths.config);
    if (!config.ok()) return config.status();
    const IniFile::Section* section = config->Find(absl::StrCat("profile ", profile.name));
    if (section == nullptr && profile.name == "default") section = config->Find("default");
    if (section != nullptr) {
      profile.found = true;
      absl::StatusOr<s3::Keys> keys = KeysOf(*section, paths.config);
      if (!keys.ok()) return keys.status();
      profile.keys = *std::move(keys);
      profile.region = Value(*section, "region");
      profile.s3_endpoint_url = EndpointUrl(*config, *section, "s3");
      profile.sts_endpoint_url = EndpointUrl(*config, *section, "sts");
      profile.role_arn = Value(*section, "role_arn");
      profile.role_session_name = Value(*section, "role_session_name");
      profile.web_identity_token_file = Value(*section, "web_identity_token_file");
      for (const absl::string_view key : kNotFollowed) {
        if (Value(*section, key).empty()) continue;
        profile.unsupported = absl::StrCat(
            Of(profile), " in ", text::Printable(paths.config), " has ", key,
            ", which is not followed here: keys, role_arn with web_identity_token_file, a "
            "container's or an instance's role are");
      }
    }
  }
  if (!paths.credentials.empty()) {
    const absl::StatusOr<IniFile> credentials = IniFile::Load(paths.credentials);
    if (!credentials.ok()) return credentials.status();
    if (const IniFile::Section* section = credentials->Find(profile.name)) {
      profile.found = true;
      absl::StatusOr<s3::Keys> keys = KeysOf(*section, paths.credentials);
      if (!keys.ok()) return keys.status();
      if (!keys->empty()) profile.keys = *std::move(keys);
    }
  }
  return profile;
}

absl::StatusOr<Place> PlaceOf(const Environment& environment, const Profile& profile, Place said) {
  const Said region = First({{said.region, "region"},
                             Variable(environment, "AWS_REGION"),
                             Variable(environment, "AWS_DEFAULT_REGION"),
                             {profile.region, absl::StrCat("region of ", Of(profile))}});
  if (!region.value.empty() && !s3::IsRegionName(region.value)) {
    return absl::InvalidArgumentError(
        absl::StrCat(region.by, "=", text::Quoted(region.value, 64), " is not a region"));
  }
  said.region = region.value;
  if (!said.endpoint.has_value()) {
    absl::StatusOr<std::optional<s3::Endpoint>> endpoint =
        EndpointOf(environment, "AWS_ENDPOINT_URL_S3", profile, profile.s3_endpoint_url);
    if (!endpoint.ok()) return endpoint.status();
    said.endpoint = *std::move(endpoint);
  }
  return said;
}

absl::StatusOr<s3::Endpoint> StsEndpoint(const Environment& environment, const Profile& profile,
                                         const std::string& region) {
  absl::StatusOr<std::optional<s3::Endpoint>> endpoint =
      EndpointOf(environment, "AWS_ENDPOINT_URL_STS", profile, profile.sts_endpoint_url);
  if (!endpoint.ok()) return endpoint.status();
  if (endpoint->has_value()) return **std::move(endpoint);
  if (region.empty()) return s3::ParseEndpoint("https://sts.amazonaws.com");
  return s3::AwsEndpoint("sts", region);
}

}  // namespace objmapper::origin
