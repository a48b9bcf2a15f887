// What the flags say, checked: a Config that exists makes sense.
//
// A tuning flag is its definition (flag.h), a field, and the field's use. The rooms' own option
// structs are members, so that a field is where it is used: the flags fill what is tuning in them,
// and the server adds what they are to work with.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "loop/loop.h"
#include "models/context.h"
#include "models/model.h"
#include "net/address.h"
#include "net/listener.h"
#include "origin/config/origins.h"
#include "router/admission.h"
#include "server/privileges.h"
#include "session/access_log.h"
#include "session/session.h"
#include "storage/catalog/housekeeping.h"
#include "storage/memory/memory_tier.h"
#include "storage/store/store.h"

namespace objmapper::server {

struct Config {
  // Whether it listens, by itself or by inheritance, on an address of this kind.
  bool Has(net::Address::Kind kind) const;
  // How long all threads of a pool may be at what they do while more waits for them.
  absl::Duration PoolPatience() const {
    return limits.request_timeout == absl::ZeroDuration() ? absl::Seconds(30)
                                                          : limits.request_timeout;
  }

  // Whether objects are fetched from origins.
  bool fetches() const { return !origin.empty() || !origins_file.empty(); }
  // Which flag says so: "--origin", "--origins_file=FILE".
  std::string OriginsFlag() const {
    return origins_file.empty() ? "--origin" : "--origins_file=" + origins_file;
  }
  // Whether something is stored under the root: by clients, or because it was fetched.
  bool writes_root() const { return limits.writable || fetches(); }

  // ---- Where it listens (config_listen.cc) ----
  std::vector<net::Address> listen;  // to be listened on; none or more
  // listened on already; with `listen` and `listen_udp` one or more
  std::vector<net::Address> inherited;
  std::vector<net::Address> listen_udp;  // host and port; none or more
  size_t udp_payload_max = 1400;         // bytes
  std::optional<net::Address> admin_listen;
  // further names that the operators' address answers to, without brackets
  std::vector<std::string> admin_hosts;
  std::string take_over;        // the hand-over door; empty: none
  std::string http_access_log;  // a path; empty: none
  session::AccessLog::Format http_access_log_format = session::AccessLog::Format::kCombined;

  // ---- Who may ask (config_access.cc) ----
  router::Admission admission;     // who is let in, and how many
  net::SocketFile socket_file;     // of --listen_unix
  std::optional<Identity> become;  // after what needs root has been had
  std::string rules_file;          // empty: none
  std::string tokens_file;         // empty: none

  // ---- The objects (config_objects.cc) ----
  std::string root;
  size_t index_entries = 65536;
  storage::Store::Options store;
  bool catalog = true;
  storage::Housekeeping::Options house;
  storage::MemoryTier::Options memory;  // bytes_max 0: there is none

  // ---- Where objects come from that are not there (config_origins.cc) ----
  std::string origin;        // one of the two, or neither
  std::string origins_file;  // a path
  uint64_t origin_uncached_bytes = 0;
  origin::Origins origins;  // what it says at the start

  // ---- What serves (config_serving.cc) ----
  session::SessionLimits limits;  // of each connection
  std::string concurrency_model;
  std::optional<models::Model> model;  // nullopt: the lanes, routed to by mode
  models::Sizes sizes;                 // of the fdpass lane and the splice threads, too
  bool fdpass_lane = true;             // false: no listener can reach it (--concurrency_model=auto)
  loop::EngineKind fdpass_engine = loop::EngineKind::kAuto;
  bool fd_sharing = false;
  absl::Duration busy_poll;  // 0: the workers sleep at once
  int copy_loops = 1;
  int bulk_loops = 0;      // 0 where no listener is TCP
  loop::LoopOptions loop;  // the caches' sizes and times are those of the fdpass lane, too
  std::string tcp_local_congestion;
  absl::Duration drain_timeout;

  std::string cores;  // how many the process may use, and why: a line for the log
  // What is no reason to refuse, but what the operator should know: flags without effect.
  std::vector<std::string> warnings;
};

// Reads the flags. INVALID_ARGUMENT: one of them makes no sense; the message is a sentence that
// names the flag and its value and says what would make sense.
//
// inherited: where somebody listens for us already. Such an address is not listened on again, and
// where there is one, the default socket is not needed.
absl::StatusOr<Config> ConfigFromFlags(const std::vector<net::Address>& inherited = {});

// Whether only this machine reaches `host`. Every client that reaches the operators' address may
// look, so it is open to this machine alone.
bool IsLoopback(const std::string& host);

// Where the server listens when no flag says where: $XDG_RUNTIME_DIR/objmapper.sock, or
// /tmp/objmapper.sock.
std::string DefaultSocketPath();

}  // namespace objmapper::server
