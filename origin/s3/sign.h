// AWS Signature Version 4, in the Authorization field.
//
//   const Fields fields = Sign(keys, {"eu-west-1"}, {"GET", url.host, url.path, url.query,
//                                     {{"Range", "bytes=0-9"}}, kUnsignedPayload},
//                              absl::Now());
//   ... send the request with its own fields and these
//
// Source: "Authenticating Requests (AWS Signature Version 4)" in Amazon S3's API reference, and
// "AWS Signature Version 4" in AWS's general reference. What S3 signs differs from what other
// services do: the path is encoded once and never normalized, and the body's hash is a field.
//
// All functions are thread-safe.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "origin/s3/keys.h"

namespace objmapper::origin::s3 {

// Header fields, names and values; neither holds a line's end.
using Fields = std::vector<std::pair<std::string, std::string>>;

// In place of a body's hash: TLS protects it. Over plain HTTP S3 wants the hash.
inline constexpr absl::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
// The hash of no body at all.
inline constexpr absl::string_view kEmptyPayload =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// SHA-256 in 64 lower-case hexadecimal digits: a body's hash.
std::string Sha256Hex(absl::string_view bytes);

// For whom a signature is good, beside the day.
struct Scope {
  absl::string_view region;
  absl::string_view service = "s3";
};

struct SignedRequest {
  absl::string_view method;  // "GET", "PUT", "DELETE", "POST", "HEAD"
  // As the Host field will have it: with the port, but for a scheme's own.
  absl::string_view host;
  absl::string_view path;   // as it is sent: encoded once, from the first '/' on
  absl::string_view query;  // as it is sent: encoded, sorted, without '?' (url.h, Query)
  // Those of the request's other fields that are signed too. Fields that a proxy may add to or
  // change (User-Agent, Expect, Accept-Encoding) are better left out; x-amz-... must be here.
  Fields fields;
  absl::string_view payload = kEmptyPayload;  // the body's hash, or kUnsignedPayload
};

// The fields to send beside the request's own: x-amz-date, x-amz-content-sha256 (for S3 alone),
// x-amz-security-token (with a session's keys) and Authorization. Host is signed and is for the
// sender to send. keys: not empty. now: the wall clock; servers refuse what is 15 minutes off.
Fields Sign(const Keys& keys, const Scope& scope, const SignedRequest& request, absl::Time now);

}  // namespace objmapper::origin::s3
