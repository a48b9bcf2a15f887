// Builds the parts of the server in the order in which they need each other, and stops them in the
// reverse order.
#include "server/server.h"

#include <glog/logging.h>
#include <sys/resource.h>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "models/model.h"
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

// Makes `*kept` what has been made, or returns why it has not.
template <typename Made, typename Kept>
absl::Status Keep(absl::StatusOr<Made> made, Kept* kept) {
  if (made.ok()) *kept = *std::move(made);
  return made.status();
}

}  // namespace

Server::Server(const Config& config) : config_(config), limits_(config.limits) {
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
  if (absl::Status opened = OpenStorage(); !opened.ok()) return opened;
  if (absl::Status rules = ReadRules(); !rules.ok()) return rules;
  // What needs root's rights comes first.
  absl::StatusOr<std::vector<net::Listener>> listeners = Listen(std::move(inherited));
  if (!listeners.ok()) return listeners.status();
  if (absl::Status bound = BindUdp(); !bound.ok()) return bound;
  if (config_.become.has_value()) {
    if (absl::Status became = BecomeForGood(*config_.become); !became.ok()) return became;
  }
  if (const std::string doubt = DoubtAboutWriting(config_); !doubt.empty()) LOG(WARNING) << doubt;
  if (absl::Status kept = StartHousekeeping(); !kept.ok()) return kept;

  demultiplexer_ = std::make_unique<router::Demultiplexer>(
      router::Demultiplexer::Options{*std::move(listeners), &limits_, &counters_,
                                     config_.tcp_local_congestion, config_.admission});
  socket_watch_ = std::make_unique<SocketWatch>(demultiplexer_.get(), config_.socket_file);
  if (absl::Status made = MakeLanes(); !made.ok()) return made;
  demultiplexer_->Start(fdpass_.get(), model_ != nullptr ? model_.get() : copypath_.get());
  if (udp_ != nullptr) udp_->Start();
  return absl::OkStatus();
}

absl::Status Server::OpenStorage() {
  absl::StatusOr<storage::Tree> tree = storage::Tree::Open(config_.root);
  if (!tree.ok()) return tree.status();
  tree_ = std::make_unique<storage::Tree>(*std::move(tree));
  tree_->slow_opens().Start();
  root_watch_ = std::make_unique<storage::RootWatch>(tree_.get());
  index_ = std::make_unique<storage::StatCache>(config_.index_entries, config_.loop.cache_valid);
  if (config_.memory.bytes_max != 0) {
    storage::MemoryTier::Options options = config_.memory;
    // Each object keeps a descriptor open; most are for connections and answers.
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
      options.objects_max = std::max<size_t>(1, limit.rlim_cur / 4);
    const absl::Status made = Keep(storage::MemoryTier::Create(options), &memory_);
    if (!made.ok()) return OfFlag("--memory_limit", made);
    tree_->SetOverlay(memory_.get());
  }
  if (config_.catalog) {
    storage::Housekeeping::Options options = config_.house;
    options.tree = tree_.get();
    options.warn_of_folding = !config_.rules_file.empty();
    options.each_second = [watch = root_watch_.get()] { watch->Check().IgnoreError(); };
    house_ = std::make_unique<storage::Housekeeping>(options);
    tree_->MarkUses(house_->marks());
  }
  storage::Store::Options options = config_.store;
  options.tree = tree_.get();
  options.house = house_.get();
  options.memory = memory_.get();
  options.foreign_patience = PoolPatience();
  store_ = std::make_unique<storage::Store>(options);
  return absl::OkStatus();
}

