// The flags that say what serves, and how much one connection may take: models, threads, engines,
// limits, caches.
#include <gflags/gflags.h>
#include <limits.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "models/model.h"
#include "net/send_buffer.h"
#include "net/tcp.h"
#include "server/cores.h"
#include "server/flags/flag.h"

namespace objmapper::server {
namespace {

OneOf<loop::EngineKind> Engine() {
  using loop::EngineKind;
  return {
      {{"auto", EngineKind::kAuto}, {"uring", EngineKind::kUring}, {"epoll", EngineKind::kEpoll}}};
}

}  // namespace
}  // namespace objmapper::server

FLAG(string, concurrency_model, "mode_routing", Anything(), concurrency_model,
     "How requests are distributed over threads. mode_routing (or hybrid): each mode in "
     "the lane built for it. auto: the same, without lanes that no listener can reach. Or "
     "one model for all modes: thread_per_request, thread_per_connection, thread_pool, "
     "accept_pool, work_stealing, epoll, uring or seda (docs/concurrency.md).");
FLAG(int32, pool_size, 0, Number(0, 1024), sizes.pool_size,
     "Number of workers of the fdpass lane, of thread_pool, accept_pool and work_stealing, and of "
     "each stage of seda. 0: one for each core that the server may use (affinity, cgroup).");
FLAG(int64, max_queue_depth, 1000, Number(1, 10'000'000), sizes.queue_depth_max,
     "Maximum number of connections that wait in a queue for a worker. Beyond it, "
     "thread_pool answers a new connection UNAVAILABLE and closes it; in accept_pool and "
     "seda, requests wait in their sockets.");
FLAG(int64, max_threads, 1000, Number(1, 1'000'000), sizes.threads_max,
     "Maximum number of threads of thread_per_request and thread_per_connection. Beyond "
     "it, requests of thread_per_request wait in their sockets; thread_per_connection "
     "answers a new connection UNAVAILABLE and closes it.");
FLAG(int32, splice_pool_size, 0, Number(0, 1024), sizes.splice_threads,
     "Number of threads that move bytes for OP_SPLICE and open files that are not in the "
     "kernel's caches. 0: two for each core.");
DEFINE_int32(copy_pool_size, 0, "Another name for --splice_pool_size.");
FLAG(int32, copy_loops, 1, Number(1, 256), copy_loops,
     "Number of event loops of the copypath lane.");
FLAG(int32, bulk_loops, -1, Number(-1, 256), bulk_loops,
     "Number of event loops of the copypath lane for TCP connections with large bodies "
     "(--bulk_bytes_min). -1: one for each core. 0: none; such connections stay on the "
     "other loops.");
FLAG(int64, bulk_bytes_min, 1 << 20, Number(1, int64_t{1} << 40), loop.bulk_bytes_min,
     "Size in bytes of the body from which on a TCP connection moves to --bulk_loops.");
FLAG(string, io_engine, "auto", Engine(), loop.engine,
     "Kernel interface of the copypath lane: uring, epoll, or auto (uring if the kernel "
     "allows it).");
FLAG(string, fdpass_engine, "auto", Engine(), fdpass_engine,
     "Kernel interface of the fdpass lane's workers: epoll; uring, with a ring for each worker; "
     "or auto (uring if the kernel allows it).");
DEFINE_bool(optimize_for_latency, false,
            "Workers of the fdpass lane poll for requests for --busy_poll_us before they sleep. "
            "Uses a whole core for each worker that has connections.");
FLAG(int32, busy_poll_us, 50, Number(0, 1'000'000, kMicrosecond), busy_poll,
     "Time in microseconds for which a worker polls before it sleeps. Only with "
     "--optimize_for_latency.");
FLAG(int64, max_connections, 1000, Number(1, 10'000'000), admission.connections_max,
     "Maximum number of open connections. A further one is answered UNAVAILABLE and closed.");
FLAG(int32, max_pipeline, 64, Number(1, 65535), limits.max_pipeline,
     "Maximum number of requests of a connection that are received and not yet answered. A "
     "client may ask for fewer.");
DEFINE_bool(
    persistent_connections, true,
    "Whether a connection may send more than one request. false: it is closed after one answer.");
FLAG(int64, requests_per_conn, 0, Number(0, INT64_MAX), limits.requests_max,
     "Number of answers after which a connection is closed. 0: no limit.");
FLAG(string, idle_timeout, "5m", Time(), limits.idle_timeout,
     "Time (500ms, 30s, 5m, ...) without a request after which a connection is closed. 0: "
     "no limit.");
FLAG(string, request_timeout, "30s", Time(), limits.request_timeout,
     "Maximum time for a client to complete a request that it has begun, and maximum time "
     "during which it reads nothing of the answers that are ready. 0: no limit.");
