// Builds the parts of the server in the order in which they need each other, and stops them in the
// reverse order.
#include "server/server.h"

#include <glog/logging.h>
#include <sys/resource.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "net/clock.h"
#include "net/deadline_list.h"
#include "net/expendable.h"
#include "net/listener.h"
#include "server/admin/connections_text.h"
#include "server/log_writer.h"
#include "server/root_check.h"

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

Server::Server(const Config& config) : config_(config), limits_(config.limits) {
  limits_.parallelism =
      static_cast<uint8_t>(std::min(255, config.sizes.pool_size + config.sizes.splice_threads));
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Config& config,
                                                      std::vector<net::Listener> inherited) {
  auto server = std::unique_ptr<Server>(new Server(config));
  net::AbandonExpendable(false);
  absl::StatusOr<storage::Tree> tree = storage::Tree::Open(config.root);
  if (!tree.ok()) return tree.status();
  server->tree_ = std::make_unique<storage::Tree>(*std::move(tree));
  server->tree_->slow_opens().Start();
  server->root_watch_ = std::make_unique<storage::RootWatch>(server->tree_.get());
  server->index_ =
      std::make_unique<storage::StatCache>(config.index_entries, config.loop.cache_valid);
  if (absl::Status made = server->MakeMemory(); !made.ok()) return made;

  if (config.catalog) {
    storage::Housekeeping::Options house = config.house;
    house.tree = server->tree_.get();
    house.warn_of_folding = !config.rules_file.empty();
    house.each_second = [watch = server->root_watch_.get()] { watch->Check().IgnoreError(); };
    server->house_ = std::make_unique<storage::Housekeeping>(house);
    server->tree_->MarkUses(server->house_->marks());
  }
  storage::Store::Options store = config.store;
  store.tree = server->tree_.get();
  store.house = server->house_.get();
  store.memory = server->memory_.get();
  store.foreign_patience = server->PoolPatience();
  server->store_ = std::make_unique<storage::Store>(store);

  if (!config.rules_file.empty()) {
    absl::StatusOr<session::AccessRules> rules = session::AccessRules::Load(config.rules_file);
    if (!rules.ok()) return rules.status();
    if (absl::Status spelling = CheckSpelling(config, *server->tree_); !spelling.ok())
      return spelling;
    server->NoteRules(rules);
    server->access_ = std::make_unique<session::Access>(*std::move(rules));
    server->limits_.access = server->access_.get();
  }

  router::Demultiplexer::Options router_options;
  router_options.limits = &server->limits_;
  router_options.counters = &server->counters_;
  router_options.admission = config.admission;
  router_options.tcp_local_congestion = config.tcp_local_congestion;
  router_options.listeners = std::move(inherited);
  for (const net::Listener& listener : router_options.listeners) {
    server->urls_.push_back(listener.address().ToUrl());
  }
  for (const net::Address& address : config.listen) {
    absl::StatusOr<net::Listener> listener = net::Listener::Open(address, config.socket_file);
    if (!listener.ok()) return listener.status();
    server->urls_.push_back(listener->address().ToUrl());
    router_options.listeners.push_back(*std::move(listener));
  }
  if (absl::Status bound = server->BindUdp(); !bound.ok()) return bound;
  if (config.become.has_value()) {
    if (absl::Status became = BecomeForGood(*config.become); !became.ok()) return became;
  }
  if (const std::string doubt = DoubtAboutWriting(config); !doubt.empty()) LOG(WARNING) << doubt;
  if (server->house_ != nullptr) {
    storage::Store* const store = config.limits.writable ? server->store_.get() : nullptr;
    server->house_->Start(
        store == nullptr ? storage::DeleteIf()
                         : [store](absl::string_view uri, absl::FunctionRef<bool(int fd)> wanted) {
                             return store->DeleteIf(uri, wanted);
                           });
  } else if (config.limits.writable) {
    // Where nobody walks the tree anyway.
    const absl::StatusOr<size_t> removed = server->store_->RemoveLeftovers();
    if (!removed.ok()) return removed.status();
    if (*removed > 0) LOG(INFO) << "removed " << *removed << " files left by interrupted PUTs";
  }
  server->demultiplexer_ = std::make_unique<router::Demultiplexer>(std::move(router_options));
  server->socket_watch_ =
      std::make_unique<SocketWatch>(server->demultiplexer_.get(), config.socket_file);

  const absl::Status made = config.model.has_value() ? server->MakeModel() : server->MakeLanes();
  if (!made.ok()) return made;
  session::Lane* const rest =
      config.model.has_value() ? server->model_.get() : server->copypath_.get();
  server->demultiplexer_->Start(server->fdpass_.get(), rest);
  if (server->udp_ != nullptr) server->udp_->Start();
  return server;
}

