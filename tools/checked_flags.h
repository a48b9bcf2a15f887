// gflags' command line with errors in sentences, for the tools that take flags of any library's.
#pragma once

#include "absl/status/status.h"

namespace objmapper::tools {

// Looks at the flags among argv[1] to argv[argc - 1], as gflags::ParseCommandLineFlags() will read
// them: that ends the process with exit code 1 and a line without the program's name where one is
// unknown, lacks its value, or has one of another type. To be called before it.
//
// INVALID_ARGUMENT: names the flag and says what is wrong. NOT_FOUND: a --flagfile that cannot be
// read. Main thread, and before any other: the flags are set.
absl::Status CheckFlags(int argc, char** argv);

}  // namespace objmapper::tools
