// Routes the paths of --admin_listen to their pages. Nothing in the server is changed by it, but
// what is here of origins (cache_pages.h).
#include "server/admin/admin.h"

#include <gflags/gflags.h>
#include <limits.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "net/clock.h"
#include "net/mutex.h"
#include "server/admin/cache_pages.h"
#include "server/admin/disk_watch.h"
#include "server/admin/history.h"
#include "server/admin/http_server.h"
#include "server/admin/pages.h"
#include "server/repeating.h"
#include "server/server.h"
#include "text/printable.h"

namespace objmapper::server {
namespace {

constexpr absl::Duration kSampleEvery = absl::Seconds(1);
constexpr int64_t kSampleHangsNs = 10'000'000'000;
constexpr uint64_t kConnectionsShown = 1000;
// What a visitor may ask for: a line is 100 bytes, and while they are made nobody connects or goes.
constexpr uint64_t kConnectionsShownMax = 10'000;

std::string FlagsText() {
  std::vector<gflags::CommandLineFlagInfo> flags;
  gflags::GetAllFlags(&flags);
  std::string text;
  for (const gflags::CommandLineFlagInfo& flag : flags) {
    if (!absl::StrContains(flag.filename, "server/flags/")) continue;
    absl::StrAppend(&text, "--", flag.name, "=", text::Printable(flag.current_value),
                    flag.is_default
                        ? ""
                        : absl::StrCat("  (default: ", text::Printable(flag.default_value), ")"),
                    "\n");
  }
  return text;
}

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = "";
  if (gethostname(name, sizeof(name) - 1) != 0) return "";
  return name;
}

class AdminServer : public Admin {
 public:
  AdminServer(net::Listener listener, std::vector<std::string> hosts)
      : url_(listener.address().ToUrl()) {
    HttpServer::Options options;
    if (listener.address().kind == net::Address::Kind::kTcp) {
      options.hosts = std::move(hosts);
      for (const std::string& host : {std::string("localhost"), std::string("127.0.0.1"),
                                      std::string("::1"), listener.address().host}) {
        options.hosts.push_back(host);
      }
      options.hosts_flag = "--admin_hosts";
    }
    options.quick = [this](const HttpRequest& request) { return Quick(request); };
    options.page = [this](const HttpRequest& request) { return Page(request); };
    sampler_.emplace("admin/sampler", kSampleEvery, [this] { Sample(); });
    http_.emplace(std::move(listener), std::move(options));
  }

  ~AdminServer() override {
    sampler_.reset();
    http_.reset();
  }

  void Serve(Server* server) override {
    const net::MutexLock lock(&mutex_);
    server_ = server;
    State starting = State::kStarting;
    state_.compare_exchange_strong(starting, State::kServing);
    sampler_->Now();
  }
  // No lock: whatever a page waits for, the server drains.
  void Drain() override { state_.store(State::kDraining); }
  void Leave() override {
    Drain();
    {
      const net::MutexLock lock(&mutex_);
      server_ = nullptr;
    }
    const net::MutexLock lock(&work_mutex_);  // whoever is at work has come to its end
  }
  const std::string& url() const override { return url_; }

 private:
  enum class State : int { kStarting, kServing, kDraining };

  // What the pages show. nullopt: there is no server (yet, or any more).
  std::optional<Vitals> Read() {
    const net::MutexLock lock(&mutex_);
    if (server_ == nullptr) return std::nullopt;
    Vitals vitals = server_->Read();
    if (disk_ == nullptr) disk_ = std::make_unique<DiskWatch>(vitals.root);
    vitals.disk_bytes = disk_->fill().bytes;
    vitals.disk_available_bytes = disk_->fill().available_bytes;
    vitals.host = HostName();
    vitals.draining = state_.load() == State::kDraining;
    return vitals;
  }

  // Whether all goes round, for /readyz.
  void Look() {
    std::string stuck;
    {
      const net::MutexLock lock(&mutex_);
      if (server_ == nullptr) return;
      server_->WithoutPulse();
      stuck = server_->Stuck();
    }
    const net::MutexLock lock(&stuck_mutex_);
    stuck_ = std::move(stuck);
  }

  void Sample() {
    sampled_ns_.store(net::NowNs());
    if (const std::optional<Vitals> vitals = Read()) history_.Add(*vitals);
    Look();
  }

