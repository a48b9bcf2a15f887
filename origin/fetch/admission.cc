// The queue. Origins are few, so that looking at each costs nothing beside a request.
#include "origin/fetch/admission.h"

#include <glog/logging.h>

namespace objmapper::origin::fetch {

void Admission::Wait(uint64_t id, absl::string_view origin) {
  origins_[std::string(origin)].waiting.insert(id);
}

uint64_t Admission::Next() {
  if (running_ >= running_max_) return 0;
  Origin* next = nullptr;
  for (auto& [name, origin] : origins_) {
    if (origin.waiting.empty() || origin.running >= per_origin_) continue;
    if (next == nullptr || *origin.waiting.begin() < *next->waiting.begin()) next = &origin;
  }
  if (next == nullptr) return 0;
  const uint64_t id = *next->waiting.begin();
  next->waiting.erase(next->waiting.begin());
  ++next->running;
  ++running_;
  return id;
}

void Admission::Ended(absl::string_view origin) {
  const auto found = origins_.find(origin);
  CHECK(found != origins_.end() && found->second.running > 0) << origin << " has none that runs";
  --found->second.running;
  --running_;
  ForgetIfIdle(found);
}

bool Admission::Leave(uint64_t id, absl::string_view origin) {
  const auto found = origins_.find(origin);
  if (found == origins_.end() || found->second.waiting.erase(id) == 0) return false;
  ForgetIfIdle(found);
  return true;
}

void Admission::ForgetIfIdle(Origins::iterator origin) {
  if (origin->second.waiting.empty() && origin->second.running == 0) origins_.erase(origin);
}

}  // namespace objmapper::origin::fetch
