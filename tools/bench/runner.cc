#include "tools/bench/runner.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/generators.h"
#include "tools/bench/load/load.h"
#include "tools/bench/machine.h"
#include "tools/bench/programs.h"
#include "tools/bench/report/findings.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {

namespace {

constexpr int kLooks = 5;
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
    if (load == nullptr) return;
    thread_ = std::jthread([this, load](std::stop_token stop) { Keep(load, stop); });
  }

  void Stop() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }

  // After Stop().
  const LoadResult& sum() const { return sum_; }
  const absl::Status& status() const { return status_; }

 private:
  void Keep(Load* load, const std::stop_token& stop) {
    while (!stop.stop_requested() && status_.ok()) {
      const absl::Time start = absl::Now();
      absl::StatusOr<LoadResult> piece = load->Run(kBesidePiece);
      if (absl::IsDeadlineExceeded(piece.status())) {
        // No answer in the whole piece: a stall, and the longest latency there is, not a reason to
        // stop.
        sum_.first.latency.Record(absl::ToInt64Nanoseconds(absl::Now() - start));
        continue;
      }
      status_ = piece.status();
      if (piece.ok()) sum_.Add(*piece);
    }
  }

  LoadResult sum_;
  absl::Status status_;
  std::jthread thread_;  // ends before the others do
};

void SetLatencies(const Histogram& latency, Sample& sample) {
  sample.p50_us = static_cast<double>(latency.Quantile(0.5)) / 1e3;
  sample.p99_us = static_cast<double>(latency.Quantile(0.99)) / 1e3;
  sample.p999_us = static_cast<double>(latency.Quantile(0.999)) / 1e3;
}

// One sample more; or none at all, and why.
void Add(const absl::StatusOr<Sample>& sample, Series& series) {
  if (sample.ok()) {
    series.samples.push_back(*sample);
    return;
  }
  series.missing = std::string(sample.status().message());
  series.samples.clear();
}

// One contender in one cell: its process, the connections to it, and its samples. What goes wrong
// makes it one that is missing.
class Entrant {
 public:
  // All but the name are borrowed and outlive this.
  Entrant(const CellPlan& plan, const Settings& settings, const ObjectSet& objects,
          ObjectFolder& folder, const std::string& name)
      : plan_(plan),
        settings_(settings),
        objects_(objects),
        folder_(folder),
        series_{.contender = name, .kind = KindOf(name).value_or(Kind::kModel)},
        rate_(plan.load.rate) {
    if (!Anew()) Start();
  }

  const Series& series() const { return series_; }
  bool missing() const { return !series_.missing.empty(); }

  // What it does in a closed loop, in requests a second; for the open loop's rate. Started.
  absl::StatusOr<double> Saturate() {
    absl::StatusOr<std::unique_ptr<Load>> load = Connect(plan_.saturating);
    if (!load.ok()) return load.status();
    if (const absl::Status warm = WarmUp(**load, Warmup()); !warm.ok()) return warm;
    const absl::StatusOr<LoadResult> result = (*load)->Run(SampleTime());
    if (!result.ok()) return result.status();
    return static_cast<double>(result->requests()) / result->seconds;
  }

  // Of all samples that follow.
  void SetRate(double rate) { rate_ = rate; }

  // Takes a sample with the client on that core (Load::KeepTo()), and notes what went on around it.
  void MeasureOnce(int core, std::vector<Surroundings>& surroundings) {
    core_ = core;
    if (!missing() && Anew()) Start();
    if (missing()) return;
    const absl::StatusOr<Sample> sample = Measure(surroundings);
    Add(sample, series_);
    if (!sample.ok() || Anew()) Stop();
  }

 private:
  // Where every sample needs a fresh process, nothing is started before.
  bool Anew() const { return plan_.alone || plan_.cold; }
  absl::Duration Warmup() const { return std::max(settings_.warmup, plan_.lap); }
  absl::Duration SampleTime() const { return std::max(settings_.duration, 2 * plan_.lap); }

  // Starts the server, connects, warms up.
  void Start() {
    if (const absl::Status status = StartServer(); !status.ok()) {
      Add(status, series_);
      Stop();
    }
  }

  // Closes the connections and ends the server.
  void Stop() {
    load_.reset();
    beside_.reset();
    contender_.reset();
  }

