// What changes in the tree behind the server's back, told by inotify(7).
//
// Directories are watched one by one, as far as the kernel and a bound allow: who gets kRefused
// looks for itself now and then. A change is told as a name to look at, never as what happened to
// it: events come late, and what matters is what is there when one looks.
//
// One thread; watches() is any thread's.
#pragma once

#include <atomic>
#include <compare>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "net/unique_fd.h"

namespace objmapper::storage {

class TreeWatch {
 public:
  explicit TreeWatch(size_t watches_max);

  // Readable when something has changed; -1 when the kernel gives no inotify (all is refused then).
  int fd() const { return inotify_.get(); }

  enum class Added : uint8_t {
    kSame,     // this very directory is watched under this path already
    kNew,      // from now on it is
    kRefused,  // it is not, nor what was at this path before
  };
  // directory: open for reading, borrowed. path: as catalog_feed.h has it. To be added first and
  // read then, so that nothing changes in between.
  Added Add(int directory, const std::string& path);
  bool Has(const std::string& path) const { return by_path_.count(path) != 0; }
  // Forgets a directory and all below it.
  void Remove(const std::string& path);

  struct Change {
    std::string path;
    bool directory = false;  // it is or was one
    auto operator<=>(const Change&) const = default;
  };
  // Takes what has come, some hundred events at most, without waiting; none: the end for now.
  // False: the kernel had more than it keeps, and some were lost. Then nothing is watched any more,
  // and all is to be added and read anew.
  [[nodiscard]] bool Read(std::vector<Change>* changes);

  size_t watches() const { return watches_.load(std::memory_order_relaxed); }

 private:
  using Paths = std::map<std::string, int>;  // to watch descriptors; its nodes stay where they are

  void Open();
  void Forget(Paths::iterator at, bool tell_kernel);

  const size_t watches_max_;
  net::UniqueFd inotify_;
  Paths by_path_;
  absl::flat_hash_map<int, Paths::iterator> by_watch_;
  std::atomic<size_t> watches_{0};
};

}  // namespace objmapper::storage
