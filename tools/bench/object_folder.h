// The folder with the objects that all contenders serve.
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

}  // namespace objmapper::bench
