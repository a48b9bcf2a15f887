#include "tools/bench/load/client_thread.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "net/clock.h"

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

}  // namespace

ClientThread::ClientThread(const Target& target, const WireDriver& driver, const Plan& plan,
                           const LoadOptions& options, int index)
    : bench_{.target = target, .driver = driver, .plan = plan, .options = options}, index_(index) {
  bench_.epoll.Reset(epoll_create1(EPOLL_CLOEXEC));
  bench_.descriptors = options.Any([](Ask ask) { return ask == Ask::kFdPass; });
  for (int i = index; i < options.connections; i += options.client_threads) {
    connections_.push_back(std::make_unique<Connection>(&bench_, i));
  }
}

void ClientThread::Prepare(int core) {
  // Else a timed wait may be 50 us late by intention (prctl(2)).
  prctl(PR_SET_TIMERSLACK, 1);
  if (core < 0) return;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  pthread_setaffinity_np(pthread_self(), sizeof(cores), &cores);
}

absl::Status ClientThread::Connect() {
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
    const size_t opened = std::count_if(connections_.begin(), connections_.end(),
                                        [](const auto& connection) { return connection->open(); });
    if (quiet && opened > 0) break;
    return absl::UnavailableError(
        absl::StrCat(bench_.target.url, ": ", opened, " of ", connections_.size(),
                     " connections opened in time; ", waiting_.size() + connecting_,
                     " wait to be accepted, the others for the server to answer"));
  }
  return absl::OkStatus();
}

LoadResult ClientThread::Run(int64_t start_ns, int64_t end_ns, double rate) {
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
    return result.requests() + result.errors < share && bench_.now_ns - heard_ns_ < kCountedQuietNs;
  };
  while (goes_on()) Step(counted ? std::min(end_ns, heard_ns_ + kCountedQuietNs) : end_ns);
  bench_.asking = false;
  result.seconds = static_cast<double>((counted ? heard_ns_ : bench_.now_ns) - start_ns) / kSecond;
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

// ---- The loop ----

void ClientThread::Step(int64_t deadline_ns) {
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

void ClientThread::Act(Connection* connection, Connection::Next next) {
  if (next == Connection::Next::kGoesOn) return;
  waiting_.push_back(connection);
  if (next == Connection::Next::kBroken) retry_ns_ = bench_.now_ns + kBrokenRetryNs;
}

void ClientThread::ConnectWaiting() {
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
int64_t ClientThread::NextDueNs() const {
  if (!bench_.asking || bench_.interval_ns <= 0 || connections_.empty()) return INT64_MAX;
  const uint64_t round = scheduled_ / connections_.size();
  const uint64_t place = scheduled_ % connections_.size();
  const uint64_t number =
      round * bench_.options.connections + place * bench_.options.client_threads + index_;
  return bench_.start_ns + static_cast<int64_t>(number * bench_.interval_ns);
}

void ClientThread::AddDue() {
  for (int64_t due_ns = NextDueNs(); due_ns <= bench_.now_ns && due_ns < bench_.end_ns;
       due_ns = NextDueNs()) {
    Connection* const connection = connections_[scheduled_++ % connections_.size()].get();
    connection->AddDue();
    Act(connection, connection->Pump());
  }
}

bool ClientThread::AllOpen() const {
  return std::all_of(connections_.begin(), connections_.end(),
                     [](const auto& connection) { return connection->open(); });
}

}  // namespace objmapper::bench
