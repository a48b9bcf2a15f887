// Deadlines that are all the same time away: a queue in order of expiry, O(1) to start, move, stop.
//
//   struct Peer { DeadlineHook deadline; ... };
//   DeadlineList<Peer, &Peer::deadline> idle(absl::Seconds(60));
//   idle.Start(&peer, now_ns);              // starts anew if it was running
//   while (Peer* p = idle.PopExpired(now_ns)) ...
//
// Since every entry waits equally long, the order of starting is the order of expiry, and nothing
// needs a heap. One thread. Entries are borrowed: Stop() an entry before it dies (the hook checks).
#pragma once

#include <cstdint>
#include <limits>

#include <glog/logging.h>

#include "absl/time/time.h"

namespace objmapper::net {

// Links an object into one DeadlineList at a time.
struct DeadlineHook {
  DeadlineHook() = default;
  DeadlineHook(const DeadlineHook&) = delete;
  DeadlineHook& operator=(const DeadlineHook&) = delete;
  ~DeadlineHook() { DCHECK(owner == nullptr) << "an object with a running deadline died"; }

  void* owner = nullptr;  // the entry while linked
  void* list = nullptr;   // the list it is linked into
  DeadlineHook* previous = nullptr;
  DeadlineHook* next = nullptr;
  int64_t expires_ns = 0;
};

inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

template <typename T, DeadlineHook T::*hook>
class DeadlineList {
 public:
  // An infinite or zero duration never expires: the list then keeps nothing.
  explicit DeadlineList(absl::Duration after)
      : after_ns_(after == absl::InfiniteDuration() || after <= absl::ZeroDuration()
                      ? 0
                      : absl::ToInt64Nanoseconds(after)) {}
  DeadlineList(const DeadlineList&) = delete;
  DeadlineList& operator=(const DeadlineList&) = delete;
  ~DeadlineList() {
    while (head_ != nullptr) Unlink(head_);
  }

  // Makes `entry` expire one duration after `now_ns` (CLOCK_MONOTONIC).
  void Start(T* entry, int64_t now_ns) {
    if (after_ns_ == 0) return;
    DeadlineHook* h = &(entry->*hook);
    DCHECK(h->owner == nullptr || h->list == this) << "in another list: Stop() it there first";
    if (h->owner != nullptr) Unlink(h);
    h->owner = entry;
    h->list = this;
    h->expires_ns = now_ns + after_ns_;
    h->previous = tail_;
    (tail_ == nullptr ? head_ : tail_->next) = h;
    tail_ = h;
  }

  void Stop(T* entry) {
    DeadlineHook* h = &(entry->*hook);
    if (h->owner != nullptr && h->list == this) Unlink(h);
  }

  bool Has(const T* entry) const {
    const DeadlineHook& h = entry->*hook;
    return h.owner != nullptr && h.list == this;
  }

  // The entry that expired longest ago, unlinked; nullptr when none has.
  T* PopExpired(int64_t now_ns) {
    if (head_ == nullptr || head_->expires_ns > now_ns) return nullptr;
    T* entry = static_cast<T*>(head_->owner);
    Unlink(head_);
    return entry;
  }

  // When the next entry expires; kNever when there is none.
  int64_t NextExpiryNs() const { return head_ == nullptr ? kNever : head_->expires_ns; }

 private:
  void Unlink(DeadlineHook* h) {
    (h->previous == nullptr ? head_ : h->previous->next) = h->next;
    (h->next == nullptr ? tail_ : h->next->previous) = h->previous;
    h->owner = nullptr;
    h->list = nullptr;
    h->previous = nullptr;
    h->next = nullptr;
  }

  const int64_t after_ns_;
  DeadlineHook* head_ = nullptr;
  DeadlineHook* tail_ = nullptr;
};

}  // namespace objmapper::net
