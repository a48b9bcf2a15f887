// Where keys are looked for, in the SDKs' order; the first place that is set up decides, and when
// it fails that is an error: no other place is tried, whose keys would be somebody else's.
//
//   a profile that the origin names, and then nothing else
//   AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
//   AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN, AWS_ROLE_SESSION_NAME: a token that STS takes
//   AWS_PROFILE, else "default", in ~/.aws/config and ~/.aws/credentials: keys, or such a token
//   AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, _FULL_URI: what ECS, EKS and their like answer
//   the instance's role (IMDSv2), unless AWS_EC2_METADATA_DISABLED=true
//
// Source: "Standardized credential providers" in the AWS SDKs and Tools Reference Guide.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "origin/credentials/credentials.h"
#include "origin/credentials/environment.h"
#include "origin/credentials/http_call.h"
#include "origin/credentials/profile.h"

namespace objmapper::origin {

struct ChainOptions {
  Environment environment = ProcessEnvironment();
  HttpCall http;        // must be there
  std::string profile;  // the origin's word; empty: not said
  std::string region;   // likewise; for STS
  std::function<absl::Time()> now = absl::Now;
};

// Looks for keys; nullopt: no place is set up. Reads files, asks over HTTP: waits. Errors, which
// name the place and hold no secrets:
//   FAILED_PRECONDITION, INVALID_ARGUMENT, PERMISSION_DENIED: it is set up wrong
//   UNAVAILABLE: nothing, or nothing useful, was answered there
absl::StatusOr<std::optional<Credentials>> FindCredentials(const ChainOptions& options);

// The places that have to be asked over HTTP; each is for FindCredentials(), and apart for tests.

// sts:AssumeRoleWithWebIdentity, with the token in the profile's file, which is read now.
absl::StatusOr<Credentials> FromWebIdentity(const ChainOptions& options, const Profile& profile);
// nullopt: no container's variables are set.
absl::StatusOr<std::optional<Credentials>> FromContainer(const ChainOptions& options);
// nullopt: nobody answers at the metadata service's address, or the instance has no role.
absl::StatusOr<std::optional<Credentials>> FromInstance(const ChainOptions& options);

// {"AccessKeyId": ..., "SecretAccessKey": ..., "Token": ..., "Expiration": ...}. UNAVAILABLE: it is
// not that, or has expired; `source` is in the message, and nothing of `json`.
absl::StatusOr<Credentials> ParseCredentials(absl::string_view json, absl::Time now,
                                             absl::string_view source);
// Whether keys may be had from `host` over plain HTTP: this machine's own addresses, and those at
// which ECS and EKS answer.
bool IsContainerHost(absl::string_view host);

}  // namespace objmapper::origin
