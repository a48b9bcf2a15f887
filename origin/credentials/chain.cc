// The order of the places, and those that ask nobody.
#include "origin/credentials/chain.h"

#include "absl/strings/str_cat.h"
#include "text/printable.h"

namespace objmapper::origin {
namespace {

absl::StatusOr<std::optional<Credentials>> FromVariables(const Environment& environment) {
  s3::Keys keys = {environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"),
                   environment("AWS_SESSION_TOKEN")};
  if (keys.access_key_id.empty() && keys.secret_access_key.empty()) return std::nullopt;
  if (keys.access_key_id.empty() || keys.secret_access_key.empty()) {
    return absl::FailedPreconditionError(
        "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set");
  }
  return Credentials{std::move(keys), absl::InfiniteFuture(), "AWS_ACCESS_KEY_ID"};
}

absl::StatusOr<std::optional<Credentials>> FromProfile(const ChainOptions& options,
                                                       const Profile& profile) {
  const std::string source = absl::StrCat("the profile ", text::Quoted(profile.name, 64));
  if (!profile.web_identity_token_file.empty()) {
    absl::StatusOr<Credentials> credentials = FromWebIdentity(options, profile);
    if (!credentials.ok()) return credentials.status();
    credentials->source = absl::StrCat(source, " and STS");
    return *std::move(credentials);
  }
  // A role is what is asked for, so the keys beside it would be the wrong ones.
  if (!profile.role_arn.empty() && profile.unsupported.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(source,
                     " has role_arn without web_identity_token_file: other ways to a role "
                     "are not followed here"));
  }
  if (!profile.role_arn.empty() || (profile.keys.empty() && !profile.unsupported.empty()))
    return absl::FailedPreconditionError(profile.unsupported);
  if (profile.keys.empty()) return std::nullopt;
  return Credentials{profile.keys, absl::InfiniteFuture(), source};
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Credentials& credentials) {
  out << credentials.keys;
  if (!credentials.source.empty()) out << " of " << credentials.source;
  if (credentials.expires != absl::InfiniteFuture())
    out << ", until "
        << absl::FormatTime(absl::RFC3339_sec, credentials.expires, absl::UTCTimeZone());
  return out;
}

absl::StatusOr<std::optional<Credentials>> FindCredentials(const ChainOptions& options) {
  const Environment& environment = options.environment;
  if (options.profile.empty()) {
    absl::StatusOr<std::optional<Credentials>> found = FromVariables(environment);
    if (!found.ok() || found->has_value()) return found;
  }
  absl::StatusOr<Profile> profile = LoadProfile(environment, options.profile);
  if (!profile.ok()) return profile.status();
  if (options.profile.empty()) {
    if (std::string token = environment("AWS_WEB_IDENTITY_TOKEN_FILE"); !token.empty()) {
      // Where STS is may be the profile's to say.
      Profile variables = *profile;
      variables.web_identity_token_file = std::move(token);
      variables.role_arn = environment("AWS_ROLE_ARN");
      variables.role_session_name = environment("AWS_ROLE_SESSION_NAME");
      absl::StatusOr<Credentials> credentials = FromWebIdentity(options, variables);
      if (!credentials.ok()) return credentials.status();
      return *std::move(credentials);
    }
  }
  absl::StatusOr<std::optional<Credentials>> found = FromProfile(options, *profile);
  if (!found.ok() || found->has_value()) return found;
  if (!options.profile.empty() || (!profile->found && profile->name != "default")) {
    const ProfilePaths paths = PathsOf(environment);
    return absl::FailedPreconditionError(absl::StrCat(
        "the profile ", text::Quoted(profile->name, 64),
        profile->found ? " has no keys, in " : " is neither in ", text::Printable(paths.config),
        profile->found ? " or " : " nor in ", text::Printable(paths.credentials)));
  }
  found = FromContainer(options);
  if (!found.ok() || found->has_value()) return found;
  return FromInstance(options);
}

}  // namespace objmapper::origin
