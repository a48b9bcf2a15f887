#include "tools/bench/entrant.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tools/bench/machine.h"

namespace objmapper::bench {

namespace {

constexpr absl::Duration kBesidePiece = absl::Milliseconds(250);
constexpr absl::Duration kWarmupMax = absl::Seconds(10);

// A contender that answers so much more than a moment ago is still warming up.
constexpr double kStillWarming = 1.2;

// Until something has been answered, and no longer much more each time: the first megabytes that a
// process touches may take longer than many later ones.
absl::Status WarmUp(Load& load, absl::Duration duration) {
  const absl::Time give_up = absl::Now() + kWarmupMax;
  double before = 0;
  while (true) {
    const absl::StatusOr<LoadResult> result = load.Run(duration);
    const bool silent = absl::IsDeadlineExceeded(result.status());
    if (absl::Now() > give_up || !(result.ok() || silent)) return result.status();
    if (silent) continue;
    const auto now = static_cast<double>(result->requests());
    if (now <= before * kStillWarming) return absl::OkStatus();
    before = now;
  }
}

// Keeps asking until it is stopped, in pieces; what they brought is added up.
class Beside {
 public:
  // `load` may be null: then nothing runs.
  explicit Beside(Load* load) {
    if (load != nullptr) thread_ = std::thread([this, load] { Keep(load); });
  }
  ~Beside() { Stop(); }

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

  // After Stop().
  const LoadResult& sum() const { return sum_; }
  const absl::Status& status() const { return status_; }

 private:
  void Keep(Load* load) {
    while (!stop_ && status_.ok()) {
      const absl::Time start = absl::Now();
      absl::StatusOr<LoadResult> piece = load->Run(kBesidePiece);
      if (absl::IsDeadlineExceeded(piece.status())) {
        // No answer in the whole piece: a stall, and the longest latency there is, not a reason to
        // stop.
        sum_.first.latency.Record(absl::ToInt64Nanoseconds(absl::Now() - start));
        continue;
      }
      if (!piece.ok()) {
        status_ = piece.status();
        return;
      }
      sum_.first.latency.Merge(piece->first.latency);
      sum_.first.requests += piece->first.requests;
      sum_.client_cpu_ns += piece->client_cpu_ns;
      sum_.errors += piece->errors;
    }
  }

