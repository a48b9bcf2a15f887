// What objmapper's exit code says; `objmapper help` lists the same.
#pragma once

#include "absl/status/status.h"
#include "client/error.h"

namespace objmapper::tools {

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

// For an error of Client::Connect(): a bad URL is the only one that is not about reaching a server.
inline ExitCode ConnectExitCodeOf(const absl::Status& status) {
  if (status.ok()) return kExitOk;
  const bool bad_url = client::SourceOf(status) == client::ErrorSource::kLocal &&
                       status.code() == absl::StatusCode::kInvalidArgument;
  return bad_url ? kExitUsage : kExitUnreachable;
}

}  // namespace objmapper::tools
