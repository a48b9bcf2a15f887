// A profile of ~/.aws/config and ~/.aws/credentials, and what else says where S3 is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "origin/credentials/environment.h"
#include "origin/s3/keys.h"
#include "origin/s3/url.h"

namespace objmapper::origin {

// The files, by AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE and HOME; empty: nothing says where.
struct ProfilePaths {
  std::string config;
  std::string credentials;
};
ProfilePaths PathsOf(const Environment& environment);

struct Profile {
  std::string name;
  bool found = false;  // in either file
  s3::Keys keys;       // those of the credentials file, else the other's; empty: none
  std::string region;
  std::string s3_endpoint_url;   // endpoint_url of its [services], else its own; empty: not said
  std::string sts_endpoint_url;  // likewise
  // A token in a file that STS takes for a role; empty: none of it.
  std::string role_arn;
  std::string role_session_name;
  std::string web_identity_token_file;
  // What it says of keys that cannot be followed: a sentence; empty: nothing.
  std::string unsupported;
};

// name: empty: AWS_PROFILE's, else "default". INVALID_ARGUMENT: a file is not as it should be; half
// a pair of keys. Other errors: of reading. All messages name the file, and show no value.
absl::StatusOr<Profile> LoadProfile(const Environment& environment, const std::string& name);

// Where S3 is, and for which region it is signed.
struct Place {
  std::string region;                    // empty: nothing says so
  std::optional<s3::Endpoint> endpoint;  // none: AWS's own
};
// The first of: the origin's own words (`said`); AWS_REGION and AWS_DEFAULT_REGION,
// AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL; the profile. AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true
// leaves the endpoint to the words alone. INVALID_ARGUMENT: what is said is no region or no URL;
// the message names the variable or the profile.
absl::StatusOr<Place> PlaceOf(const Environment& environment, const Profile& profile, Place said);

// What STS is asked at; empty region and nothing said: the one endpoint of old. Errors: as
// PlaceOf().
absl::StatusOr<s3::Endpoint> StsEndpoint(const Environment& environment, const Profile& profile,
                                         const std::string& region);

}  // namespace objmapper::origin
