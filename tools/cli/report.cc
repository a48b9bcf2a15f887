// Prints results and errors. All text from a server or a file system is escaped before it is
// printed.
#include "tools/cli/report.h"

#include <errno.h>
#include <stdio.h>

#include <atomic>
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

std::atomic<int> print_errno{0};

}  // namespace

void PrintOwn(absl::string_view text) {
  if (fwrite(text.data(), 1, text.size(), stdout) == text.size()) return;
  int none = 0;
  print_errno.compare_exchange_strong(none, errno);
}

int PrintErrno() { return print_errno.load(); }

void PrintLine(absl::string_view text) { PrintOwn(absl::StrCat(text::Printable(text), "\n")); }

void PrintLines(absl::string_view text) {
  for (const absl::string_view line : absl::StrSplit(absl::StripSuffix(text, "\n"), '\n'))
    PrintLine(line);
}

ExitCode ReportError(bool json, absl::string_view name, absl::string_view about,
                     const absl::Status& error, ExitCode code) {
  if (!json) {
    // In one piece, since threads report side by side.
    const std::string shown = absl::StrCat("objmapper: ", text::Printable(error.message()), "\n");
    fwrite(shown.data(), 1, shown.size(), stderr);
    return code;
  }
  constexpr absl::string_view kSources[] = {"local", "server", "connection"};
  JsonLine line;
  line.AddText(name, about);
  line.AddBool("ok", false);
  line.AddText("source", kSources[static_cast<size_t>(client::SourceOf(error))]);
  const std::optional<protocol::Status> wire = client::WireStatusOf(error);
  line.AddText("status", wire.has_value() ? std::string(protocol::StatusName(*wire))
                                          : absl::StatusCodeToString(error.code()));
  line.AddText("error", error.message());
  if (const std::optional<absl::Duration> retry = client::RetryAfter(error)) {
    line.AddNumber("retry_after_ms", absl::ToInt64Milliseconds(*retry));
  }
  line.AddNumber("exit_code", static_cast<int>(code));
  PrintLine(line.ToString());
  return code;
}

ExitCode ReportUsageError(const absl::Status& error) {
  return ReportError(/*json=*/false, "", "", error, kExitUsage);
}

void AddInfo(const client::ObjectInfo& info, JsonLine* line) {
  line->AddNumber("size", info.size);
  if (info.mtime_s.has_value()) line->AddNumber("mtime", *info.mtime_s);
  if (info.etag.has_value()) line->AddText("etag", *info.etag);
  if (info.ttl_s.has_value()) line->AddNumber("ttl", *info.ttl_s);
  if (info.expires_s.has_value()) line->AddNumber("expires", *info.expires_s);
  if (info.stale) line->AddBool("stale", true);
  if (info.mime.has_value()) line->AddText("mime", *info.mime);
  if (info.backend.has_value()) line->AddNumber("backend", *info.backend);
  if (info.latency_us.has_value()) line->AddNumber("latency_us", *info.latency_us);
}

}  // namespace objmapper::tools