  absl::Status StartServer() {
    absl::StatusOr<std::string> room = folder_.Room(series_.contender);
    if (!room.ok()) return room.status();
    ContenderOptions options;
    options.other_server = settings_.other_server;
    options.name = series_.contender;
    options.work_dir = *room;
    // Twice: those of the run before may still be closing, and saturating takes connections of its
    // own.
    options.connections_max = plan_.load.connections +
                              std::max(plan_.load.connections, plan_.saturating.connections) +
                              (plan_.beside ? plan_.beside->connections : 0) + 16;
    options.stores = Stores(plan_.load.first);
    if (series_.kind == Kind::kModel) {
      options.flags = plan_.extra_flags;
      options.flags.insert(options.flags.end(), settings_.server_flags.begin(),
                           settings_.server_flags.end());
    }
    absl::StatusOr<std::unique_ptr<Contender>> contender = StartContender(options, objects_);
    if (!contender.ok()) return contender.status();
    contender_ = *std::move(contender);
    series_.command = contender_->command();

    const absl::StatusOr<Usage> before = contender_->usage();
    if (!before.ok()) return before.status();
    rss_before_ = before->rss_bytes;
    absl::StatusOr<std::unique_ptr<Load>> load = Connect(plan_.load);
    if (!load.ok()) return load.status();
    load_ = *std::move(load);
    if (plan_.beside) {
      absl::StatusOr<std::unique_ptr<Load>> beside = Connect(*plan_.beside);
      if (!beside.ok()) return beside.status();
      beside_ = *std::move(beside);
      if (const absl::Status warm = WarmUp(*beside_, settings_.warmup); !warm.ok()) return warm;
    }
    // What is cold would be warm after a warm-up.
    if (plan_.cold || plan_.idle) return absl::OkStatus();
    Adjust();
    return WarmUp(*load_, Warmup());
  }

  absl::StatusOr<std::unique_ptr<Load>> Connect(const LoadOptions& options) const {
    const absl::StatusOr<Endpoint> endpoint = contender_->endpoint(plan_.transport);
    if (!endpoint.ok()) return endpoint.status();
    return ConnectBy(plan_.generator, *endpoint, options);
  }

  void Adjust() {
    load_->SetRate(rate_);
    load_->KeepTo(core_);
  }

  absl::StatusOr<Sample> Measure(std::vector<Surroundings>& surroundings) {
    if (plan_.cold) {
      const absl::Status status = MakeCold(folder_.PathsOf(plan_.load.first_names));
      if (!status.ok()) return status;
    }
    const absl::StatusOr<Usage> before = contender_->usage();
    if (!before.ok()) return before.status();
    const CoreTime cores_before = CoreTimeSoFar();
    const absl::Time start = absl::Now();
    Adjust();
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
    surroundings.push_back(
        {.contender = series_.contender,
         .seconds = sample.seconds,
         .wall_s = wall_s,
         .client_cpu_s = sample.client_cpu_s,
         .server_cpu_s = sample.server_cpu_s,
         .others_cpu_s = std::max(0.0, cores_after.busy - cores_before.busy - ours),
         .stolen_s = cores_after.stolen - cores_before.stolen,
         .polling = plan_.load.poll});
    return sample;
  }

  const CellPlan& plan_;
  const Settings& settings_;
  const ObjectSet& objects_;
  ObjectFolder& folder_;
  Series series_;
  double rate_;
  int core_ = -1;
  uint64_t rss_before_ = 0;
  std::unique_ptr<Contender> contender_;
  std::unique_ptr<Load> load_, beside_;  // end before the server does
};

absl::Status Cancelled() { return absl::CancelledError("interrupted"); }

// The rounds of one cell.
class Rounds {
 public:
  Rounds(const CellPlan& plan, const Settings& settings, ObjectFolder& folder, Progress& progress)
      : plan_(plan), settings_(settings), folder_(folder), progress_(progress) {
    if (plan.fio) AddProgram(kFio, [this] { return ReadByFio(); });
    if (plan.cp) AddProgram(kCp, [this] { return RunCp(Paths(), plan_.load.stored_bytes); });
  }

