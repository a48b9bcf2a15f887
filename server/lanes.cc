// Makes the lanes, asks the same of all of them, and reads their figures.
#include "server/lanes.h"

#include <functional>
#include <initializer_list>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/model.h"

namespace objmapper::server {
namespace {

Vitals::Lane LaneVitals(const char* name, const session::Lane& lane) {
  Vitals::Lane vitals;
  vitals.name = name;
  vitals.queue_depth = lane.QueueDepth();
  const auto* const loops = dynamic_cast<const loop::CopyPathLane*>(&lane);
  if (loops == nullptr) return vitals;
  vitals.engine = loops->engine_name();
  vitals.splice_threads = static_cast<uint64_t>(loops->splice_threads());
  for (const auto& thread : loops->loops()) {
    const loop::LoopCounters& counters = thread->loop().counters();
    const copypath::Objects::Counters& objects = thread->loop().object_counters();
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

// Makes `*kept` what has been made, or returns why it has not.
template <typename Made, typename Kept>
absl::Status Keep(absl::StatusOr<Made> made, Kept* kept) {
  if (made.ok()) *kept = *std::move(made);
  return made.status();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Lanes>> Lanes::Start(const Config& config,
                                                    const models::Options& options) {
  auto lanes = std::make_unique<Lanes>();
  absl::Status made;
  if (config.model.has_value()) {
    made = Keep(models::MakeModel(*config.model, options), &lanes->model_);
  } else {
    made = Keep(loop::CopyPathLane::Create(options, {.loops = config.copy_loops,
                                                     .bulk_loops = config.bulk_loops,
                                                     .splice = config.sizes.splice_threads}),
                &lanes->copypath_);
    if (made.ok() && config.fdpass_lane) made = lanes->MakeFdPass(config, options);
  }
  if (!made.ok()) return made;
  return lanes;
}

absl::Status Lanes::MakeFdPass(const Config& config, const loop::LoopOptions& loop) {
  fdpass::Options options;
  options.limits = loop.limits;
  options.tree = loop.tree;
  options.index = loop.index;
  options.connections = loop.connections;
  options.board = loop.board;
  options.switchboard = loop.switchboard;
  options.busy_poll = config.busy_poll;
  options.shared_fds = config.fd_sharing ? loop.cache_entries : 0;
  options.small_objects = loop.in_place ? loop.cache_entries : 0;
  options.splice_bytes_min = loop.splice_bytes_min;
  options.cache_valid = loop.cache_valid;
  options.run_slowly = [lane = copypath_.get()](std::function<void()> work) {
    lane->RunSlowly(std::move(work));
  };
  std::optional<fdpass::Engine> engine;
  if (config.fdpass_engine == loop::EngineKind::kUring) engine = fdpass::Engine::kUring;
  if (config.fdpass_engine == loop::EngineKind::kEpoll) engine = fdpass::Engine::kEpoll;
  return Keep(fdpass::FdPassLane::Create(options, config.sizes.pool_size, engine), &fdpass_);
}

Lanes::~Lanes() {
  for (session::Lane* lane : All()) lane->Stop();
}

session::Lane* Lanes::others() const { return model_ != nullptr ? model_.get() : copypath_.get(); }

std::vector<session::Lane*> Lanes::All() const {
  std::vector<session::Lane*> lanes;
  for (session::Lane* lane :
       std::initializer_list<session::Lane*>{fdpass_.get(), copypath_.get(), model_.get()}) {
    if (lane != nullptr) lanes.push_back(lane);
  }
  return lanes;
}

void Lanes::Drain() {
  for (session::Lane* lane : All()) lane->Drain();
}

void Lanes::AskPulse() {
  for (session::Lane* lane : All()) lane->AskPulse();
}

std::string Lanes::WithoutPulse() const {
  for (const session::Lane* lane : All()) {
    if (std::string silent = lane->WithoutPulse(); !silent.empty()) return silent;
  }
  return "";
}

std::string Lanes::WithoutThreads(absl::Duration patience) const {
  for (const session::Lane* lane : All()) {
    if (std::string busy = lane->WithoutThreads(patience); !busy.empty()) return busy;
  }
  return "";
}

std::vector<Vitals::Lane> Lanes::Read() const {
  std::vector<Vitals::Lane> vitals;
  if (fdpass_ != nullptr) {
    vitals.push_back(LaneVitals("fdpass", *fdpass_));
    vitals.back().engine = fdpass_->engine_name();
  }
  if (copypath_ != nullptr) vitals.push_back(LaneVitals("copypath", *copypath_));
  if (model_ != nullptr) vitals.push_back(LaneVitals("model", *model_));
  return vitals;
}

std::string Lanes::Shape(const Config& config) const {
  if (model_ != nullptr)
    return models::ThreadsOf(*config.model, config.sizes.pool_size, config.sizes.threads_max);
  return absl::StrCat(
      fdpass_ == nullptr ? "no fdpass lane (no Unix socket), "
                         : absl::StrCat(config.sizes.pool_size, " fdpass workers on ",
                                        fdpass_->engine_name(), ", "),
      config.copy_loops, " copy loop(s)",
      config.bulk_loops == 0
          ? ""
          : absl::StrCat(" and ", config.bulk_loops, " for large bodies over TCP"),
      " on ", copypath_->engine_name(), ", ", config.sizes.splice_threads, " splice threads");
}

}  // namespace objmapper::server
