// The maps of objects by name and by expiry, under one lock that is released after every few
// entries. What was read from the disk is accepted only if the name has not changed since its
// ticket was taken.
#include "storage/catalog/catalog.h"

#include <glog/logging.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <limits>
#include <new>

#include "absl/hash/hash.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace objmapper::storage {
namespace {

uint64_t PinnedOf(const Catalog::Entry& entry) { return entry.pinned ? entry.taken() : 0; }

// Counts that URIs share. A clash of two that are looked at in the same moment costs one more look.
constexpr size_t kCounts = 16384;
// How many objects are visited, or settled, before the lock is let go: some ten microseconds'
// worth.
constexpr size_t kSlice = 128;

}  // namespace

// One allocation: the URI's characters follow it.
struct Catalog::Record {
  Entry entry;
  uint16_t length;
  char chars[];

  absl::string_view uri() const { return {chars, length}; }
};

absl::string_view Catalog::ByUri::UriOf(const Owned& record) { return record->uri(); }

// There is one for each object of the folder.
static_assert(sizeof(Catalog::Entry) == 24);

void Catalog::Delete::operator()(Record* record) const { free(record); }

template <typename A, typename B>
absl::weak_ordering Catalog::ByUri::operator()(const A& a, const B& b) const {
  const int order = UriOf(a).compare(UriOf(b));  // of unsigned bytes: memcmp(3)
  if (order < 0) return absl::weak_ordering::less;
  return order > 0 ? absl::weak_ordering::greater : absl::weak_ordering::equivalent;
}

// What an object takes: its record, malloc's share, the tree's; half as much again of the second
// tree, should it expire.
uint64_t Catalog::CostOf(absl::string_view uri) {
  return (offsetof(Record, chars) + uri.size() + 15) / 16 * 16 + 16 + 16;
}

bool Catalog::HasRoomFor(absl::string_view uri) const {
  return memory() + CostOf(uri) <= memory_max_ || Find(uri).has_value();
}

// A number of 18 bits, and how far it is shifted. 0: all of its size; no bytes at all are 0,
// shifted.
void Catalog::Entry::SetTaken(uint64_t bytes) {
  constexpr uint64_t kNumbers = uint64_t{1} << 18;
  if (bytes >= size) {
    taken_code = 0;
    return;
  }
  uint64_t shift = bytes == 0 ? 1 : 0;
  while (bytes >= kNumbers) {
    bytes = bytes / 2 + bytes % 2;
    ++shift;
  }
  taken_code = shift * kNumbers + bytes;
}

uint64_t Catalog::Entry::taken() const {
  constexpr uint64_t kNumbers = uint64_t{1} << 18;
  const uint64_t code = taken_code;
  return code == 0 ? size : std::min(size, code % kNumbers << code / kNumbers);
}

int64_t ToMtime(int64_t seconds) {
  constexpr int64_t kMax = (int64_t{1} << 36) - 1;
  return std::clamp(seconds, -kMax, kMax);
}

uint32_t ToSeconds32(int64_t seconds) {
  return static_cast<uint32_t>(
      std::clamp<int64_t>(seconds, 0, std::numeric_limits<uint32_t>::max()));
}

Catalog::Catalog(uint64_t memory_max)
    : settled_(std::make_unique<std::atomic<Ticket>[]>(kCounts)), memory_max_(memory_max) {}
Catalog::~Catalog() = default;

std::atomic<Catalog::Ticket>& Catalog::CountOf(absl::string_view uri) const {
  return settled_[absl::Hash<absl::string_view>{}(uri) % kCounts];
}

Catalog::Ticket Catalog::Before(absl::string_view uri) const {
  return CountOf(uri).load(std::memory_order_acquire);
}

bool Catalog::Settle(absl::string_view uri, Ticket ticket, const std::optional<Entry>& found) {
  std::atomic<Ticket>& count = CountOf(uri);
  const net::MutexLock lock(&mutex_);
  if (count.load(std::memory_order_relaxed) != ticket) return false;
  if (found.has_value()) {
    Note(uri, *found);
  } else {
    Forget(uri);
  }
  count.fetch_add(1, std::memory_order_release);
  return true;
}

void Catalog::SettleAll(absl::Span<const Looked> looked, std::vector<std::string>* again) {
  for (size_t from = 0; from < looked.size(); from += kSlice) {
    const absl::Span<const Looked> slice = looked.subspan(from, kSlice);
    bool fresh[kSlice];
    const net::MutexLock lock(&mutex_);
    // All tickets first: two URIs of this slice that share a count must not refuse each other.
    for (size_t i = 0; i < slice.size(); ++i) {
      fresh[i] = CountOf(slice[i].object.uri).load(std::memory_order_relaxed) == slice[i].ticket;
    }
    for (size_t i = 0; i < slice.size(); ++i) {
      const Object& object = slice[i].object;
      if (fresh[i]) {
        Note(object.uri, object.entry);
        CountOf(object.uri).fetch_add(1, std::memory_order_release);
      } else {
        again->push_back(object.uri);
      }
    }
  }
}

