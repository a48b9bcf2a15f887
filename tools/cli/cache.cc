// objmapper pin, unpin, evict and origins: what is here of origins, by the operators' address.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "text/printable.h"
#include "tools/cli/admin.h"
#include "tools/cli/cache_door.h"
#include "tools/cli/commands.h"
#include "tools/cli/json.h"
#include "tools/cli/progress.h"
#include "tools/cli/report.h"

namespace objmapper::tools {
namespace {

CacheDoor DoorOf(const CommandLine& line) { return {line.admin, line.timeout}; }

ExitCode Report(const CommandLine& line, const absl::Status& error) {
  return ReportError(line.json, "server", line.admin, error, AdminExitCodeOf(error));
}

// Has `action` done for all of line.uris, and reports: of what went well with a line that begins
// with `done`.
ExitCode Do(const CommandLine& line, CacheAction action, const char* done) {
  const absl::StatusOr<std::vector<CachedObject>> objects =
      AskCache(DoorOf(line), action, line.uris);
  if (!objects.ok()) return Report(line, objects.status());
  const bool evicts = action == CacheAction::kEvict || action == CacheAction::kEvictPinned;
  ExitCode code = kExitOk;
  for (size_t i = 0; i < line.uris.size(); ++i) {
    const CachedObject& object = (*objects)[i];
    const std::string& uri = line.uris[i];
    if (!object.status.ok()) {
      ReportError(line.json, "uri", uri, object.status, kExitServerSaidNo);
      code = kExitServerSaidNo;
    } else if (line.json) {
      JsonLine json;
      json.AddText("uri", uri);
      json.AddBool("ok", true);
      if (evicts) {
        json.AddNumber("freed_bytes", object.freed_bytes);
      } else {
        json.AddBool("pinned", object.pinned);
      }
      PrintLine(json.ToString());
    } else if (line.verbose) {
      PrintLine(absl::StrCat(done, " ", uri,
                             evicts ? absl::StrCat(": ", FormatBytes(object.freed_bytes)) : ""));
    }
  }
  return code;
}

}  // namespace

ExitCode RunPin(const CommandLine& line) { return Do(line, CacheAction::kPin, "pinned"); }

ExitCode RunUnpin(const CommandLine& line) { return Do(line, CacheAction::kUnpin, "unpinned"); }

ExitCode RunEvict(const CommandLine& line) {
  return Do(line, line.force ? CacheAction::kEvictPinned : CacheAction::kEvict, "evicted");
}

ExitCode RunOrigins(const CommandLine& line) {
  const absl::StatusOr<std::string> text =
      line.json ? OriginsLines(DoorOf(line)) : OriginsText(DoorOf(line));
  if (!text.ok()) return Report(line, text.status());
  PrintLines(*text);
  return kExitOk;
}

}  // namespace objmapper::tools
