#include "tools/cli/connect.h"

#include <limits>

#include "client/options.h"
#include "tools/cli/report.h"

namespace objmapper::tools {

client::RetryPolicy RetryPolicyOf(const CommandLine& line) {
  client::RetryPolicy policy;
  // The time is the bound, not the number.
  policy.attempts_max = line.retry ? std::numeric_limits<int>::max() : 1;
  policy.total_max = line.timeout;
  return policy;
}

absl::StatusOr<client::Client> Connect(const CommandLine& line) {
  client::Options options;
  options.connect_timeout = line.timeout;
  options.request_timeout = line.timeout;
  return client::Retry(RetryPolicyOf(line),
                       [&] { return client::Client::Connect(line.server, options); });
}

absl::StatusOr<client::Client> ConnectOrReport(const CommandLine& line, ExitCode* code) {
  absl::StatusOr<client::Client> client = Connect(line);
  *code = ConnectExitCodeOf(client.status());
  if (!client.ok()) ReportError(line.json, "server", line.server, client.status(), *code);
  return client;
}

}  // namespace objmapper::tools
