// Directories for a test: one to put sockets in, one to serve.
//
//   ObjectTree tree;
//   tree.Add("a/b", Pattern(1, 4096));
//   ... --root=tree.root()
//
// Both remove themselves with all that is in them. One thread.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace objmapper::e2e {

// `bytes` pseudo-random bytes, the same for the same seed; no two stretches of them are alike, so
// that a body that is shifted, repeated or zero-filled somewhere never compares equal.
std::string Pattern(uint64_t seed, size_t bytes);

// A fresh directory with a short path under /tmp: sun_path holds 107 bytes (unix(7)), and Bazel's
// own test directory exceeds that.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class ObjectTree {
 public:
  ObjectTree();

  // The directory to serve, and the one around it, which is not served.
  std::string root() const { return top_.path() + "/root"; }
  const std::string& outside() const { return top_.path(); }
  std::string Path(absl::string_view uri) const;

  // Writes the object under another name and renames it into place, making its directories: a
  // reader sees the old object or the new one. Returns its path.
  std::string Add(absl::string_view uri, absl::string_view contents);
  // The same, unless there is one already: an object that many tests read and none replaces.
  void AddOnce(absl::string_view uri, absl::string_view contents);
  // A file that is all hole, unless there is an object already: any size at no cost.
  void AddSparseOnce(absl::string_view uri, uint64_t bytes);

 private:
  std::string Prepare(absl::string_view uri);

  TempDir top_;
};

}  // namespace objmapper::e2e