absl::Status Server::BindUdp() {
  if (config_.listen_udp.empty()) return absl::OkStatus();
  udp::UdpListener::Options options;
  options.objects = {tree_.get(), index_.get(), config_.udp_payload_max};
  options.access = access_.get();
  options.board = &board_;
  options.log_requests = config_.limits.log_requests;
  udp_ = std::make_unique<udp::UdpListener>(options);
  for (const net::Address& address : config_.listen_udp) {
    // Datagrams have no listener that could be handed over: a successor binds the address beside
    // us, and we answer what has come to us until then.
    const bool shared = !config_.take_over.empty();
    if (absl::Status bound = udp_->Bind(address, shared); !bound.ok()) return bound;
  }
  urls_.insert(urls_.end(), udp_->urls().begin(), udp_->urls().end());
  return absl::OkStatus();
}

absl::Status Server::MakeMemory() {
  if (config_.memory.bytes_max == 0) return absl::OkStatus();
  storage::MemoryTier::Options options = config_.memory;
  // Each object keeps a descriptor open; most are for connections and answers.
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
    options.objects_max = std::max<size_t>(1, limit.rlim_cur / 4);
  absl::StatusOr<std::unique_ptr<storage::MemoryTier>> memory =
      storage::MemoryTier::Create(options);
  if (!memory.ok()) {
    return absl::Status(memory.status().code(),
                        absl::StrCat("--memory_limit: ", memory.status().message()));
  }
  memory_ = *std::move(memory);
  tree_->SetOverlay(memory_.get());
  return absl::OkStatus();
}

loop::LoopOptions Server::Wired(loop::LoopOptions options) {
  options.limits = &limits_;
  options.tree = tree_.get();
  options.index = index_.get();
  options.store = store_.get();
  options.connections = &counters_;
  options.board = &board_;
  options.switchboard = demultiplexer_.get();
  return options;
}

absl::Status Server::MakeLanes() {
  const loop::LoopOptions loop = Wired(config_.loop);
  absl::StatusOr<std::unique_ptr<loop::CopyPathLane>> copypath =
      loop::CopyPathLane::Create(loop, {.loops = config_.copy_loops,
                                        .bulk_loops = config_.bulk_loops,
                                        .splice = config_.sizes.splice_threads});
  if (!copypath.ok()) return copypath.status();
  copypath_ = *std::move(copypath);

  return config_.fdpass_lane ? MakeFdPassLane() : absl::OkStatus();
}

absl::Status Server::MakeFdPassLane() {
  fdpass::Options options;
  options.limits = &limits_;
  options.tree = tree_.get();
  options.index = index_.get();
  options.connections = &counters_;
  options.board = &board_;
  options.switchboard = demultiplexer_.get();
  options.busy_poll = config_.busy_poll;
  options.shared_fds = config_.fd_sharing ? config_.loop.cache_entries : 0;
  options.small_objects = config_.loop.in_place ? config_.loop.cache_entries : 0;
  options.splice_bytes_min = config_.loop.splice_bytes_min;
  options.cache_valid = config_.loop.cache_valid;
  options.run_slowly = [lane = copypath_.get()](std::function<void()> work) {
    lane->RunSlowly(std::move(work));
  };
  std::optional<fdpass::Engine> engine;
  if (config_.fdpass_engine == loop::EngineKind::kUring) engine = fdpass::Engine::kUring;
  if (config_.fdpass_engine == loop::EngineKind::kEpoll) engine = fdpass::Engine::kEpoll;
  absl::StatusOr<std::unique_ptr<fdpass::FdPassLane>> lane =
      fdpass::FdPassLane::Create(options, config_.sizes.pool_size, engine);
  if (!lane.ok()) return lane.status();
  fdpass_ = *std::move(lane);
  return absl::OkStatus();
}

