// put and cp towards the server: what goes where, and the sending.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tools/cli/command_line.h"
#include "tools/cli/report.h"
#include "tools/cli/transfers.h"

namespace objmapper::tools {

// Standard input, as a source.
inline constexpr absl::string_view kStdin = "-";

struct UploadPlan {
  std::vector<Item> items;
  // What cannot be sent: the others are all the same. Paths and why.
  std::vector<std::pair<std::string, absl::Status>> failures;
};

// Which object each file becomes.
//   one file and a URI: that one; and a URI that ends in '/' or is empty: under it, by its own name
//   a folder and a URI: its files under the URI and a '/', by their names below the folder
//   several of them: the same, each; the URI must end in '/' or be empty
//   no URI: as if it were the own name of the file, or of the folder
//   kStdin, or a FIFO: needs a URI that ends otherwise
//
// INVALID_ARGUMENT: this makes no sense, a folder without `recursive`, two files that would be one
// object, or a URI that is too long. Nothing has been sent then.
absl::StatusOr<UploadPlan> PlanUploads(absl::Span<const std::string> sources,
                                       const std::optional<std::string>& uri, bool recursive);

// Plans and sends as the command line says; reports. The command's exit code.
ExitCode RunUploads(const CommandLine& line, absl::Span<const std::string> sources,
                    const std::optional<std::string>& uri);

}  // namespace objmapper::tools
