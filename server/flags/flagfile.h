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
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace objmapper::server {

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
