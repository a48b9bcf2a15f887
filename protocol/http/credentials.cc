// Reads one field, strictly: what is malformed is nobody's.
#include "protocol/http/credentials.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"

namespace objmapper::protocol::http {
namespace {

// RFC 9110, 11.2: token68, which is RFC 6750's b64token too.
bool IsToken68(absl::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || absl::string_view("-._~+/").find(c) != absl::string_view::npos;
  });
}

bool ReadBasic(absl::string_view encoded, Credentials* credentials) {
  std::string pair;
  if (!absl::Base64Unescape(encoded, &pair)) return false;
  const size_t colon = pair.find(':');
  if (colon == std::string::npos) return false;
  credentials->has_user = true;
  credentials->user = pair.substr(0, colon);
  credentials->token = pair.substr(colon + 1);
  return !credentials->token.empty();
}

}  // namespace

Credentials CredentialsOf(const Head& head) {
  Credentials credentials;
  const Field* only = nullptr;
  for (const Field& field : head.fields) {
    if (!absl::EqualsIgnoreCase(field.name, "authorization")) continue;
    if (only != nullptr) {
      credentials.kind = Credentials::Kind::kUnsound;
      return credentials;
    }
    only = &field;
  }
  if (only == nullptr) return credentials;
  const size_t blank = std::min(only->value.find(' '), only->value.size());
  const absl::string_view scheme = only->value.substr(0, blank);
  const absl::string_view said = WithoutBlanks(only->value.substr(blank));
  const bool basic = absl::EqualsIgnoreCase(scheme, "basic");
  if (!basic && !absl::EqualsIgnoreCase(scheme, "bearer")) {
    credentials.kind = Credentials::Kind::kOther;
    return credentials;
  }
  credentials.kind = Credentials::Kind::kUnsound;
  if (!IsToken68(said)) return credentials;
  if (basic) {
    if (!ReadBasic(said, &credentials)) return credentials;
  } else {
    credentials.token = std::string(said);
  }
  credentials.kind = Credentials::Kind::kToken;
  return credentials;
}

}  // namespace objmapper::protocol::http
