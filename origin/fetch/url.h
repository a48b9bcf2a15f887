// URLs, as far as a client must know them: whose they are, where Location leads, what may be shown.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace objmapper::origin::fetch {

// "http://host:80": scheme, host and port, each said; what connections, limits and credentials
// belong to (RFC 6454's origin). INVALID_ARGUMENT: no http or https URL, or one with userinfo; the
// message shows it as Shown() does.
absl::StatusOr<std::string> OriginOf(absl::string_view url);

// `location` as seen from `base` (RFC 3986, 5.2). INVALID_ARGUMENT as above.
absl::StatusOr<std::string> Resolve(absl::string_view base, absl::string_view location);

// The URL as it may be logged: without userinfo, query and fragment, which carry signatures and
// tokens ("?..." stands for a query), and printable.
std::string Shown(absl::string_view url);

}  // namespace objmapper::origin::fetch
