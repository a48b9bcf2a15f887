#include "tools/bench/load/load.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <deque>
#include <latch>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "tools/bench/load/connection.h"
#include "tools/bench/load/plan.h"
#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kSecond = 1000 * kMs;
constexpr int64_t kConnectNs = 10 * kSecond;
constexpr int64_t kDrainNs = 10 * kSecond;
constexpr int64_t kDrainQuietNs = kSecond / 2;
constexpr int64_t kCountedQuietNs = 5 * kSecond;
constexpr int64_t kOpeningQuietNs = kSecond;
constexpr int64_t kBacklogRetryNs = kMs;      // a backlog is full: the server is busy accepting
constexpr int64_t kBrokenRetryNs = 10 * kMs;  // a server that refuses is not hammered
constexpr int kConnectingMax = 256;           // more would overflow a TCP backlog, and lose seconds

int64_t ThreadCpuNs() {
  timespec used;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return used.tv_sec * kSecond + used.tv_nsec;
}

// Makes the calling thread the one that ClientThread::Run() wants: on this core (-1: anywhere), and
// woken to the microsecond.
void PrepareThread(int core) {
  // Else a timed wait may be 50 us late by intention (prctl(2)).
  prctl(PR_SET_TIMERSLACK, 1);
  if (core < 0) return;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  pthread_setaffinity_np(pthread_self(), sizeof(cores), &cores);
}

// One thread of the load generator: its connections and the epoll loop that drives them. Its
// methods are called from one thread at a time, not always the same.
class ClientThread {
 public:
  // Owns the connections whose index modulo options.client_threads is `index`. The references
  // outlive it.
  ClientThread(const Target& target, const WireDriver& driver, const Plan& plan,
               const LoadOptions& options, int index)
      : bench_{.target = target, .driver = driver, .plan = plan, .options = options},
        index_(index) {
    bench_.epoll.Reset(epoll_create1(EPOLL_CLOEXEC));
    bench_.descriptors = options.Any([](Ask ask) { return ask == Ask::kFdPass; });
    for (int i = index; i < options.connections; i += options.client_threads) {
      connections_.push_back(std::make_unique<Connection>(&bench_, i));
    }
  }

  // Connects all, at most for 10 s. A server that accepts but does not open every connection (its
  // threads are taken) has its way once nothing has happened for a second, if it opened one.
  absl::Status Connect() {
    if (!bench_.epoll.valid()) {
      return absl::ResourceExhaustedError(absl::StrCat("epoll_create1: ", strerror(errno)));
    }
    for (const std::unique_ptr<Connection>& connection : connections_) {
      waiting_.push_back(connection.get());
    }
    bench_.now_ns = heard_ns_ = connected_ns_ = net::NowNs();
    const int64_t deadline_ns = bench_.now_ns + kConnectNs;
    while (!AllOpen()) {
      Step(bench_.now_ns + kMs);
      if (bench_.result.errors > 0) return absl::UnavailableError(bench_.result.first_error);
      const bool quiet = !AnyConnecting() && bench_.now_ns - heard_ns_ > kOpeningQuietNs;
      if (!quiet && bench_.now_ns < deadline_ns) continue;
      const size_t opened =
          std::count_if(connections_.begin(), connections_.end(),
                        [](const auto& connection) { return connection->open(); });
      if (quiet && opened > 0) break;
      return absl::UnavailableError(
          absl::StrCat(bench_.target.url, ": ", opened, " of ", connections_.size(),
                       " connections opened in time; ", waiting_.size() + connecting_,
                       " wait to be accepted, the others for the server to answer"));
    }
    return absl::OkStatus();
  }

