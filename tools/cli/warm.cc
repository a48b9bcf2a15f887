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
#include "client/retry.h"
#include "net/errno_status.h"
#include "text/printable.h"
#include "tools/cli/commands.h"
#include "tools/cli/connect.h"
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

// The names below --prefix, some thousands at a time: all that the origins have, where the server
// can tell, else of what is here.
class Names {
 public:
  explicit Names(const CommandLine& line) : line_(line) {}

  // As NextItems. That there are none at all is an error.
  ExitCode Next(std::vector<Item>* items) {
    while (items->size() < kAtOnce && !ended_) {
      absl::StatusOr<client::ListPage> page = absl::UnknownError("not asked yet");
      const absl::Status listed = client::Retry(RetryPolicyOf(line_), [&] {
        page = Page();
        return page.status();
      });
      if (!listed.ok()) return Failed(listed, ExitCodeOf(listed));
      ended_ = page->cursor.empty();
      if (!ended_ && page->cursor == cursor_)
        return Failed(absl::InternalError("the server's list makes no progress"),
                      kExitServerSaidNo);
      cursor_ = std::move(page->cursor);
      for (client::ListEntry& entry : page->entries)
        items->push_back({std::move(entry.uri), "", 0});
    }
    any_ = any_ || !items->empty();
    if (any_) return kExitOk;
    return Failed(absl::NotFoundError(absl::StrCat(
                      through_ ? "there is no object that begins with "
                               : "no object that is here begins with ",
                      text::Quoted(*line_.prefix),
                      through_ ? "" : ": those that are not are not listed; name them")),
                  kExitServerSaidNo);
  }

 private:
  static constexpr size_t kAtOnce = 4096;

  absl::StatusOr<client::ListPage> Page() {
    // Anew each time: while objects are fetched a connection would be idle for too long.
    absl::StatusOr<client::Client> client = Connect(line_);
    if (!client.ok()) return client.status();
    absl::StatusOr<client::ListPage> page = client->List(*line_.prefix, cursor_, through_);
    // An older server, or one whose origins have no lists.
    const bool cannot =
        through_ && cursor_.empty() &&
        (absl::IsUnimplemented(page.status()) || absl::IsFailedPrecondition(page.status()));
    if (!cannot) return page;
    through_ = false;
    return client->List(*line_.prefix, cursor_);
  }
  ExitCode Failed(const absl::Status& why, ExitCode code) {
    return ReportError(line_.json, "prefix", *line_.prefix, why, code);
  }

  const CommandLine& line_;
  bool through_ = true;
  std::string cursor_;
  bool ended_ = false;
  bool any_ = false;  // names there were
};

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
  if (line.prefix.has_value()) {
    Names names(line);
    return DoAllOf(
        line, line.jobs, [&names](std::vector<Item>* items) { return names.Next(items); }, WarmOne);
  }
  std::vector<Item> items;
  ExitCode code = kExitOk;
  if (line.list.has_value()) {
    code = ReadList(line, &items);
  } else {
    for (const std::string& uri : line.uris) items.push_back({uri, "", 0});
  }
  if (code != kExitOk) return code;
  return DoAll(line, line.jobs, items, WarmOne);
}

}  // namespace objmapper::tools
