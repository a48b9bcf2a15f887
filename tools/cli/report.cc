// Prints results and errors. All text from a server or a file system is escaped before it is
// printed.
#include "tools/cli/report.h"

#include <stdio.h>

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "client/error.h"
#include "protocol/status.h"
#include "text/printable.h"

namespace objmapper::tools {
namespace {

absl::string_view SourceName(client::ErrorSource source) {
  switch (source) {
    case client::ErrorSource::kLocal:
      return "local";
    case client::ErrorSource::kServer:
      return "server";
    case client::ErrorSource::kConnection:
      return "connection";
  }
  return "unknown";
}

}  // namespace

void PrintLine(absl::string_view text) {
  const std::string shown = absl::StrCat(text::Printable(text), "\n");
  fwrite(shown.data(), 1, shown.size(), stdout);
}

void PrintLines(absl::string_view text) {
  for (const absl::string_view line : absl::StrSplit(absl::StripSuffix(text, "\n"), '\n'))
    PrintLine(line);
}

void ReportError(bool json, absl::string_view name, absl::string_view about,
                 const absl::Status& error, ExitCode code) {
  if (!json) {
    // In one piece, since threads report side by side.
    const std::string shown = absl::StrCat("objmapper: ", text::Printable(error.message()), "\n");
    fwrite(shown.data(), 1, shown.size(), stderr);
    return;
  }
  JsonLine line;
  line.AddText(name, about);
  line.AddBool("ok", false);
  line.AddText("source", SourceName(client::SourceOf(error)));
  const std::optional<protocol::Status> wire = client::WireStatusOf(error);
  line.AddText("status", wire.has_value() ? std::string(protocol::StatusName(*wire))
                                          : absl::StatusCodeToString(error.code()));
  line.AddText("error", error.message());
  if (const std::optional<absl::Duration> retry = client::RetryAfter(error)) {
    line.AddNumber("retry_after_ms", static_cast<uint64_t>(absl::ToInt64Milliseconds(*retry)));
  }
  line.AddNumber("exit_code", static_cast<uint64_t>(code));
  PrintLine(line.ToString());
}

void AddInfo(const client::ObjectInfo& info, JsonLine* line) {
  line->AddNumber("size", info.size);
  if (info.mtime_s.has_value()) line->AddNumber("mtime", *info.mtime_s);
  if (info.etag.has_value()) line->AddText("etag", *info.etag);
  if (info.ttl_s.has_value()) line->AddNumber("ttl", uint64_t{*info.ttl_s});
  if (info.mime.has_value()) line->AddText("mime", *info.mime);
  if (info.backend.has_value()) line->AddNumber("backend", uint64_t{*info.backend});
  if (info.latency_us.has_value()) line->AddNumber("latency_us", uint64_t{*info.latency_us});
}

}  // namespace objmapper::tools
