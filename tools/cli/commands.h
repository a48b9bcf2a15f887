// The commands. Each connects, does its work, reports, and returns the process's exit code.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/cli/command_line.h"
#include "tools/cli/report.h"

namespace objmapper::tools {

ExitCode RunGet(const CommandLine& line);
ExitCode RunPut(const CommandLine& line);
ExitCode RunRm(const CommandLine& line);
ExitCode RunLs(const CommandLine& line);
ExitCode RunCp(const CommandLine& line);
ExitCode RunStat(const CommandLine& line);
ExitCode RunPing(const CommandLine& line);
ExitCode RunStats(const CommandLine& line);
ExitCode RunTop(const CommandLine& line);
ExitCode RunWarm(const CommandLine& line);
ExitCode RunPin(const CommandLine& line);
ExitCode RunUnpin(const CommandLine& line);
ExitCode RunEvict(const CommandLine& line);
ExitCode RunOrigins(const CommandLine& line);

// For an error of AskAdmin() and what is made of it.
ExitCode AdminExitCodeOf(const absl::Status& error);

// Where each of line.uris goes: a path, or "-" for stdout. In a folder an object is named by the
// last part of its URI.
// INVALID_ARGUMENT: several objects and one file, two objects of one name, a URI whose last part
// is no file name, or --json and stdout.
absl::StatusOr<std::vector<std::string>> PlanOutputs(const CommandLine& line);

// The help of one command ("get", "put", ...); of everything else the overview.
absl::string_view HelpText(absl::string_view topic);

}  // namespace objmapper::tools
