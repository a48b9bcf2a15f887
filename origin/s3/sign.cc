// Canonical request, string to sign, signing key, signature: the four steps of the documentation,
// in its order.
//
// HMAC and SHA-256 are OpenSSL's, whose libcrypto libcurl brings along in any case: one library for
// all cryptography of origins, with the processor's own instructions for SHA-256.
#include "origin/s3/sign.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "glog/logging.h"

namespace objmapper::origin::s3 {
namespace {

constexpr absl::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string Hmac(absl::string_view key, absl::string_view data) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  unsigned int length = 0;
  // It fails only without memory, or where the machine's OpenSSL has no SHA-256.
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(data.data()), data.size(),
             reinterpret_cast<unsigned char*>(out.data()), &length) != nullptr)
      << "OpenSSL cannot compute HMAC-SHA256";
  return out;
}

// Replaces `key` by what is derived from it with `data`.
void Derive(absl::string_view data, std::string* key) {
  std::string next = Hmac(*key, data);
  OPENSSL_cleanse(key->data(), key->size());
  key->swap(next);
}

// "20130524T000000Z"
std::string Timestamp(absl::Time now) {
  return absl::FormatTime("%Y%m%dT%H%M%SZ", now, absl::UTCTimeZone());
}

// Without blanks at the ends, and with one in place of several.
std::string CanonicalValue(absl::string_view value) {
  std::string canonical(value);
  absl::RemoveExtraAsciiWhitespace(&canonical);
  return canonical;
}

// By lower-case name; of those that occur more than once the values are joined in the order in
// which they are sent.
Fields Canonical(const Fields& fields) {
  Fields canonical;
  for (const auto& [name, value] : fields)
    canonical.emplace_back(absl::AsciiStrToLower(name), CanonicalValue(value));
  std::stable_sort(canonical.begin(), canonical.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  Fields joined;
  for (auto& field : canonical) {
    if (!joined.empty() && joined.back().first == field.first) {
      absl::StrAppend(&joined.back().second, ",", field.second);
    } else {
      joined.push_back(std::move(field));
    }
  }
  return joined;
}

}  // namespace

std::string Sha256Hex(absl::string_view bytes) {
  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash);
  return absl::BytesToHexString({reinterpret_cast<const char*>(hash), sizeof(hash)});
}

Fields Sign(const Keys& keys, const Scope& scope, const SignedRequest& request, absl::Time now) {
  CHECK(!keys.empty()) << "there is nothing to sign with";
  const std::string timestamp = Timestamp(now);
  const absl::string_view day = absl::string_view(timestamp).substr(0, 8);
  Fields added = {{"x-amz-date", timestamp}};
  if (scope.service == "s3") added.emplace_back("x-amz-content-sha256", request.payload);
  if (!keys.session_token.empty()) added.emplace_back("x-amz-security-token", keys.session_token);

  Fields all = request.fields;
  all.insert(all.end(), added.begin(), added.end());
  all.emplace_back("host", request.host);
  const Fields fields = Canonical(all);
  const std::string names =
      absl::StrJoin(fields, ";", [](std::string* out, const auto& field) { *out += field.first; });
  std::string canonical =
      absl::StrCat(request.method, "\n", request.path, "\n", request.query, "\n");
  for (const auto& [name, value] : fields) absl::StrAppend(&canonical, name, ":", value, "\n");
  absl::StrAppend(&canonical, "\n", names, "\n", request.payload);

  const std::string where =
      absl::StrCat(day, "/", scope.region, "/", scope.service, "/aws4_request");
  const std::string to_sign =
      absl::StrCat(kAlgorithm, "\n", timestamp, "\n", where, "\n", Sha256Hex(canonical));

  std::string key = absl::StrCat("AWS4", keys.secret_access_key);
  for (const absl::string_view data :
       {day, scope.region, scope.service, absl::string_view("aws4_request")})
    Derive(data, &key);
  const std::string signature = absl::BytesToHexString(Hmac(key, to_sign));
  OPENSSL_cleanse(key.data(), key.size());

  added.emplace_back("Authorization",
                     absl::StrCat(kAlgorithm, " Credential=", keys.access_key_id, "/", where,
                                  ", SignedHeaders=", names, ", Signature=", signature));
  return added;
}

}  // namespace objmapper::origin::s3
