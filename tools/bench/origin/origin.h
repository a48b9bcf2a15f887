// The workload "origin": what it costs to have objects fetched by our server, against fetching them
// otherwise.
//
// It is about single large objects, and so no matter of cells and rates: each question brings
// figures of its own, which are held against bars (figures.h). Where two contenders are compared
// they take turns within a round, and a ratio is that of one round.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/bench/origin/content.h"
#include "tools/bench/origin/far.h"
#include "tools/bench/origin/figures.h"
#include "tools/bench/origin/node.h"
#include "tools/bench/origin/settings.h"

namespace objmapper::bench {

// All of a run.
struct OriginRun {
  OriginSettings settings;
  int rounds = 1;
  absl::Duration duration;  // of a load
  std::string folder;       // to work in; a short path
  std::vector<std::string> server_flags;
  std::function<bool()> interrupted;
};

// Asks all questions of all origins. What is not installed is left out, and `figures` say so. The
// environment is changed: programs inherit credentials from it. Errors: CANCELLED (interrupted);
// RESOURCE_EXHAUSTED (so large objects would leave less than 5 GB of the disk free); else what
// could not be measured, wrong bytes among it. Figures up to there are kept.
absl::Status RunOrigin(const OriginRun& run, Figures& figures);

// ---- For the questions, ask_*.cc ----

// One origin and what it has.
struct Stock {
  const OriginRun& run;
  Far& far;
  Figures& figures;
  const Content& object;  // kObject, NameOfObject(), kParts where the origin tells MD5s
  const Content& small;   // kSmall: some parts of a fetch long
  const Content& hit;     // kHit: a request's worth

  // How many names it has: 0 to this.
  int objects() const;
  // The number of objects that make a model.
  int models() const;
  void Add(const char* ask, std::string what, std::vector<double> values, Bar bar = {}) const {
    figures.Add({ask, far.kind(), std::move(what), std::move(values), bar});
  }
  // A new server, in a folder of its own, that fetches from there; or from nowhere. `flag`: one
  // more; empty: none.
  absl::StatusOr<std::unique_ptr<Node>> StartNode(const std::string& name,
                                                  const std::string& flag = "") const;
  absl::StatusOr<std::unique_ptr<Node>> StartNodeAlone(const std::string& name) const;
  // CANCELLED, once somebody has interrupted.
  absl::Status GoOn() const;
};

inline constexpr char kObject[] = "object", kParts[] = "parts", kSmall[] = "small", kHit[] = "hit";
std::string NameOfObject(int number);

using OriginAsk = absl::Status(const Stock& stock);

// ask_bytes.cc: what the origin sends. Many readers of an object that is not here; a piece of one;
// many objects at once, and the memory for that.
OriginAsk AskHerd, AskRange, AskManyFills;
// ask_fill.cc: how fast an object comes, and at what CPU, against programs that copy it.
OriginAsk AskFill;
// ask_latency.cc: the first byte of what is not here; hits beside a server without an origin; hits
// while others fetch.
OriginAsk AskFirstByte, AskHits, AskBeside;
// ask_model.cc: processes that all read the same.
OriginAsk AskModel;

}  // namespace objmapper::bench
