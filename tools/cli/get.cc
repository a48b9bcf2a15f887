// objmapper get: objects to files or stdout.
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/place.h"
#include "client/to_file.h"
#include "net/standard_streams.h"
#include "protocol/mode.h"
#include "tools/cli/commands.h"
#include "tools/cli/connect.h"
#include "tools/cli/json.h"
#include "tools/cli/local_tree.h"
#include "tools/cli/progress.h"
#include "tools/cli/report.h"
#include "tools/cli/terminal_guard.h"

namespace objmapper::tools {
namespace {

constexpr absl::string_view kStdout = "-";

// "a/b.bin" -> "b.bin".
std::string LastPart(const std::string& uri) { return uri.substr(uri.rfind('/') + 1); }

// "OP_COPY" -> "copy", as --mode has it.
std::string ModeText(protocol::Mode mode) {
  return absl::AsciiStrToLower(protocol::ModeName(mode).substr(3));
}

absl::StatusOr<client::FileResult> GetOne(client::Client& client, const std::string& uri,
                                          const std::string& output, const CommandLine& line) {
  if (absl::Status bad = CheckPlace(line, output); !bad.ok()) return bad;
  client::ToFileOptions options;
  options.mode = line.mode;
  options.range = line.range;
  options.last = line.last;
  // A bar among the bytes that scroll by on the same terminal would help nobody.
  const bool bytes_on_terminal = output == kStdout && isatty(STDOUT_FILENO) == 1;
  ProgressBar bar(stderr, LastPart(uri));
  if (!bytes_on_terminal) {
    options.progress = [&bar](uint64_t done, uint64_t total) { bar.Update(done, total); };
  }
  if (output != kStdout) return client::GetToFile(client, uri, output, options);
  TerminalGuard guard;
  if (IsGuarded(line))
    options.inspect = [&guard](absl::string_view piece) { return guard.Check(piece); };
  return client::GetToFd(client, uri, STDOUT_FILENO, options);
}

// Whether several objects can be written to `output`, one behind the other: a device, /dev/stdout.
// Not a FIFO, which is opened for each and whose reader has seen the end of the first.
bool IsStream(const std::string& output) {
  const absl::StatusOr<client::Place> place = client::FindPlace(output);
  return place.ok() &&
         (place->kind == client::Place::Kind::kDescriptor ||
          (place->kind == client::Place::Kind::kStream && S_ISCHR(place->attributes.st_mode)));
}

// Whether `output` is standard output by another name.
bool IsStandardOutput(const std::string& output) {
  const absl::StatusOr<client::Place> place = client::FindPlace(output);
  return place.ok() && place->kind == client::Place::Kind::kDescriptor &&
         place->fd == STDOUT_FILENO;
}

}  // namespace

bool IsGuarded(const CommandLine& line) {
  return line.output == kStdout && !line.output_given && isatty(STDOUT_FILENO) == 1;
}

absl::Status CheckPlace(const CommandLine& line, const std::string& output) {
  if (output == line.output) return absl::OkStatus();
  return PlaceIn(line.output, output.substr(line.output.size() + 1)).status();
}

void PrintGot(const std::string& uri, const std::string& output, const CommandLine& line,
              const client::FileResult& result, double seconds) {
  if (!line.json) {
    if (line.verbose && output != kStdout) PrintLine(absl::StrCat(uri, " -> ", output));
    return;
  }
  JsonLine json;
  json.AddText("uri", uri);
  json.AddBool("ok", true);
  json.AddText("file", output);
  json.AddText("mode", ModeText(line.mode));
  json.AddText("by", client::CopyMethodName(result.method));
  json.AddNumber("offset", result.info.offset);
  json.AddNumber("length", result.info.length);
  json.AddNumber("seconds", seconds);
  AddInfo(result.info, &json);
  PrintLine(json.ToString());
}

absl::StatusOr<std::vector<std::string>> PlanOutputs(const CommandLine& line) {
  if (line.output == kStdout || (line.json && IsStandardOutput(line.output))) {
    if (line.json) {
      return absl::InvalidArgumentError(
          "--json needs -o with a file or folder: objects and JSON do not mix on standard output");
    }
    return std::vector<std::string>(line.uris.size(), line.output);
  }
  if (!IsFolder(line.output)) {
    if (line.uris.size() == 1 || IsStream(line.output))
      return std::vector<std::string>(line.uris.size(), line.output);
    return absl::InvalidArgumentError(absl::StrCat(
        "several objects need -o with an existing folder, which ", line.output, " is not"));
  }
  std::vector<std::string> outputs;
  std::set<std::string> names;
  for (const std::string& uri : line.uris) {
    const std::string name = LastPart(uri);
    if (name.empty() || name == "." || name == "..") {
      return absl::InvalidArgumentError(
          absl::StrCat("the last part of ", uri, " is not a file name; use -o with a file"));
    }
    if (!names.insert(name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("two of the objects would both be written to ", line.output, "/", name));
    }
    outputs.push_back(absl::StrCat(line.output, "/", name));
  }
  return outputs;
}

ExitCode RunGet(const CommandLine& line) {
  const absl::StatusOr<std::vector<std::string>> outputs = PlanOutputs(line);
  if (!outputs.ok()) {
    ReportError(/*json=*/false, "uri", "", outputs.status(), kExitUsage);
    return kExitUsage;
  }
  if (line.output == kStdout && !net::StandardOutputIsOpen()) {
    const absl::Status closed =
        absl::FailedPreconditionError("standard output is closed; use -o FILE");
    ReportError(/*json=*/false, "uri", "", closed, kExitLocal);
    return kExitLocal;
  }
  if (IsUdp(line)) return RunUdpGet(line, *outputs);
  ExitCode code;
  absl::StatusOr<client::Client> client = ConnectOrReport(line, &code);
  if (!client.ok()) return code;
  for (size_t i = 0; i < line.uris.size() && client->status().ok(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    const absl::StatusOr<client::FileResult> result = client::Retry(
        RetryPolicyOf(line), [&] { return GetOne(*client, line.uris[i], (*outputs)[i], line); });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (!result.ok()) {
      const ExitCode error = ExitCodeOf(result.status());
      if (code == kExitOk) code = error;
      ReportError(line.json, "uri", line.uris[i], result.status(), error);
    } else {
      PrintGot(line.uris[i], (*outputs)[i], line, *result, took.count());
    }
  }
  return code;
}

}  // namespace objmapper::tools
