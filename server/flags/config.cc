#include "server/flags/config.h"

#include <arpa/inet.h>
#include <gflags/gflags.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "net/send_buffer.h"
#include "net/tcp.h"
#include "server/cores.h"
#include "server/flags/config_access.h"
#include "server/flags/config_disk.h"
#include "server/flags/config_memory.h"
#include "server/flags/config_objects.h"
#include "server/flags/config_udp.h"
#include "server/flags/flag_errors.h"
#include "text/duration.h"

DEFINE_string(listen_unix, "",
              "Unix sockets to listen on, separated by commas: paths, or @names in the abstract "
              "namespace. Without this flag, --listen_tcp and --listen_udp: objmapper.sock in "
              "$XDG_RUNTIME_DIR, or in /tmp.");
DEFINE_string(listen_tcp, "",
              "TCP addresses to listen on, separated by commas: host:port, [v6]:port, or :port and "
              "port for loopback. With port 0 the kernel chooses one. Empty: no TCP.");
DEFINE_string(admin_listen, "",
              "Address of the operators' HTTP server, with a status page, /metrics for Prometheus, "
              "/healthz, /readyz, /stats, /connz and /flagz: a Unix socket's path (or @name), or "
              "host:port, :port or port on loopback. Empty: none.");
DEFINE_string(admin_hosts, "",
              "Additional host names, separated by commas, that requests to --admin_listen may "
              "have in their Host header, such as that of a proxy that passes Host on. localhost, "
              "127.0.0.1, [::1] and the address listened on are always accepted, all others are "
              "refused (421), so that no web page can direct a browser here by a host name of its "
              "own (DNS rebinding). Over a Unix socket every name is accepted.");
DEFINE_string(root, "", "Directory whose files are the objects. Empty: ./objects, if it exists.");
DEFINE_string(concurrency_model, "mode_routing",
              "How requests are distributed over threads. mode_routing (or hybrid): each mode in "
              "the lane built for it. auto: the same, without lanes that no listener can reach. Or "
              "one model for all modes: thread_per_request, thread_per_connection, thread_pool, "
              "accept_pool, work_stealing, epoll, uring or seda (docs/concurrency.md).");
DEFINE_int32(
    pool_size, 0,
    "Number of workers of the fdpass lane, of thread_pool, accept_pool and work_stealing, and of "
    "each stage of seda. 0: one for each core that the server may use (affinity, cgroup).");
DEFINE_int64(max_queue_depth, 1000,
             "Maximum number of connections that wait in a queue for a worker. Beyond it, "
             "thread_pool answers a new connection UNAVAILABLE and closes it; in accept_pool and "
             "seda, requests wait in their sockets.");
DEFINE_int64(max_threads, 1000,
             "Maximum number of threads of thread_per_request and thread_per_connection. Beyond "
             "it, requests of thread_per_request wait in their sockets; thread_per_connection "
             "answers a new connection UNAVAILABLE and closes it.");
DEFINE_int32(splice_pool_size, 0,
             "Number of threads that move bytes for OP_SPLICE and open files that are not in the "
             "kernel's caches. 0: two for each core.");
DEFINE_int32(copy_pool_size, 0, "Another name for --splice_pool_size.");
DEFINE_int32(copy_loops, 1, "Number of event loops of the copypath lane.");
DEFINE_int32(bulk_loops, -1,
             "Number of event loops of the copypath lane for TCP connections with large bodies "
             "(--bulk_bytes_min). -1: one for each core. 0: none; such connections stay on the "
             "other loops.");
DEFINE_int64(bulk_bytes_min, 1 << 20,
             "Size in bytes of the body from which on a TCP connection moves to --bulk_loops.");
DEFINE_string(io_engine, "auto",
              "Kernel interface of the copypath lane: uring, epoll, or auto (uring if the kernel "
              "allows it).");
DEFINE_string(
    fdpass_engine, "auto",
    "What the workers of the fdpass lane wait and send on: epoll; uring, a ring for each worker; "
    "or auto: uring where the kernel allows it.");
