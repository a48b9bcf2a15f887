// Lookups in the index of what was seen lately, by size and threads.
#include <benchmark/benchmark.h>
#include <glog/logging.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/tree/stat_cache.h"

namespace objmapper {
namespace {

struct Filled {
  explicit Filled(int64_t objects)
      : index(static_cast<size_t>(2 * objects + 1024), absl::Hours(1)) {
    for (int64_t i = 0; i < objects; ++i) {
      uris.push_back(absl::StrCat("objects/", i % 1000, "/", i, ".bin"));
      index.Put(uris.back(), storage::Description{}, /*now_ns=*/1);
    }
  }
  storage::StatCache index;
  std::vector<std::string> uris;
};

std::unique_ptr<Filled>& Shared() {
  static auto* const shared = new std::unique_ptr<Filled>;
  return *shared;
}

void Setup(const benchmark::State& state) { Shared() = std::make_unique<Filled>(state.range(0)); }
void Teardown(const benchmark::State&) { Shared().reset(); }

void IndexFind(benchmark::State& state) {
  Filled& filled = *Shared();
  // A stride that is prime to all sizes: no two lookups in a row hit the same cache line.
  size_t at = static_cast<size_t>(state.thread_index()) * 7919;
  for (auto _ : state) {
    at = (at + 7919) % filled.uris.size();
    auto found = filled.index.Find(filled.uris[at], /*now_ns=*/2);
    benchmark::DoNotOptimize(found);
    DCHECK(found.has_value());
  }
}
BENCHMARK(IndexFind)
    ->ArgName("objects")
    ->Arg(1)
    ->Arg(1000)
    ->Arg(1'000'000)
    ->Setup(Setup)
    ->Teardown(Teardown)
    ->Threads(1)
    ->Threads(2)
    ->Threads(4)
    ->UseRealTime();

}  // namespace
}  // namespace objmapper
