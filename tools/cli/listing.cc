#include "tools/cli/listing.h"

#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/retry.h"
#include "tools/cli/connect.h"
#include "tools/cli/report.h"

namespace objmapper::tools {

ExitCode ListOrReport(const CommandLine& line, client::Client& client, const std::string& prefix,
                      absl::FunctionRef<bool(const client::ListEntry& entry)> each) {
  // A list that was broken off begins anew: what was seen is passed over.
  std::optional<std::string> last;
  const absl::Status status = client::Retry(RetryPolicyOf(line), [&] {
    return client.ListAll(prefix, [&](const client::ListEntry& entry) {
      if (last.has_value() && entry.uri <= *last) return true;
      last = entry.uri;
      return each(entry);
    });
  });
  const ExitCode code = ExitCodeOf(status);
  if (!status.ok()) ReportError(line.json, "prefix", prefix, status, code);
  return code;
}

std::string AsFolder(absl::string_view uri) {
  return absl::StrCat(uri, uri.empty() || absl::EndsWith(uri, "/") ? "" : "/");
}

}  // namespace objmapper::tools
