// Collects what put and cp send, and sends it. Streams and files with an unreliable size are first
// copied to a temporary file, since a PUT begins with its length.
#include "tools/cli/uploads.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/copy_range.h"
#include "client/new_file.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "protocol/limits.h"
#include "text/printable.h"
#include "tools/cli/commands.h"
#include "tools/cli/local_tree.h"
#include "tools/cli/report.h"
#include "tools/cli/same.h"

namespace objmapper::tools {
namespace {

// The parts of a sentence.
template <typename... Parts>
absl::Status Senseless(const Parts&... why) {
  return absl::InvalidArgumentError(absl::StrCat(why...));
}

// "dir/a.bin" and "dir/a.bin/" -> "a.bin"; what has no name of its own (".", "..", "/") is an
// error.
absl::StatusOr<std::string> OwnName(absl::string_view path) {
  absl::string_view name = path;
  while (absl::EndsWith(name, "/")) name.remove_suffix(1);
  name.remove_prefix(name.rfind('/') == absl::string_view::npos ? 0 : name.rfind('/') + 1);
  if (!name.empty() && name != "." && name != "..") return std::string(name);
  return Senseless(text::Printable(path), " has no name of its own: give the URI");
}

bool IsPrefix(absl::string_view uri) { return uri.empty() || absl::EndsWith(uri, "/"); }

// All that `in` has, in a file that has no name and is gone when it is closed: a PUT says first how
// long it is. In $TMPDIR or /tmp, since it may be more than fits in memory. name: of `in`, for
// messages.
absl::StatusOr<net::UniqueFd> Spool(int in, const std::string& name) {
  absl::StatusOr<net::UniqueFd> file = client::TemporaryFile();
  if (!file.ok()) return file;
  std::string buffer(256 * 1024, '\0');
  while (true) {
    const ssize_t got = read(in, &buffer[0], buffer.size());
    if (got == 0) return file;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return net::ErrnoToStatus(errno, absl::StrCat("read ", name));
    absl::Status written =
        client::WriteAll(file->get(), absl::string_view(buffer.data(), static_cast<size_t>(got)),
                         absl::StrCat("temporary file for ", name));
    if (!written.ok()) return written;
  }
}

bool IsFifo(const std::string& path) {
  struct stat attributes;
  return stat(path.c_str(), &attributes) == 0 && S_ISFIFO(attributes.st_mode);
}

// What comes through standard input, or a FIFO, which is read once for all.
bool IsStream(const std::string& source) { return source == kStdin || IsFifo(source); }

absl::StatusOr<net::UniqueFd> SpoolStream(const std::string& source) {
  if (source == kStdin) return Spool(STDIN_FILENO, "standard input");
  const net::UniqueFd fifo(open(source.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fifo.valid())
    return net::ErrnoToStatus(errno, absl::StrCat("open ", text::Printable(source)));
  return Spool(fifo.get(), text::Printable(source));
}

// Files such as those of /proc are longer than they say.
bool IsLonger(int file) {
  struct stat attributes;
  char byte;
  return fstat(file, &attributes) == 0 && attributes.st_size == 0 && pread(file, &byte, 1, 0) == 1;
}

class Planner {
 public:
  Planner(const std::optional<std::string>& uri, bool recursive)
      : uri_(uri), recursive_(recursive) {}

  absl::Status Add(const std::string& source) {
    if (source.empty()) return Senseless("a file's name must not be empty");
    if (IsStream(source)) {
      if (uri_.has_value() && !IsPrefix(*uri_)) return AddItem(source, *uri_, 0);
      return Senseless(source == kStdin
                           ? "standard input (-) has no name: give the URI"
                           : absl::StrCat(text::Printable(source), " is a FIFO: give the URI"));
    }
    if (IsFolder(source)) return AddFolder(source);
    const absl::StatusOr<uint64_t> size = FileSize(source);
    if (!size.ok()) {
      plan_.failures.emplace_back(source, size.status());
      return absl::OkStatus();
    }
    if (uri_.has_value() && !IsPrefix(*uri_)) return AddItem(source, *uri_, *size);
    const absl::StatusOr<std::string> name = OwnName(source);
    if (!name.ok()) return name.status();
    return AddItem(source, absl::StrCat(uri_.value_or(""), *name), *size);
  }

  UploadPlan Take() { return std::move(plan_); }

 private:
  absl::Status AddFolder(const std::string& source) {
    if (!recursive_) {
      return Senseless(text::Printable(source), " is a folder: -r sends everything in it");
    }
    const absl::StatusOr<std::string> name = uri_.has_value() ? *uri_ : OwnName(source);
    if (!name.ok()) return name.status();
    const std::string prefix = IsPrefix(*name) ? *name : absl::StrCat(*name, "/");
    absl::Status result;
    WalkFolder(
        source,
        [&](const LocalFile& file) {
          if (result.ok()) result = AddItem(file.path, absl::StrCat(prefix, file.name), file.size);
        },
        [&](const std::string& path, const absl::Status& error) {
          plan_.failures.emplace_back(path, error);
        });
    return result;
  }

  absl::Status AddItem(const std::string& path, const std::string& uri, uint64_t size) {
    if (uri.size() > protocol::kUriBytesMax) {
      return Senseless("a URI has at most ", protocol::kUriBytesMax, " bytes, that of ",
                       text::Printable(path), " would have ", uri.size());
    }
    const auto [taken, is_new] = taken_.emplace(uri, path);
    if (!is_new) {
      return Senseless(text::Printable(taken->second), " and ", text::Printable(path),
                       " would both become object \"", text::Printable(uri), "\"");
    }
    plan_.items.push_back({uri, path, size});
    return absl::OkStatus();
  }

  const std::optional<std::string>& uri_;
  const bool recursive_;
  UploadPlan plan_;
  std::map<std::string, std::string> taken_;  // URI -> path
};

// Sends one file. spooled: what a stream had; -1 when there is none among the sources.
absl::Status Send(const CommandLine& line, const Item& item, int spooled, client::Client& client,
                  const client::ProgressCallback& progress, Said* said) {
  net::UniqueFd opened;
  int file = spooled;
  if (file < 0) {
    // Not to wait for the writer of what has become a FIFO meanwhile.
    opened.Reset(open(item.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!opened.valid())
      return net::ErrnoToStatus(errno, absl::StrCat("open ", text::Printable(item.path)));
    if (IsLonger(opened.get())) {
      absl::StatusOr<net::UniqueFd> all = Spool(opened.get(), text::Printable(item.path));
      if (!all.ok()) return all.status();
      opened = *std::move(all);
    }
    file = opened.get();
  }
  if (SkipsTheSame(line)) {
    const absl::StatusOr<bool> same = IsSame(client, item.uri, file, item.path, /*for_ever=*/true);
    if (!same.ok()) return same.status();
    said->skipped = *same;
    if (*same) return absl::OkStatus();
  }
  client::PutOptions options;
  options.ttl = line.ttl;
  options.if_absent = line.if_absent;
  options.if_match = line.if_match;
  if (!line.as_fd) options.progress = progress;
  const absl::StatusOr<client::ObjectInfo> stored =
      line.as_fd ? client.PutFd(item.uri, file, options) : client.PutFile(item.uri, file, options);
  if (!stored.ok()) return stored.status();
  AddInfo(*stored, &said->json);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UploadPlan> PlanUploads(absl::Span<const std::string> sources,
                                       const std::optional<std::string>& uri, bool recursive) {
  if (sources.size() > 1 && uri.has_value() && !IsPrefix(*uri)) {
    return Senseless("several files need a URI that ends in /, which ", text::Printable(*uri),
                     " does not");
  }
  Planner planner(uri, recursive);
  for (const std::string& source : sources) {
    if (absl::Status status = planner.Add(source); !status.ok()) return status;
  }
  return planner.Take();
}

ExitCode RunUploads(const CommandLine& line, absl::Span<const std::string> sources,
                    const std::optional<std::string>& uri) {
  absl::StatusOr<UploadPlan> plan = PlanUploads(sources, uri, line.recursive);
  if (!plan.ok()) return ReportUsageError(plan.status());
  for (const auto& [path, error] : plan->failures)
    ReportError(line.json, "file", path, error, kExitLocal);
  net::UniqueFd spooled;
  // It is the only source: several need a URI that ends in /, which no stream can have.
  if (!plan->items.empty() && IsStream(sources[0])) {
    absl::StatusOr<net::UniqueFd> file = SpoolStream(sources[0]);
    if (!file.ok()) return ReportError(line.json, "file", sources[0], file.status(), kExitLocal);
    spooled = *std::move(file);
  }
  const Work work = [&](const Item& item, client::Client& client,
                        const client::ProgressCallback& progress, Said* said) {
    return Send(line, item, spooled.get(), client, progress, said);
  };
  return DoAll(line, line.jobs, plan->items, work, plan->failures.empty() ? kExitOk : kExitLocal,
               plan->failures.size());
}

ExitCode RunPut(const CommandLine& line) {
  absl::Span<const std::string> sources = line.operands;
  // Alone it is the file; behind others the last one is the URI.
  std::optional<std::string> uri;
  if (sources.size() > 1) {
    uri = sources.back();
    sources.remove_suffix(1);
  }
  return RunUploads(line, sources, uri);
}

}  // namespace objmapper::tools
