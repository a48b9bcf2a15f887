// What the flags say, checked: a Config that exists makes sense.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "loop/loop.h"
#include "models/model.h"
#include "net/address.h"
#include "net/listener.h"
#include "router/admission.h"
#include "server/privileges.h"
#include "session/rate_limit.h"
#include "storage/catalog/disk_limits.h"
#include "storage/store/store.h"

namespace objmapper::server {

struct Config {
  // Whether it listens, by itself or by inheritance, on an address of this kind.
  bool Has(net::Address::Kind kind) const;

  std::vector<net::Address> listen;  // to be listened on; none or more
  // listened on already; with `listen` and `listen_udp` one or more
  std::vector<net::Address> inherited;
  std::vector<net::Address> listen_udp;  // host and port; none or more
  size_t udp_payload_max = 1400;         // bytes
  std::optional<Identity> become;        // after what needs root has been had
  std::optional<net::Address> admin_listen;
  // further names that the operator's door answers to, without brackets
  std::vector<std::string> admin_hosts;
  std::string root;
  bool fdpass_lane = true;  // false: no listener can reach it (--concurrency_model=auto)
  std::string concurrency_model;
  std::optional<models::Model> model;  // nullopt: the lanes, routed to by mode
  std::string cores;                   // how many the process may use, and why: a line for the log
  int pool_size = 1;
  size_t max_queue_depth = 1000;
  size_t max_threads = 1000;
  int splice_pool_size = 2;
  int copy_loops = 1;
  int bulk_loops = 0;  // 0 where no listener is TCP
  uint64_t bulk_bytes_min = 1 << 20;
  loop::EngineKind io_engine = loop::EngineKind::kAuto;
  loop::EngineKind fdpass_engine = loop::EngineKind::kAuto;
  bool fd_sharing = false;
  bool answer_in_place = true;
  absl::Duration busy_poll;     // 0: the workers sleep at once
  router::Admission admission;  // who is let in, and how many
  net::SocketFile socket_file;  // of --listen_unix
  std::string take_over;        // the hand-over door; empty: none
  std::string rules_file;       // empty: none
  session::RateLimit rate;
  absl::Duration slow_request;  // 0: none is slow
  bool log_requests = false;
  uint16_t max_pipeline = 64;
  uint64_t requests_per_conn = 0;  // 0: unlimited
  absl::Duration idle_timeout;     // 0: never
  absl::Duration request_timeout;  // 0: never
  absl::Duration drain_timeout;
  size_t fd_cache_entries = 1024;
  absl::Duration fd_cache_valid;
  size_t index_entries = 65536;
  bool writable = false;
  storage::Durability durability = storage::Durability::kData;
  uint64_t put_rate_min = 256;      // bytes a second; 0: any
  uint32_t put_room_per_peer = 90;  // per cent
  bool catalog = true;
  size_t catalog_watches = 100'000;
  absl::Duration catalog_rescan;
  uint64_t catalog_memory = UINT64_MAX;  // bytes
  storage::DiskLevel disk_evict_at, disk_refuse_at;
  uint64_t memory_limit = 0;  // bytes of objects in memory; 0: there are none
  std::string tcp_local_congestion;
  uint64_t splice_bytes_min = 65536;
  uint64_t sendfile_bytes_min = 16384;
  int unix_send_buffer_bytes = 524288;  // at most what the system allows; 0: as it comes
  bool splice_in_loop = true;
  bool use_async_copy = true;
  // What is no reason to refuse, but what the operator should know: flags without effect.
  std::vector<std::string> warnings;
};

// Reads the flags. INVALID_ARGUMENT: one of them makes no sense; the message is a sentence that
// names the flag and its value and says what would make sense.
//
// inherited: where somebody listens for us already. Such an address is not listened on again, and
// where there is one, the default socket is not needed.
absl::StatusOr<Config> ConfigFromFlags(const std::vector<net::Address>& inherited = {});

// Whether only this machine reaches `host`. Whoever reaches the operator's door may look, so it
// opens to nobody else.
bool IsLoopback(const std::string& host);

// Where the server listens when no flag says where: $XDG_RUNTIME_DIR/objmapper.sock, or
// /tmp/objmapper.sock.
std::string DefaultSocketPath();

}  // namespace objmapper::server
