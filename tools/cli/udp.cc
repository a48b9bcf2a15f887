// objmapper get and stat by UDP.
#include "client/udp.h"

#include <unistd.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/copy_range.h"
#include "client/output.h"
#include "text/printable.h"
#include "tools/cli/commands.h"
#include "tools/cli/report.h"
#include "tools/cli/terminal_guard.h"

namespace objmapper::tools {
namespace {

// As in client/to_file.cc.
constexpr int kSizeAttempts = 8;

std::optional<client::UdpClient> OpenOrReport(const CommandLine& line, ExitCode* code) {
  client::UdpOptions options;
  options.request_timeout = line.timeout;
  options.retry = line.retry;
  absl::StatusOr<client::UdpClient> client = client::UdpClient::Open(line.server, options);
  *code = ConnectExitCodeOf(client.status());
  if (client.ok()) return *std::move(client);
  ReportError(line.json, "server", line.server, client.status(), *code);
  return std::nullopt;
}

absl::Status WriteTo(const std::string& path, absl::string_view bytes) {
  if (path == "-") return client::WriteAll(STDOUT_FILENO, bytes, "standard output");
  absl::StatusOr<client::Output> output = client::Output::Open(path);
  if (!output.ok()) return output.status();
  if (absl::Status written = client::WriteAll(output->fd(), bytes, path); !written.ok())
    return written;
  return output->Commit();
}

// The object, or the part of it that is asked for. Only the size tells where the last bytes begin.
absl::StatusOr<client::UdpObject> Get(client::UdpClient& client, const std::string& uri,
                                      const CommandLine& line) {
  if (!line.last.has_value()) return client.Get(uri, line.range);
  for (int i = 0; i < kSizeAttempts; ++i) {
    const absl::StatusOr<client::ObjectInfo> now = client.Stat(uri);
    if (!now.ok()) return now.status();
    std::optional<client::Range> range;
    if (now->size > *line.last) range = client::Range{now->size - *line.last, *line.last};
    absl::StatusOr<client::UdpObject> object = client.Get(uri, range);
    if (object.ok() ? object->info.size == now->size : !absl::IsOutOfRange(object.status()))
      return object;
  }
  return absl::AbortedError(absl::StrCat(text::Quoted(uri), ": its size keeps changing"));
}

// The first error decides, and the others are still tried.
void Report(const CommandLine& line, const std::string& uri, const absl::Status& error,
            ExitCode* code) {
  const ExitCode mine = ExitCodeOf(error);
  if (*code == kExitOk) *code = mine;
  ReportError(line.json, "uri", uri, error, mine);
}

}  // namespace

bool IsUdp(const CommandLine& line) { return absl::StartsWith(line.server, "udp:"); }

ExitCode RunUdpStat(const CommandLine& line) {
  ExitCode code;
  std::optional<client::UdpClient> client = OpenOrReport(line, &code);
  if (!client.has_value()) return code;
  for (const std::string& uri : line.uris) {
    const absl::StatusOr<client::ObjectInfo> info = client->Stat(uri);
    if (info.ok()) {
      PrintStat(line, uri, *info);
    } else {
      Report(line, uri, info.status(), &code);
    }
  }
  return code;
}

ExitCode RunUdpGet(const CommandLine& line, const std::vector<std::string>& outputs) {
  ExitCode code;
  std::optional<client::UdpClient> client = OpenOrReport(line, &code);
  if (!client.has_value()) return code;
  for (size_t i = 0; i < line.uris.size(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    absl::StatusOr<client::UdpObject> object = Get(*client, line.uris[i], line);
    absl::Status result = object.status();
    if (result.ok()) result = CheckPlace(line, outputs[i]);
    if (result.ok() && IsGuarded(line)) {
      TerminalGuard guard;
      result = guard.Check(object->bytes);
    }
    if (result.ok()) result = WriteTo(outputs[i], object->bytes);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (result.ok()) {
      PrintGot(line.uris[i], outputs[i], line, {object->info, client::CopyMethod::kSocket},
               took.count());
    } else {
      Report(line, line.uris[i], result, &code);
    }
  }
  return code;
}

}  // namespace objmapper::tools
