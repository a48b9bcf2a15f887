// Which request gets a connection next: the one that came first, of those whose origin has room.
//
// So an origin that hangs keeps at most `per_origin` places busy, and the others' requests do not
// wait behind its own. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "absl/strings/string_view.h"

namespace objmapper::origin::fetch {

class Admission {
 public:
  Admission(size_t running_max, size_t per_origin)
      : running_max_(running_max), per_origin_(per_origin) {}

  // id: ascending in the order of arrival; one that comes again, after a delay, is at its old
  // place. Not while it waits or runs.
  void Wait(uint64_t id, absl::string_view origin);
  // The next one, which runs from now on; 0: there is none, or no room.
  uint64_t Next();
  // It runs no more.
  void Ended(absl::string_view origin);
  // It waits no more. False: it did not.
  bool Leave(uint64_t id, absl::string_view origin);

  size_t running() const { return running_; }

 private:
  struct Origin {
    std::set<uint64_t> waiting;
    size_t running = 0;
  };
  using Origins = std::map<std::string, Origin, std::less<>>;

  void ForgetIfIdle(Origins::iterator origin);

  const size_t running_max_, per_origin_;
  size_t running_ = 0;
  Origins origins_;  // those that have either
};

}  // namespace objmapper::origin::fetch
