// objmapper warm: objects are brought to the server's disk before somebody needs them.
//
// They are asked for as any client does. Over a Unix socket as descriptors, which are closed at
// once: nothing is copied. Over TCP there are only copies, whose bytes are dropped.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "text/printable.h"
#include "tools/cli/commands.h"
#include "tools/cli/connect.h"
#include "tools/cli/listing.h"
#include "tools/cli/operands.h"
#include "tools/cli/report.h"
#include "tools/cli/transfers.h"

namespace objmapper::tools {
namespace {

constexpr size_t kDropBytes = 1 << 20;
// Of a list, all URIs together.
constexpr size_t kListBytesMax = size_t{1} << 30;

// The URIs in `file`, one on each line; empty lines are none. INVALID_ARGUMENT: one of them cannot
// be sent; the message says in which line. RESOURCE_EXHAUSTED: too many. Else as ErrnoToStatus.
absl::Status ReadUris(FILE* file, const std::string& name, std::vector<Item>* items) {
  char* text = nullptr;
  size_t room = 0, kept = 0, number = 0;
  const absl::Cleanup done = [&text] { free(text); };
  errno = 0;
  for (ssize_t got; (got = getline(&text, &room, file)) > 0;) {
    ++number;
    std::string uri(text, static_cast<size_t>(got));
    if (uri.back() == '\n') uri.pop_back();
    if (uri.empty()) continue;
    if (absl::Status is = CheckUri(uri); !is.ok())
      return absl::InvalidArgumentError(absl::StrCat(name, ", line ", number, ": ", is.message()));
    kept += uri.size();
    if (kept > kListBytesMax) {
      return absl::ResourceExhaustedError(
          absl::StrCat(name, " has more than ", kListBytesMax, " bytes of URIs"));
    }
    items->push_back({std::move(uri), "", 0});
  }
  if (ferror(file) == 0) return absl::OkStatus();
  return net::ErrnoToStatus(errno, absl::StrCat("read ", name));
}

ExitCode ReadList(const CommandLine& line, std::vector<Item>* items) {
  const bool is_stdin = *line.list == "-";
  const std::string name = is_stdin ? "standard input" : text::Printable(*line.list);
  FILE* const file = is_stdin ? stdin : fopen(line.list->c_str(), "re");
  absl::Status read = file == nullptr ? net::ErrnoToStatus(errno, absl::StrCat("open ", name))
                                      : ReadUris(file, name, items);
  if (file != nullptr && !is_stdin) fclose(file);
  if (read.ok()) return kExitOk;
  return ReportError(line.json, "file", *line.list, read,
                     absl::IsInvalidArgument(read) ? kExitUsage : kExitLocal);
}

ExitCode ListPrefix(const CommandLine& line, std::vector<Item>* items) {
  ExitCode code;
  absl::StatusOr<client::Client> client = ConnectOrReport(line, &code);
  if (!client.ok()) return code;
  code = ListToKeepOrReport(line, *client, *line.prefix, [&](const client::ListEntry& entry) {
    items->push_back({entry.uri, "", 0});
  });
  if (code != kExitOk || !items->empty()) return code;
  const absl::Status none = absl::NotFoundError(
      absl::StrCat("no object that is here begins with ", text::Quoted(*line.prefix),
                   ": those that are not are not listed; name them"));
  return ReportError(line.json, "prefix", *line.prefix, none, kExitServerSaidNo);
}

// Reads the body and keeps nothing of it.
absl::StatusOr<client::ObjectInfo> Drop(client::Client& client, const std::string& uri,
                                        const client::ProgressCallback& progress) {
  absl::StatusOr<client::Body> body = client.OpenBody(uri);
  if (!body.ok()) return body.status();
  const uint64_t bytes = body->left();
  const auto buffer = std::make_unique<char[]>(kDropBytes);
  while (body->left() > 0) {
    const size_t piece = static_cast<size_t>(std::min<uint64_t>(kDropBytes, body->left()));
    const absl::StatusOr<size_t> got = body->Read(absl::MakeSpan(buffer.get(), piece));
    if (!got.ok()) return got.status();
    progress(bytes - body->left(), bytes);
  }
  return body->info();
}

absl::Status WarmOne(const Item& item, client::Client& client,
                     const client::ProgressCallback& progress, Said* said) {
  absl::StatusOr<client::ObjectInfo> info = client::ObjectInfo();
  if (client.is_unix()) {
    absl::StatusOr<client::FdObject> object = client.GetFd(item.uri);
    info =
        object.ok() ? absl::StatusOr<client::ObjectInfo>(std::move(object->info)) : object.status();
  } else {
    info = Drop(client, item.uri, progress);
  }
  if (!info.ok()) return info.status();
  said->bytes = info->size;
  AddInfo(*info, &said->json);
  return absl::OkStatus();
}

}  // namespace

ExitCode RunWarm(const CommandLine& line) {
  std::vector<Item> items;
  ExitCode code = kExitOk;
  if (line.list.has_value()) {
    code = ReadList(line, &items);
  } else if (line.prefix.has_value()) {
    code = ListPrefix(line, &items);
  } else {
    for (const std::string& uri : line.uris) items.push_back({uri, "", 0});
  }
  if (code != kExitOk) return code;
  return DoAll(line, line.jobs, items, WarmOne);
}

}  // namespace objmapper::tools
