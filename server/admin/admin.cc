#include "server/admin/admin.h"

#include <fcntl.h>
#include <httplib.h>
#include <pthread.h>
#include <sys/socket.h>

#include <chrono>
#include <condition_variable>
#include <thread>
#include <utility>

#include <gflags/gflags.h>
#include <glog/logging.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "net/listener.h"
#include "net/mutex.h"
#include "net/unique_fd.h"
#include "server/admin/connections_text.h"
#include "server/admin/history.h"
#include "server/admin/metrics.h"
#include "server/admin/page.h"
#include "server/admin/stats_json.h"
#include "server/server.h"

namespace objmapper::server {
namespace {

using httplib::Request;
using httplib::Response;

// Who looks are a scraper and a person or two; a page holds its connection for a while.
constexpr size_t kThreads = 4;
constexpr std::chrono::seconds kSampleEvery{1};
constexpr size_t kConnectionsShown = 1000;

// The library's server on a socket of ours, so that Unix sockets are taken over, guarded and removed as those of
// the lanes are.
class HttpServer : public httplib::Server {
 public:
  explicit HttpServer(net::Listener listener) : listener_(std::move(listener)) {
    new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    set_keep_alive_max_count(1000);
    set_read_timeout(5);
    set_write_timeout(5);
    set_payload_max_length(0);  // nothing is to be sent here
    // It accepts by blocking. The descriptor is its own: it closes it.
    fcntl(listener_.fd(), F_SETFL, fcntl(listener_.fd(), F_GETFL) & ~O_NONBLOCK);
    svr_sock_ = fcntl(listener_.fd(), F_DUPFD_CLOEXEC, 0);
  }
  const net::Address& address() const { return listener_.address(); }

  // stop() shuts the listening socket down, for all who have it: one of systemd's would be dead for the next service
  // too. Such a one is only left: the library is told that there is none, and woken from accept(2) by a visitor.
  void End() {
    if (listener_.file() == net::Listener::File::kOurs) {
      stop();
      return;
    }
    left_.Reset(svr_sock_.exchange(INVALID_SOCKET));
    sockaddr_storage name{};
    socklen_t size = sizeof(name);
    if (getsockname(listener_.fd(), reinterpret_cast<sockaddr*>(&name), &size) != 0) return;
    const net::UniqueFd visitor(socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // EAGAIN: others wait to be accepted, and wake it as well.
    connect(visitor.get(), reinterpret_cast<const sockaddr*>(&name), size);
  }

 private:
  net::Listener listener_;
  net::UniqueFd left_;  // closed when nobody can be in accept(2) any more
};

std::string FlagsText() {
  std::vector<gflags::CommandLineFlagInfo> flags;
  gflags::GetAllFlags(&flags);
  std::string text;
  for (const gflags::CommandLineFlagInfo& flag : flags) {
    if (!absl::StrContains(flag.filename, "server/config")) continue;
    absl::StrAppend(&text, "--", flag.name, "=", flag.current_value,
                    flag.is_default ? "" : absl::StrCat("  (default: ", flag.default_value, ")"), "\n");
  }
  return text;
}

class AdminServer : public Admin {
 public:
  explicit AdminServer(net::Listener listener)
      : http_(std::move(listener)), url_(http_.address().ToUrl()) {
    Route();
    http_thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "admin/http");
      http_.listen_after_bind();
    });
    sampler_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "admin/sampler");
      Sample();
    });
  }

  ~AdminServer() override {
    {
      const net::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    sampler_.join();
    // stop() before it has begun to listen would be lost.
    for (int i = 0; i < 1000 && !http_.is_running(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    http_.End();
    http_thread_.join();
  }

  void Serve(const Server* server) override {
    const net::MutexLock lock(&mutex_);
    server_ = server;
    wake_.notify_all();
  }
  void Drain() override {
    const net::MutexLock lock(&mutex_);
    draining_ = true;
  }
  void Leave() override {
    const net::MutexLock lock(&mutex_);
    server_ = nullptr;
    draining_ = true;
  }
  const std::string& url() const override { return url_; }

 private:
  // What the handlers show. nullopt: there is no server (yet, or any more).
  absl::optional<Vitals> Read() {
    const net::MutexLock lock(&mutex_);
    if (server_ == nullptr) return absl::nullopt;
    Vitals vitals = server_->Read();
    vitals.draining = draining_;
    return vitals;
  }

  void Sample() {
    while (true) {
      if (const absl::optional<Vitals> vitals = Read()) history_.Add(*vitals);
      const net::MutexLock lock(&mutex_);
      if (!stopping_) wake_.wait_for(mutex_, kSampleEvery);
      if (stopping_) return;
    }
  }

  void Route() {
    const auto text = [](Response& response, const std::string& body) {
      response.set_content(body, "text/plain; charset=utf-8");
    };
    const auto not_yet = [text](Response& response) {
      response.status = 503;
      text(response, "there is no server to look at now\n");
    };
    http_.set_default_headers({{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}});
    http_.Get("/healthz", [text](const Request&, Response& response) { text(response, "alive\n"); });
    http_.Get("/readyz", [this, text](const Request&, Response& response) {
      const net::MutexLock lock(&mutex_);
      const bool ready = server_ != nullptr && !draining_;
      if (!ready) response.status = 503;
      text(response, ready ? "ready\n" : draining_ ? "draining\n" : "starting\n");
    });
    http_.Get("/flagz",
              [text](const Request&, Response& response) { text(response, FlagsText()); });
    http_.Get("/metrics", [this, not_yet](const Request&, Response& response) {
      const absl::optional<Vitals> vitals = Read();
      if (!vitals.has_value()) return not_yet(response);
      response.set_content(ToPrometheus(*vitals), "text/plain; version=0.0.4; charset=utf-8");
    });
    http_.Get("/stats", [this, not_yet](const Request&, Response& response) {
      const absl::optional<Vitals> vitals = Read();
      if (!vitals.has_value()) return not_yet(response);
      response.set_content(ToJson(*vitals, history_.points()), "application/json");
    });
    http_.Get("/connz", [this, text, not_yet](const Request& request, Response& response) {
      uint64_t lines_max = kConnectionsShown;
      if (request.has_param("n") && !absl::SimpleAtoi(request.get_param_value("n"), &lines_max)) {
        response.status = 400;
        return text(response, "?n= is the most connections to show, a number\n");
      }
      const net::MutexLock lock(&mutex_);
      if (server_ == nullptr) return not_yet(response);
      text(response, ConnectionsText(server_->connections(), lines_max));
    });
    http_.Get("/", [](const Request&, Response& response) {
      response.set_header("Content-Security-Policy", kPagePolicy);
      response.set_content(Page(), "text/html; charset=utf-8");
    });
  }

  HttpServer http_;
  const std::string url_;
  History history_;
  net::Mutex mutex_;
  std::condition_variable_any wake_;
  const Server* server_ GUARDED_BY(mutex_) = nullptr;
  bool draining_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread http_thread_;
  std::thread sampler_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Admin>> Admin::Open(const net::Address& address) {
  absl::StatusOr<net::Listener> listener = net::Listener::Open(address);
  if (!listener.ok()) return listener.status();
  return On(*std::move(listener));
}

std::unique_ptr<Admin> Admin::On(net::Listener listener) {
  return std::unique_ptr<Admin>(new AdminServer(std::move(listener)));
}

}  // namespace objmapper::server
