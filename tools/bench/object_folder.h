// The folder with the objects that all contenders serve; and its files out of the page cache,
// surely, and memory to read them into.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/bench/contenders/contender.h"

namespace objmapper::bench {

// Owns a working folder: objects/ below it, and what contenders put there. Removed in the
// destructor.
class ObjectFolder {
 public:
  // `work_dir`: a new folder is made in it; empty: in /tmp. The path is kept short, since a Unix
  // socket's has 107 characters at most (unix(7)).
  static absl::StatusOr<ObjectFolder> Make(const std::string& work_dir);

  ObjectFolder(ObjectFolder&& other);
  ObjectFolder& operator=(ObjectFolder&&) = delete;
  ~ObjectFolder();

  // A fresh, empty folder for one contender.
  absl::StatusOr<std::string> Room(const std::string& name);

  // Makes those that are not there yet. `sparse`: holes; else every byte is written, and no two
  // blocks are alike. `folder`: they have it to themselves; empty: where all are that have none.
  // The objects from `files_max` on, which have the sizes of the first, are further names of
  // theirs.
  absl::StatusOr<ObjectSet> Prepare(const std::vector<ObjectSet::Object>& objects, bool sparse,
                                    const std::string& folder = "",
                                    uint64_t files_max = UINT64_MAX);

  // Removes such a folder, and what is in it.
  void Drop(const std::string& folder);

  // Of those that are where all are.
  std::vector<std::string> PathsOf(const std::vector<std::string>& objects) const;

 private:
  explicit ObjectFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;  // empty: moved from
  int rooms_ = 0;
};

// Writes the files back and drops their pages. FAILED_PRECONDITION: some stayed, because a process
// maps them (posix_fadvise(2) skips those), or a file is on tmpfs.
//
// Then touches as much free memory as the files take, in huge pages, and frees it again. A virtual
// machine may have told its host of free blocks of 2 MiB (free page reporting, virtio-balloon),
// which took them back: who first touches such a page waits some 5 us for the host. For 512 MiB
// that is 0.6 s, three times what the disk takes, and it fell on whichever contender happened to be
// given such blocks. The kernel hands out first what was freed last. This makes it seldom, not
// impossible: look at the spread.
absl::Status MakeCold(const std::vector<std::string>& paths);

}  // namespace objmapper::bench