absl::Status Server::MakeModel() {
  const models::Options options{Wired(config_.loop), config_.sizes};
  absl::StatusOr<std::unique_ptr<session::Lane>> model = models::MakeModel(*config_.model, options);
  if (!model.ok()) return model.status();
  model_ = *std::move(model);
  return absl::OkStatus();
}

Server::~Server() {
  // Who waits for a client's file waits no longer.
  net::AbandonExpendable(true);
  // The router first: it gives the lanes nothing new. What lanes give back to it after that waits
  // in its mailbox and dies with it.
  if (demultiplexer_ != nullptr) demultiplexer_->Stop();
  if (fdpass_ != nullptr) fdpass_->Stop();
  if (copypath_ != nullptr) copypath_->Stop();
  if (model_ != nullptr) model_->Stop();
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
  session::Lane* const lanes[] = {fdpass_.get(), copypath_.get(), model_.get()};
  silent_ = demultiplexer_->HasPulse() ? "" : "router";
  for (const session::Lane* lane : lanes) {
    if (silent_.empty() && lane != nullptr) silent_ = lane->WithoutPulse();
  }
  if (silent_.empty() && udp_ != nullptr && !udp_->HasPulse()) silent_ = "udp/0";
  // Who has not answered is not asked again, so that the answer shows when it comes.
  if (silent_.empty()) {
    silent_since_ns_ = 0;
    demultiplexer_->AskPulse();
    for (session::Lane* lane : lanes) {
      if (lane != nullptr) lane->AskPulse();
    }
    if (udp_ != nullptr) udp_->AskPulse();
    for (const session::Lane* lane : lanes) {
      if (silent_.empty() && lane != nullptr) silent_ = lane->WithoutThreads(PoolPatience());
    }
  } else if (silent_since_ns_ == 0) {
    silent_since_ns_ = now_ns;
  }
  return silent_;
}

void Server::Look() { WithoutPulse(); }

