// Connects for a command. At a default address the server must belong to the caller, to root, or to
// the owner of /run/objmapper.
#include "tools/cli/connect.h"

#include <limits>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/error.h"
#include "client/options.h"
#include "protocol/capabilities.h"
#include "tools/cli/report.h"

namespace objmapper::tools {

client::RetryPolicy RetryPolicyOf(const CommandLine& line) {
  client::RetryPolicy policy;
  // The time is the bound, not the number.
  policy.attempts_max = line.retry ? std::numeric_limits<int>::max() : 1;
  policy.total_max = line.timeout;
  return policy;
}

absl::StatusOr<client::Client> Connect(const CommandLine& line) {
  client::Options options;
  options.connect_timeout = line.timeout;
  options.request_timeout = line.answer_timeout;
  options.server_uids = line.server_uids;
  options.token = line.token;
  if (!line.token_file.empty()) {
    absl::StatusOr<std::string> token = client::ReadTokenFile(line.token_file);
    if (!token.ok()) return token.status();
    options.token = *std::move(token);
  }
  // Where that is shown, or matters: cp -r does not take what expires for what does not.
  const bool shows = line.json || line.command == CommandLine::Command::kStat;
  if (shows || SkipsTheSame(line)) options.capabilities |= protocol::kVersions;
  absl::StatusOr<client::Client> client = client::Retry(
      RetryPolicyOf(line), [&] { return client::Client::Connect(line.server, options); });
  // Not where connect(2) is refused: the socket's mode says who may.
  const bool is_somebodys = absl::StrContains(client.status().message(), ": the server there is ");
  if (line.server_is_default && is_somebodys && absl::IsPermissionDenied(client.status()) &&
      client::SourceOf(client.status()) == client::ErrorSource::kConnection) {
    absl::Status with_advice(client.status().code(),
                             absl::StrCat(client.status().message(),
                                          ". At a default address it must be yours or root's. To "
                                          "use it anyway: --server_user=NAME or --server=",
                                          line.server));
    // Where it arose stays known.
    client.status().ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
      with_advice.SetPayload(url, payload);
    });
    return with_advice;
  }
  return client;
}

absl::StatusOr<client::Client> ConnectOrReport(const CommandLine& line, ExitCode* code) {
  absl::StatusOr<client::Client> client = Connect(line);
  *code = ConnectExitCodeOf(client.status());
  if (!client.ok()) ReportError(line.json, "server", line.server, client.status(), *code);
  return client;
}

}  // namespace objmapper::tools