FLAG(string, drain_timeout, "10s", Time(), drain_timeout,
     "Maximum time for accepted requests to be answered after SIGTERM or SIGINT.");
FLAG(string, fd_sharing, "never", OneOf<bool>({{{"never", false}, {"always", true}}}), fd_sharing,
     "never: the file is opened anew for each OP_FDPASS answer. always: a file is opened once and "
     "its descriptor is passed to many clients, which saves the open; all receivers then share one "
     "file offset, its flags and its locks. That is UNSAFE between clients that do not trust each "
     "other, and wrong for clients that do not read with pread or mmap.");
FLAG(int64, fd_cache_entries, 1024, Number(0, 1'000'000), loop.cache_entries,
     "Maximum number of objects that the copypath lane keeps open, small ones in memory. "
     "With --fd_sharing=always also the maximum number of descriptors that each fdpass "
     "worker keeps. 0: none.");
FLAG(int32, fd_cache_valid_ms, 20, Number(0, 3'600'000, kMillisecond), loop.cache_valid,
     "Time in milliseconds for which the copypath lane and OP_STAT use what they know of "
     "an object before they ask the file system again. 0: they ask each time.");
FLAG(bool, use_async_copy, true, Anything(), loop.async_copy,
     "Whether the event loop sends the bodies of OP_COPY itself, overlapping disk and "
     "network. false: splice threads move those that are not in the cache, one thread per "
     "body until its socket is full.");
FLAG(bool, splice_in_loop, true, Anything(), loop.splice_in_loop,
     "Whether the event loop itself moves OP_SPLICE bodies that are in the page cache, and "
     "splice threads only the others. false: splice threads move all bodies of at least "
     "--splice_bytes_min bytes.");
FLAG(int64, sendfile_bytes_min, 16384, Number(0, INT64_MAX), loop.sendfile_bytes_min,
     "OP_COPY bodies of at least this many bytes are moved by sendfile(2) instead of copied into "
     "the socket. If a file is rewritten in place (not replaced) while it is sent, the client may "
     "receive some of the new bytes. 0: all bodies that are not in the cache.");
FLAG(int64, unix_send_buffer_bytes, 524288, Number(0, INT_MAX / 2), loop.unix_send_buffer_bytes,
     "Size in bytes of a Unix socket's send buffer (SO_SNDBUF, socket(7)), set when the "
     "first body of 256 KiB or more is moved through a pipe; limited by net.core.wmem_max. "
     "A client that stops reading holds up to twice as much of the page cache, until "
     "--request_timeout. 0: the system's default.");
FLAG(bool, answer_in_place, true, Anything(), loop.in_place,
     "Whether a lane answers cheap requests of the other lane's modes itself instead of moving the "
     "connection: fdpass workers answer OP_COPY of small objects that are in the kernel's caches, "
     "copy loops answer OP_FDPASS. false: each mode is answered in its own lane only.");
FLAG(string, tcp_local_congestion, "reno", Anything(), tcp_local_congestion,
     "Congestion control (tcp(7)) of TCP connections whose client is on this machine, "
     "where there is no congestion but some algorithms (bbr) pace what they send, with a "
     "timer for each piece. Empty: the system's default.");
FLAG(int64, splice_bytes_min, 65536, Number(0, INT64_MAX), loop.splice_bytes_min,
     "OP_SPLICE bodies smaller than this many bytes are sent by the event loop like OP_COPY: "
     "handing them to a splice thread costs more than copying them. 0: all go to a splice thread.");

