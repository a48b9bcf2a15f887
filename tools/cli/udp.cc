// objmapper get and stat by UDP.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/copy_range.h"
#include "client/new_file.h"
#include "client/udp.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "tools/cli/commands.h"
#include "tools/cli/report.h"

namespace objmapper::tools {
namespace {

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

// Whole or not at all where `path` is a file; what is no file (a device, a FIFO) is written to as it is.
absl::Status WriteTo(const std::string& path, absl::string_view bytes) {
  if (path == "-") return client::WriteAll(STDOUT_FILENO, bytes, "standard output");
  struct stat attributes;
  if (stat(path.c_str(), &attributes) == 0 && !S_ISREG(attributes.st_mode) && !S_ISDIR(attributes.st_mode)) {
    const net::UniqueFd device(open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
    if (!device.valid()) return net::ErrnoToStatus(errno, absl::StrCat("open ", path));
    return client::WriteAll(device.get(), bytes, path);
  }
  absl::StatusOr<client::NewFile> file = client::NewFile::Create(path);
  if (!file.ok()) return file.status();
  if (absl::Status written = client::WriteAll(file->fd(), bytes, path); !written.ok()) return written;
  return file->Commit();
}

// The first error decides, and the others are still tried.
void Report(const CommandLine& line, const std::string& uri, const absl::Status& error, ExitCode* code) {
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
    absl::StatusOr<client::UdpObject> object = client->Get(line.uris[i], line.range);
    absl::Status result = object.status();
    if (result.ok()) result = CheckPlace(line, outputs[i]);
    if (result.ok()) result = WriteTo(outputs[i], object->bytes);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (result.ok()) {
      PrintGot(line.uris[i], outputs[i], line, {object->info, client::CopyMethod::kSocket}, took.count());
    } else {
      Report(line, line.uris[i], result, &code);
    }
  }
  return code;
}

}  // namespace objmapper::tools
