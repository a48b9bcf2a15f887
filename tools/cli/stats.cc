// objmapper stats and top: a server's figures, once or each second.
#include <stdio.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "client/error.h"
#include "tools/cli/admin_fetch.h"
#include "tools/cli/commands.h"
#include "tools/cli/report.h"
#include "tools/cli/top_text.h"

namespace objmapper::tools {
namespace {

// For an error of FetchFromAdmin().
ExitCode AdminExitCodeOf(const absl::Status& error) {
  if (client::SourceOf(error) == client::ErrorSource::kConnection) return kExitBroken;
  if (absl::IsInvalidArgument(error)) return kExitUsage;
  return absl::IsFailedPrecondition(error) ? kExitServerSaidNo : kExitUnreachable;
}

// Fetches, and prints what `form` makes of it behind `before`. An error is reported.
ExitCode Show(const CommandLine& line, absl::StatusOr<std::string> (*form)(absl::string_view),
              const char* before) {
  absl::StatusOr<std::string> text = FetchFromAdmin(line.admin, "/stats", line.timeout);
  const ExitCode code = text.ok() ? kExitBroken : AdminExitCodeOf(text.status());
  if (text.ok()) text = form(*text);
  if (!text.ok()) return ReportError(line.json, "server", line.admin, text.status(), code);
  fputs(before, stdout);
  PrintLines(*text);
  return kExitOk;
}

}  // namespace

ExitCode RunStats(const CommandLine& line) {
  return Show(line, line.json ? StatsLine : TotalsText, "");
}

ExitCode RunTop(const CommandLine& line) {
  // A screen for people; in a file or pipe one picture behind the other.
  const bool is_terminal = isatty(STDOUT_FILENO) == 1;
  for (int i = 0; line.count == 0 || i < line.count; ++i) {
    if (i > 0) absl::SleepFor(absl::Seconds(1));
    const char* const before = is_terminal ? "\x1b[H\x1b[2J" : i > 0 ? "\n" : "";
    if (const ExitCode code = Show(line, TopText, before); code != kExitOk) return code;
    if (fflush(stdout) != 0) return kExitLocal;
  }
  return kExitOk;
}

}  // namespace objmapper::tools
