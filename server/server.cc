// Builds the parts of the server in the order in which they need each other, and stops them in the
// reverse order.
#include "server/server.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "net/clock.h"
#include "net/deadline_list.h"
#include "net/expendable.h"
#include "server/checks.h"
#include "server/privileges.h"

namespace objmapper::server {
namespace {

// A duration of the time in which this process was running: that it was stopped for a while,
// between two looks, is not the doing of those who are waited for.
class Allowance {
 public:
  explicit Allowance(absl::Duration allowed) : allowed_ns_(absl::ToInt64Nanoseconds(allowed)) {}

  bool IsOver() {
    const int64_t now_ns = net::NowNs();
    if (now_ns - looked_ns_ < net::kOversleptNs) used_ns_ += now_ns - looked_ns_;
    looked_ns_ = now_ns;
    return used_ns_ >= allowed_ns_;
  }

 private:
  const int64_t allowed_ns_;
  int64_t looked_ns_ = net::NowNs();
  int64_t used_ns_ = 0;
};

}  // namespace

Server::Server(const Config& config)
    : config_(config),
      limits_(config.limits),
      rules_(config.rules_file, config.tokens_file),
      pulse_({[this] { return FirstSilent(); }, [this] { AskPulse(); },
              [this] { return lanes_->WithoutThreads(config_.PoolPatience()); }}) {
  limits_.parallelism =
      static_cast<uint8_t>(std::min(255, config.sizes.pool_size + config.sizes.splice_threads));
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Config& config,
                                                      std::vector<net::Listener> inherited) {
  auto server = std::unique_ptr<Server>(new Server(config));
  if (absl::Status made = server->Make(std::move(inherited)); !made.ok()) return made;
  return server;
}

absl::Status Server::Make(std::vector<net::Listener> inherited) {
  net::AbandonExpendable(false);
  auto storage = Storage::Open(config_);
  if (!storage.ok()) return storage.status();
  storage_ = *std::move(storage);
  if (absl::Status rules = rules_.Read(); !rules.ok()) return rules;
  if (absl::Status spelling = CheckSpelling(config_, storage_->tree()); !spelling.ok())
    return spelling;
  limits_.access = rules_.access();
  limits_.reads = storage_->origins();
  // What needs root's rights comes first.
  absl::StatusOr<std::vector<net::Listener>> listeners = Listen(std::move(inherited));
  if (!listeners.ok()) return listeners.status();
  if (absl::Status bound = BindUdp(); !bound.ok()) return bound;
  if (config_.become.has_value()) {
    if (absl::Status became = BecomeForGood(*config_.become); !became.ok()) return became;
  }
  if (const std::string doubt = DoubtAboutWriting(config_); !doubt.empty()) LOG(WARNING) << doubt;
  if (absl::Status kept = storage_->StartHousekeeping(); !kept.ok()) return kept;

  demultiplexer_ = std::make_unique<router::Demultiplexer>(
      router::Demultiplexer::Options{*std::move(listeners), &limits_, &counters_,
                                     config_.tcp_local_congestion, config_.admission});
  socket_watch_ = std::make_unique<SocketWatch>(demultiplexer_.get(), config_.socket_file);
  if (absl::Status made = MakeLanes(); !made.ok()) return made;
  demultiplexer_->Start(lanes_->fdpass(), lanes_->others());
  if (udp_ != nullptr) udp_->Start();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<net::Listener>> Server::Listen(std::vector<net::Listener> inherited) {
  std::vector<net::Listener> listeners = std::move(inherited);
  for (const net::Address& address : config_.listen) {
    absl::StatusOr<net::Listener> listener = net::Listener::Open(address, config_.socket_file);
    if (!listener.ok()) return listener.status();
    listeners.push_back(*std::move(listener));
  }
  for (const net::Listener& listener : listeners) urls_.push_back(listener.address().ToUrl());
  return listeners;
}

absl::Status Server::BindUdp() {
  if (config_.listen_udp.empty()) return absl::OkStatus();
  udp_ = std::make_unique<udp::UdpListener>(
      udp::Objects{&storage_->tree(), storage_->index(), config_.udp_payload_max}, &limits_,
      &board_);
  for (const net::Address& address : config_.listen_udp) {
    // Datagrams have no listener that could be handed over: a successor binds the address beside
    // us, and we answer what has come to us until then.
    const bool shared = !config_.take_over.empty();
    if (absl::Status bound = udp_->Bind(address, shared); !bound.ok()) return bound;
  }
  urls_.insert(urls_.end(), udp_->urls().begin(), udp_->urls().end());
  return absl::OkStatus();
}

absl::Status Server::MakeLanes() {
  models::Options options{config_.loop, config_.sizes};
  options.limits = &limits_;
  options.tree = &storage_->tree();
  options.index = storage_->index();
  options.store = storage_->store();
  options.connections = &counters_;
  options.board = &board_;
  options.switchboard = demultiplexer_.get();
  auto lanes = Lanes::Start(config_, options);
  if (!lanes.ok()) return lanes.status();
  lanes_ = *std::move(lanes);
  return absl::OkStatus();
}

Server::~Server() {
  // Who waits for a client's file waits no longer.
  net::AbandonExpendable(true);
  // The router first: it gives the lanes nothing new. What lanes give back to it after that waits
  // in its mailbox and dies with it.
  if (demultiplexer_ != nullptr) demultiplexer_->Stop();
  if (storage_ != nullptr) storage_->StopFetching();
  lanes_.reset();
  if (udp_ != nullptr) udp_->Stop();
}

std::string Server::FirstSilent() const {
  if (!demultiplexer_->HasPulse()) return "router";
  std::string silent = lanes_->WithoutPulse();
  return silent.empty() && udp_ != nullptr && !udp_->HasPulse() ? "udp/0" : silent;
}

void Server::AskPulse() {
  demultiplexer_->AskPulse();
  lanes_->AskPulse();
  if (udp_ != nullptr) udp_->AskPulse();
}

std::string Server::Stuck() const {
  const std::string threads = lanes_->WithoutThreads(config_.PoolPatience());
  if (!threads.empty()) return absl::StrCat(threads, " are all busy, and work waits for them");
  const std::string silent = pulse_.SilentFor(kStuckAfter, net::NowNs());
  if (!silent.empty()) return absl::StrCat(silent, " makes no progress");
  std::string trouble = socket_watch_->Trouble();
  return trouble.empty() ? std::string(storage_->CheckRoot().message()) : trouble;
}

bool Server::HandOver(absl::FunctionRef<absl::Status(const session::Session&)> take,
                      uint64_t* count) {
  demultiplexer_->Depart();
  absl::Status failed;
  return DrainLanes(absl::Milliseconds(1), [&] {
    for (const std::unique_ptr<session::Session>& session : demultiplexer_->TakeDeparted()) {
      if (failed.ok()) failed = take(*session);
      if (failed.ok()) {
        session->LeaveSocket();
        ++*count;
      } else {
        LOG(ERROR) << session->PeerName()
                   << ": closed, it could not be handed over: " << failed.message();
      }
    }
  });
}

bool Server::Drain() {
  demultiplexer_->Drain();
  return DrainLanes(absl::Milliseconds(5), [] {});
}

bool Server::DrainLanes(absl::Duration pause, absl::FunctionRef<void()> look) {
  lanes_->Drain();
  if (udp_ != nullptr) udp_->Drain();
  Allowance allowed(config_.drain_timeout);
  while (true) {
    // Read before the look: what is not counted any more by then is seen by it.
    const bool over =
        counters_.open.load(std::memory_order_acquire) == 0 && (udp_ == nullptr || udp_->drained());
    look();
    if (over) return true;
    if (allowed.IsOver()) return false;
    absl::SleepFor(pause);
  }
}

}  // namespace objmapper::server
