// The keeper's loop: events, single directories to read again, and the walk of the whole tree. The
// catalog is complete only after a walk that lost no event.
#include "storage/catalog/catalog_keeper.h"

#include <glog/logging.h>
#include <poll.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "storage/tree/case_folding.h"
#include "storage/tree/reserved_name.h"
#include "text/printable.h"

namespace objmapper::storage {
namespace {

using net::kNever;
// Before the whole tree is walked again.
constexpr absl::Duration kPauseMin = absl::Milliseconds(100);
// How many times as long as a walk of all the tree took is rested before the next one that is not
// due for a reason.
constexpr int kRest = 9;
constexpr int64_t kSecondNs = 1'000'000'000;
// How long what follows on a change is gathered: who stores thousands of objects a second is not to
// wake this thread for each, and the kernel keeps some 16,000 events meanwhile.
constexpr int kGatherMs = 10;
// Of the paths of directories that cannot be watched. Beyond that all of the tree is looked at,
// rather than those.
constexpr size_t kUnwatchedBytesMax = 32 * 1024 * 1024;
// What an entry of a set takes beside its characters.
constexpr size_t kEntryBytes = 96;

}  // namespace

CatalogKeeper::CatalogKeeper(Options options)
    : options_(std::move(options)), watch_(options_.watches_max), thread_([this] { Run(); }) {}

void CatalogKeeper::Stop() {
  stop_.store(true);
  wake_.Signal();
  if (thread_.joinable()) thread_.join();
}

void CatalogKeeper::Wake() {
  woken_.store(true);
  wake_.Signal();
}

void CatalogKeeper::WalkAnew() {
  anew_.store(true);
  options_.catalog->SetIncomplete();
  wake_.Signal();
}

void CatalogKeeper::Run() {
  walk_began_ns_ = net::NowNs();
  to_visit_.insert("");
  while (Attend()) {
    if (!to_visit_.empty()) {
      Visit(to_visit_.extract(to_visit_.begin()).value());
      if (to_visit_.empty()) FinishedWalk();
    } else if (net::NowNs() >= rescan_at_ns_) {
      Rescan();
    } else {
      Sleep();
    }
  }
}

void CatalogKeeper::Sleep() {
  const int64_t until_ns = std::min({rescan_at_ns_, upkeep_at_ns_, second_at_ns_});
  int sleep_ms = net::SleepMs(until_ns, net::NowNs());
  // poll(2) ignores a descriptor of -1
  pollfd polled[] = {{wake_.fd(), POLLIN, 0}, {watch_.fd(), POLLIN, 0}};
  if (std::exchange(took_changes_, false)) {
    polled[1].fd = -1;
    sleep_ms = sleep_ms < 0 ? kGatherMs : std::min(sleep_ms, kGatherMs);
  }
  poll(polled, 2, sleep_ms);
  wake_.Clear();  // what it was for is in stop_ or woken_
}

bool CatalogKeeper::Attend() {
  if (stop_.load()) return false;
  TakeChanges();
  WatchRoom();
  if (anew_.exchange(false)) {
    options_.catalog->SetIncomplete();
    pause_ns_ = 0;
    WalkAllSoon("the root is another directory");
  }
  const int64_t now_ns = net::NowNs();
  if (now_ns >= second_at_ns_) {
    second_at_ns_ = options_.each_second == nullptr ? kNever : now_ns + kSecondNs;
    if (options_.each_second != nullptr) options_.each_second();
  }
  if (woken_.exchange(false) || now_ns >= upkeep_at_ns_) {
    upkeep_at_ns_ = options_.upkeep == nullptr ? kNever : options_.upkeep(now_ns);
  }
  return !stop_.load();
}

// What does not fit is left out, until there is room for it again.
void CatalogKeeper::WatchRoom() {
  Catalog* const catalog = options_.catalog;
  if (!catalog->left_out()) return;
  if (!said_full_) {
    said_full_ = true;
    LOG(WARNING) << "catalog: full with " << catalog->objects()
                 << " objects (--catalog_memory): the others are not listed in it, and "
                 << "OP_LIST walks the directory tree";
  }
  if (walking_all_ || all_is_due_ || !catalog->HasRoomAgain()) return;
  catalog->TakeLeftOut();
  said_full_ = false;
  WalkAllSoon("there is room in the catalog again");
}

void CatalogKeeper::TakeChanges() {
  std::vector<TreeWatch::Change> changes;
  do {
    changes.clear();
    if (!watch_.Read(&changes)) {
      WalkAllSoon(
          "the kernel had more changes to report than it keeps (fs.inotify.max_queued_events)");
      return;
    }
    took_changes_ = took_changes_ || !changes.empty();
    // One store is told of several times.
    std::sort(changes.begin(), changes.end());
    changes.erase(std::unique(changes.begin(), changes.end()), changes.end());
    for (TreeWatch::Change& change : changes) {
      if (!change.directory) {
        options_.feed->Refresh(change.path);
      } else if (!HasReservedName(change.path)) {
        to_visit_.insert(std::move(change.path));
      }
    }
  } while (!changes.empty() && !stop_.load());
  if (options_.feed->TakeLost())
    WalkAllSoon("a directory could not be read: no descriptors, or a failing disk");
}

void CatalogKeeper::WalkAllSoon(const char* why) {
  LOG_EVERY_N(WARNING, 100) << "catalog: the whole tree is walked again: " << why;
  all_is_due_ = true;
  // What happens too fast may go on doing so: walks are to take half the time at most.
  if (to_visit_.empty()) rescan_at_ns_ = net::NowNs() + pause_ns_;
}

void CatalogKeeper::Rescan() {
  rescans_.fetch_add(1, std::memory_order_relaxed);
  walk_began_ns_ = net::NowNs();
  rescan_at_ns_ = unwatched_at_ns_ = kNever;
  if (all_is_due_ || unwatched_lost_ || walk_began_ns_ >= all_at_ns_) {
    all_at_ns_ = kNever;
    all_is_due_ = unwatched_lost_ = false;
    walking_all_ = true;
    to_visit_.insert("");
  } else {
    to_visit_ = unwatched_;
    // they have gone meanwhile: what is due next is still to be told
    if (to_visit_.empty()) FinishedWalk();
  }
}

void CatalogKeeper::FinishedWalk() {
  const int64_t now_ns = net::NowNs();
  const absl::Duration took = absl::Nanoseconds(now_ns - walk_began_ns_);
  const int64_t rescan_ns = absl::ToInt64Nanoseconds(options_.rescan);
  if (walking_all_) {
    walking_all_ = false;
    all_at_ns_ = now_ns + std::max(rescan_ns, kRest * absl::ToInt64Nanoseconds(took));
    pause_ns_ = absl::ToInt64Nanoseconds(std::max(kPauseMin, took));
    if (!all_is_due_ && !options_.catalog->complete() && !options_.catalog->left_out()) {
      options_.catalog->SetComplete();
      LOG(INFO) << "catalog: complete after " << took << ": " << options_.catalog->objects()
                << " objects of " << options_.catalog->bytes() << " bytes; " << watched()
                << " directories are watched";
    }
  }
  if (all_is_due_) {
    rescan_at_ns_ = now_ns + pause_ns_;
    return;
  }
  if (unwatched_.empty() && !unwatched_lost_) {
    unwatched_at_ns_ = kNever;
  } else if (unwatched_at_ns_ == kNever) {
    unwatched_at_ns_ = now_ns + rescan_ns;
  }
  rescan_at_ns_ = std::min(unwatched_at_ns_, all_at_ns_);
}

void CatalogKeeper::SetUnwatched(const std::string& path, bool unwatched) {
  if (unwatched) {
    if (unwatched_bytes_ + path.size() + kEntryBytes > kUnwatchedBytesMax) {
      unwatched_lost_ = unwatched_lost_ || unwatched_.count(path) == 0;
    } else if (unwatched_.insert(path).second) {
      unwatched_bytes_ += path.size() + kEntryBytes;
    }
    if (!said_unwatched_) {
      said_unwatched_ = true;
      LOG(WARNING)
          << "catalog: more directories than can be watched (" << watched()
          << " are: --catalog_watches, fs.inotify.max_user_watches); the others are read every "
          << options_.rescan;
    }
  } else if (unwatched_.erase(path) != 0) {
    unwatched_bytes_ -= path.size() + kEntryBytes;
  }
  unwatched_count_.store(unwatched_.size(), std::memory_order_relaxed);
}

void CatalogKeeper::Visit(const std::string& path) {
  absl::StatusOr<net::UniqueFd> directory = options_.feed->OpenDirectory(path);
  if (absl::IsNotFound(directory.status())) return Vanished(path);
  if (absl::IsPermissionDenied(directory.status())) {
    // "lost+found", say. Whoever may read it one day is found by the next walk of all.
    LOG_EVERY_N(WARNING, 1000) << "catalog: " << text::Quoted(path)
                               << " may not be read, and is left out with everything below it: "
                               << directory.status().message();
    return Vanished(path);
  }
  if (!directory.ok()) {
    LOG_EVERY_N(WARNING, 1000) << "catalog: " << text::Quoted(path)
                               << " is left out: " << directory.status().message();
    SetUnwatched(path, true);  // so that it is tried again
    return;
  }
  if (options_.warn_of_folding && FoldsCaseByAttribute(directory->get())) {
    LOG_EVERY_N(ERROR, 100) << "rules: names in " << text::Quoted(path)
                            << " do not distinguish upper and lower case (chattr +F): rules about "
                            << "objects in it can be bypassed by another spelling";
  }
  const TreeWatch::Added added = watch_.Add(directory->get(), path);
  SetUnwatched(path, added == TreeWatch::Added::kRefused);
  // Below a directory that was watched all the time, what is known has been followed too.
  const auto known = [&](const std::string& child) {
    return watch_.Has(child) || unwatched_.count(child) != 0;
  };
  options_.feed->Read(
      *std::move(directory), path,
      [&](std::string child) {
        if (walking_all_ || added != TreeWatch::Added::kSame || !known(child))
          to_visit_.insert(std::move(child));
      },
      [this] { return Attend(); });
}

void CatalogKeeper::Vanished(const std::string& path) {
  const std::string below = absl::StrCat(path, "/");
  watch_.Remove(path);
  if (unwatched_.erase(path) != 0) unwatched_bytes_ -= path.size() + kEntryBytes;
  for (auto at = unwatched_.lower_bound(below);
       at != unwatched_.end() && absl::StartsWith(*at, below);) {
    unwatched_bytes_ -= at->size() + kEntryBytes;
    unwatched_.erase(at++);
  }
  unwatched_count_.store(unwatched_.size(), std::memory_order_relaxed);
  options_.feed->Refresh(path);  // it may be an object by now
  options_.catalog->ForEach(below, "", [this](const Catalog::Object& object) {
    options_.feed->Refresh(object.uri);
    return !stop_.load();
  });
}

}  // namespace objmapper::storage