  std::atomic<bool> stop_{false};
  LoadResult sum_;
  absl::Status status_;
  std::thread thread_;
};

void SetLatencies(const Histogram& latency, Sample& sample) {
  sample.p50_us = static_cast<double>(latency.Quantile(0.5)) / 1e3;
  sample.p99_us = static_cast<double>(latency.Quantile(0.99)) / 1e3;
  sample.p999_us = static_cast<double>(latency.Quantile(0.999)) / 1e3;
}

}  // namespace

Entrant::Entrant(const CellPlan& plan, const Settings& settings, ObjectFolder& folder,
                 std::string name)
    : plan_(plan),
      settings_(settings),
      folder_(folder),
      name_(std::move(name)),
      kind_(KindOf(name_).value_or(Kind::kModel)),
      rate_(plan.load.rate) {}

absl::Status Entrant::Start(const ObjectSet& objects) {
  absl::StatusOr<std::string> room = folder_.Room(name_);
  if (!room.ok()) return room.status();
  ContenderOptions options;
  options.other_server = settings_.other_server;
  options.name = name_;
  options.work_dir = *room;
  // Twice: those of the run before may still be closing, and saturating takes connections of its
  // own.
  options.connections_max = plan_.load.connections +
                            std::max(plan_.load.connections, plan_.saturating.connections) +
                            (plan_.beside ? plan_.beside->connections : 0) + 16;
  if (kind_ == Kind::kModel) {
    options.flags = plan_.extra_flags;
    options.flags.insert(options.flags.end(), settings_.server_flags.begin(),
                         settings_.server_flags.end());
  }
  absl::StatusOr<std::unique_ptr<Contender>> contender = StartContender(options, objects);
  if (!contender.ok()) return contender.status();
  contender_ = *std::move(contender);
  command_ = contender_->command();
  absl::Status status = Connect();
  if (!status.ok()) Stop();
  return status;
}

absl::Status Entrant::Connect() {
  const absl::StatusOr<Endpoint> endpoint = contender_->endpoint(plan_.transport);
  if (!endpoint.ok()) return endpoint.status();
  const absl::StatusOr<Usage> before = contender_->usage();
  if (!before.ok()) return before.status();
  rss_before_ = before->rss_bytes;
  absl::StatusOr<std::unique_ptr<Load>> load = Load::Connect(*endpoint, plan_.load);
  if (!load.ok()) return load.status();
  load_ = *std::move(load);
  if (rate_ != plan_.load.rate) load_->SetRate(rate_);
  load_->KeepTo(core_);
  if (plan_.beside) {
    absl::StatusOr<std::unique_ptr<Load>> beside = Load::Connect(*endpoint, *plan_.beside);
    if (!beside.ok()) return beside.status();
    beside_ = *std::move(beside);
    if (const absl::Status warm = WarmUp(*beside_, settings_.warmup); !warm.ok()) return warm;
  }
  // What is cold would be warm after a warm-up.
  if (plan_.cold || plan_.idle) return absl::OkStatus();
  return WarmUp(*load_, Warmup());
}

absl::Duration Entrant::Warmup() const { return std::max(settings_.warmup, plan_.lap); }
absl::Duration Entrant::SampleTime() const { return std::max(settings_.duration, 2 * plan_.lap); }

void Entrant::Stop() {
  load_.reset();
  beside_.reset();
  contender_.reset();
}

absl::StatusOr<double> Entrant::Saturate() {
  const absl::StatusOr<Endpoint> endpoint = contender_->endpoint(plan_.transport);
  if (!endpoint.ok()) return endpoint.status();
  absl::StatusOr<std::unique_ptr<Load>> load = Load::Connect(*endpoint, plan_.saturating);
  if (!load.ok()) return load.status();
  if (const absl::Status warm = WarmUp(**load, Warmup()); !warm.ok()) return warm;
  const absl::StatusOr<LoadResult> result = (*load)->Run(SampleTime());
  if (!result.ok()) return result.status();
  return static_cast<double>(result->requests()) / result->seconds;
}

void Entrant::SetRate(double rate) {
  rate_ = rate;
  if (load_ != nullptr) load_->SetRate(rate);
}

void Entrant::KeepClientTo(int core) {
  core_ = core;
  if (load_ != nullptr) load_->KeepTo(core);
}

absl::StatusOr<Sample> Entrant::Measure() {
  if (plan_.cold) {
    absl::Status status = MakeCold(folder_.PathsOf(plan_.load.first_names));
    if (!status.ok()) return status;
  }
  const absl::StatusOr<Usage> before = contender_->usage();
  if (!before.ok()) return before.status();
  const CoreTime cores_before = CoreTimeSoFar();
  const absl::Time start = absl::Now();
  Beside beside(beside_.get());
  absl::StatusOr<LoadResult> result = load_->Run(SampleTime());
  beside.Stop();
  const CoreTime cores_after = CoreTimeSoFar();
  const double wall_s = absl::ToDoubleSeconds(absl::Now() - start);
  // What it says of its end is the better reason.
  const absl::StatusOr<Usage> after = contender_->usage();
  if (!after.ok()) return after.status();
  if (!result.ok()) return result.status();
  if (!beside.status().ok()) return beside.status();

  Sample sample;
  sample.seconds = result->seconds;
  sample.requests = result->requests();
  sample.bytes = result->bytes();
  sample.errors = result->errors + beside.sum().errors;
  sample.first_error = result->first_error;
  SetLatencies(plan_.beside ? beside.sum().first.latency : result->first.latency, sample);
  sample.server_cpu_s = static_cast<double>(after->cpu_ns - before->cpu_ns) / 1e9;
  sample.client_cpu_s = static_cast<double>(result->client_cpu_ns) / 1e9;
  sample.rss_bytes = after->rss_bytes;
  if (plan_.idle) sample.rss_before_bytes = rss_before_;
  sample.threads = after->threads;
  sample.behind = result->behind;
  sample.starved = result->starved;

  const double ours = sample.server_cpu_s + sample.client_cpu_s +
                      static_cast<double>(beside.sum().client_cpu_ns) / 1e9;
  surroundings_ = {.contender = name_,
                   .seconds = sample.seconds,
                   .wall_s = wall_s,
                   .client_cpu_s = sample.client_cpu_s,
                   .server_cpu_s = sample.server_cpu_s,
                   .others_cpu_s = std::max(0.0, cores_after.busy - cores_before.busy - ours),
                   .stolen_s = cores_after.stolen - cores_before.stolen,
                   .polling = plan_.load.poll};
  return sample;
}

}  // namespace objmapper::bench
