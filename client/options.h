// How a client connects and how long it waits, and how objects are stored.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/copy_range.h"
#include "protocol/capabilities.h"
#include "protocol/dialect.h"

namespace objmapper::client {

struct Options {
  // kV2, or kV1: no handshake, no ranges, one request at a time.
  protocol::Dialect dialect = protocol::Dialect::kV2;

  // For each address of the host, and again for the server's HELLO_ACK.
  absl::Duration connect_timeout = absl::Seconds(5);

  // How long a server that owes us something may stay silent, or one that we send to may take
  // nothing. It bounds each wait, not the whole of a large object; of an answer, up to where its
  // body begins, the whole. Signals do not begin it anew (net/patience.h). InfiniteDuration():
  // forever.
  absl::Duration request_timeout = absl::Seconds(30);

  // What HELLO offers (V2). What concerns descriptors is left out on TCP. With kVersions, answers
  // say which version they are of (ObjectStat): it costs the server a system call for each.
  uint16_t capabilities = protocol::kFreeCapabilities;

  // The most requests that a batch may have outstanding; 0: as many as the server allows.
  uint16_t max_pipeline = 0;

  // GetBytes() and batches refuse a larger answer, so that a server's word alone cannot make the
  // client allocate any amount.
  uint64_t bytes_max = uint64_t{4} << 30;

  // Who may have made the Unix socket that is connected to (who called listen(2)): their uids;
  // empty: anybody. For addresses where others may be there first, such as one in /tmp. A server
  // that systemd listens for, or that began as root, is root's: 0. With TCP it is INVALID_ARGUMENT.
  std::vector<uid_t> server_uids;

  // Says whose all requests are, to a server with --tokens_file: sent once on each connection, as
  // it is: over TCP everybody on the way can read it. 1 to 4096 bytes; empty: none. It is sent to
  // no server that does not take tokens: Connect() then fails with FAILED_PRECONDITION. What the
  // server does not know is answered PERMISSION_DENIED, request by request.
  std::string token;
};

// The token in a file: its one line, without blanks around it. INVALID_ARGUMENT: there is none, or
// more than one, or it is too long. Else as ErrnoToStatus. All messages name the file, and none
// says anything of what is in it.
absl::StatusOr<std::string> ReadTokenFile(const std::string& path);

// Of Client's Put, PutFile, PutFrom, PutFd and PutMemory.
struct PutOptions {
  // How long the object lives: whole seconds, rounded up, 1 to 2^32 - 1. InfiniteDuration(): for
  // ever. Anything else needs the METADATA capability.
  absl::Duration ttl = absl::InfiniteDuration();
  // Only if there is no object of this name, or only in place of the version of this etag (empty:
  // whatever there is); the server decides that together with the name, so of many that ask one
  // wins. Both need the CONDITIONS capability, and exclude each other.
  bool if_absent = false;
  std::string if_match;
  ProgressCallback progress;  // may be empty; not told about descriptors, which go at once
};

// Brings the bytes of a body: writes at most out.size() of those from `offset` on to `out`, and
// returns how many, at least 1; 0 when there are no more, which ends the PUT with DATA_LOSS.
// Offsets only grow within one PUT. An error ends the PUT and the connection, and is what the PUT
// returns.
using PutSource = std::function<absl::StatusOr<size_t>(uint64_t offset, absl::Span<char> out)>;

}  // namespace objmapper::client
