// nginx, lighttpd and h2o: static files over HTTP/1.1, set up for speed as their documentation
// advises: sendfile, a cache of open files, no access log, connections that stay, a worker for each
// core.
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/contenders/process_contender.h"
#include "tools/bench/contenders/starters.h"

namespace objmapper::bench {
namespace {

// What the three configurations are filled in with.
struct Setting {
  std::string program;
  std::string socket;
  uint16_t port = 0;
  std::string config;  // the file's path
};

absl::StatusOr<Setting> Prepare(const ContenderOptions& options, absl::string_view program,
                                absl::string_view package) {
  absl::StatusOr<std::string> path = InstalledProgram(program, package);
  if (!path.ok()) return path.status();
  absl::StatusOr<uint16_t> port = FreePort();
  if (!port.ok()) return port.status();
  const std::string base = absl::StrCat(options.work_dir, "/", options.name);
  unlink(absl::StrCat(base, ".sock").c_str());  // of an earlier run; none of the three removes it
  return Setting{*path, absl::StrCat(base, ".sock"), *port, absl::StrCat(base, ".conf")};
}

Started Launch(const ContenderOptions& options, const Setting& setting, absl::string_view config,
               std::vector<std::string> argv) {
  absl::Status status = WriteFile(setting.config, config);
  if (!status.ok()) return status;
  auto contender = std::make_unique<ProcessContender>(options.name, Kind::kPeer);
  status = contender->Start(options.work_dir, "", std::move(argv));
  if (status.ok()) {
    status = contender->AddEndpoint(
        {.wire = Wire::kHttp, .transport = Transport::kUnix, .path = setting.socket});
  }
  if (status.ok()) {
    status = contender->AddEndpoint(
        {.wire = Wire::kHttp, .transport = Transport::kTcp, .port = setting.port});
  }
  if (!status.ok()) return status;
  return contender;
}

// Connections for one of several workers, if all go to the same.
int WorkerConnections(const ContenderOptions& options) { return options.connections_max + 64; }

}  // namespace

Started StartNginx(const ContenderOptions& options, const ObjectSet& objects) {
  absl::StatusOr<Setting> setting = Prepare(options, "nginx", "nginx-light");
  if (!setting.ok()) return setting.status();
  // open_file_cache: at most so many files, looked at again once a minute.
  const std::string config = absl::Substitute(
      R"($0worker_processes $1;
pid $2/nginx.pid;
error_log stderr warn;
daemon off;
events { use epoll; worker_connections $3; }
http {
  access_log off;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  keepalive_time 24h;
  open_file_cache max=$4 inactive=10m;
  open_file_cache_valid 60s;
  open_file_cache_min_uses 1;
  client_body_temp_path $2/nginx.body;
  proxy_temp_path $2/nginx.proxy;
  fastcgi_temp_path $2/nginx.fastcgi;
  uwsgi_temp_path $2/nginx.uwsgi;
  scgi_temp_path $2/nginx.scgi;
  server { listen unix:$5 backlog=4096; listen 127.0.0.1:$6 backlog=4096; root $7; }
}
)",
      // Else root's workers would become www-data, which may not read the folder.
      geteuid() == 0 ? "user root;\n" : "", Cores(), options.work_dir, WorkerConnections(options),
      objects.objects.size() + 16, setting->socket, setting->port, objects.root);
  return Launch(options, *setting, config,
                {setting->program, "-e", "stderr", "-p", options.work_dir, "-c", setting->config});
}

Started StartLighttpd(const ContenderOptions& options, const ObjectSet& objects) {
  absl::StatusOr<Setting> setting = Prepare(options, "lighttpd", "lighttpd");
  if (!setting.ok()) return setting.status();
  // It closes a connection after 65535 requests at the latest: the setting is 16 bits wide.
  const std::string config = absl::Substitute(
      R"(server.document-root = "$0"
server.bind = "$1"
$$SERVER["socket"] == "127.0.0.1:$2" { }
server.max-worker = $3
server.max-connections = $4
server.max-fds = $5
server.listen-backlog = 4096
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 3600
server.max-read-idle = 3600
server.max-write-idle = 3600
server.network-backend = "sendfile"
server.stat-cache-engine = "simple"
server.event-handler = "linux-sysepoll"
)",
      objects.root, setting->socket, setting->port, Cores(), WorkerConnections(options),
      2 * WorkerConnections(options) + 64);
  return Launch(options, *setting, config, {setting->program, "-D", "-f", setting->config});
}

Started StartH2o(const ContenderOptions& options, const ObjectSet& objects) {
  absl::StatusOr<Setting> setting = Prepare(options, "h2o", "h2o");
  if (!setting.ok()) return setting.status();
  const std::string config = absl::Substitute(
      R"($0num-threads: $1
max-connections: $2
http1-request-timeout: 3600
pid-file: $3/h2o.pid
listen:
  type: unix
  port: $4
listen:
  host: 127.0.0.1
  port: $5
hosts:
  default:
    paths:
      /:
        file.dir: $6
        file.send-gzip: OFF
        file.dirlisting: OFF
)",
      geteuid() == 0 ? "user: root\n" : "", Cores(), WorkerConnections(options), options.work_dir,
      setting->socket, setting->port, objects.root);
  return Launch(options, *setting, config,
                {setting->program, "-m", "worker", "-c", setting->config});
}

}  // namespace objmapper::bench
