// An endpoint as a socket address, and connecting to it without waiting.
#pragma once

#include <sys/socket.h>

#include <string>

#include "absl/status/statusor.h"
#include "net/unique_fd.h"
#include "tools/bench/load/endpoint.h"

namespace objmapper::bench {

struct Target {
  sockaddr_storage address = {};
  socklen_t address_bytes = 0;
  std::string url;  // for messages: "unix:/run/x.sock", "127.0.0.1:80"
};

// INVALID_ARGUMENT: the path does not fit in an address.
absl::StatusOr<Target> TargetOf(const Endpoint& endpoint);

// Makes a non-blocking socket and connects it (TCP_NODELAY). 0: connected. EINPROGRESS: TCP, it
// becomes writable when it is decided. Else the errno, and *socket is empty; EAGAIN: the backlog of
// a Unix listener is full, try again (unix(7) sockets never are in progress).
int StartConnect(const Target& target, net::UniqueFd* socket);

}  // namespace objmapper::bench
