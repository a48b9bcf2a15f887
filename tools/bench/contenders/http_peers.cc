// nginx, lighttpd and h2o: static files over HTTP/1.1, set up for speed as their documentation
// advises: sendfile, a cache of open files, no access log, connections that stay, a worker for each
// core.
#include <unistd.h>

#include "absl/strings/substitute.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/contenders/starters.h"

namespace objmapper::bench {
namespace {

// Runs it with `config`, in the file that the last of `argv` names.
void Launch(Contender& contender, const std::string& config, std::vector<std::string> argv) {
  argv.push_back(contender.Write(".conf", config));
  contender.Start(std::move(argv));
  contender.Await(Wire::kHttp, Transport::kUnix);
  contender.Await(Wire::kHttp, Transport::kTcp);
}

// nginx: objects can be stored (ngx_http_dav_module). A body goes to a file among those of
// client_body_temp_path, which are on the objects' file system, so that it gets its name by a
// rename; the buffer is as large as our server's pieces, so that both write as often.
constexpr char kNginxStores[] = R"(
  dav_methods PUT;
  client_max_body_size 0;
  client_body_buffer_size 256k;)";

// Connections for one of several workers, if all go to the same.
int WorkerConnections(const ContenderOptions& options) { return options.connections_max + 64; }

}  // namespace

void StartNginx(const ContenderOptions& options, const ObjectSet& objects, Contender& contender) {
  const std::string program = contender.Take(InstalledProgram("nginx", "nginx-light"));
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
  scgi_temp_path $2/nginx.scgi;$8
  server { listen unix:$5 backlog=4096; listen 127.0.0.1:$6 backlog=4096; root $7; }
}
)",
      // Else root's workers would become www-data, which may not read the folder.
      geteuid() == 0 ? "user root;\n" : "", Cores(), options.work_dir, WorkerConnections(options),
      objects.objects.size() + 16, contender.path(), contender.port(), objects.root,
      options.stores ? kNginxStores : "");
  Launch(contender, config, {program, "-e", "stderr", "-p", options.work_dir, "-c"});
}

void StartLighttpd(const ContenderOptions& options, const ObjectSet& objects,
                   Contender& contender) {
  const std::string program = contender.Take(InstalledProgram("lighttpd", "lighttpd"));
  // It closes a connection after 65535 requests at the latest: the setting is 16 bits wide. What
  // has no type gets neither ETag nor Last-Modified, which the others say.
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
mimetype.assign = ( "" => "application/octet-stream" )
)",
      objects.root, contender.path(), contender.port(), Cores(), WorkerConnections(options),
      2 * WorkerConnections(options) + 64);
  Launch(contender, config, {program, "-D", "-f"});
}

void StartH2o(const ContenderOptions& options, const ObjectSet& objects, Contender& contender) {
  const std::string program = contender.Take(InstalledProgram("h2o", "h2o"));
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
      contender.path(), contender.port(), objects.root);
  Launch(contender, config, {program, "-m", "worker", "-c"});
}

}  // namespace objmapper::bench
