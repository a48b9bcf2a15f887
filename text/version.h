// The version of all that is built from this tree: server, command line, libraries.
//
// This is the one place. The C header and the Python package carry copies, since they are installed
// without this file: client/c/objmapper.cc does not compile where the first differs,
// tests/docs/version_test.py fails for every other.
#pragma once

#include "absl/strings/string_view.h"

namespace objmapper::text {

// MAJOR.MINOR.PATCH. MAJOR is libobjmapper.so's soname.
inline constexpr absl::string_view kVersion = "1.0.0";

}  // namespace objmapper::text
