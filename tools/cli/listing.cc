// Reads all pages of a list. After a retry names that were already seen are skipped; a list that is
// kept has a limit on its bytes.
#include "tools/cli/listing.h"

#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/retry.h"
#include "text/printable.h"
#include "tools/cli/connect.h"
#include "tools/cli/report.h"

namespace objmapper::tools {
namespace {

constexpr uint64_t kKeptBytesMax = 1 << 30;
// What a name takes beside its bytes.
constexpr uint64_t kEntryBytes = 128;

}  // namespace

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
  if (status.ok()) return kExitOk;
  return ReportError(line.json, "prefix", prefix, status, ExitCodeOf(status));
}

ExitCode ListToKeepOrReport(const CommandLine& line, client::Client& client,
                            const std::string& prefix,
                            absl::FunctionRef<void(const client::ListEntry& entry)> keep) {
  uint64_t kept_bytes = 0;
  const ExitCode code = ListOrReport(line, client, prefix, [&](const client::ListEntry& entry) {
    kept_bytes += kEntryBytes + entry.uri.size();
    if (kept_bytes > kKeptBytesMax) return false;
    keep(entry);
    return true;
  });
  if (code != kExitOk || kept_bytes <= kKeptBytesMax) return code;
  const absl::Status too_long = absl::ResourceExhaustedError(
      absl::StrCat("the list of ", text::Quoted(prefix), " is longer than ", kKeptBytesMax,
                   " bytes; list a part of it"));
  return ReportError(line.json, "prefix", prefix, too_long, kExitLocal);
}

std::string AsFolder(absl::string_view uri) {
  return absl::StrCat(uri, uri.empty() || absl::EndsWith(uri, "/") ? "" : "/");
}

}  // namespace objmapper::tools
