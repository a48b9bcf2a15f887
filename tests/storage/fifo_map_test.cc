// Eviction: what is kept within a share, and that no user evicts another's objects.
#include "storage/memory/fifo_map.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "storage/memory/fair_fifo.h"
#include "tools/microbench/cache_model.h"

namespace objmapper::storage {
namespace {

using Cache = FifoMap<std::string>;

// Inserts `key` with its own name as the value; returns what went.
std::vector<std::string> Insert(Cache* cache, absl::string_view key, uint64_t bytes = 1) {
  std::vector<std::string> evicted;
  EXPECT_TRUE(cache->Insert(key, std::string(key), bytes, &evicted));
  return evicted;
}

// What is inserted is found, what replaces it is found instead, and what is erased is not; each
// value comes out once.
TEST(S3FifoTest, IsAMap) {
  Cache cache({.bytes_max = 100});
  EXPECT_EQ(cache.Find("a"), nullptr);
  EXPECT_TRUE(Insert(&cache, "a", 10).empty());
  ASSERT_NE(cache.Find("a"), nullptr);
  EXPECT_EQ(*cache.Peek("a"), "a");
  std::vector<std::string> evicted;
  EXPECT_TRUE(cache.Insert("a", "other", 30, &evicted));
  EXPECT_EQ(evicted, std::vector<std::string>{"a"});
  EXPECT_EQ(cache.bytes(), 30u);
  std::string value;
  EXPECT_TRUE(cache.Erase("a", &value));
  EXPECT_EQ(value, "other");
  EXPECT_FALSE(cache.Erase("a", &value));
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.bytes(), 0u);
}

// What is larger than all the room is refused, and pushes nothing out.
TEST(S3FifoTest, RefusesWhatNeverFits) {
  Cache cache({.bytes_max = 10});
  Insert(&cache, "a", 10);
  std::vector<std::string> evicted;
  EXPECT_FALSE(cache.Insert("b", "b", 11, &evicted));
  EXPECT_TRUE(evicted.empty());
  EXPECT_NE(cache.Peek("a"), nullptr);
}

// Names that are asked for once go in the order in which they came; what was asked for often stays.
TEST(S3FifoTest, AScanPassesThrough) {
  Cache cache({.bytes_max = 10});
  Insert(&cache, "hot");
  for (int i = 0; i < 3; ++i) ASSERT_NE(cache.Find("hot"), nullptr);
  std::vector<std::string> gone;
  for (int i = 0; i < 100; ++i) {
    for (std::string& name : Insert(&cache, absl::StrCat("scan", i)))
      gone.push_back(std::move(name));
  }
  EXPECT_NE(cache.Peek("hot"), nullptr);
  ASSERT_EQ(gone.size(), 91u);
  for (size_t i = 0; i < gone.size(); ++i) EXPECT_EQ(gone[i], absl::StrCat("scan", i));
}

// What comes back soon after it went is kept longer than what comes for the first time.
TEST(S3FifoTest, WhatReturnsIsKept) {
  Cache cache({.bytes_max = 10});
  for (int i = 0; i < 11; ++i) Insert(&cache, absl::StrCat(i));
  ASSERT_EQ(cache.Peek("0"), nullptr);  // went, and is remembered
  Insert(&cache, "0");
  for (int i = 100; i < 200; ++i) Insert(&cache, absl::StrCat(i));
  EXPECT_NE(cache.Peek("0"), nullptr);
}

// As many entries as are allowed, however small.
TEST(S3FifoTest, BoundsEntries) {
  Cache cache({.bytes_max = 1000, .entries_max = 3});
  for (int i = 0; i < 10; ++i) Insert(&cache, absl::StrCat(i));
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_EQ(cache.bytes(), 3u);
}

// After any sequence of calls: no more bytes or entries than allowed, and exactly those values are
// inside that have not come out, each under its name.
TEST(S3FifoTest, LosesAndInventsNothing) {
  Cache cache({.bytes_max = 500, .entries_max = 40});
  Zipf random(100, 0.7);
  std::map<std::string, uint64_t> model;  // name to bytes
  for (int step = 0; step < 50'000; ++step) {
    const std::string name = absl::StrCat(random.Next());
    switch (random.Random() % 4) {
      case 0:
        EXPECT_EQ(cache.Find(name) != nullptr, model.contains(name));
        break;
      case 1: {
        std::string value;
        EXPECT_EQ(cache.Erase(name, &value), model.erase(name) == 1);
        break;
      }
      default: {
        const uint64_t bytes = random.Random() % 60;
        for (const std::string& gone : Insert(&cache, name, bytes))
          EXPECT_EQ(model.erase(gone), 1u);
        model[name] = bytes;
      }
    }
    uint64_t bytes = 0;
    for (const auto& [key, size] : model) bytes += size;
    ASSERT_EQ(cache.bytes(), bytes);
    ASSERT_EQ(cache.size(), model.size());
    ASSERT_LE(bytes, 500u);
    ASSERT_LE(model.size(), 40u);
  }
  cache.ForEach([&](absl::string_view key, const std::string& value) {
    EXPECT_EQ(key, value);
    EXPECT_EQ(model.erase(value), 1u);
  });
  EXPECT_TRUE(model.empty());
}

// On a Zipf trace through which scans run, it hits more often than LRU does, by a hundredth of all
// requests at least.
TEST(S3FifoTest, BeatsLruWhereScansPollute) {
  constexpr size_t kObjects = 10'000, kRoom = 500, kRequests = 400'000;
  Zipf zipf(kObjects, 1.0);
  Cache cache({.bytes_max = kRoom});
  Lru lru(kRoom);
  size_t fifo_hits = 0, lru_hits = 0, scanned = kObjects;
  for (size_t i = 0; i < kRequests; ++i) {
    // A fifth of the requests are scans of a thousand names that nobody asks for again.
    const size_t object = i % 5000 < 1000 ? scanned++ : zipf.Next();
    const std::string name = absl::StrCat(object);
    if (cache.Find(name) != nullptr) {
      ++fifo_hits;
    } else {
      Insert(&cache, name);
    }
    lru_hits += lru.Ask(object) ? 1 : 0;
  }
  EXPECT_GT(fifo_hits, lru_hits + kRequests / 100);
}

// ---- Shared by owners (fair_fifo.h) ----

using Shared = FairFifo<std::string>;

// Inserts `key` with its own name as the value; what went, or "refused".
std::vector<std::string> Insert(Shared* shared, absl::string_view owner, absl::string_view key,
                                uint64_t bytes) {
  std::vector<std::string> evicted;
  const bool inserted = shared->Insert(owner, key, std::string(key), bytes, &evicted);
  EXPECT_TRUE(inserted || evicted.empty());
  if (!inserted) return {"refused"};
  EXPECT_NE(shared->Peek(key), nullptr);
  return evicted;
}
uint64_t BytesOf(const Shared& shared, char owner) {
  uint64_t bytes = 0;
  shared.ForEach(
      [&](absl::string_view, const std::string& value) { bytes += value[0] == owner ? 1 : 0; });
  return bytes;
}

// One owner alone has all the room, and its own values go when it wants more.
TEST(FairFifoTest, OneAloneHasAll) {
  Shared shared({.bytes_max = 10});
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Insert(&shared, "a", absl::StrCat("a", i), 1).empty());
  EXPECT_EQ(Insert(&shared, "a", "a10", 1), std::vector<std::string>{"a0"});
  EXPECT_EQ(Insert(&shared, "a", "a11", 10).size(), 10u);
  EXPECT_EQ(Insert(&shared, "a", "a12", 11), std::vector<std::string>{"refused"});
  EXPECT_EQ(shared.bytes(), 10u);
}