  absl::StatusOr<Cell> Run() {
    absl::StatusOr<ObjectSet> objects =
        folder_.Prepare(plan_.objects, plan_.sparse, plan_.folder, plan_.files_max);
    if (!objects.ok()) return objects.status();
    objects_ = *std::move(objects);
    cell_.workload = plan_.workload;
    cell_.parameters = plan_.parameters;
    cell_.baseline = plan_.baseline;
    for (const std::string& name : plan_.contenders) {
      if (Interrupted()) return Cancelled();
      entrants_.push_back(std::make_unique<Entrant>(plan_, settings_, objects_, folder_, name));
    }
    if (plan_.rate_share > 0) ChooseRate();
    const int rounds = RoundsOf(plan_, settings_);
    for (int round = 0; round < rounds; ++round) {
      for (size_t i = 0; i < entrants_.size(); ++i) {
        if (Interrupted()) return Cancelled();
        Entrant& entrant = *entrants_[(i + static_cast<size_t>(round)) % entrants_.size()];
        progress_.Step(absl::StrCat(TitleOf(cell_), ": round ", round + 1, " of ", rounds, ", ",
                                    entrant.series().contender));
        entrant.MeasureOnce(CoreOfClient(round), surroundings_);
      }
      for (Program& program : programs_) {
        if (program.series.missing.empty()) Add(program.measure(), program.series);
      }
    }
    for (const auto& entrant : entrants_) cell_.series.push_back(entrant->series());
    for (const Program& program : programs_) cell_.series.push_back(program.series);
    cell_.warnings =
        WarningsOf(cell_, surroundings_, plan_.load.client_threads, ThisMachine().cores);
    return std::move(cell_);
  }

 private:
  // One that is no server.
  struct Program {
    Series series;
    std::function<absl::StatusOr<Sample>()> measure;
  };

  void AddProgram(const char* name, std::function<absl::StatusOr<Sample>()> measure) {
    programs_.push_back({{.contender = name, .kind = Kind::kPeer}, std::move(measure)});
  }

  // Cores are not equally fast where others share the processor: one at 0.6 of its neighbour has
  // been seen, for an hour. Left to the scheduler, client and server of a contender keep to the
  // cores they happened to begin on, and that decides more than what is measured. So the client has
  // one core in a round, the same for all contenders, and the next one in the next.
  int CoreOfClient(int round) const {
    return plan_.load.client_threads == 1 ? cores_[static_cast<size_t>(round) % cores_.size()] : -1;
  }

  // Half of what the baseline can do, say; of the first contender that can tell, if that is
  // missing.
  void ChooseRate() {
    double rate = 0;
    for (const bool baseline : {true, false}) {
      for (const auto& entrant : entrants_) {
        if (rate != 0 || entrant->missing()) continue;
        if (baseline && entrant->series().contender != plan_.baseline) continue;
        // One short look may be off by half, and with it all that is measured at this rate.
        std::vector<double> looks;
        for (int look = 0; look < kLooks; ++look) {
          const absl::StatusOr<double> most = entrant->Saturate();
          if (most.ok()) looks.push_back(*most);
        }
        rate = SpreadOf(looks).median * plan_.rate_share;
      }
    }
    for (const auto& entrant : entrants_) entrant->SetRate(rate);
    for (auto& [name, value] : cell_.parameters) {
      if (name == "rate") absl::StrAppend(&value, " (", static_cast<int64_t>(rate), "/s)");
    }
  }

  std::vector<std::string> Paths() const { return folder_.PathsOf(plan_.load.first_names); }

  absl::StatusOr<Sample> ReadByFio() {
    const std::vector<std::string> files = Paths();
    const absl::Status status = MakeCold(files);
    return status.ok() ? RunFio(files) : absl::StatusOr<Sample>(status);
  }

  const CellPlan& plan_;
  const Settings& settings_;
  ObjectFolder& folder_;
  Progress& progress_;
  ObjectSet objects_;
  Cell cell_;
  std::vector<std::unique_ptr<Entrant>> entrants_;
  std::vector<Program> programs_;
  std::vector<Surroundings> surroundings_;
  const std::vector<int> cores_ = UsableCores();
};

}  // namespace

absl::StatusOr<Cell> RunCell(const CellPlan& plan, const Settings& settings, ObjectFolder& folder,
                             Progress& progress) {
  absl::StatusOr<Cell> cell = Rounds(plan, settings, folder, progress).Run();
  folder.Drop(plan.folder);
  return cell;
}

}  // namespace objmapper::bench
