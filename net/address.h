// Where a server listens and a client connects.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace objmapper::net {

struct Address {
  enum class Kind : uint8_t { kUnix, kTcp };
  Kind kind = Kind::kUnix;
  // kUnix: a path of at most 107 bytes (unix(7): sun_path), or '@' and a name in the abstract
  // namespace.
  std::string path;
  // kTcp: a host name or a numeric address without brackets; empty means any (listen only).
  std::string host;
  uint16_t port = 0;  // kTcp; 0 lets the kernel choose (listen only)

  // "unix:/run/x.sock", "tcp://127.0.0.1:7070", "tcp://[::1]:7070".
  std::string ToUrl() const;
};

// Reads "unix:/path", "unix:@name", "tcp://host:port" or "tcp://[v6]:port"; and a socket's path
// alone where it cannot be anything else: one that begins with "/", "./" or "../".
// INVALID_ARGUMENT: anything else; the message quotes `url` and says what was expected.
absl::StatusOr<Address> ParseUrl(absl::string_view url);

// Whether ParseUrl() takes `text` for a socket's path without "unix:".
bool IsSocketPath(absl::string_view text);

// Reads the value of a listen flag: "host:port", "[v6]:port", ":port" (loopback) or "port"
// (loopback). INVALID_ARGUMENT as above.
absl::StatusOr<Address> ParseHostPort(absl::string_view text);

// Checks a socket's path (length, not empty) and makes an address of it.
absl::StatusOr<Address> UnixAddress(absl::string_view path);

}  // namespace objmapper::net