// Another gets its share from who has more, and nothing beyond: then its own go. Whatever is
// announced at once.
TEST(FairFifoTest, NobodyIsPushedOutOfHisShare) {
  Shared shared({.bytes_max = 10});
  for (int i = 0; i < 10; ++i) Insert(&shared, "a", absl::StrCat("a", i), 1);
  EXPECT_EQ(Insert(&shared, "b", "all", 10), std::vector<std::string>{"refused"});
  EXPECT_EQ(Insert(&shared, "b", "too much", 6), std::vector<std::string>{"refused"});
  EXPECT_EQ(shared.size(), 10u);
  for (int i = 0; i < 100; ++i) Insert(&shared, "b", absl::StrCat("b", i), 1);
  EXPECT_EQ(BytesOf(shared, 'a'), 5u);
  EXPECT_EQ(BytesOf(shared, 'b'), 5u);
  // A third one takes from both, and what one has left is the others' again.
  for (int i = 0; i < 100; ++i) Insert(&shared, "c", absl::StrCat("c", i), 1);
  EXPECT_EQ(BytesOf(shared, 'c'), 3u);
  EXPECT_GE(BytesOf(shared, 'a'), 3u);
  EXPECT_GE(BytesOf(shared, 'b'), 3u);
  std::string value;
  for (int i = 0; i < 100; ++i) shared.Erase(absl::StrCat("b", i), &value);
  for (int i = 0; i < 100; ++i) Insert(&shared, "c", absl::StrCat("c", i), 1);
  EXPECT_EQ(BytesOf(shared, 'c') + BytesOf(shared, 'a'), 10u);
  EXPECT_GE(BytesOf(shared, 'a'), 3u);
}

// The same of the number of values; and what is free is anybody's.
TEST(FairFifoTest, SharesTheNumberToo) {
  Shared shared({.bytes_max = 1000, .entries_max = 6});
  for (int i = 0; i < 6; ++i) Insert(&shared, "a", absl::StrCat("a", i), 1);
  for (int i = 0; i < 50; ++i) Insert(&shared, "b", absl::StrCat("b", i), 1);
  EXPECT_EQ(BytesOf(shared, 'a'), 3u);
  EXPECT_EQ(BytesOf(shared, 'b'), 3u);
  EXPECT_EQ(shared.size(), 6u);
  EXPECT_TRUE(Insert(&shared, "b", "b49", 900) == std::vector<std::string>{"b49"})
      << "there is room for that";
}

// A name is one value, whoever stores it: what it replaces is out, and is not counted twice.
TEST(FairFifoTest, ANameChangesItsOwner) {
  Shared shared({.bytes_max = 10});
  Insert(&shared, "a", "x", 6);
  EXPECT_EQ(Insert(&shared, "b", "x", 8), std::vector<std::string>{"x"});
  EXPECT_EQ(shared.size(), 1u);
  EXPECT_EQ(shared.bytes(), 8u);
  EXPECT_TRUE(Insert(&shared, "b", "y", 2).empty());
  EXPECT_EQ(Insert(&shared, "b", "x", 3), std::vector<std::string>{"x"});
  std::string value;
  EXPECT_TRUE(shared.Erase("x", &value));
  EXPECT_TRUE(shared.Erase("y", &value));
  EXPECT_FALSE(shared.Erase("y", &value));
  EXPECT_EQ(shared.bytes(), 0u);
}

}  // namespace
}  // namespace objmapper::storage
