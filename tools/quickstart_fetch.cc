// tools/quickstart's stopwatch: fetches each object in every mode over every connection, compares
// the bytes with the file, and prints how long an answer takes, beside open(2) and read(2) of the
// same file without a server.
//
//   quickstart_fetch --root=DIR --servers=unix:/path,tcp://127.0.0.1:7070 URI...
//
// A command-line client would measure its own start; here one warm connection is asked again and
// again, and the median counts. Objects are in the page cache, since the comparison has just read
// them.
#include <errno.h>
#include <fcntl.h>
#include <gflags/gflags.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "client/client.h"
#include "net/clock.h"
#include "net/errno_status.h"
#include "net/standard_streams.h"
#include "net/unique_fd.h"
#include "protocol/mode.h"
#include "tools/checked_flags.h"

DEFINE_string(root, "", "The server's root, to compare with");
DEFINE_string(servers, "", "Comma-separated: unix:/path, tcp://host:port");
DEFINE_double(seconds, 0.3, "How long each line of the table is measured for, at least");

namespace objmapper::tools {
namespace {

using client::Client;
using protocol::Mode;

constexpr int kRounds = 10;

// Takes an object's next bytes. One that only counts them makes the fastest client there is.
using Sink = std::function<absl::Status(absl::string_view)>;

// Both ways to an object's bytes read through one buffer of this size.
absl::Span<char> Buffer() {
  static auto* buffer = new std::vector<char>(256 * 1024);
  return absl::MakeSpan(*buffer);
}

absl::Status FetchBody(Client* client, const std::string& uri, Mode mode, const Sink& sink) {
  absl::StatusOr<client::Body> body = client->OpenBody(uri, mode);
  if (!body.ok()) return body.status();
  while (true) {
    const absl::StatusOr<size_t> got = body->Read(Buffer());
    if (!got.ok()) return got.status();
    if (*got == 0) return absl::OkStatus();
    if (absl::Status status = sink({Buffer().data(), *got}); !status.ok()) return status;
  }
}

absl::Status ReadThrough(int fd, const std::string& uri, const Sink& sink) {
  off_t offset = 0;
  while (true) {
    const ssize_t got = pread(fd, Buffer().data(), Buffer().size(), offset);
    if (got < 0) return net::ErrnoToStatus(errno, absl::StrCat("pread ", uri));
    if (got == 0) return absl::OkStatus();
    if (absl::Status status = sink({Buffer().data(), static_cast<size_t>(got)}); !status.ok()) {
      return status;
    }
    offset += got;
  }
}

absl::Status FetchThroughFd(Client* client, const std::string& uri, const Sink& sink) {
  const absl::StatusOr<client::FdObject> object = client->GetFd(uri);
  if (!object.ok()) return object.status();
  return ReadThrough(object->fd.get(), uri, sink);
}

// What a process does that may open the file itself.
absl::StatusOr<net::UniqueFd> OpenPath(const std::string& uri) {
  const std::string path = absl::StrCat(FLAGS_root, "/", uri);
  net::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return net::ErrnoToStatus(errno, absl::StrCat("open ", path));
  return fd;
}

absl::StatusOr<std::string> ReadFile(const std::string& uri) {
  const absl::StatusOr<net::UniqueFd> fd = OpenPath(uri);
  if (!fd.ok()) return fd.status();
  std::string content;
  const absl::Status status = ReadThrough(fd->get(), uri, [&content](absl::string_view piece) {
    content.append(piece.data(), piece.size());
    return absl::OkStatus();
  });
  return status.ok() ? content : absl::StatusOr<std::string>(status);
}

// One way to fetch: a line of the table for each size.
struct Way {
  const char* name;
  bool moves_bytes;  // false: only the descriptor is fetched, so there is no rate
  std::function<absl::Status(Client*, const std::string& uri, const Sink& sink)> fetch;
  bool asks_server = true;
};

std::vector<Way> WaysOver(const Client& client) {
  std::vector<Way> ways;
  if (client.is_unix()) {
    ways.push_back(
        {"open(2)", false,
         [](Client*, const std::string& uri, const Sink&) { return OpenPath(uri).status(); },
         /*asks_server=*/false});
    ways.push_back({"open(2), then read", true,
                    [](Client*, const std::string& uri, const Sink& sink) {
                      const absl::StatusOr<net::UniqueFd> fd = OpenPath(uri);
                      return fd.ok() ? ReadThrough(fd->get(), uri, sink) : fd.status();
                    },
                    /*asks_server=*/false});
    ways.push_back({"fdpass", false, [](Client* c, const std::string& uri, const Sink&) {
                      return c->GetFd(uri).status();
                    }});
    ways.push_back({"fdpass, then read", true, FetchThroughFd});
  }
  for (const auto& [name, mode] : {std::pair("copy", Mode::kCopy), {"splice", Mode::kSplice}}) {
    ways.push_back({name, true, [mode = mode](Client* c, const std::string& uri, const Sink& sink) {
                      return FetchBody(c, uri, mode, sink);
                    }});
  }
  return ways;
}

// Fetches once and compares every byte with `expected`.
absl::Status Compare(Client* client, const std::string& uri, const Way& way,
                     absl::string_view expected) {
  absl::string_view left = expected;
  absl::Status status = way.fetch(client, uri, [&left](absl::string_view piece) {
    if (left.substr(0, piece.size()) != piece)
      return absl::DataLossError("other bytes than the file");
    left.remove_prefix(piece.size());
    return absl::OkStatus();
  });
  if (status.ok() && way.moves_bytes && !left.empty()) {
    status = absl::DataLossError(absl::StrCat(left.size(), " bytes are missing"));
  }
  return status;
}

// One line of the table.
struct Line {
  Way way;
  std::string uri;
  size_t bytes = 0;
  std::vector<double> times_us;
};

// Fetches again and again for a round's time, but at least once.
absl::Status MeasureRound(Client* client, Line* line) {
  const Sink drop = [](absl::string_view) { return absl::OkStatus(); };
  const int64_t end_ns = net::NowNs() + static_cast<int64_t>(FLAGS_seconds / kRounds * 1e9);
  do {
    const int64_t begin_ns = net::NowNs();
    const absl::Status status = line->way.fetch(client, line->uri, drop);
    if (!status.ok()) return status;
    line->times_us.push_back(static_cast<double>(net::NowNs() - begin_ns) / 1e3);
  } while (net::NowNs() < end_ns);
  return absl::OkStatus();
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::string SizeText(size_t bytes) {
  if (bytes >= 1024 * 1024) return absl::StrCat(bytes / 1024 / 1024, " MiB");
  if (bytes >= 1024) return absl::StrCat(bytes / 1024, " KiB");
  return absl::StrCat(bytes, " B");
}

std::string TimeText(double us) {
  if (us < 10) return absl::StrFormat("%.1f µs", us);
  return us < 10'000 ? absl::StrFormat("%.0f µs", us) : absl::StrFormat("%.1f ms", us / 1000);
}

void Print(const Line& line, const char* transport) {
  const double us = Median(line.times_us);
  const std::string rate = line.way.moves_bytes
                               ? absl::StrFormat("%.0f MB/s", static_cast<double>(line.bytes) / us)
                               : "no bytes move";
  // The "µ" has two bytes and one column, which a field's width does not know.
  const std::string time = TimeText(us);
  const int width = 12 + (time.find("µ") != std::string::npos ? 1 : 0);
  absl::PrintF("%-19s%-11s%9s%*s%16s\n", line.way.name, line.way.asks_server ? transport : "-",
               SizeText(line.bytes), width, time, rate);
}

absl::Status MeasureServer(const std::string& url, const std::vector<std::string>& uris) {
  absl::StatusOr<Client> client = Client::Connect(url);
  if (!client.ok()) return client.status();
  const char* transport = client->is_unix() ? "unix" : "tcp";
  std::vector<Line> lines;
  for (const Way& way : WaysOver(*client)) {
    for (const std::string& uri : uris) {
      const absl::StatusOr<std::string> expected = ReadFile(uri);
      if (!expected.ok()) return expected.status();
      const absl::Status same = Compare(&*client, uri, way, *expected);
      if (!same.ok()) {
        return absl::Status(same.code(), absl::StrCat(way.name, " of ", uri, " over ", transport,
                                                      ": ", same.message()));
      }
      lines.push_back({way, uri, expected->size(), {}});
    }
  }
  // In turns: whether client and server share a core changes every few moments, and with it a
  // small answer's time by tens of microseconds.
  for (int round = 0; round < kRounds; ++round) {
    for (Line& line : lines) {
      if (absl::Status status = MeasureRound(&*client, &line); !status.ok()) return status;
    }
  }
  for (const Line& line : lines) Print(line, transport);
  return client->Close();
}

int Main(const std::vector<std::string>& uris) {
  absl::PrintF("%-19s%-11s%9s%12s%16s\n", "mode", "transport", "size", "time", "rate");
  for (absl::string_view url : absl::StrSplit(FLAGS_servers, ',', absl::SkipEmpty())) {
    if (const absl::Status status = MeasureServer(std::string(url), uris); !status.ok()) {
      absl::FPrintF(stderr, "quickstart_fetch: %s: %s\n", url, std::string(status.message()));
      return 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace objmapper::tools

int main(int argc, char** argv) {
  objmapper::net::HoldStandardStreams();
  gflags::SetUsageMessage("--root=DIR --servers=URL,... URI...");
  if (const absl::Status checked = objmapper::tools::CheckFlags(argc, argv); !checked.ok()) {
    absl::FPrintF(stderr, "quickstart_fetch: %s\n", std::string(checked.message()));
    return 2;
  }
  gflags::ParseCommandLineFlags(&argc, &argv, /*remove_flags=*/true);
  return objmapper::tools::Main(std::vector<std::string>(argv + 1, argv + argc));
}
