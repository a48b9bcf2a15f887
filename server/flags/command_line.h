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

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

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

// ---- Flagfiles (flagfile.cc) ----

// A file of flags, one a line, and what is wrong with it.
//
//   # a comment has a line of its own
//   --root=/srv/objects
//   --writable
//
// It is gflags' format less what lets a mistake pass: there, a line without dashes names programs,
// for which alone the rest of the file is meant, and a flag that does not exist is skipped.
//
// Spaces around a line are dropped, and so is the carriage return of an editor that writes them.
struct FlagfileLine {
  int number = 0;    // from 1
  std::string text;  // "--name=value" or "--name"; begins with '-' and is longer
};

struct Flagfile {
  std::vector<FlagfileLine> lines;
  // sentences about lines that are no flags, each with the file and its number
  std::vector<std::string> errors;
};

// Reads the file, or what comes out of a pipe until its end.
// NOT_FOUND, PERMISSION_DENIED, ...: it cannot be read; the message is a sentence that names it.
// INVALID_ARGUMENT: it is a folder, or longer than 1 MiB.
absl::StatusOr<Flagfile> ReadFlagfile(const std::string& path);

// The same of its contents. path: for the errors.
Flagfile ParseFlagfile(absl::string_view contents, absl::string_view path);

}  // namespace objmapper::server
