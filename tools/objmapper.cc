// The command-line client. tools/cli/help.cc says what it does.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "net/standard_streams.h"
#include "text/version.h"
#include "tools/cli/command_line.h"
#include "tools/cli/commands.h"
#include "tools/cli/report.h"

namespace objmapper::tools {
namespace {

ExitCode Run(const CommandLine& line) {
  switch (line.command) {
    case CommandLine::Command::kHelp:
      PrintOwn(HelpText(line.topic));
      return kExitOk;
    case CommandLine::Command::kVersion:
      PrintLine(absl::StrCat("objmapper ", text::kVersion));
      return kExitOk;
    default:
      return line.run(line);
  }
}

// A descriptor that is not open and named among the arguments, as /dev/stdout, /dev/fd/N or the
// like: what stands in for it, or is opened under its number later, could be opened by that name,
// and would swallow an object or be an empty one. Empty: there is none. closed: those of 0, 1 and 2
// that are. Before anything is opened.
std::string ClosedStream(absl::Span<const char* const> arguments, int closed) {
  for (const absl::string_view argument : arguments) {
    for (const absl::string_view folder : {"/dev/std", "/dev/fd/", "/proc/self/fd/"}) {
      const size_t at = argument.find(folder);
      if (at == absl::string_view::npos) continue;
      const absl::string_view name = argument.substr(at + folder.size());
      int fd = name == "in" ? 0 : name == "out" ? 1 : name == "err" ? 2 : -1;
      if (fd < 0 && (!absl::SimpleAtoi(name, &fd) || fd < 0)) continue;
      const bool is_closed = fd < 3 ? (closed & 1 << fd) != 0 : fcntl(fd, F_GETFD) < 0;
      if (is_closed) return std::string(argument.substr(at));
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
    ReportError(/*json=*/false, "", "",
                absl::FailedPreconditionError(absl::StrCat(closed, " is closed")), kExitLocal);
    return kExitLocal;
  }
  const ExitCode code = Run(*line);
  // What was printed must have got through: a full disk behind ">" is an error too, and some file
  // systems say so at close.
  errno = 0;
  const bool flushed = fflush(stdout) == 0;
  const bool closed = close(STDOUT_FILENO) == 0 || errno == EINTR;
  if (flushed && closed && ferror(stdout) == 0) return code;
  const int error = errno == 0 ? PrintErrno() : errno;
  fprintf(stderr, "objmapper: write to standard output: %s\n",
          error == 0 ? "it failed" : strerror(error));
  return code == kExitOk ? kExitLocal : code;
}

}  // namespace objmapper::tools

int main(int argc, char** argv) {
  const int closed = objmapper::net::HoldStandardStreams();
  // A file that would become larger than it may (ulimit -f) is an error with a name, not an end
  // without a word.
  signal(SIGXFSZ, SIG_IGN);
  return objmapper::tools::Main(absl::MakeSpan(argv + 1, argc > 0 ? argc - 1 : 0), closed);
}
