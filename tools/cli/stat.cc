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

// BACKEND (docs/protocol.md). One that is not known yet is told as it came.
std::string TierName(uint8_t backend) {
  if (backend == 1) return "disk";
  if (backend == 2) return "memory";
  return absl::StrCat(backend);
}

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
  if (info.backend.has_value()) PrintLine(absl::StrCat("  tier      ", TierName(*info.backend)));
}

}  // namespace

void PrintStat(const CommandLine& line, const std::string& uri, const client::ObjectInfo& info) {
  if (!line.json) return PrintForPeople(uri, info);
  JsonLine json;
  json.AddText("uri", uri);
  json.AddBool("ok", true);
  AddInfo(info, &json);
  PrintLine(json.ToString());
}

ExitCode RunStat(const CommandLine& line) {
  if (IsUdp(line)) return RunUdpStat(line);
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
    } else {
      PrintStat(line, uri, *info);
    }
  }
  return code;
}

}  // namespace objmapper::tools
