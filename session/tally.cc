// The board of tallies. A tally is never removed, so a thread's counts stay in the sums after the
// thread has ended.
#include "session/tally.h"

#include <algorithm>

namespace objmapper::session {

const char* NameOf(Way way) {
  constexpr const char* kNames[kWays] = {"fdpass", "copy", "splice", "put", "other"};
  return kNames[static_cast<size_t>(way)];
}

const char* NameOf(protocol::Dialect dialect) {
  constexpr const char* kNames[kDialects] = {"unknown", "v1", "v2", "http"};
  return kNames[static_cast<size_t>(dialect)];
}

uint64_t TallySnapshot::PerWay::requests() const {
  uint64_t all = 0;
  for (const uint64_t n : by_status) all += n;
  return all;
}

uint64_t TallySnapshot::PerWay::errors() const {
  return requests() - by_status[static_cast<size_t>(protocol::Status::kOk)] -
         by_status[static_cast<size_t>(protocol::Status::kNotModified)];
}

void Tally::AddTo(TallySnapshot* all, TallySnapshot::PerLane* lane) const {
  for (size_t w = 0; w < kWays; ++w) {
    TallySnapshot::PerWay& sum = all->ways[w];
    for (size_t s = 0; s < kStatuses; ++s) sum.by_status[s] += ways_[w].by_status[s];
    sum.bytes += ways_[w].bytes;
    ways_[w].service.AddTo(&sum.service);
  }
  for (size_t d = 0; d < kDialects; ++d) all->by_dialect[d] += by_dialect_[d];
  wait_.AddTo(&lane->wait);
  lane->taken_up = lane->wait.count();
  lane->busy_ns += busy_ns_;
}

TallySnapshot TallyBoard::Read() const {
  TallySnapshot all;
  const net::MutexLock lock(&mutex_);
  for (const Place& place : places_) {
    const std::string& name = place.tally->lane();
    auto lane = std::find_if(all.lanes.begin(), all.lanes.end(),
                             [&](const TallySnapshot::PerLane& l) { return l.name == name; });
    if (lane == all.lanes.end()) {
      all.lanes.emplace_back().name = name;
      lane = all.lanes.end() - 1;
    }
    if (place.taken) ++lane->threads;
    place.tally->AddTo(&all, &*lane);
  }
  std::sort(all.lanes.begin(), all.lanes.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return all;
}

Tally* TallyBoard::Take(const std::string& lane) {
  const net::MutexLock lock(&mutex_);
  for (Place& place : places_) {
    if (place.taken || place.tally->lane() != lane) continue;
    place.taken = true;
    return place.tally.get();
  }
  places_.push_back({std::make_unique<Tally>(lane), /*taken=*/true});
  return places_.back().tally.get();
}

void TallyBoard::GiveBack(Tally* tally) {
  const net::MutexLock lock(&mutex_);
  for (Place& place : places_) {
    if (place.tally.get() == tally) place.taken = false;
  }
}

TallyLease::TallyLease(TallyBoard* board, const std::string& lane)
    : board_(board),
      own_(board == nullptr ? std::make_unique<Tally>(lane) : nullptr),
      tally_(board == nullptr ? own_.get() : board->Take(lane)) {}

TallyLease::~TallyLease() {
  if (board_ != nullptr) board_->GiveBack(tally_);
}

}  // namespace objmapper::session
