// The thread that keeps the catalog: walks the tree at the start, follows what changes in it, and walks again what it cannot
// follow.
//
// Changes that the server makes itself do not wait for it: who makes them calls CatalogFeed::Refresh().
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "net/event_fd.h"
#include "storage/catalog.h"
#include "storage/catalog_feed.h"
#include "storage/tree_watch.h"

namespace objmapper::storage {

class CatalogKeeper {
 public:
  struct Options {
    Catalog* catalog = nullptr;   // both outlive the keeper
    CatalogFeed* feed = nullptr;
    size_t watches_max = 0;  // directories that may be watched; the kernel's own limit counts too
    // How long after one look at the directories that are not watched the next one begins.
    absl::Duration rescan = absl::Minutes(1);
    // Whether a directory whose names do not tell upper from lower case is something to be warned of: there are rules.
    bool warn_of_folding = false;
    // What else is to be done on this thread, or nothing: is told the time (net::NowNs()) and says when it wants to be
    // called again (at the latest: Wake()). Also called during walks. Not for long.
    std::function<int64_t(int64_t now_ns)> upkeep;
  };

  // Starts the thread.
  explicit CatalogKeeper(Options options);
  // Stop() and no more.
  ~CatalogKeeper();

  // Ends the thread: within some milliseconds, unless the disk hangs.
  void Stop();
  // Upkeep is due now. Any thread.
  void Wake();

  // Any thread.
  size_t watched() const { return watch_.watches(); }
  size_t unwatched() const { return unwatched_count_.load(std::memory_order_relaxed); }
  // How often directories that cannot be watched, or all after a loss of events, were begun to be looked at again.
  uint64_t rescans() const { return rescans_.load(std::memory_order_relaxed); }

 private:
  void Run();
  void Sleep();
  // Between two steps of a walk: does what does not wait. False: the end.
  bool Attend();
  void TakeChanges();
  void Visit(const std::string& path);
  void Vanished(const std::string& path);
  void SetUnwatched(const std::string& path, bool unwatched);
  void WatchRoom();
  void WalkAllSoon(const char* why);
  void Rescan();
  void FinishedWalk();

  const Options options_;
  TreeWatch watch_;
  net::EventFd wake_;
  std::atomic<bool> stop_{false}, woken_{false};
  std::atomic<uint64_t> rescans_{0};
  std::atomic<size_t> unwatched_count_{0};
  // The thread's own.
  std::set<std::string> to_visit_;   // directories; a set, since a burst of events names one many times
  std::set<std::string> unwatched_;  // directories; as many as fit
  size_t unwatched_bytes_ = 0;       // of their paths
  bool unwatched_lost_ = false;      // some did not fit: all are to be looked at
  bool said_full_ = false;
  bool said_unwatched_ = false;
  bool walking_all_ = true;  // what is to be visited holds, or held, the root, and all below it follows
  bool all_is_due_ = false;  // it has to be walked from the root once what is to be visited has been
  int64_t walk_began_ns_ = 0;
  int64_t pause_ns_ = 0;  // before the next walk of all
  int64_t rescan_at_ns_ = std::numeric_limits<int64_t>::max();  // at the earliest, when nothing is to be visited
  int64_t upkeep_at_ns_ = 0;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace objmapper::storage
