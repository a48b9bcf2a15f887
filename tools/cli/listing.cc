// Reads all pages of a list, and objmapper ls. After a retry names that were already seen are
// skipped; a list that is kept has a limit on its bytes.
#include "tools/cli/listing.h"

#include <stdio.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/retry.h"
#include "text/printable.h"
#include "tools/cli/commands.h"
#include "tools/cli/connect.h"
#include "tools/cli/progress.h"
#include "tools/cli/report.h"

namespace objmapper::tools {
namespace {

constexpr uint64_t kKeptBytesMax = 1 << 30;
// What a name takes beside its bytes.
constexpr uint64_t kEntryBytes = 128;

// One line: an object, or with -d all objects whose names go on behind one more '/'.
struct Row {
  std::string name;
  bool is_group = false;
  uint64_t objects = 1;
  uint64_t size = 0;    // of all of them
  int64_t mtime_s = 0;  // the latest
};

void Print(const CommandLine& line, const Row& row) {
  if (line.json) {
    JsonLine json;
    json.AddText(row.is_group ? "prefix" : "uri", row.name);
    if (row.is_group) json.AddNumber("objects", row.objects);
    json.AddNumber("size", row.size);
    json.AddNumber("mtime", row.mtime_s);
    PrintLine(json.ToString());
    return;
  }
  const std::string name = text::Printable(row.name);
  PrintLine(line.long_form ? absl::StrFormat("%10s  %s  %s", FormatBytes(row.size),
                                             FormatMtime(row.mtime_s), name)
                           : name);
}

}  // namespace

ExitCode ListOrReport(const CommandLine& line, client::Client& client, const std::string& prefix,
                      absl::FunctionRef<bool(const client::ListEntry& entry)> each) {
  // A list that was broken off begins anew: what was seen is passed over.
  std::optional<std::string> last;
  const absl::Status status = client::Retry(RetryPolicyOf(line), [&] {
    return client.ListAll(
        prefix,
        [&](const client::ListEntry& entry) {
          if (last.has_value() && entry.uri <= *last) return true;
          last = entry.uri;
          return each(entry);
        },
        line.through);
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

ExitCode RunLs(const CommandLine& line) {
  ExitCode code;
  absl::StatusOr<client::Client> client = ConnectOrReport(line, &code);
  if (!client.ok()) return code;
  const std::string& prefix = line.uris[0];
  std::optional<Row> open;  // not printed yet: more may belong to it
  code = ListOrReport(line, *client, prefix, [&](const client::ListEntry& entry) {
    const size_t slash = line.one_level ? entry.uri.find('/', prefix.size()) : std::string::npos;
    Row row{entry.uri.substr(0, slash == std::string::npos ? slash : slash + 1),
            slash != std::string::npos, 1, entry.size, entry.mtime_s};
    if (open.has_value() && open->is_group && row.is_group && open->name == row.name) {
      ++open->objects;
      open->size += row.size;
      open->mtime_s = std::max(open->mtime_s, row.mtime_s);
      return true;
    }
    if (open.has_value()) Print(line, *open);
    open = std::move(row);
    return ferror(stdout) == 0;  // nobody reads on: main() says so
  });
  if (open.has_value()) Print(line, *open);
  return code;
}

}  // namespace objmapper::tools
