// objmapper get and stat: objects to files or stdout, and what the server says about them; over a
// connection, or by UDP.
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/copy_range.h"
#include "client/new_file.h"
#include "client/place.h"
#include "client/to_file.h"
#include "client/udp.h"
#include "net/standard_streams.h"
#include "protocol/mode.h"
#include "text/printable.h"
#include "tools/cli/admin.h"
#include "tools/cli/cache_door.h"
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

// As in client/to_file.cc.
constexpr int kSizeAttempts = 8;

// "a/b.bin" -> "b.bin".
std::string LastPart(const std::string& uri) { return uri.substr(uri.rfind('/') + 1); }

// "OP_COPY" -> "copy", as --mode has it.
std::string ModeText(protocol::Mode mode) {
  return absl::AsciiStrToLower(protocol::ModeName(mode).substr(3));
}

// BACKEND (docs/protocol.md). One that is not known yet is told as it came.
std::string TierName(uint8_t backend) {
  if (backend == 1) return "disk";
  if (backend == 2) return "memory";
  return absl::StrCat(backend);
}

// Whether what is no text is kept from standard output: a terminal that nobody has named (-o -).
bool IsGuarded(const CommandLine& line) {
  return line.output == kStdout && !line.output_given && isatty(STDOUT_FILENO) == 1;
}

// OK unless `output` is in a folder and what lies there under its name is a symbolic link, which
// may lead out of it, or no regular file. Errors as PlaceIn().
absl::Status CheckPlace(const CommandLine& line, const std::string& output) {
  if (output == line.output) return absl::OkStatus();
  return PlaceIn(line.output, output.substr(line.output.size() + 1)).status();
}

// ---- Over a connection ----

bool CanGoOn(const client::Client& client) { return client.status().ok(); }

