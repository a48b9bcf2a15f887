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

// Fetches and turns into text; an error has been reported.
absl::StatusOr<std::string> FetchText(const CommandLine& line,
                                      absl::StatusOr<std::string> (*form)(absl::string_view),
                                      ExitCode* code) {
  absl::StatusOr<std::string> text = FetchFromAdmin(line.admin, "/stats", line.timeout);
  if (!text.ok()) {
    *code = AdminExitCodeOf(text.status());
  } else {
    text = form(*text);
    *code = kExitBroken;
  }
  if (!text.ok()) {
    ReportError(line.json, "server", line.admin, text.status(), *code);
  }
  return text;
}

}  // namespace

ExitCode RunStats(const CommandLine& line) {
  ExitCode code = kExitOk;
  const absl::StatusOr<std::string> text =
      FetchText(line, line.json ? StatsLine : TotalsText, &code);
  if (!text.ok()) return code;
  PrintLines(*text);
  return kExitOk;
}

ExitCode RunTop(const CommandLine& line) {
  // A screen for people; in a file or pipe one picture behind the other.
  const char* const clear = isatty(STDOUT_FILENO) ? "\x1b[H\x1b[2J" : "";
  for (int i = 0; line.count == 0 || i < line.count; ++i) {
    if (i > 0) absl::SleepFor(absl::Seconds(1));
    ExitCode code = kExitOk;
    const absl::StatusOr<std::string> text = FetchText(line, TopText, &code);
    if (!text.ok()) return code;
    printf("%s%s", clear, i > 0 && *clear == '\0' ? "\n" : "");
    PrintLines(*text);
    if (fflush(stdout) != 0) return kExitLocal;
  }
  return kExitOk;
}

}  // namespace objmapper::tools
