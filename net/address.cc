// Parsing of addresses. Ports are plain digits, checked here; host names are not resolved here.
#include "net/address.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "text/printable.h"

namespace objmapper::net {
namespace {

// sun_path holds 108 bytes; a path needs one of them for its NUL, an abstract name for the NUL
// that stands where we write '@' (unix(7)).
constexpr size_t kUnixPathBytesMax = sizeof(sockaddr_un::sun_path) - 1;

// "[::1]:70" in parts. `bracketed` tells an IPv6 literal from a name.
struct HostPort {
  absl::string_view host;
  absl::string_view port;
  bool bracketed = false;
};

absl::Status Invalid(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("bad address \"", text::Printable(text), "\": ", text::Printable(why)));
}

// A number from 0 to 65535 in plain digits: SimpleAtoi() alone would take "+80" and " 80".
bool ReadPort(absl::string_view text, uint16_t* port) {
  if (text.empty() || text.size() > 5) return false;
  for (char c : text) {
    if (!absl::ascii_isdigit(c)) return false;
  }
  uint32_t value;
  if (!absl::SimpleAtoi(text, &value) || value > 65535) return false;
  *port = static_cast<uint16_t>(value);
  return true;
}

// Splits at the colon before the port. A text without a colon is all port.
absl::StatusOr<HostPort> Split(absl::string_view rest, absl::string_view whole) {
  HostPort parts;
  if (absl::ConsumePrefix(&rest, "[")) {
    const size_t end = rest.find(']');
    if (end == absl::string_view::npos) return Invalid(whole, "the \"[\" has no \"]\"");
    parts.host = rest.substr(0, end);
    parts.bracketed = true;
    rest.remove_prefix(end + 1);
    if (!absl::ConsumePrefix(&rest, ":")) {
      return Invalid(whole, "expected \":port\" after the \"]\"");
    }
    parts.port = rest;
    return parts;
  }
  const size_t colon = rest.find(':');
  if (colon == absl::string_view::npos) {
    parts.port = rest;
    return parts;
  }
  parts.host = rest.substr(0, colon);
  parts.port = rest.substr(colon + 1);
  if (parts.port.find(':') != absl::string_view::npos) {
    return Invalid(whole, "an IPv6 address must be in brackets, as in [::1]:7070");
  }
  return parts;
}

absl::Status CheckHost(const HostPort& parts, absl::string_view whole) {
  if (parts.bracketed) {
    // A scope ("%eth0") is getaddrinfo's to read.
    in6_addr ignored;
    const std::string literal(parts.host.substr(0, parts.host.find('%')));
    if (literal.size() > INET6_ADDRSTRLEN || inet_pton(AF_INET6, literal.c_str(), &ignored) != 1) {
      return Invalid(whole, absl::StrCat("\"", parts.host, "\" is not an IPv6 address"));
    }
    return absl::OkStatus();
  }
  for (char c : parts.host) {
    if (!absl::ascii_isalnum(c) && c != '.' && c != '-' && c != '_') {
      return Invalid(whole, absl::StrCat("\"", parts.host, "\" is not a host name"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Address> TcpAddress(const HostPort& parts, absl::string_view whole) {
  if (absl::Status status = CheckHost(parts, whole); !status.ok()) return status;
  Address address;
  address.kind = Address::Kind::kTcp;
  address.host = std::string(parts.host);
  if (!ReadPort(parts.port, &address.port)) {
    return Invalid(whole, absl::StrCat("\"", parts.port, "\" is not a port (0 to 65535)"));
  }
  return address;
}

}  // namespace

bool IsSocketPath(absl::string_view text) {
  return absl::StartsWith(text, "/") || absl::StartsWith(text, "./") ||
         absl::StartsWith(text, "../");
}

std::string Address::ToUrl() const {
  if (kind == Kind::kUnix) return absl::StrCat("unix:", path);
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? absl::StrCat("tcp://[", host, "]:", port) : absl::StrCat("tcp://", host, ":", port);
}

absl::StatusOr<Address> UnixAddress(absl::string_view path) {
  if (path.empty()) return Invalid(path, "a Unix socket needs a path, or '@' and a name");
  if (path == "@") return Invalid(path, "an abstract socket needs a name after the '@'");
  if (path.find('\0') != absl::string_view::npos) {
    return Invalid(path, "a Unix socket's path cannot hold a NUL byte");
  }
  if (path.size() > kUnixPathBytesMax) {
    return Invalid(path, absl::StrCat("a Unix socket's path has at most ", kUnixPathBytesMax,
                                      " bytes, this one has ", path.size()));
  }
  Address address;
  address.kind = Address::Kind::kUnix;
  address.path = std::string(path);
  return address;
}

absl::StatusOr<Address> ParseUrl(absl::string_view url) {
  absl::string_view rest = url;
  if (absl::ConsumePrefix(&rest, "unix:") || IsSocketPath(rest)) {
    if (rest.empty()) return Invalid(url, "a Unix socket needs a path, or '@' and a name");
    return UnixAddress(rest);
  }
  if (!absl::ConsumePrefix(&rest, "tcp://")) {
    return Invalid(url,
                   "expected unix:/path, unix:@name, tcp://host:port or tcp://[v6]:port, or a path "
                   "such as /run/x.sock or "
                   "./x.sock");
  }
  absl::StatusOr<HostPort> parts = Split(rest, url);
  if (!parts.ok()) return parts.status();
  if (parts->host.empty()) return Invalid(url, "expected tcp://host:port or tcp://[v6]:port");
  return TcpAddress(*parts, url);
}

absl::StatusOr<Address> ParseHostPort(absl::string_view text) {
  absl::StatusOr<HostPort> parts = Split(text, text);
  if (!parts.ok()) return parts.status();
  if (parts->port.empty() || (parts->host.empty() && !absl::ascii_isdigit(parts->port[0]))) {
    return Invalid(text, "expected host:port, [v6]:port, :port or port");
  }
  // Nobody who names no host meant to be reachable from other machines.
  if (parts->host.empty()) parts->host = "127.0.0.1";
  return TcpAddress(*parts, text);
}

}  // namespace objmapper::net
