// nginx: static files with ETags and ranges, set up as the peer of the other workloads is, but for
// a log that says what was sent.
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/substitute.h"
#include "absl/time/clock.h"
#include "tools/bench/contenders/contender.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/origin/far.h"
#include "tools/bench/origin/http.h"

namespace objmapper::bench {
namespace {

class NginxFar : public Far {
 public:
  NginxFar(std::string folder, uint16_t port, std::unique_ptr<Process> process)
      : Far("nginx", folder + "/sent.log"),
        root_(folder + "/root"),
        base_(absl::StrCat("http://127.0.0.1:", port, "/")),
        process_(std::move(process)) {}

  std::string line() const override { return base_; }
  std::string url(absl::string_view key) const override { return absl::StrCat(base_, key); }
  std::vector<std::string> AwsSource(absl::string_view) const override { return {}; }
  std::string RcloneSource(absl::string_view key) const override {
    return absl::StrCat(":http,url='", base_, "':", key);
  }
  bool tells_md5() const override { return false; }

  absl::Status Put(absl::string_view key, const Content& content) override {
    return content.WriteTo(absl::StrCat(root_, "/", key));
  }
  absl::Status PutInParts(absl::string_view key, const Content&) override {
    return absl::UnimplementedError(absl::StrCat(key, ": nginx knows no parts"));
  }
  absl::Status Alias(absl::string_view key, absl::string_view existing) override {
    std::error_code error;
    std::filesystem::create_hard_link(absl::StrCat(root_, "/", existing),
                                      absl::StrCat(root_, "/", key), error);
    if (!error) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("link ", key, ": ", error.message()));
  }

 protected:
  // "GET /key 206 8388608"
  bool ParseLine(absl::string_view line, Sent* sent) const override {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    if (words.size() != 4 || words[0] != "GET" || !absl::StartsWith(words[2], "2")) return false;
    sent->path = words[1];
    return absl::SimpleAtoi(words[3], &sent->bytes);
  }
  std::string PathOf(absl::string_view key) const override { return absl::StrCat("/", key); }

 private:
  const std::string root_, base_;
  const std::unique_ptr<Process> process_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Far>> StartNginxFar(const std::string& folder) {
  const absl::StatusOr<std::string> program = InstalledProgram("nginx", "nginx-light");
  if (!program.ok()) return program.status();
  const absl::StatusOr<uint16_t> port = FreePort();
  if (!port.ok()) return port.status();
  std::error_code error;
  const std::string root = folder + "/root";
  std::filesystem::create_directory(root, error);
  const std::string config_file = folder + "/nginx.conf";
  const absl::Status written = WriteFile(
      config_file, absl::Substitute(
                       R"($0worker_processes $1;
pid $2/nginx.pid;
error_log stderr warn;
daemon off;
events { use epoll; worker_connections 4096; }
http {
  log_format sent '$$request_method $$uri $$status $$body_bytes_sent';
  access_log $2/sent.log sent;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  client_body_temp_path $2/nginx.body;
  proxy_temp_path $2/nginx.proxy;
  fastcgi_temp_path $2/nginx.fastcgi;
  uwsgi_temp_path $2/nginx.uwsgi;
  scgi_temp_path $2/nginx.scgi;
  server { listen 127.0.0.1:$3 backlog=4096; root $2/root; }
}
)",
                       // Else root's workers would become www-data, which may not read the folder.
                       geteuid() == 0 ? "user root;\n" : "", Cores(), folder, *port));
  if (!written.ok()) return written;
  absl::StatusOr<std::unique_ptr<Process>> process =
      Process::Start({.argv = {*program, "-e", "stderr", "-p", folder, "-c", config_file},
                      .log_path = folder + "/nginx.log"});
  if (!process.ok()) return process.status();
  auto far = std::make_unique<NginxFar>(folder, *port, *std::move(process));
  if (const absl::Status put = WriteFile(absl::StrCat(root, "/ready"), "1"); !put.ok()) return put;
  const absl::Time deadline = absl::Now() + Contender::kStartTime;
  while (true) {
    const absl::Status answers = HttpAsk({far->url("ready"), ""}, {}).status();
    if (answers.ok()) return far;
    if (absl::Now() > deadline)
      return absl::UnavailableError(absl::StrCat(answers.message(), "; its log:\n",
                                                 ReadFile(folder + "/nginx.log").value_or("")));
    absl::SleepFor(absl::Milliseconds(20));
  }
}

}  // namespace objmapper::bench
