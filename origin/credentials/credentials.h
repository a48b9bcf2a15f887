// Keys, where they are from, and until when they are good.
#pragma once

#include <ostream>
#include <string>

#include "absl/time/time.h"
#include "origin/s3/keys.h"

namespace objmapper::origin {

struct Credentials {
  s3::Keys keys;  // empty: requests are anonymous
  absl::Time expires = absl::InfiniteFuture();
  std::string source;  // for people: "AWS_ACCESS_KEY_ID", "the profile \"ci\""
};

// Which keys, from where, until when; never the secrets.
std::ostream& operator<<(std::ostream& out, const Credentials& credentials);

}  // namespace objmapper::origin
