// An index of the reserved folder's contents, in the order in which they go.
#include "origin/cache/shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/unique_fd.h"
#include "origin/cache/mark.h"
#include "origin/cache/partial_object.h"
#include "origin/cache/place.h"
#include "storage/catalog/catalog.h"
#include "storage/tree/attributes.h"
#include "storage/tree/disk_error.h"
#include "storage/tree/open_at.h"

namespace objmapper::origin {
namespace {

std::string PathOf(Found::Kind kind, const std::string& uri) {
  return kind == Found::Kind::kWhole ? EncodedPlace(uri)
                                     : absl::StrCat(PartFolder(), "/", PartFile(PartName(uri)));
}

}  // namespace

Shelf::Order Shelf::OrderOf(const Found& found) {
  return {found.used_s, ~found.bytes, Key(found.kind, found.uri)};
}

void Shelf::Enter(const Key& key, const Entry& entry) {
  Leave(key);
  entries_[key] = entry;
  if (key.first == Kind::kWhole) wholes_.fetch_add(1, std::memory_order_relaxed);
  bytes_ += entry.found.bytes;
  if (entry.found.pinned) pinned_bytes_ += entry.found.bytes;
  if (MayGo(entry)) order_.insert(OrderOf(entry.found));
}

void Shelf::Leave(const Key& key) {
  const auto at = entries_.find(key);
  if (at == entries_.end()) return;
  order_.erase(OrderOf(at->second.found));
  bytes_ -= at->second.found.bytes;
  if (at->second.found.pinned) pinned_bytes_ -= at->second.found.bytes;
  entries_.erase(at);
  if (key.first == Kind::kWhole) wholes_.fetch_sub(1, std::memory_order_relaxed);
}

absl::StatusOr<Scanned> Shelf::Load() {
  absl::StatusOr<Scanned> scanned = Scan(*tree_);
  if (!scanned.ok()) return scanned;
  const net::MutexLock lock(&mutex_);
  entries_.clear();
  wholes_.store(0, std::memory_order_relaxed);
  order_.clear();
  bytes_ = pinned_bytes_ = 0;
  for (const Found& found : scanned->found)
    Enter(Key(found.kind, found.uri), {.found = found, .held = false});
  return scanned;
}

void Shelf::Put(const Found& found) {
  const net::MutexLock lock(&mutex_);
  Enter(Key(found.kind, found.uri), {.found = found, .held = false});
}

void Shelf::Hold(Kind kind, const std::string& uri) {
  const net::MutexLock lock(&mutex_);
  const auto at = entries_.find(Key(kind, uri));
  if (at == entries_.end()) return;
  order_.erase(OrderOf(at->second.found));
  at->second.held = true;
}

void Shelf::Forget(Kind kind, const std::string& uri) {
  const net::MutexLock lock(&mutex_);
  Leave(Key(kind, uri));
}

void Shelf::Change(const Found& found) {
  const Key key(found.kind, found.uri);
  const net::MutexLock lock(&mutex_);
  const auto at = entries_.find(key);
  if (at == entries_.end()) return;
  Entry entry = at->second;
  entry.found.used_s = std::max(entry.found.used_s, found.used_s);
  entry.found.pinned = found.pinned;
  Enter(key, entry);
}

void Shelf::Used(Kind kind, const std::string& uri, uint32_t now_s) {
  const net::MutexLock lock(&mutex_);
  const auto at = entries_.find(Key(kind, uri));
  if (at == entries_.end() || at->second.found.used_s >= now_s) return;
  Entry entry = at->second;
  entry.found.used_s = now_s;
  Enter(Key(kind, uri), entry);
}

void Shelf::NotePinned(Kind kind, const std::string& uri, bool pinned) {
  const net::MutexLock lock(&mutex_);
  const auto at = entries_.find(Key(kind, uri));
  if (at == entries_.end()) return;
  Entry entry = at->second;
  entry.found.pinned = pinned;
  Enter(Key(kind, uri), entry);
}

std::optional<Found> Shelf::Find(Kind kind, const std::string& uri) const {
  const net::MutexLock lock(&mutex_);
  const auto at = entries_.find(Key(kind, uri));
  if (at == entries_.end()) return std::nullopt;
  return at->second.found;
}

bool Shelf::IsIdle(Kind kind, const std::string& uri) const {
  const net::MutexLock lock(&mutex_);
  const auto at = entries_.find(Key(kind, uri));
  return at != entries_.end() && !at->second.held;
}

std::vector<Found> Shelf::List(Kind kind, const std::string& prefix, const std::string& after,
                               size_t max) const {
  std::vector<Found> found;
  const net::MutexLock lock(&mutex_);
  auto at = after < prefix ? entries_.lower_bound(Key(kind, prefix))
                           : entries_.upper_bound(Key(kind, after));
  for (; at != entries_.end() && found.size() < max; ++at) {
    if (at->first.first != kind || !absl::StartsWith(at->first.second, prefix)) break;
    found.push_back(at->second.found);
  }
  return found;
}

absl::StatusOr<storage::OpenedObject> Shelf::OpenWhole(absl::string_view asked) {
  const std::string uri(Canonical(asked));
  const std::string what = absl::StrCat("open ", storage::QuotedUri(uri));
  net::UniqueFd file(storage::OpenPlain(tree_->root().fd(), EncodedPlace(uri).c_str(),
                                        O_RDONLY | O_NONBLOCK | O_NOCTTY));
  if (!file.valid()) return storage::DiskError(errno, what);
  const std::optional<Mark> mark = ReadMark(file.get());
  if (!mark.has_value() || mark->uri != uri)
    return absl::NotFoundError(absl::StrCat(what, ": what is kept is another object"));
  if (!IsUnchanged(file.get(), *mark)) {
    if (absl::Status removed = RemoveWhole(uri); !removed.ok()) return removed;
    return absl::NotFoundError(absl::StrCat(what, ": what was kept has been damaged"));
  }
  absl::StatusOr<storage::ObjectInfo> info = storage::InfoOf(file.get(), uri);
  if (!info.ok()) return info.status();
  if (fcntl(file.get(), F_SETFL, 0) != 0) return storage::DiskError(errno, what);
  Used(Kind::kWhole, uri, storage::ToSeconds32(time(nullptr)));
  return storage::OpenedObject{std::move(file), *info};
}

absl::Status Shelf::RemoveWhole(absl::string_view asked) {
  const std::string uri(Canonical(asked));
  if (unlinkat(tree_->root().fd(), EncodedPlace(uri).c_str(), 0) != 0)
    return storage::DiskError(errno, absl::StrCat("delete ", storage::QuotedUri(uri)));
  Forget(Kind::kWhole, uri);
  tree_->NoteChange();
  return absl::OkStatus();
}

uint64_t Shelf::bytes() const {
  const net::MutexLock lock(&mutex_);
  return bytes_;
}

uint64_t Shelf::pinned_bytes() const {
  const net::MutexLock lock(&mutex_);
  return pinned_bytes_;
}

std::optional<uint32_t> Shelf::OldestUse() const {
  const net::MutexLock lock(&mutex_);
  if (order_.empty()) return std::nullopt;
  return std::get<0>(*order_.begin());
}

uint64_t Shelf::EvictOldest(std::string* uri) {
  Found oldest;
  {
    const net::MutexLock lock(&mutex_);
    if (order_.empty()) return 0;
    oldest = entries_.at(std::get<2>(*order_.begin())).found;
  }
  const net::UniqueFd file(storage::OpenPlain(
      tree_->root().fd(), PathOf(oldest.kind, oldest.uri).c_str(), O_RDONLY | O_NONBLOCK));
  struct stat status;
  if (!file.valid() || fstat(file.get(), &status) != 0) {
    Forget(oldest.kind, oldest.uri);
    return 0;
  }
  // Read since, past its owner's knowledge, or pinned: it has its second chance.
  const uint32_t read_s =
      storage::ToSeconds32(std::max(status.st_atim.tv_sec, status.st_mtim.tv_sec));
  const bool pinned = storage::IsPinned(file.get());
  if (read_s > oldest.used_s || pinned) {
    oldest.used_s = std::max(oldest.used_s, read_s);
    oldest.pinned = pinned;
    Change(oldest);
    return 0;
  }
  const bool removed =
      oldest.kind == Kind::kPart ? RemovePart(*tree_, oldest.uri) : RemoveWhole(oldest.uri).ok();
  if (!removed) {
    // Somebody is at work with it, who will say so, or the disk does not let it go.
    oldest.used_s = storage::ToSeconds32(time(nullptr));
    Change(oldest);
    return 0;
  }
  Forget(oldest.kind, oldest.uri);
  *uri = std::move(oldest.uri);
  return std::max<uint64_t>(oldest.bytes, 1);
}

}  // namespace objmapper::origin
