// The thread that keeps the catalog: walks the tree at the start, follows what changes in it, and
// walks again what it cannot follow.
//
// What the kernel tells of changes are hints. It tells nothing of a file that is written through a
// name outside the tree, of truncate(2), of what a writer does before he closes, of a mount that
// comes or goes, and on some file systems (NFS, FUSE, 9p) of what is done elsewhere. So all of the
// tree is walked every Options::rescan, whatever has been told: that is when the catalog is right.
//
// Changes that the server makes itself do not wait for it: who makes them calls
// CatalogFeed::Refresh().
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "net/deadline_list.h"
#include "net/event_fd.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/catalog_feed.h"
#include "storage/catalog/tree_watch.h"

namespace objmapper::storage {

class CatalogKeeper {
 public:
  struct Options {
    Catalog* catalog = nullptr;  // both outlive the keeper
    CatalogFeed* feed = nullptr;
    size_t watches_max = 0;  // directories that may be watched; the kernel's own limit counts too
    // How long after one walk of all the tree the next one begins, unless the walk took more than a
    // tenth of that: one that takes long is followed by a rest of nine times as long. Directories
    // that are not watched are looked at every `rescan` all the same.
    absl::Duration rescan = absl::Minutes(1);
    // Whether a directory whose names do not tell upper from lower case is something to be warned
    // of: there are rules.
    bool warn_of_folding = false;
    // What else is to be done on this thread, or nothing: is told the time (net::NowNs()) and says
    // when it wants to be called again (at the latest: Wake()). Also called during walks. Not for
    // long.
    std::function<int64_t(int64_t now_ns)> upkeep;
    // Called about once a second, or null: for what else is to be looked at. May wait for the disk.
    std::function<void()> each_second;
  };

  // Starts the thread.
  explicit CatalogKeeper(Options options);
  // Stop() and no more.
  ~CatalogKeeper() { Stop(); }

  // Ends the thread: within some milliseconds, unless the disk hangs.
  void Stop();
  // Its work is due now. Any thread.
  void Wake();
  // All of the tree is another one: the catalog is not complete from now on, until it has been
  // walked. Any thread.
  void WalkAnew();

  // Any thread.
  size_t watched() const { return watch_.watches(); }
  size_t unwatched() const { return unwatched_count_.load(std::memory_order_relaxed); }
  // How often all of the tree, or what of it cannot be watched, was begun to be looked at again.
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
  std::atomic<bool> stop_{false}, woken_{false}, anew_{false};
  std::atomic<uint64_t> rescans_{0};
  std::atomic<size_t> unwatched_count_{0};
  // The thread's own.
  std::set<std::string>
      to_visit_;  // directories; a set, since a burst of events names one many times
  std::set<std::string> unwatched_;  // directories; as many as fit
  size_t unwatched_bytes_ = 0;       // of their paths
  bool unwatched_lost_ = false;      // some did not fit: all are to be looked at
  bool took_changes_ = false;        // since it slept last
  bool said_full_ = false;
  bool said_unwatched_ = false;
  // what is to be visited holds, or held, the root, and all below it follows
  bool walking_all_ = true;
  // it has to be walked from the root once what is to be visited has been
  bool all_is_due_ = false;
  int64_t walk_began_ns_ = 0;
  int64_t pause_ns_ = 0;  // before the next walk of all
  // At the earliest, when nothing is to be visited: what is due first of the two behind it.
  int64_t rescan_at_ns_ = net::kNever;
  int64_t unwatched_at_ns_ = net::kNever, all_at_ns_ = net::kNever;
  int64_t upkeep_at_ns_ = 0, second_at_ns_ = 0;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace objmapper::storage
