// Whether one more connection is let in.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/status.h"
#include "session/session.h"

namespace objmapper::router {

struct Admission {
  uint64_t connections_max = 1000;
  uint64_t per_uid_max = 0;  // of one uid's; 0: no such limit. TCP peers have no uid.
  // Who may connect to Unix sockets: a peer with one of these uids, or in one of these groups. Both
  // empty: all.
  std::vector<uid_t> uids;
  std::vector<gid_t> gids;

  struct Refusal {
    protocol::Status status;
    std::string message;  // for the client
    const char* flag;     // for the log
  };
  // nullopt: let in. socket: of the new connection. counted: how often it is among `counters`
  // itself.
  std::optional<Refusal> Judge(int socket, session::Transport transport,
                               const session::ConnectionCounters& counters,
                               uint64_t counted = 0) const;
  // The same for a connection that another process has let in, by other rules perhaps, and that is
  // counted. One of TCP is refused where only known users are wanted.
  std::optional<Refusal> JudgeArrival(const session::Session& session,
                                      const session::ConnectionCounters& counters) const;

 private:
  std::optional<Refusal> JudgeUser(int socket, const session::ConnectionCounters& counters,
                                   uint64_t counted) const;
};

}  // namespace objmapper::router
