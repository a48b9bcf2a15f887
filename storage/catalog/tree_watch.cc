// inotify(7). An event is only a name to look at; a lost event is reported as an overflow, after
// which everything is read again.
#include "storage/catalog/tree_watch.h"

#include <errno.h>
#include <glog/logging.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace objmapper::storage {
namespace {

// IN_CLOSE_WRITE, not IN_MODIFY: a file that is being written would tell of each write(2).
// IN_ATTRIB: times, the sticky bit, attributes. IN_EXCL_UNLINK: what becomes of a file that has no
// name any more is nobody's business.
constexpr uint32_t kEvents = IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE |
                             IN_ATTRIB | IN_EXCL_UNLINK | IN_ONLYDIR;
// Room for some hundred events (the name is padded: inotify(7)).
constexpr size_t kReadBytes = 16 * 1024;

}  // namespace

TreeWatch::TreeWatch(size_t watches_max) : watches_max_(watches_max) { Open(); }

void TreeWatch::Open() {
  inotify_.Reset(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify_.valid()) {
    PLOG(WARNING) << "catalog: no inotify, so other programs' changes are noticed late "
                     "(fs.inotify.max_user_instances)";
  }
}

TreeWatch::Added TreeWatch::Add(int directory, const std::string& path) {
  const auto known = by_path_.find(path);
  int watch = -1;
  // The directory itself, not what has its name by now.
  if (inotify_.valid() && (known != by_path_.end() || by_path_.size() < watches_max_)) {
    watch = inotify_add_watch(inotify_.get(), absl::StrCat("/proc/self/fd/", directory).c_str(),
                              kEvents);
  }
  if (known != by_path_.end()) {
    if (known->second == watch) return Added::kSame;
    Forget(known, /*tell_kernel=*/true);
  }
  if (watch < 0) return Added::kRefused;
  // It was watched under another name: it has been renamed, and the event is still to come.
  const auto renamed = by_watch_.find(watch);
  if (renamed != by_watch_.end()) Forget(renamed->second, /*tell_kernel=*/false);
  by_watch_[watch] = by_path_.emplace(path, watch).first;
  watches_.store(by_path_.size(), std::memory_order_relaxed);
  return Added::kNew;
}

void TreeWatch::Forget(Paths::iterator at, bool tell_kernel) {
  // fails when the directory has gone: so has the watch
  if (tell_kernel) inotify_rm_watch(inotify_.get(), at->second);
  by_watch_.erase(at->second);
  by_path_.erase(at);
  watches_.store(by_path_.size(), std::memory_order_relaxed);
}

void TreeWatch::Remove(const std::string& path) {
  const auto self = by_path_.find(path);
  if (self != by_path_.end()) Forget(self, /*tell_kernel=*/true);
  const std::string below = absl::StrCat(path, "/");
  for (auto at = by_path_.lower_bound(below);
       at != by_path_.end() && absl::StartsWith(at->first, below);) {
    Forget(at++, /*tell_kernel=*/true);
  }
}

bool TreeWatch::Read(std::vector<Change>* changes) {
  alignas(inotify_event) char buffer[kReadBytes];
  // without inotify EBADF, as little as when nothing has come
  const ssize_t bytes = TEMP_FAILURE_RETRY(read(inotify_.get(), buffer, sizeof(buffer)));
  for (ssize_t at = 0; at < bytes;) {
    const auto* const event = reinterpret_cast<const inotify_event*>(buffer + at);
    at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    if ((event->mask & IN_Q_OVERFLOW) != 0) {
      // A fresh queue: an event of before the loss must not be taken for one of after it.
      by_watch_.clear();
      by_path_.clear();
      watches_.store(0, std::memory_order_relaxed);
      changes->clear();
      Open();
      return false;
    }
    const auto watch = by_watch_.find(event->wd);
    if (watch == by_watch_.end()) continue;  // of a directory that we have let go of since
    if ((event->mask & IN_IGNORED) != 0) {
      Forget(watch->second, /*tell_kernel=*/false);
      continue;
    }
    if (event->len == 0) continue;  // of the directory itself
    const std::string& directory = watch->second->first;
    Change change;
    change.path = directory.empty() ? event->name : absl::StrCat(directory, "/", event->name);
    change.directory = (event->mask & IN_ISDIR) != 0;
    if (change.directory && (event->mask & IN_ATTRIB) != 0) continue;
    // Whoever has its name now is another one. If one is, that one's event is still to come.
    if (change.directory && (event->mask & (IN_MOVED_FROM | IN_DELETE)) != 0) Remove(change.path);
    changes->push_back(std::move(change));
  }
  return true;
}

}  // namespace objmapper::storage
