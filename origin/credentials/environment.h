// Environment variables, by the names that AWS's SDKs know.
#pragma once

#include <functional>
#include <string>

namespace objmapper::origin {

// The value of a variable; empty: it is not set, or to nothing, which is the same to the SDKs.
// Thread-safe.
using Environment = std::function<std::string(const char* name)>;

// This process's own.
Environment ProcessEnvironment();

}  // namespace objmapper::origin
