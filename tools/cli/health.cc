// objmapper ping, stats and top: how a server does. A round trip, and its figures, once or each
// second.
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/error.h"
#include "tools/cli/admin.h"
#include "tools/cli/commands.h"
#include "tools/cli/connect.h"
#include "tools/cli/json.h"
#include "tools/cli/report.h"

namespace objmapper::tools {
namespace {

// `times_us`: sorted, not empty.
void Print(const CommandLine& line, const client::Client& client,
           const std::vector<double>& times_us) {
  const double median_us = times_us[times_us.size() / 2];
  if (!line.json) {
    PrintLine(absl::StrFormat(
        "%s: %d of %d answered; round trip min %.1f, median %.1f, max %.1f us", line.server,
        times_us.size(), line.count, times_us.front(), median_us, times_us.back()));
    return;
  }
  JsonLine json;
  json.AddText("server", line.server);
  json.AddBool("ok", times_us.size() == static_cast<size_t>(line.count));
  json.AddNumber("sent", line.count);
  json.AddNumber("answered", times_us.size());
  json.AddNumber("min_us", times_us.front());
  json.AddNumber("median_us", median_us);
  json.AddNumber("max_us", times_us.back());
  json.AddNumber("max_pipeline", client.max_pipeline());
  json.AddNumber("parallelism", client.parallelism());
  PrintLine(json.ToString());
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

ExitCode AdminExitCodeOf(const absl::Status& error) {
  if (client::SourceOf(error) == client::ErrorSource::kConnection || absl::IsDataLoss(error))
    return kExitBroken;
  if (absl::IsInvalidArgument(error)) return kExitUsage;
  return absl::IsFailedPrecondition(error) ? kExitServerSaidNo : kExitUnreachable;
}

ExitCode RunPing(const CommandLine& line) {
  ExitCode code;
  absl::StatusOr<client::Client> client = ConnectOrReport(line, &code);
  if (!client.ok()) return code;
  std::vector<double> times_us;
  absl::Status status;
  for (int i = 0; i < line.count && status.ok(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    status = client->Ping();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
    if (status.ok()) times_us.push_back(took.count());
  }
  std::sort(times_us.begin(), times_us.end());
  if (!times_us.empty()) Print(line, *client, times_us);
  if (status.ok()) return kExitOk;
  return ReportError(line.json, "server", line.server, status, ExitCodeOf(status));
}

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