  // Asks within [start_ns, end_ns], `rate` requests a second on all threads together (0: closed
  // loop); then waits for what is outstanding: 10 s at most, and 0.5 s at most without any answer.
  LoadResult Run(int64_t start_ns, int64_t end_ns, double rate) {
    bench_.result = LoadResult();
    bench_.now_ns = net::NowNs();
    // Connections that the server closed since the last run.
    for (size_t i = 0; i <= connections_.size(); i += kEventsMax) Step(0);
    bench_.start_ns = start_ns;
    bench_.end_ns = end_ns;
    bench_.interval_ns = rate > 0 ? kSecond / rate : 0;
    scheduled_ = 0;
    for (const std::unique_ptr<Connection>& connection : connections_) connection->Rewind();
    while (bench_.now_ns < start_ns) Step(start_ns);

    // This thread's share of them; all are asked as soon as the depth allows.
    const uint64_t share =
        (bench_.options.requests_max + bench_.options.client_threads - 1 - index_) /
        bench_.options.client_threads;
    const bool counted = bench_.options.requests_max > 0;
    bench_.to_ask = counted ? share : UINT64_MAX;

    const int64_t cpu_before_ns = ThreadCpuNs();
    bench_.asking = true;
    if (rate <= 0) {
      for (const std::unique_ptr<Connection>& connection : connections_) {
        Act(connection.get(), connection->Pump());
      }
    }
    LoadResult& result = bench_.result;
    heard_ns_ = bench_.now_ns;
    const auto goes_on = [&] {
      if (bench_.now_ns >= end_ns) return false;
      if (!counted) return true;
      return result.requests() + result.errors < share &&
             bench_.now_ns - heard_ns_ < kCountedQuietNs;
    };
    while (goes_on()) Step(counted ? std::min(end_ns, heard_ns_ + kCountedQuietNs) : end_ns);
    bench_.asking = false;
    result.seconds =
        static_cast<double>((counted ? heard_ns_ : bench_.now_ns) - start_ns) / kSecond;
    result.client_cpu_ns = ThreadCpuNs() - cpu_before_ns;
    const uint64_t answered = result.requests() + result.errors;
    result.behind = scheduled_ > answered ? scheduled_ - answered : 0;

    heard_ns_ = bench_.now_ns;
    while (bench_.outstanding > 0 && bench_.now_ns < end_ns + kDrainNs &&
           bench_.now_ns - heard_ns_ < kDrainQuietNs) {
      Step(bench_.now_ns + 10 * kMs);
    }
    for (const std::unique_ptr<Connection>& connection : connections_) {
      if (connection->answered() == 0) ++result.starved;
    }
    return std::move(result);
  }

 private:
  // Handles what is ready, waiting until `deadline_ns` at most.
  void Step(int64_t deadline_ns) {
    epoll_event events[kEventsMax];
    int64_t until_ns = std::min(deadline_ns, NextDueNs());
    if (!waiting_.empty()) until_ns = std::min(until_ns, retry_ns_);
    const int64_t wait_ns = bench_.options.poll ? 0 : std::max<int64_t>(until_ns - net::NowNs(), 0);
    const timespec timeout = {wait_ns / kSecond, wait_ns % kSecond};
    const int ready = wait_ns == 0
                          ? epoll_wait(bench_.epoll.get(), events, kEventsMax, 0)
                          : epoll_pwait2(bench_.epoll.get(), events, kEventsMax, &timeout, nullptr);
    bench_.now_ns = net::NowNs();
    if (ready > 0) heard_ns_ = bench_.now_ns;
    for (int i = 0; i < ready; ++i) {
      auto* connection = static_cast<Connection*>(events[i].data.ptr);
      const bool was_connecting = connection->connecting();
      const Connection::Next next = connection->OnEvents(events[i].events);
      if (was_connecting) --connecting_;
      Act(connection, next);
    }
    bench_.inbox.CloseReceived();
    AddDue();
    ConnectWaiting();
  }

  void Act(Connection* connection, Connection::Next next) {
    if (next == Connection::Next::kGoesOn) return;
    waiting_.push_back(connection);
    if (next == Connection::Next::kBroken) retry_ns_ = bench_.now_ns + kBrokenRetryNs;
  }