absl::Status Server::ReadRules() {
  if (config_.rules_file.empty()) return absl::OkStatus();
  absl::StatusOr<session::AccessRules> rules = session::AccessRules::Load(config_.rules_file);
  if (!rules.ok()) return rules.status();
  if (absl::Status spelling = CheckSpelling(config_, *tree_); !spelling.ok()) return spelling;
  NoteRules(rules);
  access_ = std::make_unique<session::Access>(*std::move(rules));
  limits_.access = access_.get();
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
      udp::Objects{tree_.get(), index_.get(), config_.udp_payload_max}, &limits_, &board_);
  for (const net::Address& address : config_.listen_udp) {
    // Datagrams have no listener that could be handed over: a successor binds the address beside
    // us, and we answer what has come to us until then.
    const bool shared = !config_.take_over.empty();
    if (absl::Status bound = udp_->Bind(address, shared); !bound.ok()) return bound;
  }
  urls_.insert(urls_.end(), udp_->urls().begin(), udp_->urls().end());
  return absl::OkStatus();
}

absl::Status Server::StartHousekeeping() {
  storage::Store* const store = config_.limits.writable ? store_.get() : nullptr;
  if (house_ != nullptr) {
    house_->Start(store == nullptr
                      ? storage::DeleteIf()
                      : [store](absl::string_view uri, absl::FunctionRef<bool(int fd)> wanted) {
                          return store->DeleteIf(uri, wanted);
                        });
  } else if (store != nullptr) {
    // Where nobody walks the tree anyway.
    const absl::StatusOr<size_t> removed = store->RemoveLeftovers();
    if (!removed.ok()) return removed.status();
    if (*removed > 0) LOG(INFO) << "removed " << *removed << " files left by interrupted PUTs";
  }
  return absl::OkStatus();
}

absl::Status Server::MakeLanes() {
  models::Options options{config_.loop, config_.sizes};
  options.limits = &limits_;
  options.tree = tree_.get();
  options.index = index_.get();
  options.store = store_.get();
  options.connections = &counters_;
  options.board = &board_;
  options.switchboard = demultiplexer_.get();
  if (config_.model.has_value()) return Keep(models::MakeModel(*config_.model, options), &model_);
  absl::Status made =
      Keep(loop::CopyPathLane::Create(options, {.loops = config_.copy_loops,
                                                .bulk_loops = config_.bulk_loops,
                                                .splice = config_.sizes.splice_threads}),
           &copypath_);
  return made.ok() && config_.fdpass_lane ? MakeFdPassLane(options) : made;
}

absl::Status Server::MakeFdPassLane(const loop::LoopOptions& loop) {
  fdpass::Options options;
  options.limits = loop.limits;
  options.tree = loop.tree;
  options.index = loop.index;
  options.connections = loop.connections;
  options.board = loop.board;
  options.switchboard = loop.switchboard;
  options.busy_poll = config_.busy_poll;
  options.shared_fds = config_.fd_sharing ? loop.cache_entries : 0;
  options.small_objects = loop.in_place ? loop.cache_entries : 0;
  options.splice_bytes_min = loop.splice_bytes_min;
  options.cache_valid = loop.cache_valid;
  options.run_slowly = [lane = copypath_.get()](std::function<void()> work) {
    lane->RunSlowly(std::move(work));
  };
  std::optional<fdpass::Engine> engine;
  if (config_.fdpass_engine == loop::EngineKind::kUring) engine = fdpass::Engine::kUring;
  if (config_.fdpass_engine == loop::EngineKind::kEpoll) engine = fdpass::Engine::kEpoll;
  return Keep(fdpass::FdPassLane::Create(options, config_.sizes.pool_size, engine), &fdpass_);
}

std::vector<session::Lane*> Server::Lanes() const {
  std::vector<session::Lane*> lanes;
  for (session::Lane* lane :
       std::initializer_list<session::Lane*>{fdpass_.get(), copypath_.get(), model_.get()}) {
    if (lane != nullptr) lanes.push_back(lane);
  }
  return lanes;
}

Server::~Server() {
  // Who waits for a client's file waits no longer.
  net::AbandonExpendable(true);
  // The router first: it gives the lanes nothing new. What lanes give back to it after that waits
  // in its mailbox and dies with it.
  if (demultiplexer_ != nullptr) demultiplexer_->Stop();
  for (session::Lane* lane : Lanes()) lane->Stop();
  if (udp_ != nullptr) udp_->Stop();
  if (house_ != nullptr) house_->Stop();
}

