// The commands. Each connects, does its work, reports, and returns the process's exit code.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/object.h"
#include "client/to_file.h"
#include "tools/cli/command_line.h"
#include "tools/cli/exit_code.h"

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

// Whether the server is to be asked by UDP (client/udp.h), and the commands that can be.
bool IsUdp(const CommandLine& line);
ExitCode RunUdpGet(const CommandLine& line, const std::vector<std::string>& outputs);
ExitCode RunUdpStat(const CommandLine& line);

// Report one result on standard output, as the command line wants it.
void PrintGot(const std::string& uri, const std::string& output, const CommandLine& line,
              const client::FileResult& result, double seconds);
void PrintStat(const CommandLine& line, const std::string& uri, const client::ObjectInfo& info);

// Where each of line.uris goes: a path, or "-" for stdout. In a folder an object is named by the
// last part of its URI.
// INVALID_ARGUMENT: several objects and one file, two objects of one name, a URI whose last part
// is no file name, or --json and stdout.
absl::StatusOr<std::vector<std::string>> PlanOutputs(const CommandLine& line);
// Whether what is no text is kept from standard output: a terminal that nobody has named (-o -).
bool IsGuarded(const CommandLine& line);
// OK unless `output`, one of those, is in a folder and what lies there under its name is a symbolic
// link, which may lead out of it, or no regular file. Errors as PlaceIn().
absl::Status CheckPlace(const CommandLine& line, const std::string& output);

}  // namespace objmapper::tools
