// objmapper stat: what the server says about objects.
#include <stdio.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tools/cli/commands.h"
#include "tools/cli/connect.h"
#include "tools/cli/json.h"
#include "tools/cli/progress.h"
#include "tools/cli/report.h"

namespace objmapper::tools {
namespace {

void PrintForPeople(const std::string& uri, const client::ObjectInfo& info) {
  PrintLine(uri);
  PrintLine(absl::StrCat("  size      ", info.size, " bytes",
                         info.size < 1024 ? "" : absl::StrCat(" (", FormatBytes(info.size), ")")));
  if (info.mtime_s.has_value()) PrintLine(absl::StrCat("  modified  ", FormatMtime(*info.mtime_s)));
  if (info.ttl_s.has_value()) {
    PrintLine(absl::StrCat("  expires   in ", absl::FormatDuration(absl::Seconds(*info.ttl_s))));
  }
  if (info.etag.has_value()) PrintLine(absl::StrCat("  etag      ", *info.etag));
  if (info.mime.has_value()) PrintLine(absl::StrCat("  type      ", *info.mime));
  if (info.backend.has_value()) PrintLine(absl::StrCat("  tier      ", *info.backend));
}

}  // namespace

ExitCode RunStat(const CommandLine& line) {
  ExitCode code;
  absl::StatusOr<client::Client> client = ConnectOrReport(line, &code);
  if (!client.ok()) return code;
  for (size_t i = 0; i < line.uris.size() && client->status().ok(); ++i) {
    const std::string& uri = line.uris[i];
    const absl::StatusOr<client::ObjectInfo> info =
        client::Retry(RetryPolicyOf(line), [&] { return client->Stat(uri); });
    if (!info.ok()) {
      const ExitCode error = ExitCodeOf(info.status());
      if (code == kExitOk) code = error;
      ReportError(line.json, "uri", uri, info.status(), error);
    } else if (line.json) {
      JsonLine json;
      json.AddText("uri", uri);
      json.AddBool("ok", true);
      AddInfo(*info, &json);
      PrintLine(json.ToString());
    } else {
      PrintForPeople(uri, *info);
    }
  }
  return code;
}

}  // namespace objmapper::tools
