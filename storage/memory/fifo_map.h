// A map with a bound in bytes, which decides by S3-FIFO what goes when there is no room.
//
//   FifoMap<std::string> cache({.bytes_max = 1 << 20, .entries_max = 1000});
//   std::vector<std::string> evicted;
//   cache.Insert("a", "value", /*bytes=*/5, &evicted);
//   std::string* value = cache.Find("a");  // a use: it stays longer
//
// What comes enters a small queue. What was used there more than once when its turn comes moves to
// the main queue; the rest goes, and leaves its name's hash in a ghost queue: should it come again
// soon, it enters the main queue at once. The main queue is a clock: what was used since it was
// last looked at goes round again. So what is asked for once (a scan) passes through a tenth of the
// room and never pushes out what is used, and a use writes one counter.
//
// Source: Yang, Zhang, Qiu, Yue, Vinayak: "FIFO queues are all you need for cache eviction", SOSP
// '23.
//
// One thread's at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace objmapper::storage {

struct S3FifoOptions {
  uint64_t bytes_max = 0;
  size_t entries_max = SIZE_MAX;
};

template <typename Value>
class FifoMap {
 public:
  explicit FifoMap(const S3FifoOptions& options) : options_(options) {}

  // The value, which counts as used. nullptr: there is none. Valid until the next change.
  Value* Find(absl::string_view key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return nullptr;
    Entry& entry = *found->second;
    if (entry.uses < kUsesMax) ++entry.uses;
    return &entry.value;
  }
  // The same without counting as a use.
  const Value* Peek(absl::string_view key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : &found->second->value;
  }

  // What it was said to take; 0: it is not kept.
  uint64_t BytesOf(absl::string_view key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() ? 0 : found->second->bytes;
  }

  // Keeps `value` under `key`, in place of what was there. What goes for it is added to `evicted`,
  // what it replaces too. False: it is larger than all the room, and nothing has changed.
  bool Insert(absl::string_view key, Value value, uint64_t bytes, std::vector<Value>* evicted) {
    return InsertWithin(options_, key, std::move(value), bytes, evicted);
  }
  // The same where for now there is less room than the options say.
  bool InsertWithin(const S3FifoOptions& room, absl::string_view key, Value value, uint64_t bytes,
                    std::vector<Value>* evicted) {
    if (bytes > room.bytes_max || room.entries_max == 0) return false;
    // Remembered before anything is pushed out, which could push the memory of it out too.
    const bool returns = TakeGhost(key);
    bool was_main = false;
    if (const auto found = entries_.find(key); found != entries_.end()) {
      was_main = found->second->in_main;
      evicted->push_back(Unlink(found->second));
    }
    while (bytes_ + bytes > room.bytes_max || entries_.size() >= room.entries_max) {
      evicted->push_back(Evict());
    }
    const bool to_main = returns || was_main;
    std::list<Entry>& queue = to_main ? main_ : small_;
    queue.push_front(Entry{std::string(key), std::move(value), bytes, 0, to_main});
    entries_.emplace(queue.front().key, queue.begin());
    bytes_ += bytes;
    if (!to_main) small_bytes_ += bytes;
    return true;
  }

  // Takes what is kept under `key` to `*value`. False: nothing is.
  bool Erase(absl::string_view key, Value* value) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return false;
    *value = Unlink(found->second);
    return true;
  }

  // Takes what is to go first. There is at least one entry.
  Value Evict() {
    while (true) {
      const bool from_small =
          !small_.empty() && (main_.empty() || small_bytes_ >= options_.bytes_max / kSmallShare);
      if (from_small) {
        const Place last = std::prev(small_.end());
        if (last->uses <= 1) {
          AddGhost(last->key, last->bytes);
          return Unlink(last);
        }
        last->uses = 0;
        last->in_main = true;
        small_bytes_ -= last->bytes;
        main_.splice(main_.begin(), small_, last);  // iterators stay good
      } else {
        const Place last = std::prev(main_.end());
        if (last->uses == 0) return Unlink(last);
        --last->uses;
        main_.splice(main_.begin(), main_, last);
      }
    }
  }

  // Each entry: visit(key, value). In no order.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& [key, entry] : entries_) visit(key, entry->value);
  }

  size_t size() const { return entries_.size(); }
  uint64_t bytes() const { return bytes_; }

 private:
  // Two bits of uses, and a tenth of the room for the small queue, are the paper's.
  static constexpr uint8_t kUsesMax = 3;
  static constexpr uint64_t kSmallShare = 10;

  struct Entry {
    std::string key;
    Value value;
    uint64_t bytes;
    uint8_t uses;
    bool in_main;
  };
  using Place = typename std::list<Entry>::iterator;
  struct Ghost {
    size_t hash;
    uint64_t bytes;
  };

  Value Unlink(Place place) {
    Value value = std::move(place->value);
    bytes_ -= place->bytes;
    if (!place->in_main) small_bytes_ -= place->bytes;
    entries_.erase(place->key);
    (place->in_main ? main_ : small_).erase(place);
    return value;
  }

  // The ghosts stand for as many bytes as fit, and as many names as could be kept.
  void AddGhost(absl::string_view key, uint64_t bytes) {
    const size_t hash = absl::Hash<absl::string_view>()(key);
    ForgetGhost(hash);
    ghosts_.push_front(Ghost{hash, bytes});
    by_hash_.emplace(hash, ghosts_.begin());
    ghost_bytes_ += bytes;
    while (ghost_bytes_ > options_.bytes_max || ghosts_.size() > options_.entries_max) {
      ForgetGhost(ghosts_.back().hash);
    }
  }
  bool TakeGhost(absl::string_view key) {
    return ForgetGhost(absl::Hash<absl::string_view>()(key));
  }
  bool ForgetGhost(size_t hash) {
    const auto found = by_hash_.find(hash);
    if (found == by_hash_.end()) return false;
    ghost_bytes_ -= found->second->bytes;
    ghosts_.erase(found->second);
    by_hash_.erase(found);
    return true;
  }

  const S3FifoOptions options_;
  absl::flat_hash_map<absl::string_view, Place> entries_;  // keys point into the entries
  std::list<Entry> small_, main_;                          // newest first
  uint64_t bytes_ = 0;                                     // of both
  uint64_t small_bytes_ = 0;
  std::list<Ghost> ghosts_;  // newest first
  absl::flat_hash_map<size_t, typename std::list<Ghost>::iterator> by_hash_;
  uint64_t ghost_bytes_ = 0;
};

}  // namespace objmapper::storage
