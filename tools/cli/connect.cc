#include "client/options.h"
#include "tools/cli/commands.h"
#include "tools/cli/report.h"

namespace objmapper::tools {

absl::StatusOr<client::Client> ConnectOrReport(const CommandLine& line, ExitCode* code) {
  client::Options options;
  options.connect_timeout = line.timeout;
  options.request_timeout = line.timeout;
  absl::StatusOr<client::Client> client = client::Client::Connect(line.server, options);
  *code = ConnectExitCodeOf(client.status());
  if (!client.ok()) ReportError(line.json, "server", line.server, client.status(), *code);
  return client;
}

}  // namespace objmapper::tools