  void ConnectWaiting() {
    while (!waiting_.empty() && bench_.now_ns >= retry_ns_ && connecting_ < kConnectingMax) {
      Connection* const connection = waiting_.front();
      const int error = connection->StartConnect();
      if (error == 0) {
        connected_ns_ = bench_.now_ns;
        if (connection->connecting()) ++connecting_;
        waiting_.pop_front();
        continue;
      }
      // EADDRNOTAVAIL: all local ports are in TIME_WAIT, where loopback leaves them for a second.
      const bool full = error == EAGAIN || error == EADDRNOTAVAIL;
      retry_ns_ = bench_.now_ns + (full ? kBacklogRetryNs : kBrokenRetryNs);
      if (full && bench_.now_ns - connected_ns_ < kConnectNs) return;
      connected_ns_ = bench_.now_ns;
      bench_.Fail(absl::StrCat("connect: ", strerror(error)));
      return;
    }
  }

  // ---- The open loop's clock ----

  // Requests are numbered over all connections of all threads in turn, and number n is due n
  // intervals after the start. This thread's k-th is its own (k modulo its connections)-th
  // connection's.
  int64_t NextDueNs() const {
    if (!bench_.asking || bench_.interval_ns <= 0 || connections_.empty()) return INT64_MAX;
    const uint64_t round = scheduled_ / connections_.size();
    const uint64_t place = scheduled_ % connections_.size();
    const uint64_t number =
        round * bench_.options.connections + place * bench_.options.client_threads + index_;
    return bench_.start_ns + static_cast<int64_t>(number * bench_.interval_ns);
  }

  // Hands out what has become due.
  void AddDue() {
    for (int64_t due_ns = NextDueNs(); due_ns <= bench_.now_ns && due_ns < bench_.end_ns;
         due_ns = NextDueNs()) {
      Connection* const connection = connections_[scheduled_++ % connections_.size()].get();
      connection->AddDue();
      Act(connection, connection->Pump());
    }
  }

  bool AllOpen() const {
    return std::all_of(connections_.begin(), connections_.end(),
                       [](const auto& connection) { return connection->open(); });
  }

  bool AnyConnecting() const { return !waiting_.empty() || connecting_ > 0; }

  static constexpr int kEventsMax = 128;

  Workbench bench_;
  const int index_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::deque<Connection*> waiting_;  // to be connected, from retry_ns_ on
  int64_t retry_ns_ = 0;
  int64_t connected_ns_ = 0;  // when a connect last went well
  int connecting_ = 0;        // in progress
  uint64_t scheduled_ = 0;    // open loop: requests that have become due
  int64_t heard_ns_ = 0;      // when an event last came
};

// What a process holds besides connections: those of one message for each thread and what is kept
// for a moment, and the rest.
constexpr int kDescriptorsPerThread = 512;
constexpr int kDescriptorsBesides = 100;

absl::Status CheckOptions(const LoadOptions& options) {
  if (options.connections < 1 || options.client_threads < 1 || options.depth < 1) {
    return absl::InvalidArgumentError(absl::StrCat(options.connections, " connections, ",
                                                   options.client_threads, " threads, depth ",
                                                   options.depth, ": each is at least 1"));
  }
  if (!(options.mix_ratio >= 0 && options.mix_ratio <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("mix ratio ", options.mix_ratio, ": it is a share, 0 to 1"));
  }
  if (options.first_names.empty() || (options.mix_ratio < 1 && options.second_names.empty())) {
    return absl::InvalidArgumentError("a side of the mix has no names to ask for");
  }
  if (!(options.rate >= 0)) {
    return absl::InvalidArgumentError(absl::StrCat("rate ", options.rate, ": it is not negative"));
  }
  return absl::OkStatus();
}

absl::Status RaiseDescriptorLimit(const LoadOptions& options) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t needed =
      options.connections + options.client_threads * kDescriptorsPerThread + kDescriptorsBesides;
  if (limit.rlim_max < needed) {
    return absl::ResourceExhaustedError(
        absl::StrCat(options.connections, " connections need ", needed,
                     " descriptors; the hard limit (ulimit -Hn) is ", limit.rlim_max));
  }
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return absl::OkStatus();
}

