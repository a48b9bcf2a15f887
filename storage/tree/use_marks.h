// Which objects have been used lately: a word from the threads that serve to the one that evicts.
//
//   marks.Used(uri);                                // a lane, for every object it opens: some 10
//   ns for (const std::string& uri : marks.Take())     // the catalog's thread, now and then
//     catalog.Touch(uri, now);
//
// A thread says of an object once in a turn (a minute, say) that it was used; the rest of its uses
// cost a hash and a look into a table of its own. No more than kWaitingMax wait to be taken: what
// is used beyond that is marked by a later use. Thread-safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "net/mutex.h"

namespace objmapper::storage {

class UseMarks {
 public:
  static constexpr size_t kWaitingMax = 16384;

  UseMarks();

  void Used(absl::string_view uri);

  // What was said since the last call, as the clients spelled it; an object as often as threads,
  // and their tables' clashes, would have it.
  std::vector<std::string> Take();
  // From now on every use is news again.
  void NextTurn() { turn_.fetch_add(1, std::memory_order_relaxed); }

 private:
  const uint64_t seed_;  // tells instances apart in the threads' tables
  std::atomic<uint64_t> turn_{1};
  net::Mutex mutex_;
  std::vector<std::string> waiting_ GUARDED_BY(mutex_);
};

}  // namespace objmapper::storage
