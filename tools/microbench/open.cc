// The ways to an open descriptor: the bare call, the tree from its root, and through a directory
// that is kept resolved. By the number of directories above the object.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "net/unique_fd.h"
#include "storage/memory/memory_tier.h"
#include "storage/tree/directory_cache.h"
#include "storage/tree/tree.h"

namespace objmapper {
namespace {

// A folder with one object under `depth` directories; removes itself.
class Folder {
 public:
  explicit Folder(int64_t depth) {
    char name[] = "/tmp/microbench.XXXXXX";
    PCHECK(mkdtemp(name) != nullptr);
    root_ = name;
    for (int64_t i = 0; i < depth; ++i) {
      absl::StrAppend(&uri_, "d/");
      PCHECK(mkdir(absl::StrCat(root_, "/", uri_).c_str(), 0700) == 0);
    }
    absl::StrAppend(&uri_, "object");
    const std::string path = absl::StrCat(root_, "/", uri_);
    const net::UniqueFd file(open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    PCHECK(file.valid() && write(file.get(), "bytes", 5) == 5);
    absl::StatusOr<storage::Tree> tree = storage::Tree::Open(root_);
    CHECK(tree.ok()) << tree.status();
    tree_ = std::make_unique<storage::Tree>(*std::move(tree));
    directory_ = net::UniqueFd(open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  ~Folder() {
    std::string path = absl::StrCat(root_, "/", uri_);
    unlink(path.c_str());
    while (path.size() > root_.size()) {
      path.resize(path.rfind('/'));
      rmdir(path.c_str());
    }
  }
  const std::string& uri() const { return uri_; }
  int directory() const { return directory_.get(); }
  const storage::Tree& tree() const { return *tree_; }

 private:
  std::string root_;
  std::string uri_;
  net::UniqueFd directory_;
  std::unique_ptr<storage::Tree> tree_;
};

// Opens again and again.
template <typename Open>
void Measure(benchmark::State& state, Open open) {
  for (auto _ : state) {
    const net::UniqueFd fd(open());
    PCHECK(fd.valid());
  }
}

void BareOpenat(benchmark::State& state) {
  const Folder folder(state.range(0));
  Measure(state,
          [&] { return openat(folder.directory(), folder.uri().c_str(), O_RDONLY | O_CLOEXEC); });
}
BENCHMARK(BareOpenat)->ArgName("depth")->Arg(0)->Arg(3);

void TreeOpen(benchmark::State& state) {
  const Folder folder(state.range(0));
  for (auto _ : state) CHECK(folder.tree().OpenObject(folder.uri(), storage::Wait::kMayBlock).ok());
}
BENCHMARK(TreeOpen)->ArgName("depth")->Arg(0)->Arg(3);

void DirectoryCacheOpen(benchmark::State& state) {
  const Folder folder(state.range(0));
  const auto wait = static_cast<storage::Wait>(state.range(1));
  storage::DirectoryCache directories(&folder.tree(), 16, absl::Milliseconds(20));
  for (auto _ : state) CHECK(directories.OpenObject(folder.uri(), net::NowNs(), wait).ok());
}
BENCHMARK(DirectoryCacheOpen)
    ->ArgNames({"depth", "cached_only"})
    ->Args({0, 0})
    ->Args({3, 0})
    ->Args({0, 1})
    ->Args({3, 1});

// A sealed memfd of five bytes.
net::UniqueFd Memfd() {
  net::UniqueFd fd(memfd_create("microbench", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  PCHECK(fd.valid() && write(fd.get(), "bytes", 5) == 5);
  PCHECK(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) == 0);
  return fd;
}

// An object in memory opened anew, by its path and from an open /proc/self/fd; duplicated, for
// comparison.
void MemfdByPath(benchmark::State& state) {
  const net::UniqueFd memfd = Memfd();
  const std::string path = absl::StrCat("/proc/self/fd/", memfd.get());
  Measure(state, [&] { return open(path.c_str(), O_RDONLY | O_CLOEXEC); });
}
BENCHMARK(MemfdByPath);

void MemfdAnew(benchmark::State& state) {
  const net::UniqueFd memfd = Memfd();
  const net::UniqueFd descriptors(open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const std::string number = absl::StrCat(memfd.get());
  Measure(state, [&] { return openat(descriptors.get(), number.c_str(), O_RDONLY | O_CLOEXEC); });
}
BENCHMARK(MemfdAnew);

void MemfdDuplicated(benchmark::State& state) {
  const net::UniqueFd memfd = Memfd();
  Measure(state, [&] { return fcntl(memfd.get(), F_DUPFD_CLOEXEC, 0); });
}
BENCHMARK(MemfdDuplicated);

std::unique_ptr<storage::MemoryTier> TierWithObject() {
  auto tier = *storage::MemoryTier::Create({.bytes_max = 1 << 20});
  net::UniqueFd memfd = Memfd();
  CHECK(*tier->Adopt("object", &memfd, absl::InfiniteDuration(), [] { return absl::OkStatus(); }));
  return tier;
}

// Through the tier, where the object is, and where it is not while others are.
void MemoryTierOpen(benchmark::State& state) {
  const auto tier = TierWithObject();
  for (auto _ : state) CHECK(tier->Open("object")->ok());
}
BENCHMARK(MemoryTierOpen);

void MemoryTierMiss(benchmark::State& state) {
  const auto tier = TierWithObject();
  for (auto _ : state) CHECK(!tier->Open("a/b/c/absent").has_value());
}
BENCHMARK(MemoryTierMiss);

}  // namespace
}  // namespace objmapper
