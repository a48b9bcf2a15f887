// How results and errors are shown: sentences for people, or JSON lines, and exit codes.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/error.h"
#include "client/object.h"
#include "tools/cli/json.h"

namespace objmapper::tools {

// What objmapper's exit code says; `objmapper help` lists the same.
enum ExitCode : int {
  kExitOk = 0,
  kExitServerSaidNo = 1,  // not found, denied, a range past the end, ...
  kExitUsage = 2,         // the command line makes no sense
  kExitUnreachable = 3,   // no server, or it took no new connection
  kExitBroken = 4,        // the connection ended or stayed silent for --timeout
  kExitLocal = 5,         // this side: a file that cannot be written, no descriptors left
};

// For an error of a call to a connected client.
inline ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return kExitOk;
  const client::ErrorSource source = client::SourceOf(status);
  if (source == client::ErrorSource::kServer) return kExitServerSaidNo;
  return source == client::ErrorSource::kConnection ? kExitBroken : kExitLocal;
}

// For an error of Client::Connect(), or of what it needs: a bad URL, a server that takes no tokens,
// a token file that cannot be read; else it is about reaching a server.
inline ExitCode ConnectExitCodeOf(const absl::Status& status) {
  if (status.ok()) return kExitOk;
  if (client::SourceOf(status) != client::ErrorSource::kLocal) return kExitUnreachable;
  if (absl::IsInvalidArgument(status)) return kExitUsage;
  return absl::IsFailedPrecondition(status) ? kExitServerSaidNo : kExitLocal;
}

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

// Adds what the server said about an object: size, mtime, etag, ttl, expires, stale, mime,
// backend, latency_us. What it did not say is left out.
void AddInfo(const client::ObjectInfo& info, JsonLine* line);

// Prints `text` and a newline on stdout; of more than one line, PrintLines(), which ends with one
// too.
void PrintLine(absl::string_view text);
void PrintLines(absl::string_view text);

// Writes a text of the program's own on stdout, as it is.
void PrintOwn(absl::string_view text);
// The errno of the first of all these writes that failed; 0: none has, or what it wrote is still
// buffered.
int PrintErrno();

}  // namespace objmapper::tools
