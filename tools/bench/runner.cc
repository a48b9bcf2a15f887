#include "tools/bench/runner.h"

#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/entrant.h"
#include "tools/bench/machine.h"
#include "tools/bench/programs.h"
#include "tools/bench/report/measure.h"
#include "tools/bench/warnings.h"

namespace objmapper::bench {

namespace {

constexpr int kLooks = 5;

absl::Status Cancelled() { return absl::CancelledError("interrupted"); }

// The rounds of one cell.
class Rounds {
 public:
  Rounds(const CellPlan& plan, const Settings& settings, ObjectFolder& folder, Progress& progress)
      : plan_(plan), settings_(settings), folder_(folder), progress_(progress) {}

  absl::StatusOr<Cell> Run() {
    absl::StatusOr<ObjectSet> objects =
        folder_.Prepare(plan_.objects, plan_.sparse, plan_.folder, plan_.files_max);
    if (!objects.ok()) return objects.status();
    objects_ = *std::move(objects);
    cell_.workload = plan_.workload;
    cell_.parameters = plan_.parameters;
    cell_.baseline = plan_.baseline;
    if (!StartAll()) return Cancelled();
    if (plan_.rate_share > 0) ChooseRate();
    const int rounds = RoundsOf(plan_, settings_);
    for (int round = 0; round < rounds; ++round) {
      for (size_t i = 0; i < entrants_.size(); ++i) {
        if (Interrupted()) return Cancelled();
        const size_t which = (i + static_cast<size_t>(round)) % entrants_.size();
        progress_.Step(absl::StrCat(TitleOf(cell_), ": round ", round + 1, " of ", rounds, ", ",
                                    entrants_[which]->name()));
        entrants_[which]->KeepClientTo(CoreOfClient(round));
        MeasureOnce(which);
      }
      if (plan_.fio) MeasureProgram(kFio, &fio_, [this] { return ReadByFio(); });
      if (plan_.cp)
        MeasureProgram(kCp, &cp_, [this] { return RunCp(Paths(), plan_.load.stored_bytes); });
    }
    if (plan_.fio) cell_.series.push_back(fio_);
    if (plan_.cp) cell_.series.push_back(cp_);
    cell_.warnings =
        WarningsOf(cell_, surroundings_, plan_.load.client_threads, ThisMachine().cores);
    return std::move(cell_);
  }

 private:
  // Cores are not equally fast where others share the processor: one at 0.6 of its neighbour has
  // been seen, for an hour. Left to the scheduler, client and server of a contender keep to the
  // cores they happened to begin on, and that decides more than what is measured. So the client has
  // one core in a round, the same for all contenders, and the next one in the next.
  int CoreOfClient(int round) const {
    return plan_.load.client_threads == 1 ? cores_[static_cast<size_t>(round) % cores_.size()] : -1;
  }

  // Where every sample needs a fresh process, nothing is started yet.
  bool Anew() const { return plan_.alone || plan_.cold; }

  void Miss(size_t which, const absl::Status& status) {
    cell_.series[which].missing = std::string(status.message());
    cell_.series[which].samples.clear();
    entrants_[which]->Stop();
  }

  bool StartAll() {
    for (const std::string& name : plan_.contenders) {
      if (Interrupted()) return false;
      entrants_.push_back(std::make_unique<Entrant>(plan_, settings_, folder_, name));
      Series series;
      series.contender = name;
      series.kind = entrants_.back()->kind();
      cell_.series.push_back(std::move(series));
      if (Anew()) continue;
      const absl::Status status = entrants_.back()->Start(objects_);
      cell_.series.back().command = entrants_.back()->command();
      if (!status.ok()) Miss(entrants_.size() - 1, status);
    }
    return true;
  }

  // Half of what the baseline can do, say; of the first contender that can tell, if that is
  // missing.
  void ChooseRate() {
    double rate = 0;
    for (const bool baseline : {true, false}) {
      for (size_t i = 0; i < entrants_.size() && rate == 0; ++i) {
        if (!cell_.series[i].missing.empty()) continue;
        if (baseline && entrants_[i]->name() != plan_.baseline) continue;
        // One short look may be off by half, and with it all that is measured at this rate.
        std::vector<double> looks;
        for (int look = 0; look < kLooks; ++look) {
          const absl::StatusOr<double> most = entrants_[i]->Saturate();
          if (most.ok()) looks.push_back(*most);
        }
        rate = SpreadOf(looks).median * plan_.rate_share;
      }
    }
    for (auto& entrant : entrants_) entrant->SetRate(rate);
    for (auto& [name, value] : cell_.parameters) {
      if (name == "rate") absl::StrAppend(&value, " (", static_cast<int64_t>(rate), "/s)");
    }
  }

  void MeasureOnce(size_t which) {
    if (!cell_.series[which].missing.empty()) return;
    Entrant& entrant = *entrants_[which];
    if (Anew()) {
      const absl::Status status = entrant.Start(objects_);
      if (!entrant.command().empty()) cell_.series[which].command = entrant.command();
      if (!status.ok()) return Miss(which, status);
    }
    const absl::StatusOr<Sample> sample = entrant.Measure();
    if (!sample.ok()) return Miss(which, sample.status());
    cell_.series[which].samples.push_back(*sample);
    surroundings_.push_back(entrant.surroundings());
    if (Anew()) entrant.Stop();
  }

  std::vector<std::string> Paths() const { return folder_.PathsOf(plan_.load.first_names); }

  absl::StatusOr<Sample> ReadByFio() {
    const std::vector<std::string> files = Paths();
    const absl::Status status = MakeCold(files);
    return status.ok() ? RunFio(files) : absl::StatusOr<Sample>(status);
  }

  // One sample of a program that is no server.
  void MeasureProgram(const char* name, Series* series,
                      absl::FunctionRef<absl::StatusOr<Sample>()> measure) {
    series->contender = name;
    series->kind = Kind::kPeer;
    if (!series->missing.empty()) return;
    const absl::StatusOr<Sample> sample = measure();
    if (sample.ok()) {
      series->samples.push_back(*sample);
    } else {
      series->missing = std::string(sample.status().message());
      series->samples.clear();
    }
  }

  const CellPlan& plan_;
  const Settings& settings_;
  ObjectFolder& folder_;
  Progress& progress_;
  ObjectSet objects_;
  Cell cell_;
  std::vector<std::unique_ptr<Entrant>> entrants_;  // as cell_.series
  Series fio_, cp_;
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
