#include "tools/bench/load/load.h"

#include <sys/resource.h>

#include <algorithm>
#include <latch>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "tools/bench/load/client_thread.h"
#include "tools/bench/load/connection.h"
#include "tools/bench/load/plan.h"
#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {
namespace {

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

void Add(LoadResult&& part, LoadResult* whole) {
  for (const auto side : {&LoadResult::first, &LoadResult::second}) {
    (whole->*side).requests += (part.*side).requests;
    (whole->*side).bytes += (part.*side).bytes;
    (whole->*side).latency.Merge((part.*side).latency);
  }
  if (whole->errors == 0) whole->first_error = std::move(part.first_error);
  whole->errors += part.errors;
  whole->client_cpu_ns += part.client_cpu_ns;
  whole->behind += part.behind;
  whole->starved += part.starved;
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
        ClientThread::Prepare(core_);
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
    for (LoadResult& part : parts) Add(std::move(part), &whole);
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

absl::StatusOr<std::unique_ptr<Load>> Load::Connect(const Endpoint& endpoint,
                                                    const LoadOptions& options) {
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