absl::Status Server::FollowRoot() {
  const absl::StatusOr<bool> followed =
      tree_->FollowRoot([this](int root) { return CheckSpelling(config_, root); });
  if (followed.ok() && *followed && house_ != nullptr) house_->FollowRoot();
  if (!followed.ok()) {
    LOG(ERROR) << "the root is unchanged: " << followed.status().message();
  } else if (*followed) {
    LOG(INFO) << "the root is again " << config_.root << " means now";
  }
  root_watch_->Check().IgnoreError();
  return followed.status();
}

absl::StatusOr<size_t> Server::ReloadRules() {
  if (access_ == nullptr)
    return absl::FailedPreconditionError("there is no --rules_file to read again");
  absl::StatusOr<session::AccessRules> rules = session::AccessRules::Load(config_.rules_file);
  NoteRules(rules);
  if (!rules.ok()) return rules.status();
  for (const std::string& doubt : rules->Doubts())
    LOG(WARNING) << "--rules_file=" << config_.rules_file << ": " << doubt;
  const size_t count = rules->size();
  access_->Replace(*std::move(rules));
  return count;
}

void Server::NoteRules(const absl::StatusOr<session::AccessRules>& rules) {
  const net::MutexLock lock(&rules_mutex_);
  const bool first = !rules_.has_value();
  if (first) rules_.emplace(Vitals::Rules{});
  if (rules.ok()) {
    rules_->count = rules->size();
    rules_->read_unix_s = static_cast<double>(absl::ToUnixMicros(absl::Now())) / 1e6;
    rules_->error.clear();
    if (!first) ++rules_->reloads;
  } else {
    rules_->error = std::string(rules.status().message());
    ++rules_->reloads_failed;
  }
}

std::string Server::WithoutPulse() {
  // Two may ask (the watchdog, and whoever answers /readyz): a loop has time to answer one before
  // it is looked at for the other.
  constexpr int64_t kAtMostEveryNs = 100'000'000;
  const net::MutexLock lock(&watch_mutex_);
  const int64_t now_ns = net::NowNs();
  if (watched_ns_ != 0 && now_ns - watched_ns_ < kAtMostEveryNs) return silent_;
  watched_ns_ = now_ns;
  const std::vector<session::Lane*> lanes = Lanes();
  silent_ = demultiplexer_->HasPulse() ? "" : "router";
  for (const session::Lane* lane : lanes) {
    if (silent_.empty()) silent_ = lane->WithoutPulse();
  }
  if (silent_.empty() && udp_ != nullptr && !udp_->HasPulse()) silent_ = "udp/0";
  // Who has not answered is not asked again, so that the answer shows when it comes.
  if (silent_.empty()) {
    silent_since_ns_ = 0;
    demultiplexer_->AskPulse();
    for (session::Lane* lane : lanes) lane->AskPulse();
    if (udp_ != nullptr) udp_->AskPulse();
    for (const session::Lane* lane : lanes) {
      if (silent_.empty()) silent_ = lane->WithoutThreads(PoolPatience());
    }
  } else if (silent_since_ns_ == 0) {
    silent_since_ns_ = now_ns;
  }
  return silent_;
}

std::string Server::Stuck() const {
  for (const session::Lane* lane : Lanes()) {
    const std::string threads = lane->WithoutThreads(PoolPatience());
    if (!threads.empty()) return absl::StrCat(threads, " are all busy, and work waits for them");
  }
  {
    const net::MutexLock lock(&watch_mutex_);
    const bool long_silent = silent_since_ns_ != 0 && net::NowNs() - silent_since_ns_ >
                                                          absl::ToInt64Nanoseconds(kStuckAfter);
    if (long_silent) return absl::StrCat(silent_, " makes no progress");
  }
  std::string trouble = socket_watch_->Trouble();
  return trouble.empty() ? std::string(root_watch_->Check().message()) : trouble;
}

absl::Duration Server::PoolPatience() const {
  return config_.limits.request_timeout == absl::ZeroDuration() ? absl::Seconds(30)
                                                                : config_.limits.request_timeout;
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
  for (session::Lane* lane : Lanes()) lane->Drain();
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
