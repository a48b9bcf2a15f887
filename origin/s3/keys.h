// What requests are signed with. It is never shown: not in a log, a status or a failed test.
#pragma once

#include <ostream>
#include <string>

#include "absl/strings/string_view.h"

namespace objmapper::origin::s3 {

struct Keys {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // of temporary ones; empty: none

  // Whether there is something to sign with. Without, requests are anonymous.
  bool empty() const { return access_key_id.empty(); }
  bool operator==(const Keys&) const = default;
};

// As much of an access key's id as tells an operator which it is: its last four characters.
std::string Redacted(absl::string_view access_key_id);
// The same, and nothing of the secrets.
std::ostream& operator<<(std::ostream& out, const Keys& keys);

}  // namespace objmapper::origin::s3
