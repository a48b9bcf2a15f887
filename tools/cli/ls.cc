// objmapper ls: which objects there are.
#include <stdio.h>

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "text/printable.h"
#include "tools/cli/commands.h"
#include "tools/cli/connect.h"
#include "tools/cli/listing.h"
#include "tools/cli/progress.h"
#include "tools/cli/report.h"

namespace objmapper::tools {
namespace {

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