namespace objmapper::server {
namespace {

absl::Status ReadModel(Config* config) {
  std::string& name = config->concurrency_model;
  if (name == "hybrid") name = "mode_routing";
  if (name == "mode_routing") return absl::OkStatus();
  if (name == "auto") {
    config->fdpass_lane = config->Has(net::Address::Kind::kUnix);
    return absl::OkStatus();
  }
  config->model = models::ModelNamed(name);
  if (config->model.has_value()) return absl::OkStatus();
  return Bad("concurrency_model", name,
             absl::StrCat("expected mode_routing (or hybrid), auto, ", models::ModelNames()));
}

absl::Status CountThreads(Config* config) {
  const Cores allowed = CoresAllowed();
  config->cores =
      absl::StrCat("cores: ", allowed.why, "; this is the default number of threads of each kind");
  if (absl::Status s = CheckRange("copy_pool_size", FLAGS_copy_pool_size, 0, 1024); !s.ok())
    return s;
  if (FLAGS_splice_pool_size != 0 && FLAGS_copy_pool_size != 0 &&
      FLAGS_splice_pool_size != FLAGS_copy_pool_size) {
    return Bad("copy_pool_size", absl::StrCat(FLAGS_copy_pool_size),
               absl::StrCat("it is another name for --splice_pool_size, which is ",
                            FLAGS_splice_pool_size));
  }
  models::Sizes& sizes = config->sizes;
  sizes.splice_threads = std::max(FLAGS_splice_pool_size, FLAGS_copy_pool_size);
  if (sizes.splice_threads == 0) sizes.splice_threads = 2 * allowed.count;
  if (sizes.pool_size == 0) sizes.pool_size = allowed.count;
  if (config->bulk_loops < 0) config->bulk_loops = allowed.count;
  if (!config->Has(net::Address::Kind::kTcp)) config->bulk_loops = 0;
  return absl::OkStatus();
}

absl::Status CheckFdPass(Config* config) {
  if (!FLAGS_optimize_for_latency) config->busy_poll = absl::ZeroDuration();
  if (config->fd_sharing && config->model.has_value()) {
    return Bad("fd_sharing", FLAGS_fd_sharing,
               absl::StrCat("--concurrency_model=", config->concurrency_model,
                            " opens each object anew; only mode_routing shares descriptors"));
  }
  if (config->fd_sharing && FLAGS_fd_cache_entries == 0) {
    return Bad("fd_sharing", FLAGS_fd_sharing,
               "with --fd_cache_entries=0 there is nothing to share");
  }
  return absl::OkStatus();
}

absl::Status CheckSockets(Config* config) {
  if (!FLAGS_persistent_connections) {
    if (config->limits.requests_max > 1) {
      return Bad("requests_per_conn", absl::StrCat(FLAGS_requests_per_conn),
                 "--persistent_connections=false allows one");
    }
    config->limits.requests_max = 1;
  }
  // That the system allows less than the default is usual, and no reason for a warning; nor is it
  // one not to start that the system has not the default's congestion control.
  int& send_buffer = config->loop.unix_send_buffer_bytes;
  send_buffer = net::SendBufferAllowed(send_buffer);
  if (send_buffer < FLAGS_unix_send_buffer_bytes && IsGiven("unix_send_buffer_bytes")) {
    config->warnings.push_back(
        absl::StrCat("--unix_send_buffer_bytes=", FLAGS_unix_send_buffer_bytes,
                     ": this system allows ", send_buffer, " (net.core.wmem_max)"));
  }
  const std::string& control = config->tcp_local_congestion;
  if (IsGiven("tcp_local_congestion") && !control.empty()) {
    const absl::Status known = net::CongestionControl::Check(control);
    if (!known.ok()) return Bad("tcp_local_congestion", control, known.message());
  }
  return absl::OkStatus();
}

std::string ValueOf(const char* flag) {
  return gflags::GetCommandLineFlagInfoOrDie(flag).current_value;
}

// Flags that have a meaning in some models alone. The rest work with every one.
struct Tuning {
  const char* flag;
  bool routing;  // mode_routing and auto
  std::vector<models::Model> models;
};

const std::vector<Tuning>& Tunings() {
  using models::Model;
  // epoll and uring are one loop of the copypath with the splice threads behind it.
  const std::vector<Model> loop = {Model::kEpoll, Model::kUring};
  static const auto* const tunings = new std::vector<Tuning>{
      {"pool_size",
       true,
       {Model::kThreadPool, Model::kAcceptPool, Model::kWorkStealing, Model::kSeda}},
      {"max_queue_depth", false, {Model::kThreadPool, Model::kAcceptPool, Model::kSeda}},
      {"max_threads", false, {Model::kThreadPerRequest, Model::kThreadPerConnection}},
      {"splice_pool_size", true, loop},
      {"copy_pool_size", true, loop},
      {"fd_cache_entries", true, loop},
      {"copy_loops", true, {}},
      {"bulk_loops", true, {}},
      {"bulk_bytes_min", true, {}},
      {"answer_in_place", true, {}},
      {"io_engine", true, {}},
      {"fdpass_engine", true, {}},
      {"use_async_copy", true, {}},
      {"splice_in_loop", true, {}},
      {"sendfile_bytes_min", true, loop},
      {"unix_send_buffer_bytes", true, loop},
      {"optimize_for_latency", true, {}},
      {"busy_poll_us", true, {}},
  };
  return *tunings;
}

// Says which of the flags that were given have no effect with the model that was chosen.
absl::Status WarnOfIdleFlags(Config* config) {
  for (const Tuning& tuning : Tunings()) {
    if (!IsGiven(tuning.flag)) continue;
    const bool used =
        config->model.has_value()
            ? std::count(tuning.models.begin(), tuning.models.end(), *config->model) > 0
            : tuning.routing;
    if (used) continue;
    config->warnings.push_back(
        absl::StrCat("--", tuning.flag, "=", ValueOf(tuning.flag),
                     " has no effect with --concurrency_model=", config->concurrency_model, "."));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckServing(Config* config) {
  return RunChecks({ReadModel, CountThreads, CheckFdPass, CheckSockets, WarnOfIdleFlags}, config);
}

}  // namespace objmapper::server
