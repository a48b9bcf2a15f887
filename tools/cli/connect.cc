#include <limits>

#include "client/options.h"
#include "client/retry.h"
#include "tools/cli/commands.h"
#include "tools/cli/report.h"

namespace objmapper::tools {

client::RetryPolicy RetryPolicyOf(const CommandLine& line) {
  client::RetryPolicy policy;
  // The time is the bound, not the number.
  policy.attempts_max = line.retry ? std::numeric_limits<int>::max() : 1;
  policy.total_max = line.timeout;
  return policy;
}

absl::StatusOr<client::Client> ConnectOrReport(const CommandLine& line, ExitCode* code) {
  client::Options options;
  options.connect_timeout = line.timeout;
  options.request_timeout = line.timeout;
  absl::StatusOr<client::Client> client =
      client::Retry(RetryPolicyOf(line), [&] { return client::Client::Connect(line.server, options); });
  *code = ConnectExitCodeOf(client.status());
  if (!client.ok()) ReportError(line.json, "server", line.server, client.status(), *code);
  return client;
}

}  // namespace objmapper::tools
