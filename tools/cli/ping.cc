// objmapper ping: how long a round trip takes.
#include <stdio.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "absl/strings/str_format.h"
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

}  // namespace

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

}  // namespace objmapper::tools
