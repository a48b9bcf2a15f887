// What is to be measured: a cell before it has figures.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "tools/bench/contenders/contender.h"
#include "tools/bench/generators.h"
#include "tools/bench/load/load.h"
#include "tools/bench/settings.h"

namespace objmapper::bench {

// Who takes part in a cell if no flag says otherwise.
struct Cast {
  std::vector<std::string> floors;  // the first is the baseline
  std::vector<std::string> models = {"mode_routing", "thread_per_request", "thread_pool"};
  std::vector<std::string> peers;  // with --peers
};

struct CellPlan {
  std::string workload;
  std::vector<std::pair<std::string, std::string>> parameters;
  Cast cast;
  std::vector<std::string> contenders;  // of these and of what the flags say
  std::string baseline;                 // one of them

  Transport transport = Transport::kUnix;
  LoadOptions load;
  std::vector<ObjectSet::Object> objects;
  bool sparse = false;  // the objects are holes: for those that are never read
  std::string folder;   // the objects have this folder to themselves, until the cell ends; empty:
                        // the one of all cells
  uint64_t files_max =
      UINT64_MAX;  // so many files are made for them; what is more are further names of these
  std::vector<std::string> extra_flags;  // for our models' servers

  // What a slow contender takes to answer each connection once. A warm-up lasts one lap at least
  // and a sample two, whatever the flags say: in less, nothing may be answered at all (100
  // connections, 10 MiB each), or an odd share of it.
  absl::Duration lap = absl::ZeroDuration();

  // Open loop at this share of the baseline's throughput when it is asked `saturating` in a closed
  // loop; all contenders get the same rate. 0: `load.rate` as it is.
  double rate_share = 0;
  LoadOptions saturating;
  // Rounds for each of --rounds. More than one where a figure jumps from round to round: a disk's,
  // and a p99 below saturation, which a few moments decide, those at which the scheduler put client
  // and server on one core.
  int rounds_times = 1;

  // A second load on the same server while the first runs; the latencies are then its own. (A hot
  // connection beside cold ones.)
  absl::optional<LoadOptions> beside;
  // The objects of `load` leave the page cache before each sample. Each contender is started anew
  // for each sample, since what a process has mapped does not leave.
  bool cold = false;
  // Each contender runs alone and is started anew for each sample: where one that polls would
  // disturb the others, or where its memory is the question.
  bool alone = false;
  // Memory and threads are the question: no warm-up, and RSS is looked at before clients connect.
  bool idle = false;
  // Who asks. A program in place of our own load generator shows whether that is a fair one.
  Generator generator = Generator::kOwn;
  // fio reads the same files, when it is installed.
  bool fio = false;
  // cp stores the same files.
  bool cp = false;
};

inline int RoundsOf(const CellPlan& plan, const Settings& settings) {
  return settings.rounds * plan.rounds_times;
}

// The cells of one workload: all but their workload, contenders and baseline.
using Planner = std::vector<CellPlan>(const Settings& settings);

struct Workload {
  const char* name;
  const char* about;
  Planner* plan;
};

// In the order of "all".
absl::Span<const Workload> Workloads();

// The cells of a workload, or of "all". INVALID_ARGUMENT: there is no such workload; names all.
absl::StatusOr<std::vector<CellPlan>> PlanOf(const std::string& workload, const Settings& settings);

// The cells of "bench report". Fixed, whatever flags say, so that two reports compare; rounds,
// duration, peers and the working folder may be chosen.
std::vector<CellPlan> Scenarios(const Settings& chosen);

}  // namespace objmapper::bench
