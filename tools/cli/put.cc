// objmapper put: files to objects.
#include <optional>
#include <string>

#include "absl/types/span.h"
#include "tools/cli/commands.h"
#include "tools/cli/uploads.h"

namespace objmapper::tools {

ExitCode RunPut(const CommandLine& line) {
  absl::Span<const std::string> sources = line.operands;
  // Alone it is the file; behind others the last one is the URI.
  std::optional<std::string> uri;
  if (sources.size() > 1) {
    uri = sources.back();
    sources.remove_suffix(1);
  }
  return RunUploads(line, sources, uri);
}

}  // namespace objmapper::tools
