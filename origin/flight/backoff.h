// Which names are left alone for a moment, since their origin has failed to say what they are.
//
// Each failure in a row doubles the time, up to a limit, and a part of it is left to chance, so
// that those who wait for many names do not come back all at once. What has come right, or failed
// last long ago, begins anew. A name's trouble is its own: others are asked for as ever.
//
// One thread's at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace objmapper::origin {

class Backoff {
 public:
  struct Options {
    // Behind the first failure, and at most; of each at least a half. An origin that asks for more
    // patience than the first gets it, up to the second.
    absl::Duration first = absl::Seconds(1);
    absl::Duration most = absl::Seconds(30);
    // Names that are remembered; beyond, some are forgotten, which costs a request each.
    size_t names_max = 100'000;
    // What does not happen until then, for people.
    std::string what = "its origin is not asked again";
  };
  // random: uniform in [0, 1).
  Backoff(const Options& options, std::function<double()> random)
      : options_(options), random_(std::move(random)) {}

  // OK, or why the name failed last, with when it will be asked for again (net/retry_after.h).
  absl::Status Refusal(absl::string_view name, absl::Time now) const;
  // It has failed. Returns until when it is left alone. why: may say when to come again.
  absl::Time Failed(absl::string_view name, const absl::Status& why, absl::Time now);
  // It has not.
  void Clear(absl::string_view name) { names_.erase(name); }
  void ClearAll() { names_.clear(); }

  size_t size() const { return names_.size(); }

 private:
  struct Entry {
    absl::Status why;
    absl::Time until;
    absl::Duration delay;  // the next one, before chance
  };
  void MakeRoom(absl::Time now);

  const Options options_;
  const std::function<double()> random_;
  absl::flat_hash_map<std::string, Entry> names_;
};

}  // namespace objmapper::origin