DEFINE_bool(optimize_for_latency, false,
            "Workers of the fdpass lane poll for requests for --busy_poll_us before they sleep. "
            "Uses a whole core for each worker that has connections.");
DEFINE_int32(busy_poll_us, 50,
             "Time in microseconds for which a worker polls before it sleeps. Only with "
             "--optimize_for_latency.");
DEFINE_int64(
    max_connections, 1000,
    "Maximum number of open connections. A further one is answered UNAVAILABLE and closed.");
DEFINE_int32(max_pipeline, 64,
             "Maximum number of requests of a connection that are received and not yet answered. A "
             "client may ask for fewer.");
DEFINE_bool(
    persistent_connections, true,
    "Whether a connection may send more than one request. false: it is closed after one answer.");
DEFINE_int64(requests_per_conn, 0,
             "Number of answers after which a connection is closed. 0: no limit.");
DEFINE_string(idle_timeout, "5m",
              "Time (500ms, 30s, 5m, ...) without a request after which a connection is closed. 0: "
              "no limit.");
DEFINE_string(request_timeout, "30s",
              "Maximum time for a client to complete a request that it has begun, and maximum time "
              "during which it reads nothing of the answers that are ready. 0: no limit.");
DEFINE_string(drain_timeout, "10s",
              "Maximum time for accepted requests to be answered after SIGTERM or SIGINT.");
DEFINE_string(
    fd_sharing, "never",
    "never: the file is opened anew for each OP_FDPASS answer. always: a file is opened once and "
    "its descriptor is passed to many clients, which saves the open; all receivers then share one "
    "file offset, its flags and its locks. That is UNSAFE between clients that do not trust each "
    "other, and wrong for clients that do not read with pread or mmap.");
DEFINE_int64(fd_cache_entries, 1024,
             "Maximum number of objects that the copypath lane keeps open, small ones in memory. "
             "With --fd_sharing=always also the maximum number of descriptors that each fdpass "
             "worker keeps. 0: none.");
DEFINE_int32(fd_cache_valid_ms, 20,
             "Time in milliseconds for which the copypath lane and OP_STAT use what they know of "
             "an object before they ask the file system again. 0: they ask each time.");
DEFINE_bool(use_async_copy, true,
            "Whether the event loop sends the bodies of OP_COPY itself, overlapping disk and "
            "network. false: splice threads move those that are not in the cache, one thread per "
            "body until its socket is full.");
DEFINE_bool(splice_in_loop, true,
            "Whether the event loop itself moves OP_SPLICE bodies that are in the page cache, and "
            "splice threads only the others. false: splice threads move all bodies of at least "
            "--splice_bytes_min bytes.");
DEFINE_int64(
    sendfile_bytes_min, 16384,
    "OP_COPY bodies of at least this many bytes are moved by sendfile(2) instead of copied into "
    "the socket. If a file is rewritten in place (not replaced) while it is sent, the client may "
    "receive some of the new bytes. 0: all bodies that are not in the cache.");
DEFINE_int64(unix_send_buffer_bytes, 524288,
             "Size in bytes of a Unix socket's send buffer (SO_SNDBUF, socket(7)), set when the "
             "first body of 256 KiB or more is moved through a pipe; limited by net.core.wmem_max. "
             "A client that stops reading holds up to twice as much of the page cache, until "
             "--request_timeout. 0: the system's default.");
DEFINE_bool(
    answer_in_place, true,
    "Whether a lane answers cheap requests of the other lane's modes itself instead of moving the "
    "connection: fdpass workers answer OP_COPY of small objects that are in the kernel's caches, "
    "copy loops answer OP_FDPASS. false: each mode is answered in its own lane only.");
DEFINE_int64(index_entries, 65536,
             "Maximum number of objects whose size and times are cached for OP_STAT. 0: none.");
DEFINE_string(tcp_local_congestion, "reno",
              "Congestion control (tcp(7)) of TCP connections whose client is on this machine, "
              "where there is no congestion but some algorithms (bbr) pace what they send, with a "
              "timer for each piece. Empty: the system's default.");
