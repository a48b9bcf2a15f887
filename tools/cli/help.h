// What `objmapper help` says.
#pragma once

#include "absl/strings/string_view.h"

namespace objmapper::tools {

// The help of one command ("get", "put", ...); of everything else the overview.
absl::string_view HelpText(absl::string_view topic);

}  // namespace objmapper::tools