void Catalog::Note(absl::string_view uri, const Entry& entry) {
  DCHECK_LE(uri.size(), std::numeric_limits<uint16_t>::max());
  auto at = records_.lower_bound(uri);
  if (at == records_.end() || (*at)->uri() != uri) {
    if (memory() + CostOf(uri) > memory_max_) {
      left_out_.store(true, std::memory_order_relaxed);
      complete_.store(false, std::memory_order_release);
      return;
    }
    memory_.fetch_add(CostOf(uri), std::memory_order_relaxed);
    void* const memory = malloc(std::max(sizeof(Record), offsetof(Record, chars) + uri.size()));
    if (memory == nullptr) throw std::bad_alloc();
    Owned record(new (memory) Record{{}, static_cast<uint16_t>(uri.size())});
    memcpy(record->chars, uri.data(), uri.size());
    at = records_.insert(at, std::move(record));
    objects_.fetch_add(1, std::memory_order_relaxed);
  }
  Record& record = **at;
  if (record.entry.expires_s != entry.expires_s) {
    if (record.entry.expires_s != 0) by_expiry_.erase({record.entry.expires_s, &record});
    if (entry.expires_s != 0) by_expiry_.insert({entry.expires_s, &record});
  }
  // modulo 2^64, as they were added
  bytes_.fetch_add(entry.taken() - record.entry.taken(), std::memory_order_relaxed);
  pinned_bytes_.fetch_add(PinnedOf(entry) - PinnedOf(record.entry), std::memory_order_relaxed);
  fetched_.fetch_add(uint64_t{entry.fetched} - uint64_t{record.entry.fetched},
                     std::memory_order_relaxed);
  const uint32_t used_s = std::max(record.entry.used_s, entry.used_s);
  record.entry = entry;
  record.entry.used_s = used_s;
}

void Catalog::Forget(absl::string_view uri) {
  const auto at = records_.find(uri);
  if (at == records_.end()) return;
  const Record& record = **at;
  if (record.entry.expires_s != 0) by_expiry_.erase({record.entry.expires_s, &record});
  bytes_.fetch_sub(record.entry.taken(), std::memory_order_relaxed);
  objects_.fetch_sub(1, std::memory_order_relaxed);
  pinned_bytes_.fetch_sub(PinnedOf(record.entry), std::memory_order_relaxed);
  fetched_.fetch_sub(record.entry.fetched ? 1 : 0, std::memory_order_relaxed);
  memory_.fetch_sub(CostOf(uri), std::memory_order_relaxed);
  records_.erase(at);
}

void Catalog::Touch(absl::string_view uri, uint32_t used_s) {
  const net::MutexLock lock(&mutex_);
  const auto at = records_.find(uri);
  if (at != records_.end()) (*at)->entry.used_s = std::max((*at)->entry.used_s, used_s);
}

std::optional<Catalog::Entry> Catalog::Find(absl::string_view uri) const {
  const net::MutexLock lock(&mutex_);
  const auto at = records_.find(uri);
  if (at == records_.end()) return std::nullopt;
  return (*at)->entry;
}

void Catalog::ForEach(absl::string_view prefix, absl::string_view after,
                      absl::FunctionRef<bool(const Object& object)> visit) const {
  ForEachFrom(prefix, after, [&](const Object& object, std::string*) { return visit(object); });
}

void Catalog::ForEachFrom(
    absl::string_view prefix, absl::string_view after,
    absl::FunctionRef<bool(const Object& object, std::string* from)> visit) const {
  std::vector<Object> slice(kSlice);  // whose strings keep their memory
  bool inclusive = after < prefix;    // whether what is at `position` is to be seen
  std::string position(inclusive ? prefix : after);
  std::string from;
  size_t filled;
  do {
    filled = 0;
    {
      const net::MutexLock lock(&mutex_);
      const absl::string_view begin = position;
      for (auto at = inclusive ? records_.lower_bound(begin) : records_.upper_bound(begin);
           filled < kSlice && at != records_.end(); ++at) {
        const absl::string_view uri = (*at)->uri();
        if (!absl::StartsWith(uri, prefix)) break;
        slice[filled].uri.assign(uri.data(), uri.size());
        slice[filled++].entry = (*at)->entry;
      }
    }
    from.clear();
    for (size_t i = 0; i < filled; ++i) {
      if (!from.empty() && slice[i].uri < from) continue;
      from.clear();
      if (!visit(slice[i], &from)) return;
    }
    if (filled == 0) break;
    inclusive = !from.empty() && from > slice[filled - 1].uri;
    position = inclusive ? from : slice[filled - 1].uri;
  } while (filled == kSlice || inclusive);
}

std::vector<Catalog::Child> Catalog::Children(absl::string_view directory, size_t max,
                                              std::string* position) const {
  std::vector<Child> children;
  if (position->empty()) position->assign(directory.data(), directory.size());
  while (children.size() < max) {
    const net::MutexLock lock(&mutex_);
    for (size_t i = 0; i < kSlice && children.size() < max; ++i) {
      const auto at = records_.lower_bound(absl::string_view(*position));
      if (at == records_.end() || !absl::StartsWith((*at)->uri(), directory)) return children;
      absl::string_view name = (*at)->uri().substr(directory.size());
      const size_t slash = name.find('/');
      name = name.substr(0, slash);
      *position = absl::StrCat(directory, name);
      // What comes next: after a directory the first that is not below it, since '0' follows '/'.
      position->push_back(slash == name.npos ? '\0' : '0');
      children.push_back({std::string(name), slash != name.npos});
    }
  }
  return children;
}

std::vector<std::string> Catalog::Expired(uint32_t now_s, size_t max) const {
  std::vector<std::string> expired;
  const net::MutexLock lock(&mutex_);
  for (const auto& [expires_s, record] : by_expiry_) {
    if (expires_s > now_s || expired.size() == max) break;
    expired.emplace_back(record->uri());
  }
  return expired;
}

}  // namespace objmapper::storage