absl::StatusOr<client::FileResult> GetOne(client::Client& client, const CommandLine& line,
                                          const std::string& uri, const std::string& output) {
  if (absl::Status bad = CheckPlace(line, output); !bad.ok()) return bad;
  client::ToFileOptions options;
  options.mode = line.mode;
  options.range = line.range;
  options.last = line.last;
  options.if_none_match = line.if_none_match;
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

// ---- By UDP ----

bool CanGoOn(const client::UdpClient&) { return true; }

absl::StatusOr<client::UdpClient> OpenUdpOrReport(const CommandLine& line, ExitCode* code) {
  client::UdpOptions options;
  options.request_timeout = line.timeout;
  options.retry = line.retry;
  absl::StatusOr<client::UdpClient> client = client::UdpClient::Open(line.server, options);
  *code = ConnectExitCodeOf(client.status());
  if (!client.ok()) ReportError(line.json, "server", line.server, client.status(), *code);
  return client;
}

absl::Status WriteTo(const std::string& path, absl::string_view bytes) {
  if (path == kStdout) return client::WriteAll(STDOUT_FILENO, bytes, "standard output");
  absl::StatusOr<client::Output> output = client::Output::Open(path);
  if (!output.ok()) return output.status();
  if (absl::Status written = client::WriteAll(output->fd(), bytes, path); !written.ok())
    return written;
  return output->Commit();
}

// The object, or the part of it that is asked for. Only the size tells where the last bytes begin.
absl::StatusOr<client::UdpObject> GetBytes(client::UdpClient& client, const CommandLine& line,
                                           const std::string& uri) {
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

absl::StatusOr<client::FileResult> GetOne(client::UdpClient& client, const CommandLine& line,
                                          const std::string& uri, const std::string& output) {
  absl::StatusOr<client::UdpObject> object = GetBytes(client, line, uri);
  absl::Status result = object.status();
  if (result.ok()) result = CheckPlace(line, output);
  if (result.ok() && IsGuarded(line)) result = TerminalGuard().Check(object->bytes);
  if (result.ok()) result = WriteTo(output, object->bytes);
  if (!result.ok()) return result;
  return client::FileResult{std::move(object->info), client::CopyMethod::kSocket};
}

// ---- By either ----

// Calls one(client, index) for each of line.uris, as long as the client can go on. Errors are
// reported; the first one decides on the code.
template <typename Client, typename One>
ExitCode ForEachUri(const CommandLine& line, Client& client, One one) {
  ExitCode code = kExitOk;
  for (size_t i = 0; i < line.uris.size() && CanGoOn(client); ++i) {
    const absl::Status status = one(client, i);
    if (status.ok()) continue;
    const ExitCode error = ExitCodeOf(status);
    ReportError(line.json, "uri", line.uris[i], status, error);
    if (code == kExitOk) code = error;
  }
  return code;
}

template <typename One>
ExitCode ForEachUri(const CommandLine& line, One one) {
  ExitCode code;
  if (absl::StartsWith(line.server, "udp:")) {
    absl::StatusOr<client::UdpClient> client = OpenUdpOrReport(line, &code);
    return client.ok() ? ForEachUri(line, *client, one) : code;
  }
  absl::StatusOr<client::Client> client = ConnectOrReport(line, &code);
  return client.ok() ? ForEachUri(line, *client, one) : code;
}

void PrintGot(const CommandLine& line, const std::string& uri, const std::string& output,
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

std::string SizeText(uint64_t size) {
  return absl::StrCat(size, " bytes",
                      size < 1024 ? "" : absl::StrCat(" (", FormatBytes(size), ")"));
}

void PrintForPeople(const std::string& uri, const client::ObjectInfo& info) {
  PrintLine(uri);
  PrintLine(absl::StrCat("  size      ", SizeText(info.size)));
  if (info.mtime_s.has_value()) PrintLine(absl::StrCat("  modified  ", FormatMtime(*info.mtime_s)));
  if (info.ttl_s.has_value()) {
    PrintLine(absl::StrCat("  expires   in ", absl::FormatDuration(absl::Seconds(*info.ttl_s))));
  }
  if (info.expires_s.has_value())
    PrintLine(absl::StrCat("  expires   ", FormatMtime(*info.expires_s)));
  if (info.stale) PrintLine("  stale     yes: its origin cannot be asked whether it has changed");
  if (info.etag.has_value()) PrintLine(absl::StrCat("  etag      ", *info.etag));
  if (info.mime.has_value()) PrintLine(absl::StrCat("  type      ", *info.mime));
  if (info.backend.has_value()) PrintLine(absl::StrCat("  tier      ", TierName(*info.backend)));
}

// Where it came from, and what of it is here.
void PrintForPeople(const CachedObject& here) {
  if (here.pinned) PrintLine("  pinned    yes");
  if (here.state == "own") return;
  PrintLine(absl::StrCat("  origin    ", here.source));
  if (!here.etag.empty()) PrintLine(absl::StrCat("  version   ", here.etag));
  const char* const more = here.being_fetched ? ", more is being fetched" : "";
  PrintLine(here.state == "whole"
                ? absl::StrCat("  here      all of it", more)
                : absl::StrCat("  here      ", here.bytes_here, " of ", here.size, " bytes", more));
  if (here.fetched_s.has_value())
    PrintLine(absl::StrCat("  fetched   ", FormatMtime(*here.fetched_s)));
  if (here.checked_s.has_value())
    PrintLine(absl::StrCat("  checked   ", FormatMtime(*here.checked_s)));
}

void Add(const CachedObject& here, JsonLine* json) {
  json->AddText("state", here.state);
  json->AddNumber("bytes_here", here.bytes_here);
  json->AddBool("pinned", here.pinned);
  json->AddBool("being_fetched", here.being_fetched);
  if (here.state == "own") return;
  json->AddText("origin", here.source);
  json->AddText("origin_etag", here.etag);
  if (here.fetched_s.has_value()) json->AddNumber("fetched", *here.fetched_s);
  if (here.checked_s.has_value()) json->AddNumber("checked", *here.checked_s);
}

// What the operators' address says of one object. Errors as AskCache(), and the object's own.
absl::StatusOr<CachedObject> AskHere(const CommandLine& line, const std::string& uri) {
  absl::StatusOr<std::vector<CachedObject>> objects =
      AskCache({line.admin, line.timeout}, CacheAction::kLook, {uri});
  if (!objects.ok()) return objects.status();
  if (!objects->front().status.ok()) return objects->front().status;
  return std::move(objects->front());
}

// info, here: null: not known.
void PrintStat(const CommandLine& line, const std::string& uri, const client::ObjectInfo* info,
               const CachedObject* here) {
  if (!line.json) {
    if (info != nullptr) {
      PrintForPeople(uri, *info);
    } else {
      PrintLine(uri);
      PrintLine(absl::StrCat("  size      ", SizeText(here->size)));
      if (here->state == "own") PrintLine("  origin    none: it is this disk's own");
    }
    if (here != nullptr) PrintForPeople(*here);
    return;
  }
  JsonLine json;
  json.AddText("uri", uri);
  json.AddBool("ok", true);
  if (info != nullptr) {
    AddInfo(*info, &json);
  } else {
    json.AddNumber("size", here->size);
  }
  if (here != nullptr) Add(*here, &json);
  PrintLine(json.ToString());
}

// What is on the server's disk, of which the operators' address alone is asked.
ExitCode StatHere(const CommandLine& line) {
  ExitCode code = kExitOk;
  for (const std::string& uri : line.uris) {
    const absl::StatusOr<CachedObject> here = AskHere(line, uri);
    if (here.ok()) {
      PrintStat(line, uri, nullptr, &*here);
      continue;
    }
    const ExitCode error =
        absl::IsNotFound(here.status()) ? kExitServerSaidNo : AdminExitCodeOf(here.status());
    ReportError(line.json, "uri", uri, here.status(), error);
    if (code == kExitOk) code = error;
    if (error == kExitUnreachable || error == kExitBroken) break;
  }
  return code;
}

// Whether several objects can be written to `place`, one behind the other: a device, /dev/stdout.
// Not a FIFO, which is opened for each and whose reader has seen the end of the first.
bool TakesSeveral(const client::Place& place) {
  return place.kind == client::Place::Kind::kDescriptor ||
         (place.kind == client::Place::Kind::kStream && S_ISCHR(place.attributes.st_mode));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> PlanOutputs(const CommandLine& line) {
  const absl::StatusOr<client::Place> place = client::FindPlace(line.output);
  const bool is_stdout =
      line.output == kStdout ||
      (place.ok() && place->kind == client::Place::Kind::kDescriptor && place->fd == STDOUT_FILENO);
  if (is_stdout && line.json) {
    return absl::InvalidArgumentError(
        "--json needs -o with a file or folder: objects and JSON do not mix on standard output");
  }
  const std::vector<std::string> all_to_one(line.uris.size(), line.output);
  if (line.output == kStdout) return all_to_one;
  if (!IsFolder(line.output)) {
    if (line.uris.size() == 1 || (place.ok() && TakesSeveral(*place))) return all_to_one;
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
  if (!outputs.ok()) return ReportUsageError(outputs.status());
  if (line.output == kStdout && !net::StandardOutputIsOpen()) {
    return ReportError(/*json=*/false, "uri", "",
                       absl::FailedPreconditionError("standard output is closed; use -o FILE"),
                       kExitLocal);
  }
  return ForEachUri(line, [&](auto& client, size_t i) -> absl::Status {
    const std::string& uri = line.uris[i];
    const std::string& output = (*outputs)[i];
    const auto start = std::chrono::steady_clock::now();
    const absl::StatusOr<client::FileResult> result =
        client::Retry(RetryPolicyOf(line), [&] { return GetOne(client, line, uri, output); });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (result.ok()) PrintGot(line, uri, output, *result, took.count());
    return result.status();
  });
}

ExitCode RunStat(const CommandLine& line) {
  if (line.here) return StatHere(line);
  ExitCode code = kExitOk;
  const ExitCode asked = ForEachUri(line, [&line, &code](auto& client, size_t i) -> absl::Status {
    const std::string& uri = line.uris[i];
    const absl::StatusOr<client::ObjectInfo> info =
        client::Retry(RetryPolicyOf(line), [&] { return client.Stat(uri); });
    if (!info.ok()) return info.status();
    // Where nobody has named the address, it is as good as none if it does not answer.
    absl::StatusOr<CachedObject> here = absl::NotFoundError("");
    if (!line.admin.empty()) here = AskHere(line, uri);
    PrintStat(line, uri, &*info, here.ok() ? &*here : nullptr);
    if (line.admin_given && !here.ok() && !absl::IsNotFound(here.status())) {
      const ExitCode error = AdminExitCodeOf(here.status());
      ReportError(line.json, "server", line.admin, here.status(), error);
      if (code == kExitOk) code = error;
    }
    return absl::OkStatus();
  });
  return asked == kExitOk ? code : asked;
}

}  // namespace objmapper::tools
