// The command line, in gflags' language, with nothing skipped in silence.
//
//   const CommandLine said = ReadCommandLine(argc, argv);   // main(), before anything reads a flag
//   for (const std::string& error : said.errors) ...
//
// gflags itself ends the process at a mistake, with a bare line and exit code 1, and skips what it
// does not understand in a
// --flagfile. Here the flags are gflags', and so are their types, --flagfile, --fromenv,
// --tryfromenv and --undefok; who reads them is not.
#pragma once

#include <string>
#include <vector>

namespace objmapper::server {

struct CommandLine {
  std::vector<std::string> errors;    // whole sentences; with one of them, nobody should go on
  std::vector<std::string> warnings;  // what counts, but may not be what was meant
};

// Sets the flags that the arguments, and the files and the environment that they name, speak of: of
// two that set one flag, the later one counts. An error names the flag, what it was given, and
// where: the file and the line, or the variable.
CommandLine ReadCommandLine(int argc, char** argv);

// Names of flags that `name` may have been meant for, the nearest first; none or a few.
std::vector<std::string> FlagsLike(const std::string& name);

}  // namespace objmapper::server
