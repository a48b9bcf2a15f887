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

struct Summary {
  double min_us = 0;
  double median_us = 0;
  double max_us = 0;
};

// `times_us` is not empty, and is sorted here.
Summary Summarize(std::vector<double>* times_us) {
  std::sort(times_us->begin(), times_us->end());
  return {times_us->front(), (*times_us)[times_us->size() / 2], times_us->back()};
}

void Print(const CommandLine& line, const client::Client& client, std::vector<double>* times_us) {
  const Summary summary = Summarize(times_us);
  if (!line.json) {
    PrintLine(absl::StrFormat(
        "%s: %d of %d answered; round trip min %.1f, median %.1f, max %.1f us", line.server,
        times_us->size(), line.count, summary.min_us, summary.median_us, summary.max_us));
    return;
  }
  JsonLine json;
  json.AddText("server", line.server);
  json.AddBool("ok", times_us->size() == static_cast<size_t>(line.count));
  json.AddNumber("sent", static_cast<uint64_t>(line.count));
  json.AddNumber("answered", static_cast<uint64_t>(times_us->size()));
  json.AddNumber("min_us", summary.min_us);
  json.AddNumber("median_us", summary.median_us);
  json.AddNumber("max_us", summary.max_us);
  json.AddNumber("max_pipeline", static_cast<uint64_t>(client.max_pipeline()));
  json.AddNumber("parallelism", uint64_t{client.parallelism()});
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
  if (!times_us.empty()) Print(line, *client, &times_us);
  if (status.ok()) return kExitOk;
  code = ExitCodeOf(status);
  ReportError(line.json, "server", line.server, status, code);
  return code;
}

}  // namespace objmapper::tools
