// What HTTP calls Content-Type, and V2 MIME: by a name's extension.
#pragma once

#include "absl/strings/string_view.h"

namespace objmapper::protocol {

// "text/html; charset=utf-8" for "a/b.HTML"; "application/octet-stream" for what is not known.
// Static.
absl::string_view MediaTypeOf(absl::string_view name);

}  // namespace objmapper::protocol