std::string Server::Stuck() const {
  for (const session::Lane* lane :
       std::initializer_list<const session::Lane*>{fdpass_.get(), copypath_.get(), model_.get()}) {
    if (lane == nullptr) continue;
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
  DrainLanes();
  Allowance allowed(config_.drain_timeout);
  absl::Status failed;
  while (true) {
    // Read before the box is looked at: what is counted then is in the box, or still at work.
    const bool over = AllDone();
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
    if (over) return true;
    if (allowed.IsOver()) return false;
    absl::SleepFor(absl::Milliseconds(1));
  }
}

bool Server::Drain() {
  demultiplexer_->Drain();
  DrainLanes();
  Allowance allowed(config_.drain_timeout);
  while (!AllDone()) {
    if (allowed.IsOver()) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

bool Server::AllDone() const {
  return counters_.open.load(std::memory_order_acquire) == 0 &&
         (udp_ == nullptr || udp_->drained());
}

void Server::DrainLanes() {
  if (fdpass_ != nullptr) fdpass_->Drain();
  if (copypath_ != nullptr) copypath_->Drain();
  if (model_ != nullptr) model_->Drain();
  if (udp_ != nullptr) udp_->Drain();
}

namespace {

Vitals::Lane LaneVitals(const char* name, const session::Lane& lane) {
  Vitals::Lane vitals;
  vitals.name = name;
  vitals.queue_depth = lane.QueueDepth();
  const auto* const loops = dynamic_cast<const loop::CopyPathLane*>(&lane);
  if (loops == nullptr) return vitals;
  vitals.engine = loops->engine_name();
  vitals.splice_threads = static_cast<uint64_t>(loops->splice_threads());
  for (const auto& loop : loops->loops()) {
    const loop::LoopCounters& counters = loop->counters();
    const copypath::Objects::Counters& objects = loop->object_counters();
    vitals.cache_hits += objects.hits;
    vitals.cache_misses += objects.misses;
    // What is done is read first, so that no more can be done than was begun.
    const uint64_t page_ins_done = objects.page_ins_done;
    vitals.page_ins += objects.page_ins;
    vitals.page_ins_pending += objects.page_ins - page_ins_done;
    const uint64_t transfers_done = counters.transfers_done;
    vitals.transfers += counters.transfers;
    vitals.transfers_pending += counters.transfers - transfers_done;
  }
  return vitals;
}

}  // namespace

Vitals Server::Read() const {
  Vitals vitals;
  vitals.now_ns = net::NowNs();
  vitals.shape = Shape();
  vitals.tally = board_.Read();
  if (fdpass_ != nullptr) {
    vitals.lanes.push_back(LaneVitals("fdpass", *fdpass_));
    vitals.lanes.back().engine = fdpass_->engine_name();
  }
  if (copypath_ != nullptr) vitals.lanes.push_back(LaneVitals("copypath", *copypath_));
  if (model_ != nullptr) vitals.lanes.push_back(LaneVitals("model", *model_));
  if (udp_ != nullptr) {
    const udp::UdpCounters& counters = udp_->counters();
    Vitals::Udp& figures = vitals.udp.emplace();
    // What has become of datagrams is read first, so that no more can have been answered than came.
    figures.answered = counters.answered;
    figures.dropped = counters.dropped;
    figures.too_large = counters.too_large;
    figures.errors = counters.errors;
    figures.cold = counters.cold;
    figures.cold_waiting = udp_->cold_waiting();
    figures.bytes_out = counters.bytes_out;
    figures.bytes_in = counters.bytes_in;
    figures.received = counters.received;
  }
  vitals.connections_max = config_.admission.connections_max;
  vitals.connections_open = counters_.open;
  vitals.connections_hot = HotConnections(counters_.list);
  vitals.accepted = counters_.accepted;
  vitals.refused = counters_.refused;
  vitals.timed_out = counters_.timed_out;
  vitals.migrated = counters_.migrated;
  for (size_t i = 0; i < vitals.ended_by_answers.size(); ++i) {
    vitals.ended_by_answers[i] = counters_.ended_by_answers[i];
  }
  vitals.ended_answers = counters_.ended_answers;
  vitals.index_hits = index_->hits();
  vitals.index_misses = index_->misses();
  if (house_ != nullptr) vitals.objects = house_->Read();
  if (memory_ != nullptr) vitals.memory = memory_->Read();
  {
    const net::MutexLock lock(&rules_mutex_);
    vitals.rules = rules_;
  }
  vitals.root = config_.root;
  vitals.writable = config_.limits.writable;
  vitals.expendable = net::ReadExpendable();
  vitals.process = ReadProcess();
  vitals.log_lines_dropped = LogLinesDropped();
  vitals.slow_opens = tree_->slow_opens().slow_opens();
  vitals.slow_file_systems = tree_->slow_opens().file_systems();
  return vitals;
}

std::string Server::Shape() const {
  std::string threads;
  if (model_ != nullptr) {
    threads = models::ThreadsOf(*config_.model, config_.sizes.pool_size, config_.sizes.threads_max);
  } else {
    threads = absl::StrCat(
        fdpass_ == nullptr ? "no fdpass lane (no Unix socket), "
                           : absl::StrCat(config_.sizes.pool_size, " fdpass workers on ",
                                          fdpass_->engine_name(), ", "),
        config_.copy_loops, " copy loop(s)",
        config_.bulk_loops == 0
            ? ""
            : absl::StrCat(" and ", config_.bulk_loops, " for large bodies over TCP"),
        " on ", copypath_->engine_name(), ", ", config_.sizes.splice_threads, " splice threads");
  }
  return absl::StrCat("serving ", config_.root,
                      config_.limits.writable ? ", writable, on " : " on ",
                      absl::StrJoin(urls_, ", "), "; ", config_.concurrency_model, ": ", threads,
                      "; at most ", config_.admission.connections_max, " connections, ",
                      config_.limits.max_pipeline, " requests in a pipeline");
}

}  // namespace objmapper::server
