// The flags that say where the server listens: for clients, operators and a successor.
#include <arpa/inet.h>
#include <gflags/gflags.h>
#include <netinet/in.h>
#include <stdlib.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "net/address.h"
#include "net/udp.h"
#include "server/flags/flag.h"
#include "server/udp/reply.h"
#include "session/access_log.h"

namespace objmapper::server {
namespace {

absl::StatusOr<net::Address> AdminAddress(absl::string_view text) {
  const bool is_unix =
      absl::ConsumePrefix(&text, "unix:") || text[0] == '@' || absl::StrContains(text, '/');
  absl::StatusOr<net::Address> address =
      is_unix ? net::UnixAddress(text) : net::ParseHostPort(text);
  if (!address.ok() || is_unix || IsLoopback(address->host)) return address;
  return absl::InvalidArgumentError(
      "expected a Unix socket or a loopback address (127.0.0.1, ::1), since every client that "
      "reaches it may read the status");
}

// A host's name or address, without its brackets.
absl::StatusOr<std::string> HostName(absl::string_view text) {
  const bool bracketed = absl::ConsumePrefix(&text, "[") && absl::ConsumeSuffix(&text, "]");
  const bool sensible = !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_' || (bracketed && c == ':');
  });
  if (sensible) return std::string(text);
  return absl::InvalidArgumentError(
      "expected a host name or address without a port, such as node1.example or [fd00::1]");
}

// What a field of an HTTP answer may have.
absl::StatusOr<std::string> FieldValue(const std::string& text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; }))
    return text;
  return absl::InvalidArgumentError("expected printable ASCII characters");
}

// RFC 6454, 6.2.
absl::StatusOr<std::string> Origin(absl::string_view text) {
  const size_t host_at = text.find("://");
  const bool sensible =
      text == "*" ||
      (host_at != absl::string_view::npos && host_at > 0 && host_at + 3 < text.size() &&
       std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; }) &&
       !absl::StrContains(text.substr(host_at + 3), '/'));
  if (sensible) return std::string(text);
  return absl::InvalidArgumentError(
      "expected an origin without a path, such as https://app.example:8443, or *");
}

absl::StatusOr<std::string> SocketPath(const std::string& text) {
  const absl::StatusOr<net::Address> address = net::UnixAddress(text);
  if (!address.ok()) return address.status();
  return text;
}

}  // namespace
}  // namespace objmapper::server

FLAG(string, listen_unix, "", ListOf(net::UnixAddress, "socket"), listen,
     "Unix sockets to listen on, separated by commas: paths, or @names in the abstract namespace. "
     "Without this flag, --listen_tcp and --listen_udp: objmapper.sock in $XDG_RUNTIME_DIR, or in "
     "/tmp.");
FLAG(string, listen_tcp, "", ListOf(net::ParseHostPort, "address"), listen,
     "TCP addresses to listen on, separated by commas: host:port, [v6]:port, or :port and port for "
     "loopback. With port 0 the kernel chooses one. Empty: no TCP.");
FLAG(string, listen_udp, "", ListOf(net::ParseHostPort, "address"), listen_udp,
     "UDP addresses, separated by commas, on which OP_COPY and OP_STAT are answered with one "
     "datagram each: host:port, [v6]:port, or :port and port for loopback. With port 0 the kernel "
     "chooses one. A sender's address can be forged, so that the answer goes to a third party: "
     "only for trusted networks. --rate_limit_per_conn and --max_connections do not apply; "
     "--rules_file applies as to TCP peers. Empty: no UDP.");
FLAG(int32, udp_max_payload, 1400, Number(udp::kPayloadMaxLeast, net::kDatagramBytesMax),
     udp_payload_max,
     "Size in bytes of the largest datagram that is sent, 1040 to 65507. A larger answer is "
     "TOO_LARGE, and the client requests ranges. 1400 passes Ethernet and most tunnels "
     "unfragmented, so that one lost packet costs one answer and a forged request is amplified by "
     "at most 38; 65507 is best if all clients are on this machine, since loopback does not "
     "fragment it.");
FLAG(string, admin_listen, "", ParsedIfAny(AdminAddress), admin_listen,
     "Address of the operators' HTTP server, with a status page, /metrics for Prometheus, "
     "/healthz, /readyz, /stats, /connz and /flagz: a Unix socket's path (or @name), or host:port, "
     ":port or port on loopback. Empty: none.");
