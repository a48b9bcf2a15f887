// How often a cache has what is asked for, S3-FIFO beside LRU, and what a lookup costs. The
// counters are hit rates, and the same in each run: objects of one size, 100,000 of them, asked for
// by Zipf's law; `permille` of them fit.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/memory/fifo_map.h"
#include "tools/microbench/cache_model.h"

namespace objmapper {
namespace {

constexpr size_t kObjects = 100'000, kRequests = 1'000'000;

// scan: a fifth of the requests are for names that nobody asks for again, a thousand in a row.
void Eviction(benchmark::State& state) {
  const double skew = static_cast<double>(state.range(0)) / 10;
  const size_t room = kObjects * static_cast<size_t>(state.range(1)) / 1000;
  const bool scan = state.range(2) != 0;
  size_t fifo_hits = 0, lru_hits = 0;
  for (auto _ : state) {
    storage::Zipf zipf(kObjects, skew);
    storage::FifoMap<char> fifo({.bytes_max = room});
    storage::Lru lru(room);
    std::vector<char> evicted;
    size_t scanned = kObjects;
    fifo_hits = lru_hits = 0;
    for (size_t i = 0; i < kRequests; ++i) {
      const size_t object = scan && i % 5000 < 1000 ? scanned++ : zipf.Next();
      const std::string name = absl::StrCat(object);
      if (fifo.Find(name) != nullptr) {
        ++fifo_hits;
      } else {
        evicted.clear();
        fifo.Insert(name, 'x', 1, &evicted);
      }
      lru_hits += lru.Ask(object) ? 1 : 0;
    }
  }
  state.counters["s3fifo"] = static_cast<double>(fifo_hits) / kRequests;
  state.counters["lru"] = static_cast<double>(lru_hits) / kRequests;
}
BENCHMARK(Eviction)
    ->ArgNames({"skew_tenths", "permille", "scan"})
    ->ArgsProduct({{8, 10, 12}, {10, 100}, {0, 1}})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace objmapper
