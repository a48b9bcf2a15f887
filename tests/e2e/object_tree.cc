// A temporary root with files of known content.
#include "tests/e2e/object_tree.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "net/unique_fd.h"

namespace objmapper::e2e {

std::string Pattern(uint64_t seed, size_t bytes) {
  std::string out(bytes, '\0');
  uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
    // SplitMix64: every word of its period differs from every other.
    uint64_t word = (state += 0x9E3779B97F4A7C15u);
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9u;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
    word ^= word >> 31;
    memcpy(out.data() + at, &word, std::min(sizeof(word), bytes - at));
  }
  return out;
}

TempDir::TempDir() {
  char name[] = "/tmp/om.XXXXXX";
  PCHECK(mkdtemp(name) != nullptr) << name;
  path_ = name;
  // Servers that run as another user enter it too (server_process.h, as_nobody).
  PCHECK(chmod(name, 0755) == 0) << name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

ObjectTree::ObjectTree() { PCHECK(mkdir(root().c_str(), 0755) == 0) << root(); }

std::string ObjectTree::Path(absl::string_view uri) const { return absl::StrCat(root(), "/", uri); }

std::string ObjectTree::Prepare(absl::string_view uri) {
  const std::string path = Path(uri);
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  return path;
}

std::string ObjectTree::Add(absl::string_view uri, absl::string_view contents) {
  const std::string path = Prepare(uri);
  const std::string fresh = outside() + "/fresh";
  net::UniqueFd file(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  PCHECK(file.valid()) << fresh;
  while (!contents.empty()) {
    const ssize_t written = write(file.get(), contents.data(), contents.size());
    PCHECK(written > 0) << fresh;
    contents.remove_prefix(written);
  }
  PCHECK(rename(fresh.c_str(), path.c_str()) == 0) << path;
  return path;
}

void ObjectTree::AddOnce(absl::string_view uri, absl::string_view contents) {
  if (!std::filesystem::exists(Path(uri))) Add(uri, contents);
}

void ObjectTree::AddSparseOnce(absl::string_view uri, uint64_t bytes) {
  if (std::filesystem::exists(Path(uri))) return;
  const std::string path = Prepare(uri);
  net::UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  PCHECK(file.valid() && ftruncate(file.get(), bytes) == 0) << path;
}

}  // namespace objmapper::e2e