class EpollLoad : public Load {
 public:
  EpollLoad(Target target, std::unique_ptr<WireDriver> driver, const LoadOptions& options)
      : target_(std::move(target)),
        driver_(std::move(driver)),
        options_(options),
        plan_(*driver_, options_),
        rate_(options.rate) {
    for (int i = 0; i < options_.client_threads; ++i) {
      threads_.push_back(std::make_unique<ClientThread>(target_, *driver_, plan_, options_, i));
    }
  }

  // One after the other: accepting is what takes time, and the server does that meanwhile.
  absl::Status Connect() {
    for (const std::unique_ptr<ClientThread>& thread : threads_) {
      if (absl::Status status = thread->Connect(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  void SetRate(double rate) override { rate_ = rate; }
  void KeepTo(int core) override { core_ = core; }

  absl::StatusOr<LoadResult> Run(absl::Duration duration) override {
    std::vector<LoadResult> parts(threads_.size());
    std::latch ready(threads_.size());
    std::latch go(1);
    int64_t start_ns = 0;
    int64_t end_ns = 0;
    std::vector<std::thread> running;
    for (size_t i = 0; i < threads_.size(); ++i) {
      running.emplace_back([&, i] {
        PrepareThread(core_);
        ready.count_down();
        go.wait();
        parts[i] = threads_[i]->Run(start_ns, end_ns, rate_);
      });
    }
    ready.wait();
    start_ns = net::NowNs() + kLeadNs;
    if (options_.requests_max > 0) duration = kCountedMax;
    end_ns = start_ns + absl::ToInt64Nanoseconds(duration);
    go.count_down();
    for (std::thread& thread : running) thread.join();

    LoadResult whole;
    for (const LoadResult& part : parts) whole.seconds = std::max(whole.seconds, part.seconds);
    if (options_.requests_max == 0) whole.seconds = absl::ToDoubleSeconds(duration);
    for (const LoadResult& part : parts) whole.Add(part);
    if (whole.requests() > 0) return whole;
    const std::string nothing =
        absl::StrCat(target_.url, ": nothing was answered within ", absl::FormatDuration(duration));
    if (whole.errors == 0) return absl::DeadlineExceededError(nothing);
    return absl::UnavailableError(absl::StrCat(nothing, "; ", whole.first_error));
  }

 private:
  // Between waking the threads and the window: each looks at its connections first.
  static constexpr int64_t kLeadNs = 2'000'000;
  // However many requests are wanted (LoadOptions::requests_max), it ends after that.
  static constexpr absl::Duration kCountedMax = absl::Seconds(60);

  const Target target_;
  const std::unique_ptr<WireDriver> driver_;
  const LoadOptions options_;
  const Plan plan_;
  double rate_;
  int core_ = -1;
  std::vector<std::unique_ptr<ClientThread>> threads_;
};

}  // namespace

void LoadResult::Add(const LoadResult& part) {
  for (const auto side : {&LoadResult::first, &LoadResult::second}) {
    (this->*side).requests += (part.*side).requests;
    (this->*side).bytes += (part.*side).bytes;
    (this->*side).latency.Merge((part.*side).latency);
  }
  if (errors == 0) first_error = part.first_error;
  errors += part.errors;
  client_cpu_ns += part.client_cpu_ns;
  behind += part.behind;
  starved += part.starved;
}

absl::StatusOr<std::unique_ptr<Load>> Load::Connect(const Endpoint& endpoint,
                                                    const LoadOptions& wanted) {
  LoadOptions options = wanted;
  if (endpoint.depth > 0) options.depth = endpoint.depth;
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  absl::StatusOr<Target> target = TargetOf(endpoint);
  if (!target.ok()) return target.status();
  absl::StatusOr<std::unique_ptr<WireDriver>> driver = MakeWireDriver(endpoint, options);
  if (!driver.ok()) return driver.status();
  if (absl::Status status = RaiseDescriptorLimit(options); !status.ok()) return status;
  auto load = std::make_unique<EpollLoad>(*std::move(target), *std::move(driver), options);
  if (absl::Status status = load->Connect(); !status.ok()) return status;
  return load;
}

}  // namespace objmapper::bench
