// Deadlines that are all the same time away: a queue in order of expiry, O(1) to start, move, stop.
//
//   struct Peer { DeadlineHook deadline; ... };
//   DeadlineList<Peer, &Peer::deadline> idle(absl::Seconds(60));
//   idle.Start(&peer, now_ns);              // starts anew if it was running
//   while (Peer* p = idle.PopLate(looked_ns)) {
//     if (IsReadable(p->socket) && idle.Excuse(p, now_ns)) continue;   // net/readable.h
//     ...
//   }
//
// Who waits for others' bytes judges by when it last *began to look* for them, never by when it
// comes to judge: a process may be stopped (SIGSTOP), frozen (cgroups) or suspended with its
// machine between the two, and what came meanwhile came in time.
//
// Since every entry waits equally long, the order of starting is the order of expiry, and nothing
// needs a heap. Starting anew, which happens at every request, only writes down when: moving the
// entry would touch its neighbours' memory too. An entry that comes to the front before its time is
// put back where it belongs. One thread. Entries are borrowed: Stop() an entry before it dies (the
// hook checks).
#pragma once

#include <glog/logging.h>

#include <cstdint>
#include <limits>

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
  int64_t expires_ns = 0;  // by which the list is ordered: never later than the true time
  int64_t started_ns = 0;  // last
  bool excused = false;    // since then
};

inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

// So long after a time that it was to wake at, a thread has not been running: its process was
// stopped, or has too much to do.
inline constexpr int64_t kOversleptNs = 1'000'000'000;

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
    h->started_ns = now_ns;
    h->excused = false;
    if (h->owner != nullptr) return;
    h->expires_ns = now_ns + after_ns_;
    InsertBehind(tail_, h, entry);
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
    while (head_ != nullptr && head_->expires_ns <= now_ns) {
      DeadlineHook* h = head_;
      void* const entry = h->owner;
      Unlink(h);
      if (h->started_ns + after_ns_ <= now_ns) return static_cast<T*>(entry);
      h->expires_ns = h->started_ns + after_ns_;
      DeadlineHook* before = tail_;
      while (before != nullptr && before->expires_ns > h->expires_ns) before = before->previous;
      InsertBehind(before, h, entry);
    }
    return nullptr;
  }

  // As PopExpired(), for those who are waited for: one that is found late only since nobody has
  // looked for a second or more has its time once more. Its bytes may be on their way still, and it
  // may have been frozen with us. looked_ns: when it was begun to look at what has come; all that
  // had come by then has been told to its entry.
  T* PopLate(int64_t looked_ns) {
    while (T* entry = PopExpired(looked_ns)) {
      const bool overslept = looked_ns - (entry->*hook).started_ns - after_ns_ > kOversleptNs;
      if (!overslept || !Excuse(entry, looked_ns)) return entry;
    }
    return nullptr;
  }

  // Gives one that has been popped its time once more. False: it has had that already since
  // Start().
  bool Excuse(T* entry, int64_t now_ns) {
    if ((entry->*hook).excused) return false;
    Start(entry, now_ns);
    (entry->*hook).excused = true;
    return true;
  }

  // When PopExpired() is to be asked next: no entry expires earlier. kNever when there is none.
  int64_t NextExpiryNs() const { return head_ == nullptr ? kNever : head_->expires_ns; }

 private:
  // Links `h`, of `entry`. `before` null: at the front.
  void InsertBehind(DeadlineHook* before, DeadlineHook* h, void* entry) {
    h->owner = entry;
    h->list = this;
    DeadlineHook* after = before == nullptr ? head_ : before->next;
    h->previous = before;
    h->next = after;
    (before == nullptr ? head_ : before->next) = h;
    (after == nullptr ? tail_ : after->previous) = h;
  }

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
