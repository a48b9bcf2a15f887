// The command-line client. tools/cli/help.cc says what it does.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "net/standard_streams.h"
#include "text/version.h"
#include "tools/cli/command_line.h"
#include "tools/cli/commands.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/help.h"
#include "tools/cli/report.h"

namespace objmapper::tools {
namespace {

ExitCode Run(const CommandLine& line) {
  switch (line.command) {
    case CommandLine::Command::kHelp:
      fwrite(HelpText(line.topic).data(), 1, HelpText(line.topic).size(), stdout);
      return kExitOk;
    case CommandLine::Command::kVersion:
      PrintLine(absl::StrCat("objmapper ", text::kVersion));
      return kExitOk;
    case CommandLine::Command::kGet:
      return RunGet(line);
    case CommandLine::Command::kPut:
      return RunPut(line);
    case CommandLine::Command::kRm:
      return RunRm(line);
    case CommandLine::Command::kLs:
      return RunLs(line);
    case CommandLine::Command::kCp:
      return RunCp(line);
    case CommandLine::Command::kStat:
      return RunStat(line);
    case CommandLine::Command::kPing:
      return RunPing(line);
    case CommandLine::Command::kStats:
      return RunStats(line);
    case CommandLine::Command::kTop:
      return RunTop(line);
  }
  return kExitUsage;
}

}  // namespace

namespace {

// /dev/stdout and the like of a descriptor that is closed, among the arguments: what stands in for it could be opened by
// that name, and would swallow an object or be an empty one. Empty: there is none.
std::string ClosedStream(absl::Span<const char* const> arguments, int closed) {
  for (int fd = 0; fd < 3; ++fd) {
    if ((closed & 1 << fd) == 0) continue;
    const std::string named = absl::StrCat("/dev/", fd == 0 ? "stdin" : fd == 1 ? "stdout" : "stderr");
    for (const char* argument : arguments) {
      for (const std::string& name : {named, absl::StrCat("/dev/fd/", fd), absl::StrCat("/proc/self/fd/", fd)}) {
        if (absl::EndsWith(argument, name)) return name;
      }
    }
  }
  return "";
}

}  // namespace

ExitCode Main(absl::Span<const char* const> arguments, int closed_streams) {
  const absl::StatusOr<CommandLine> line = ParseCommandLine(arguments);
  if (!line.ok()) {
    ReportError(/*json=*/false, "", "", line.status(), kExitUsage);
    return kExitUsage;
  }
  if (const std::string closed = ClosedStream(arguments, closed_streams); !closed.empty()) {
    ReportError(/*json=*/false, "", "", absl::FailedPreconditionError(absl::StrCat(closed, " is closed")), kExitLocal);
    return kExitLocal;
  }
  const ExitCode code = Run(*line);
  // What was printed must have got through: a full disk behind ">" is an error too, and some file systems say so at close.
  errno = 0;
  const bool flushed = fflush(stdout) == 0;
  const bool closed = close(STDOUT_FILENO) == 0 || errno == EINTR;
  if (flushed && closed && ferror(stdout) == 0) return code;
  fprintf(stderr, "objmapper: write to standard output: %s\n", errno == 0 ? "it failed" : strerror(errno));
  return code == kExitOk ? kExitLocal : code;
}

}  // namespace objmapper::tools

int main(int argc, char** argv) {
  const int closed = objmapper::net::HoldStandardStreams();
  return objmapper::tools::Main(absl::MakeSpan(argv + 1, argc > 0 ? argc - 1 : 0), closed);
}