DEFINE_int64(
    splice_bytes_min, 65536,
    "OP_SPLICE bodies smaller than this many bytes are sent by the event loop like OP_COPY: "
    "handing them to a splice thread costs more than copying them. 0: all go to a splice thread.");

namespace objmapper::server {
namespace {

absl::Status ReadDuration(absl::string_view flag, const std::string& text, absl::Duration* out) {
  if (!text::ParseDuration(text, out))
    return Bad(flag, text, "it is a time such as 500ms, 30s or 5m, or seconds");
  if (*out < absl::ZeroDuration() ||
      (*out > absl::Hours(24 * 365) && *out != absl::InfiniteDuration())) {
    return Bad(flag, text, "it is a time from 0 to a year");
  }
  return absl::OkStatus();
}

absl::Status ReadEngine(absl::string_view flag, const std::string& text, loop::EngineKind* out) {
  if (text == "auto") {
    *out = loop::EngineKind::kAuto;
  } else if (text == "uring") {
    *out = loop::EngineKind::kUring;
  } else if (text == "epoll") {
    *out = loop::EngineKind::kEpoll;
  } else {
    return Bad(flag, text, "it is auto, uring or epoll");
  }
  return absl::OkStatus();
}

std::vector<std::string> List(const std::string& text) {
  std::vector<std::string> parts;
  for (absl::string_view part : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    parts.emplace_back(absl::StripAsciiWhitespace(part));
  }
  return parts;
}

absl::Status ReadListeners(Config* config) {
  for (const std::string& path : List(FLAGS_listen_unix)) {
    absl::StatusOr<net::Address> address = net::UnixAddress(path);
    if (!address.ok()) return Bad("listen_unix", path, address.status().message());
    config->listen.push_back(*std::move(address));
  }
  for (const std::string& text : List(FLAGS_listen_tcp)) {
    absl::StatusOr<net::Address> address = net::ParseHostPort(text);
    if (!address.ok()) return Bad("listen_tcp", text, address.status().message());
    config->listen.push_back(*std::move(address));
  }
  // systemd and a flag may both name one socket.
  std::vector<net::Address>& listen = config->listen;
  const bool named = !listen.empty();
  const auto is_inherited = [config](const net::Address& address) {
    return std::any_of(config->inherited.begin(), config->inherited.end(),
                       [&](const net::Address& other) { return other.ToUrl() == address.ToUrl(); });
  };
  listen.erase(std::remove_if(listen.begin(), listen.end(), is_inherited), listen.end());
  if (named) return absl::OkStatus();
  if (!FLAGS_listen_unix.empty())
    return Bad("listen_unix", FLAGS_listen_unix, "it names no socket");
  if (!FLAGS_listen_tcp.empty()) return Bad("listen_tcp", FLAGS_listen_tcp, "it names no address");
  if (!config->inherited.empty() || !config->listen_udp.empty()) return absl::OkStatus();
  absl::StatusOr<net::Address> address = net::UnixAddress(DefaultSocketPath());
  if (!address.ok()) return address.status();
  config->listen.push_back(*std::move(address));
  return absl::OkStatus();
}

absl::Status ReadAdminHosts(Config* config) {
  for (const std::string& text : List(FLAGS_admin_hosts)) {
    absl::string_view host = text;
    const bool bracketed = absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]");
    const bool sensible = !host.empty() && std::all_of(host.begin(), host.end(), [&](char c) {
      return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_' || (bracketed && c == ':');
    });
    if (!sensible)
      return Bad(
          "admin_hosts", text,
          "it is a host's name or address, without a port, such as node1.example or [fd00::1]");
    config->admin_hosts.emplace_back(host);
  }
  if (!FLAGS_admin_hosts.empty() && config->admin_hosts.empty()) {
    return Bad("admin_hosts", FLAGS_admin_hosts, "it names no host");
  }
  return absl::OkStatus();
}

absl::Status ReadAdmin(Config* config) {
  if (absl::Status hosts = ReadAdminHosts(config); !hosts.ok()) return hosts;
  absl::string_view text = FLAGS_admin_listen;
  if (text.empty()) return absl::OkStatus();
  const bool is_unix =
      absl::ConsumePrefix(&text, "unix:") || text[0] == '@' || absl::StrContains(text, '/');
  absl::StatusOr<net::Address> address =
      is_unix ? net::UnixAddress(text) : net::ParseHostPort(text);
  if (!address.ok()) return Bad("admin_listen", FLAGS_admin_listen, address.status().message());
  if (!is_unix && !IsLoopback(address->host)) {
    return Bad(
        "admin_listen", FLAGS_admin_listen,
        "it is a Unix socket or an address of this machine alone (127.0.0.1, ::1), since whoever "
        "reaches it may look");
  }
  config->admin_listen = *std::move(address);
  return absl::OkStatus();
}

absl::Status ReadRoot(Config* config) {
  const bool given = !FLAGS_root.empty();
  const std::string wanted = given ? FLAGS_root : "objects";
  struct stat status;
  if (stat(wanted.c_str(), &status) != 0) {
    if (given) return Bad("root", wanted, "there is no such folder, or it cannot be reached");
    return absl::InvalidArgumentError(
        "--root is not given, and there is no folder ./objects to take its place: say which "
        "folder's "
        "files to serve with --root=DIR.");
  }
  if (!S_ISDIR(status.st_mode)) return Bad("root", wanted, "it is not a folder");
  // Absolute, for the log: a relative path tells little to who reads it later. Links in it stay, so
  // that SIGHUP follows one that leads elsewhere by then; but for one that a ".." comes behind,
  // which only the file system can resolve.
  if (!absl::StrContains(wanted, "..")) {
    std::error_code error;
    std::string path = std::filesystem::absolute(wanted, error).lexically_normal().string();
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    config->root = error ? wanted : path;
    return absl::OkStatus();
  }
  char* absolute = realpath(wanted.c_str(), nullptr);
  config->root = absolute == nullptr ? wanted : absolute;
  free(absolute);
  return absl::OkStatus();
}

absl::Status ReadModel(Config* config) {
  config->concurrency_model = FLAGS_concurrency_model;
  if (FLAGS_concurrency_model == "mode_routing" || FLAGS_concurrency_model == "hybrid") {
    config->concurrency_model = "mode_routing";
    return absl::OkStatus();
  }
  if (FLAGS_concurrency_model == "auto") {
    config->fdpass_lane = config->Has(net::Address::Kind::kUnix);
    return absl::OkStatus();
  }
  config->model = models::ModelNamed(FLAGS_concurrency_model);
  if (config->model.has_value()) return absl::OkStatus();
  return Bad("concurrency_model", FLAGS_concurrency_model,
             absl::StrCat("it is mode_routing (or hybrid), auto, ", models::ModelNames()));
}

absl::Status ReadThreads(Config* config) {
  const Cores allowed = CoresAllowed();
  const int cores = allowed.count;
  config->cores =
      absl::StrCat("cores: ", allowed.why,
                   "; that is how many threads there are of a kind, unless flags say how many");
  if (absl::Status s = CheckRange("pool_size", FLAGS_pool_size, 0, 1024); !s.ok()) return s;
  if (absl::Status s = CheckRange("splice_pool_size", FLAGS_splice_pool_size, 0, 1024); !s.ok()) {
    return s;
  }
  if (absl::Status s = CheckRange("copy_pool_size", FLAGS_copy_pool_size, 0, 1024); !s.ok())
    return s;
  if (absl::Status s = CheckRange("copy_loops", FLAGS_copy_loops, 1, 256); !s.ok()) return s;
  if (absl::Status s = CheckRange("bulk_loops", FLAGS_bulk_loops, -1, 256); !s.ok()) return s;
  if (absl::Status s = CheckRange("bulk_bytes_min", FLAGS_bulk_bytes_min, 1, int64_t{1} << 40);
      !s.ok())
    return s;
  if (absl::Status s = CheckRange("busy_poll_us", FLAGS_busy_poll_us, 0, 1'000'000); !s.ok())
    return s;
  if (FLAGS_splice_pool_size != 0 && FLAGS_copy_pool_size != 0 &&
      FLAGS_splice_pool_size != FLAGS_copy_pool_size) {
    return Bad("copy_pool_size", absl::StrCat(FLAGS_copy_pool_size),
               absl::StrCat("it is another name for --splice_pool_size, which says ",
                            FLAGS_splice_pool_size));
  }
  const int splice = std::max(FLAGS_splice_pool_size, FLAGS_copy_pool_size);
  if (absl::Status s = CheckRange("max_queue_depth", FLAGS_max_queue_depth, 1, 10'000'000);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = CheckRange("max_threads", FLAGS_max_threads, 1, 1'000'000); !s.ok())
    return s;
  config->pool_size = FLAGS_pool_size == 0 ? cores : FLAGS_pool_size;
  config->max_queue_depth = static_cast<size_t>(FLAGS_max_queue_depth);
  config->max_threads = static_cast<size_t>(FLAGS_max_threads);
  config->splice_pool_size = splice == 0 ? 2 * cores : splice;
  config->copy_loops = FLAGS_copy_loops;
  const int bulk = FLAGS_bulk_loops < 0 ? cores : FLAGS_bulk_loops;
  config->bulk_loops = config->Has(net::Address::Kind::kTcp) ? bulk : 0;
  config->bulk_bytes_min = static_cast<uint64_t>(FLAGS_bulk_bytes_min);
  if (FLAGS_optimize_for_latency) config->busy_poll = absl::Microseconds(FLAGS_busy_poll_us);
  if (FLAGS_fd_sharing != "never" && FLAGS_fd_sharing != "always") {
    return Bad("fd_sharing", FLAGS_fd_sharing, "it is never or always");
  }
  config->fd_sharing = FLAGS_fd_sharing == "always";
  config->answer_in_place = FLAGS_answer_in_place;
  if (config->fd_sharing && config->model.has_value()) {
    return Bad("fd_sharing", FLAGS_fd_sharing,
               absl::StrCat("--concurrency_model=", config->concurrency_model,
                            " opens each object afresh; mode_routing shares"));
  }
  if (config->fd_sharing && FLAGS_fd_cache_entries == 0) {
    return Bad("fd_sharing", FLAGS_fd_sharing, "--fd_cache_entries=0 leaves nothing to share");
  }
  if (absl::Status s = ReadEngine("io_engine", FLAGS_io_engine, &config->io_engine); !s.ok())
    return s;
  if (absl::Status s = ReadEngine("fdpass_engine", FLAGS_fdpass_engine, &config->fdpass_engine);
      !s.ok()) {
    return s;
  }
  return absl::OkStatus();
}

absl::Status ReadLimits(Config* config) {
  if (absl::Status s = CheckRange("max_connections", FLAGS_max_connections, 1, 10'000'000);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = CheckRange("max_pipeline", FLAGS_max_pipeline, 1, 65535); !s.ok()) return s;
  if (absl::Status s = CheckRange("requests_per_conn", FLAGS_requests_per_conn, 0, INT64_MAX);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = CheckRange("fd_cache_entries", FLAGS_fd_cache_entries, 0, 1'000'000);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = CheckRange("fd_cache_valid_ms", FLAGS_fd_cache_valid_ms, 0, 3'600'000);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = CheckRange("index_entries", FLAGS_index_entries, 0, 1'000'000'000);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = CheckRange("splice_bytes_min", FLAGS_splice_bytes_min, 0, INT64_MAX);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = CheckRange("sendfile_bytes_min", FLAGS_sendfile_bytes_min, 0, INT64_MAX);
      !s.ok()) {
    return s;
  }
  if (absl::Status s =
          CheckRange("unix_send_buffer_bytes", FLAGS_unix_send_buffer_bytes, 0, INT_MAX / 2);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = ReadDuration("idle_timeout", FLAGS_idle_timeout, &config->idle_timeout);
      !s.ok()) {
    return s;
  }
  if (absl::Status s =
          ReadDuration("request_timeout", FLAGS_request_timeout, &config->request_timeout);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = ReadDuration("drain_timeout", FLAGS_drain_timeout, &config->drain_timeout);
      !s.ok()) {
    return s;
  }
  config->admission.connections_max = static_cast<uint64_t>(FLAGS_max_connections);
  config->max_pipeline = static_cast<uint16_t>(FLAGS_max_pipeline);
  config->requests_per_conn = static_cast<uint64_t>(FLAGS_requests_per_conn);
  if (!FLAGS_persistent_connections) {
    if (FLAGS_requests_per_conn > 1) {
      return Bad("requests_per_conn", absl::StrCat(FLAGS_requests_per_conn),
                 "--persistent_connections=false allows one");
    }
    config->requests_per_conn = 1;
  }
  config->fd_cache_entries = static_cast<size_t>(FLAGS_fd_cache_entries);
  config->fd_cache_valid = absl::Milliseconds(FLAGS_fd_cache_valid_ms);
  config->index_entries = static_cast<size_t>(FLAGS_index_entries);
  config->splice_bytes_min = static_cast<uint64_t>(FLAGS_splice_bytes_min);
  config->splice_in_loop = FLAGS_splice_in_loop;
  config->use_async_copy = FLAGS_use_async_copy;
  config->sendfile_bytes_min = static_cast<uint64_t>(FLAGS_sendfile_bytes_min);
  config->unix_send_buffer_bytes =
      net::SendBufferAllowed(static_cast<int>(FLAGS_unix_send_buffer_bytes));
  // The default is no reason to complain: most systems allow less.
  if (config->unix_send_buffer_bytes < FLAGS_unix_send_buffer_bytes &&
      !gflags::GetCommandLineFlagInfoOrDie("unix_send_buffer_bytes").is_default) {
    config->warnings.push_back(absl::StrCat(
        "--unix_send_buffer_bytes=", FLAGS_unix_send_buffer_bytes, ": this system allows ",
        config->unix_send_buffer_bytes, " (net.core.wmem_max)"));
  }
  config->tcp_local_congestion = FLAGS_tcp_local_congestion;
  // The default is no reason not to start: a system may allow others alone.
  const bool chosen = !gflags::GetCommandLineFlagInfoOrDie("tcp_local_congestion").is_default;
  if (chosen && !config->tcp_local_congestion.empty()) {
    const absl::Status known = net::CongestionControl::Check(config->tcp_local_congestion);
    if (!known.ok())
      return Bad("tcp_local_congestion", config->tcp_local_congestion, known.message());
  }
  return absl::OkStatus();
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
    gflags::CommandLineFlagInfo info;
    if (!gflags::GetCommandLineFlagInfo(tuning.flag, &info) || info.is_default) continue;
    const bool used =
        config->model.has_value()
            ? std::count(tuning.models.begin(), tuning.models.end(), *config->model) > 0
            : tuning.routing;
    if (used) continue;
    config->warnings.push_back(
        absl::StrCat("--", tuning.flag, "=", info.current_value,
                     " has no effect with --concurrency_model=", config->concurrency_model, "."));
  }
  return absl::OkStatus();
}

}  // namespace

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

absl::StatusOr<Config> ConfigFromFlags(const std::vector<net::Address>& inherited) {
  Config config;
  config.inherited = inherited;
  for (const auto& read :
       {ReadUdp, ReadListeners, ReadAdmin, ReadRoot, ReadModel, ReadThreads, ReadLimits, ReadAccess,
        ReadObjects, ReadDisk, ReadMemory, WarnOfIdleFlags}) {
    const absl::Status status = read(&config);
    if (!status.ok()) return status;
  }
  return config;
}

}  // namespace objmapper::server
