// From the command line to a connection, for every command that asks the server.
#pragma once

#include "absl/status/statusor.h"
#include "client/client.h"
#include "client/retry.h"
#include "tools/cli/command_line.h"
#include "tools/cli/report.h"

namespace objmapper::tools {

// Connects as the command line says. Any thread.
absl::StatusOr<client::Client> Connect(const CommandLine& line);

// The same. An error has been reported; *code is the exit code for it, or kExitOk.
absl::StatusOr<client::Client> ConnectOrReport(const CommandLine& line, ExitCode* code);

// How what a busy server refuses is asked again: as long as line.timeout, or not at all.
client::RetryPolicy RetryPolicyOf(const CommandLine& line);

}  // namespace objmapper::tools
