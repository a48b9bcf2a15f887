// What a request says of whose it is: Authorization (RFC 9110, 11.6.2), as Bearer (RFC 6750) or,
// for clients that know nothing else, as Basic (RFC 7617) with the token for a password.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/http/head.h"

namespace objmapper::protocol::http {

struct Credentials {
  enum class Kind : uint8_t {
    kNone,     // there is no such field
    kToken,    // `token`; Basic: and `user`
    kOther,    // another scheme
    kUnsound,  // a scheme that is known, and nothing that it allows; or two such fields
  };
  Kind kind = Kind::kNone;
  std::string token;
  bool has_user = false;  // Basic
  std::string user;
};

Credentials CredentialsOf(const Head& head);

// What is asked for where a request has none, and what is said of those that are not known
// (WWW-Authenticate).
inline constexpr char kChallenge[] = "Bearer realm=\"objmapper\"";
inline constexpr char kInvalidToken[] = "Bearer realm=\"objmapper\", error=\"invalid_token\"";
// A field of its own beside either: browsers know no other.
inline constexpr char kBasicChallenge[] = "Basic realm=\"objmapper\", charset=\"UTF-8\"";

}  // namespace objmapper::protocol::http
