// One HTTP/1.0 request to the operators' address; the answer ends when the server closes, and its
// size is limited. A figure that is missing in /stats is an error that names it, since the server
// may be of another version.
#include "tools/cli/admin.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <exception>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/error.h"
#include "net/address.h"
#include "net/dial.h"
#include "net/errno_status.h"
#include "net/patience.h"
#include "tools/cli/progress.h"

namespace objmapper::tools {
namespace {

// An answer of the door's is a few hundred KB at most.
constexpr size_t kBytesMax = 64 << 20;

// Where the unit of tools/systemd has its door.
constexpr char kUnitDoor[] = "/run/objmapper/admin";

absl::Status Lost(const std::string& url, absl::string_view why) {
  return client::ConnectionError(
      absl::DataLossError(absl::StrCat(url, " sent no whole HTTP answer: ", why)));
}

// Everything until the peer hangs up, which HTTP/1.0 makes it do.
absl::StatusOr<std::string> ReadToEnd(int fd, const std::string& url, absl::Duration timeout) {
  net::Patience patience(timeout);
  std::string text;
  char buffer[65536];
  while (text.size() < kBytesMax) {
    const ssize_t got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (got == 0) return text;
    if (got > 0) {
      text.append(buffer, static_cast<size_t>(got));
    } else if (errno == EAGAIN) {
      if (!patience.Await(fd, POLLIN)) {
        return client::ConnectionError(
            absl::DeadlineExceededError(absl::StrCat(url, " did not answer in time")));
      }
    } else if (errno != EINTR) {
      return client::ConnectionError(net::ErrnoToStatus(errno, absl::StrCat("read from ", url)));
    }
  }
  return Lost(url, "it does not end");
}

// "HTTP/1.1 200 OK", headers, body.
absl::StatusOr<AdminAnswer> Parse(const std::string& answer, const std::string& url) {
  const size_t head_end = answer.find("\r\n\r\n");
  int status = 0;
  if (head_end == std::string::npos || !absl::StartsWith(answer, "HTTP/1.") || answer.size() < 12 ||
      !absl::SimpleAtoi(answer.substr(9, 3), &status)) {
    return Lost(url, "is it a server's --admin_listen?");
  }
  std::string body = answer.substr(head_end + 4);
  const std::string head = absl::AsciiStrToLower(answer.substr(0, head_end + 2));
  constexpr absl::string_view kLength = "\r\ncontent-length:";
  const size_t at = head.find(std::string(kLength));
  size_t length = 0;
  if (at != std::string::npos) {
    const size_t begin = at + kLength.size();
    const std::string value = head.substr(begin, head.find("\r\n", begin) - begin);
    if (!absl::SimpleAtoi(value, &length) || body.size() != length) return Lost(url, "it was cut");
  }
  return AdminAnswer{status, std::move(body)};
}

// ---- /stats as text ----

using Json = nlohmann::ordered_json;

constexpr int kDepthMax = 32;  // they have 6

// Runs `show` on the parsed stats; what it finds missing is an error, not an end.
template <typename Show>
absl::StatusOr<std::string> Shown(absl::string_view stats, Show show) {
  // dump() and the like take the stack for each level.
  const auto not_too_deep = [](int depth, Json::parse_event_t, Json&) {
    if (depth > kDepthMax) throw std::length_error("they are nested too deeply");
    return true;
  };
  try {
    return show(Json::parse(stats.begin(), stats.end(), not_too_deep));
  } catch (const std::exception& error) {
    return absl::DataLossError(
        absl::StrCat("these are not the figures of an objmapper server: ", error.what()));
  }
}

uint64_t Count(const Json& of, const char* name) { return of.at(name).get<uint64_t>(); }
double Real(const Json& of, const char* name) { return of.at(name).get<double>(); }

std::string Head(const Json& stats) {
  const Json& totals = stats.at("totals");
  const Json& connections = totals.at("connections");
  const Json& process = totals.at("process");
  const Json& now = stats.at("now");
  std::string text = absl::StrCat(stats.at("state").get<std::string>(), ": ",
                                  stats.at("shape").get<std::string>(), "\n");
  absl::StrAppend(&text, "connections ", Count(connections, "open"), " open (",
                  Count(connections, "hot"), " hot) of ", Count(connections, "max"), "; ",
                  Count(connections, "accepted"), " accepted, ", Count(connections, "refused"),
                  " refused, ", Count(connections, "timed_out"), " timed out, ",
                  Count(connections, "migrated"), " moved between lanes\n");
  absl::StrAppendFormat(&text, "process %s, %d threads, %d descriptors of %d",
                        FormatBytes(Count(process, "rss_bytes")), Count(process, "threads"),
                        Count(process, "open_fds"), Count(process, "max_fds"));
  if (!now.is_null()) absl::StrAppendFormat(&text, ", %.2f cores", Real(now, "cpu_cores"));
  // An older server does not tell.
  const Json dialects = stats.at("totals").value("dialects", Json::object());
  const char* before = "\nanswers ";
  for (const auto& [name, answers] : dialects.items()) {
    absl::StrAppend(&text, before, answers.get<uint64_t>(), " by ", name);
    before = ", ";
  }
  return text + "\n";
}

std::string Latencies(const Json& mode) {
  return absl::StrFormat("%10.1f %10.1f %10.1f", Real(mode, "p50_us"), Real(mode, "p99_us"),
                         Real(mode, "p999_us"));
}

std::string Now(const Json& stats) {
  std::string text = Head(stats);
  const Json& now = stats.at("now");
  if (now.is_null()) return text + "\nno figures yet: less than a second has passed\n";
  absl::StrAppendFormat(&text, "\n%-10s %12s %10s %10s %12s %10s %10s %10s\n", "mode", "requests/s",
                        "misses/s", "errors/s", "objects/s", "p50 us", "p99 us", "p999 us");
  for (const auto& [name, mode] : now.at("modes").items()) {
    absl::StrAppendFormat(
        &text, "%-10s %12.0f %10.0f %10.0f %12s %s\n", name, Real(mode, "requests_per_s"),
        mode.value("misses_per_s", 0.0), Real(mode, "errors_per_s"),
        FormatBytes(static_cast<uint64_t>(Real(mode, "object_bytes_per_s"))), Latencies(mode));
  }
  absl::StrAppendFormat(&text, "\n%-10s %12s %10s %12s\n", "lane", "busy", "threads", "queue");
  const Json& lanes = stats.at("totals").at("lanes");
  for (const auto& [name, lane] : now.at("lanes").items()) {
    absl::StrAppendFormat(&text, "%-10s %12.2f %10d %12d\n", name, Real(lane, "busy_threads"),
                          Count(lanes.at(name), "threads"), Count(lane, "queue_depth"));
  }
  return text;
}

std::string Totals(const Json& stats) {
  std::string text = Head(stats);
  absl::StrAppendFormat(&text, "\n%-10s %14s %10s %10s %12s %10s %10s %10s\n", "mode", "requests",
                        "misses", "errors", "objects", "p50 us", "p99 us", "p999 us");
  for (const auto& [name, mode] : stats.at("totals").at("modes").items()) {
    // That there is no such object is an answer, as everywhere.
    uint64_t errors = 0, misses = 0;
    for (const auto& [status, count] : mode.at("errors").items()) {
      (status == "not_found" ? misses : errors) += count.get<uint64_t>();
    }
    absl::StrAppendFormat(&text, "%-10s %14d %10d %10d %12s %s\n", name, Count(mode, "requests"),
                          misses, errors, FormatBytes(Count(mode, "object_bytes")),
                          Latencies(mode));
  }
  return text;
}

}  // namespace

absl::StatusOr<AdminAnswer> AskAdmin(const std::string& url, absl::string_view method,
                                     absl::string_view target, absl::Duration timeout) {
  absl::StatusOr<net::Address> address = net::ParseUrl(url);
  if (!address.ok()) return address.status();
  absl::StatusOr<net::UniqueFd> socket = net::Dial(*address, timeout);
  if (!socket.ok()) return socket.status();
  // Of which a browser's forms can send none (server/admin/http_request.h).
  const char* const change = method == "POST" ? "Objmapper-Change: yes\r\n" : "";
  const std::string request =
      absl::StrCat(method, " ", target, " HTTP/1.0\r\nHost: localhost\r\n", change, "\r\n");
  const ssize_t sent = send(socket->get(), request.data(), request.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(request.size())) {
    return client::ConnectionError(net::ErrnoToStatus(errno, absl::StrCat("write to ", url)));
  }
  absl::StatusOr<std::string> answer = ReadToEnd(socket->get(), url, timeout);
  if (!answer.ok()) return answer.status();
  return Parse(*answer, url);
}

absl::Status RefusedByAdmin(const std::string& url, const AdminAnswer& answer) {
  const absl::string_view said = absl::StripAsciiWhitespace(answer.body);
  // The sockets that serve objects speak HTTP too.
  const char* const hint = answer.status == 404 ? " (is this the address of --admin_listen?)" : "";
  return absl::FailedPreconditionError(
      absl::StrCat(url, " answered ", answer.status, ": ", said.substr(0, 200), hint));
}

absl::StatusOr<std::string> FetchFromAdmin(const std::string& url, const std::string& path,
                                           absl::Duration timeout) {
  absl::StatusOr<AdminAnswer> answer = AskAdmin(url, "GET", path, timeout);
  if (!answer.ok()) return answer.status();
  if (answer->status != 200) return RefusedByAdmin(url, *answer);
  return std::move(answer->body);
}

std::string DefaultAdmin() {
  if (const std::string admin = Environment("OBJMAPPER_ADMIN"); !admin.empty()) return admin;
  return IsSocket(kUnitDoor) ? absl::StrCat("unix:", kUnitDoor) : "";
}

std::string Environment(const char* name) {
  const char* const value = getenv(name);
  return value == nullptr ? "" : value;
}

bool IsSocket(const std::string& path) {
  struct stat attributes;
  return stat(path.c_str(), &attributes) == 0 && S_ISSOCK(attributes.st_mode);
}

absl::StatusOr<std::string> TopText(absl::string_view stats) { return Shown(stats, Now); }

absl::StatusOr<std::string> TotalsText(absl::string_view stats) { return Shown(stats, Totals); }

absl::StatusOr<std::string> StatsLine(absl::string_view stats) {
  return Shown(stats, [](Json json) {
    json.at("totals");
    json.erase("history");
    return json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  });
}

}  // namespace objmapper::tools
