// The arguments that are no flags, as each command wants them.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tools/cli/command_line.h"

namespace objmapper::tools {

// An error of the command line: the parts of a sentence.
template <typename... Parts>
absl::Status Usage(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts..., " (see: objmapper help)"));
}

// Whether it can be sent; else a usage error.
absl::Status CheckUri(const std::string& uri);

// line->uris holds the arguments; puts them where `command` wants them. A usage error: they are
// none of its, too few or too many.
absl::Status ReadOperands(absl::string_view command, CommandLine* line);

}  // namespace objmapper::tools
