// How results and errors are shown: sentences for people, or JSON lines.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/object.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/json.h"

namespace objmapper::tools {

// All that the program prints goes through the calls below, and so through text::Printable(): what
// names, servers' texts and attributes hold is shown, and not obeyed by the terminal.

// Shows `error`: without `json` as "objmapper: <message>" on stderr, with it as a line on stdout
// with "ok":false, the source and status of the error, its text and the exit code.
//
// about: what the error is about and its JSON name, "uri", "prefix", "file" or "server".
// Returns `code`.
ExitCode ReportError(bool json, absl::string_view name, absl::string_view about,
                     const absl::Status& error, ExitCode code);

// The same for a command line that makes no sense, which is a sentence in any case.
ExitCode ReportUsageError(const absl::Status& error);

// Adds what the server said about an object: size, mtime, etag, ttl, mime, backend, latency_us.
// What it did not say is left out.
void AddInfo(const client::ObjectInfo& info, JsonLine* line);

// Prints `text` and a newline on stdout; of more than one line, PrintLines(), which ends with one
// too.
void PrintLine(absl::string_view text);
void PrintLines(absl::string_view text);

}  // namespace objmapper::tools
