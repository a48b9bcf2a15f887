// Lists of objects, for ls, rm -r and cp -r.
#pragma once

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "client/client.h"
#include "tools/cli/command_line.h"
#include "tools/cli/report.h"

namespace objmapper::tools {

// Tells `each` of every object whose URI begins with `prefix`, in order, once, until it returns
// false. What the server is too busy for is asked again. An error has been reported; returns the
// code for it, or kExitOk.
ExitCode ListOrReport(const CommandLine& line, client::Client& client, const std::string& prefix,
                      absl::FunctionRef<bool(const client::ListEntry& entry)> each);

// The same for who keeps what he is told: an error, too, once the names are more than a GiB, since
// a server could go on for ever.
ExitCode ListToKeepOrReport(const CommandLine& line, client::Client& client,
                            const std::string& prefix,
                            absl::FunctionRef<void(const client::ListEntry& entry)> keep);

// The prefix of what is below `uri`, as in a folder: with a '/' at its end. Of "" it is "", all
// objects.
std::string AsFolder(absl::string_view uri);

}  // namespace objmapper::tools
