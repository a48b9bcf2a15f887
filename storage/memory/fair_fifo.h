// A bounded set of values that several owners share: each may have all the room while the others
// leave it, and none is pushed out of its share by another.
//
//   FairFifo<std::string> kept({.bytes_max = 1 << 20});
//   std::vector<std::string> evicted;
//   if (!kept.Insert("uid 1000", "a", "value", /*bytes=*/5, &evicted)) ...
//                                          // it does not fit beside what is the others'
//   std::string* value = kept.Find("a");   // a use
//
// A share is the room divided by the number of owners that have something in it, the one that comes
// included. Who comes with something first takes what is free and what others have beyond their
// shares, the most of whom has most of it, until it has its own share; for more than that its own
// values go. Of one owner they go by S3-FIFO (fifo_map.h); a value goes whole, so that an owner of
// a few large ones may be left with less than its share.
//
// Finding costs a lookup for each owner: they are meant to be few. One thread's at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "storage/memory/fifo_map.h"

namespace objmapper::storage {

template <typename Value>
class FairFifo {
 public:
  explicit FairFifo(const S3FifoOptions& options) : options_(options) {}

  // As FifoMap.
  Value* Find(absl::string_view key) {
    for (const auto& owner : owners_) {
      if (Value* const found = owner->values.Find(key)) return found;
    }
    return nullptr;
  }
  const Value* Peek(absl::string_view key) const {
    for (const auto& owner : owners_) {
      if (const Value* const found = owner->values.Peek(key)) return found;
    }
    return nullptr;
  }

  // Keeps `value` of `owner` under `key`, in place of what was there, whoever's that was. What goes
  // for it is added to `evicted`, what it replaces too. False: beside the others' shares there is
  // no room for it, and nothing has changed.
  bool Insert(absl::string_view owner, absl::string_view key, Value value, uint64_t bytes,
              std::vector<Value>* evicted) {
    Owner* own = nullptr;
    for (const auto& one : owners_) {
      if (one->name == owner) own = one.get();
    }
    const size_t owners = owners_.size() + (own == nullptr ? 1 : 0);
    const S3FifoOptions share{options_.bytes_max / owners,
                              std::max<size_t>(1, options_.entries_max / owners)};
    // What the others keep in any case, without what is replaced.
    uint64_t kept_bytes = 0;
    size_t kept = 0;
    for (const auto& one : owners_) {
      if (one.get() == own) continue;
      kept_bytes += std::min(one->values.bytes() - one->values.BytesOf(key), share.bytes_max);
      kept += std::min(one->values.size() - (one->values.Peek(key) != nullptr ? 1 : 0),
                       share.entries_max);
    }
    if (bytes > options_.bytes_max || kept_bytes > options_.bytes_max - bytes ||
        kept >= options_.entries_max)
      return false;

    if (own == nullptr) {
      owners_.push_back(std::make_unique<Owner>(std::string(owner), options_));
      own = owners_.back().get();
    }
    for (const auto& one : owners_) {
      Value replaced;
      if (one.get() != own && one->values.Erase(key, &replaced))
        evicted->push_back(std::move(replaced));
    }
    // What it may have: all that it will have, but no more than its share, unless one value is more
    // than that.
    const bool replaces = own->values.Peek(key) != nullptr;
    const uint64_t its_bytes = std::min(own->values.bytes() - own->values.BytesOf(key) + bytes,
                                        std::max(share.bytes_max, bytes));
    const size_t its = std::min(own->values.size() - (replaces ? 1 : 0) + 1, share.entries_max);
    while (true) {
      const auto [others_bytes, others] = Others(*own);
      if (others_bytes + its_bytes <= options_.bytes_max && others + its <= options_.entries_max)
        break;
      Owner* const rich = Richest(*own, share);
      if (rich == nullptr) break;
      evicted->push_back(rich->values.Evict());
    }
    const auto [others_bytes, others] = Others(*own);
    own->values.InsertWithin({options_.bytes_max - others_bytes, options_.entries_max - others},
                             key, std::move(value), bytes, evicted);
    DropEmpty();
    return true;
  }

  // As FifoMap.
  bool Erase(absl::string_view key, Value* value) {
    for (const auto& owner : owners_) {
      if (!owner->values.Erase(key, value)) continue;
      DropEmpty();
      return true;
    }
    return false;
  }
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& owner : owners_) owner->values.ForEach(visit);
  }
  size_t size() const { return Sum().second; }
  uint64_t bytes() const { return Sum().first; }

 private:
  struct Owner {
    Owner(std::string name_in, const S3FifoOptions& options)
        : name(std::move(name_in)), values(options) {}
    const std::string name;
    FifoMap<Value> values;
  };

  std::pair<uint64_t, size_t> Sum() const {
    std::pair<uint64_t, size_t> sum{0, 0};
    for (const auto& owner : owners_) {
      sum.first += owner->values.bytes();
      sum.second += owner->values.size();
    }
    return sum;
  }
  std::pair<uint64_t, size_t> Others(const Owner& own) const {
    const auto [bytes, values] = Sum();
    return {bytes - own.values.bytes(), values - own.values.size()};
  }

  // Who has most beyond its share; null: nobody has.
  Owner* Richest(const Owner& but, const S3FifoOptions& share) const {
    Owner* richest = nullptr;
    uint64_t most = 0;
    for (const auto& owner : owners_) {
      if (owner.get() == &but) continue;
      uint64_t excess = owner->values.bytes() - std::min(owner->values.bytes(), share.bytes_max);
      if (owner->values.size() > share.entries_max) ++excess;
      if (excess > most) {
        most = excess;
        richest = owner.get();
      }
    }
    return richest;
  }

  void DropEmpty() {
    std::erase_if(owners_, [](const auto& owner) { return owner->values.size() == 0; });
  }

  const S3FifoOptions options_;
  std::vector<std::unique_ptr<Owner>> owners_;  // none is empty, between calls
};

}  // namespace objmapper::storage
