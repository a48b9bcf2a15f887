// What is known of objects. The catalog of a million: what one costs in memory, and how fast they
// are noted, found and listed. The index of what was seen lately: lookups by size and threads.
#include "storage/catalog/catalog.h"

#include <benchmark/benchmark.h>
#include <glog/logging.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/tree/stat_cache.h"

namespace objmapper {
namespace {

constexpr int64_t kObjects = 1'000'000;

// As a store of models or images may name them: 45 characters, a thousand in a directory, in no
// order within one.
std::string UriOf(int64_t i) {
  const int64_t scattered = i % 1000 * 7919 % 1000;
  char name[64];
  snprintf(name, sizeof(name), "datasets/train/shard-%05d/sample-%010d.webp",
           static_cast<int>(i / 1000), static_cast<int>(i / 1000 * 1000 + scattered));
  return name;
}

int64_t ResidentBytes() {
  FILE* const file = fopen("/proc/self/statm", "r");
  PCHECK(file != nullptr);
  long size = 0, resident = 0;
  CHECK_EQ(fscanf(file, "%ld %ld", &size, &resident), 2);
  fclose(file);
  return resident * sysconf(_SC_PAGESIZE);
}

// In batches, as the walk does it.
void Fill(storage::Catalog* catalog) {
  std::vector<storage::Catalog::Looked> batch(64);
  std::vector<std::string> again;
  for (int64_t i = 0; i < kObjects;) {
    for (storage::Catalog::Looked& looked : batch) {
      looked.object.uri = UriOf(i);
      looked.object.entry = {
          .size = static_cast<uint64_t>(i), .mtime_s = 1'700'000'000, .used_s = 1'700'000'000};
      looked.ticket = catalog->Before(looked.object.uri);
      ++i;
    }
    catalog->SettleAll(batch, &again);
  }
  CHECK(again.empty());
}

void CatalogFill(benchmark::State& state) {
  for (auto _ : state) {
    malloc_trim(0);
    const int64_t before = ResidentBytes();
    auto catalog = std::make_unique<storage::Catalog>();
    Fill(catalog.get());
    state.counters["bytes_per_object"] =
        static_cast<double>(ResidentBytes() - before) / static_cast<double>(catalog->objects());
    state.PauseTiming();
    catalog.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * kObjects);
}
BENCHMARK(CatalogFill)->Unit(benchmark::kMillisecond);

storage::Catalog& Filled() {
  static storage::Catalog* const catalog = [] {
    auto* const filled = new storage::Catalog;
    Fill(filled);
    return filled;
  }();
  return *catalog;
}

// What each change that the server makes costs here.
void CatalogSettle(benchmark::State& state) {
  storage::Catalog& catalog = Filled();
  int64_t at = 0;
  for (auto _ : state) {
    at = (at + 7919) % kObjects;
    const std::string uri = UriOf(at);
    catalog.Settle(uri, catalog.Before(uri), storage::Catalog::Entry{});
  }
}
BENCHMARK(CatalogSettle);

// All objects, as LIST asks for them.
void CatalogForEach(benchmark::State& state) {
  storage::Catalog& catalog = Filled();
  for (auto _ : state) {
    uint64_t bytes = 0;
    catalog.ForEach("", "", [&](const storage::Catalog::Object& object) {
      bytes += object.uri.size();
      return true;
    });
    benchmark::DoNotOptimize(bytes);
  }
  state.SetItemsProcessed(state.iterations() * kObjects);
}
BENCHMARK(CatalogForEach)->Unit(benchmark::kMillisecond);

// ---- The index ----

struct FilledIndex {
  explicit FilledIndex(int64_t objects)
      : index(static_cast<size_t>(2 * objects + 1024), absl::Hours(1)) {
    for (int64_t i = 0; i < objects; ++i) {
      uris.push_back(absl::StrCat("objects/", i % 1000, "/", i, ".bin"));
      index.Put(uris.back(), storage::Description{}, /*now_ns=*/1);
    }
  }
  storage::StatCache index;
  std::vector<std::string> uris;
};

std::unique_ptr<FilledIndex>& Shared() {
  static auto* const shared = new std::unique_ptr<FilledIndex>;
  return *shared;
}

void Setup(const benchmark::State& state) {
  Shared() = std::make_unique<FilledIndex>(state.range(0));
}
void Teardown(const benchmark::State&) { Shared().reset(); }

void IndexFind(benchmark::State& state) {
  FilledIndex& filled = *Shared();
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