FLAG(string, admin_hosts, "", ListOf(HostName, "host"), admin_hosts,
     "Additional host names, separated by commas, that requests to --admin_listen may have in "
     "their Host header, such as that of a proxy that passes Host on. localhost, 127.0.0.1, [::1] "
     "and the address listened on are always accepted, all others are refused (421), so that no "
     "web page can direct a browser here by a host name of its own (DNS rebinding). Over a Unix "
     "socket every name is accepted.");
FLAG(
    bool, http, true, Anything(), limits.http,
    "Speak HTTP/1.1 too, on every listener: GET and HEAD of objects (docs/http.md). false: an HTTP "
    "request is refused in the server's own protocol.");
FLAG(
    string, http_hosts, "", ListOf(HostName, "host"), limits.http_hosts,
    "Additional host names, separated by commas, that HTTP requests on TCP connections to loopback "
    "may have in their Host header. Addresses and localhost are always accepted, other names are "
    "refused there (421), so that no web page can direct a browser here by a host name of its own "
    "(DNS rebinding).");
FLAG(string, http_cache_control, "", Parsed(FieldValue), limits.http_cache_control,
     "Value of the Cache-Control header of objects that are answered by HTTP, such as no-cache or "
     "\"public, max-age=3600\". Empty: no such header; clients and proxies decide by "
     "Last-Modified.");
FLAG(string, http_cors_origins, "", ListOf(Origin, "origin"), limits.http_cors_origins,
     "Origins, separated by commas, whose web pages may read HTTP answers (CORS): "
     "scheme://host[:port], or * for all. Empty: none.");
FLAG(string, http_access_log, "", Anything(), http_access_log,
     "File to which a line is appended for each HTTP answer; SIGUSR1 reopens it, for log rotation. "
     "Lines that cannot be written in time are dropped and counted "
     "(objmapper_access_log_lines_dropped_total). Empty: none.");
FLAG(string, http_access_log_format, "combined",
     OneOf<session::AccessLog::Format>({{{"combined", session::AccessLog::Format::kCombined},
                                         {"json", session::AccessLog::Format::kJson}}}),
     http_access_log_format,
     "Format of --http_access_log: combined (as Apache and nginx write it) or json (an object in "
     "each line).");
FLAG(bool, http_listing, true, Anything(), limits.http_listing,
     "Answer GET of a folder over HTTP with a listing: a page, or JSON (docs/http.md). false: "
     "PERMISSION_DENIED (403).");
FLAG(bool, http_index, false, Anything(), limits.http_index,
     "Answer GET of a folder over HTTP with the object index.html in it, if there is one.");
FLAG(string, take_over, "", ParsedIfAny(SocketPath), take_over,
     "Unix socket through which one server takes over from another. A server that already runs "
     "with this path hands its listeners and connections to this server and exits; this server "
     "then waits there for its own successor. Empty: no take-over.");

namespace objmapper::server {

bool IsLoopback(const std::string& host) {
  if (host == "localhost") return true;
  // A name may begin with "127." and be anywhere.
  in6_addr v6;
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  in_addr v4;
  return inet_aton(host.c_str(), &v4) != 0 && ntohl(v4.s_addr) >> 24 == 127;
}

std::string DefaultSocketPath() {
  const char* runtime = getenv("XDG_RUNTIME_DIR");
  const std::string folder = runtime == nullptr || *runtime == '\0' ? "/tmp" : runtime;
  return absl::StrCat(folder, "/objmapper.sock");
}

bool Config::Has(net::Address::Kind kind) const {
  const auto is = [kind](const net::Address& address) { return address.kind == kind; };
  return std::any_of(listen.begin(), listen.end(), is) ||
         std::any_of(inherited.begin(), inherited.end(), is);
}

absl::Status CheckListeners(Config* config) {
  std::vector<net::Address>& listen = config->listen;
  if (listen.empty() && config->inherited.empty() && config->listen_udp.empty()) {
    absl::StatusOr<net::Address> address = net::UnixAddress(DefaultSocketPath());
    if (!address.ok()) return address.status();
    listen.push_back(*std::move(address));
  }
  // systemd and a flag may both name one socket.
  const auto is_inherited = [config](const net::Address& address) {
    return std::any_of(config->inherited.begin(), config->inherited.end(),
                       [&](const net::Address& other) { return other.ToUrl() == address.ToUrl(); });
  };
  listen.erase(std::remove_if(listen.begin(), listen.end(), is_inherited), listen.end());
  return absl::OkStatus();
}

}  // namespace objmapper::server