  // What is answered whatever hangs: nothing here asks another thread, or takes a lock that is held
  // for longer than it takes to copy a sentence.
  std::optional<HttpAnswer> Quick(const HttpRequest& request) const {
    if (!request.post && request.path == "/healthz") return HttpAnswer{.body = "alive\n"};
    if (!request.post && request.path == "/readyz") {
      switch (state_.load()) {
        case State::kStarting:
          return HttpAnswer{.status = 503, .body = "starting\n"};
        case State::kDraining:
          return HttpAnswer{.status = 503, .body = "draining\n"};
        case State::kServing:
          break;
      }
      // What the sampler waits for, clients may wait for too.
      if (net::NowNs() - sampled_ns_.load() > kSampleHangsNs) {
        return HttpAnswer{
            .status = 503,
            .body = "the server's figures cannot be read: a part of the server hangs\n"};
      }
      const net::MutexLock lock(&stuck_mutex_);
      if (!stuck_.empty()) return HttpAnswer{.status = 503, .body = stuck_ + "\n"};
      return HttpAnswer{.body = "ready\n"};
    }
    if (IsCachePage(request)) return RefuseCachePage(request);
    if (request.post) {
      return HttpAnswer{
          .status = 405, .body = "only GET and HEAD\n", .headers = "Allow: GET, HEAD\r\n"};
    }
    for (const char* page : {"/", "/metrics", "/stats", "/connz", "/flagz"}) {
      if (request.path == page) return std::nullopt;
    }
    return HttpAnswer{.status = 404, .body = "there is no such page here\n"};
  }

  HttpAnswer Page(const HttpRequest& request) {
    if (request.path == "/") {
      return {.type = "text/html; charset=utf-8",
              .body = server::Page(),
              .headers = absl::StrCat("Content-Security-Policy: ", kPagePolicy, "\r\n")};
    }
    if (request.path == "/flagz") return {.body = FlagsText()};
    if (request.path == "/connz") return Connections(request);
    if (IsCachePage(request)) return OfCache(request);
    const std::optional<Vitals> vitals = Read();
    if (!vitals.has_value()) return NoServer();
    if (request.path == "/metrics") {
      return {.type = "text/plain; version=0.0.4; charset=utf-8", .body = ToPrometheus(*vitals)};
    }
    return {.type = "application/json", .body = ToJson(*vitals, history_.points())};
  }

  // What waits for the disk keeps the server, but not the others who look at it.
  HttpAnswer OfCache(const HttpRequest& request) {
    const net::MutexLock work(&work_mutex_);
    Server* server = nullptr;
    {
      const net::MutexLock lock(&mutex_);
      server = server_;
    }
    return server == nullptr ? NoServer() : CachePage(request, server->origins());
  }

  HttpAnswer Connections(const HttpRequest& request) {
    uint64_t lines_max = kConnectionsShown;
    if (const std::optional<std::string> asked = request.Parameter("n"); asked.has_value()) {
      if (!absl::SimpleAtoi(*asked, &lines_max) || lines_max > kConnectionsShownMax) {
        return {.status = 400,
                .body = absl::StrCat("?n= is the most connections to show, a number up to ",
                                     kConnectionsShownMax, "\n")};
      }
    }
    const net::MutexLock lock(&mutex_);
    if (server_ == nullptr) return NoServer();
    return {.body = ConnectionsText(server_->counters()->list, lines_max)};
  }

  static HttpAnswer NoServer() { return {.status = 503, .body = "the server has stopped\n"}; }

  const std::string url_;
  History history_;
  std::atomic<State> state_{State::kStarting};
  std::atomic<int64_t> sampled_ns_{net::NowNs()};  // when the sampler began its last round
  mutable net::Mutex stuck_mutex_;
  std::string stuck_ GUARDED_BY(stuck_mutex_);  // as the sampler last saw it; empty: all goes round
  net::Mutex work_mutex_;  // held while something waits for the disk; before mutex_
  net::Mutex mutex_;
  Server* server_ GUARDED_BY(mutex_) = nullptr;
  std::unique_ptr<DiskWatch> disk_ GUARDED_BY(mutex_);  // null: nobody has looked yet
  std::optional<Repeating> sampler_;
  std::optional<HttpServer> http_;  // last: it uses the others
};

}  // namespace

absl::StatusOr<std::unique_ptr<Admin>> Admin::Open(const net::Address& address,
                                                   std::vector<std::string> hosts) {
  absl::StatusOr<net::Listener> listener = net::Listener::Open(address);
  if (!listener.ok()) return listener.status();
  return On(*std::move(listener), std::move(hosts));
}

std::unique_ptr<Admin> Admin::On(net::Listener listener, std::vector<std::string> hosts) {
  return std::make_unique<AdminServer>(std::move(listener), std::move(hosts));
}

}  // namespace objmapper::server
