// What one origin has been asked for since the server began to use it, and what came of it.
//
//   auto account = std::make_shared<Account>("/models", origin->slow);
//   fetcher->Fetch(request, account->Watching(sink, url));   // counts attempts, retries and delays
//
// Thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "net/counter.h"
#include "net/mutex.h"
#include "origin/fetch/request.h"

namespace objmapper::origin {

class Account : public std::enable_shared_from_this<Account> {
 public:
  // Of the objects that those who waited for the origin had asked for, so much was here.
  enum class Here : uint8_t { kNothing, kPart, kWhole };

  // How long the origin took to begin to answer: up to 1 ms, 2 ms, 4 ms, ..., and longer.
  struct Delays {
    static constexpr size_t kBounds = 17;
    static absl::Duration Bound(size_t i) { return absl::Milliseconds(int64_t{1} << i); }

    std::array<uint64_t, kBounds + 1> counts{};  // not of those below it
    double sum_s = 0;

    void Add(absl::Duration delay);
    uint64_t count() const;
    // A bound that so much of them were within; 0: there are none. Infinite: beyond the last.
    absl::Duration Quantile(double part) const;
  };

  struct Counts {
    uint64_t lookups = 0;       // requests for objects below its prefix
    uint64_t requests = 0;      // of these, those that waited for it; several may for one fetch
    uint64_t nothing = 0;       // of those: nothing of the object was here,
    uint64_t part = 0;          // a part of it was,
    uint64_t whole = 0;         // or it was, and had to be compared
    uint64_t held_off = 0;      // it was not asked, so soon after trouble
    uint64_t known_absent = 0;  // it was not asked, so soon after it had none
    uint64_t begun = 0;         // fetches
    uint64_t brought = 0;       // of these: objects that came,
    uint64_t absent = 0;        // that it does not have,
    uint64_t failed = 0;        // and what ended in trouble
    uint64_t bytes = 0;         // of objects, that came
    uint64_t evicted = 0, evicted_bytes = 0;
    uint64_t attempts = 0;  // requests of HTTP
    std::array<uint64_t, fetch::kCauses> retries{};
    Delays delays;
    // The last trouble, and when; empty: there was none. over: a later fetch ended well.
    std::string trouble;
    absl::Time trouble_at;
    bool over = false;

    // Requests that did not wait for it, and got what was here.
    uint64_t hits() const;
  };

  // name: of the origin, in the log. slow: a request of HTTP whose answer begins later is logged,
  // one a second at most; 0: none is.
  explicit Account(std::string name = "/", absl::Duration slow = absl::ZeroDuration())
      : name_(std::move(name)), slow_(slow) {}

  // ---- On the hot path ----
  // Somebody asks for an object. Of each of the shards one thread at a time.
  static constexpr size_t kShards = 16;
  void LookedUp(size_t shard) { lookups_[shard].count.Add(); }

  // ---- Those who wait for it, or do not ----
  void Asked() {
    const net::MutexLock lock(&mutex_);
    ++counts_.requests;
  }
  void Found(Here here, uint64_t requests) {
    const net::MutexLock lock(&mutex_);
    (here == Here::kNothing ? counts_.nothing
     : here == Here::kPart  ? counts_.part
                            : counts_.whole) += requests;
  }
  void HeldOff() {
    const net::MutexLock lock(&mutex_);
    ++counts_.held_off;
  }
  void KnownAbsent() {
    const net::MutexLock lock(&mutex_);
    ++counts_.known_absent;
  }

  // ---- Fetches ----
  void Begun() {
    const net::MutexLock lock(&mutex_);
    ++counts_.begun;
  }
  void Came(uint64_t bytes) {
    const net::MutexLock lock(&mutex_);
    counts_.bytes += bytes;
  }
  // It has been asked, as storage::Remote::Bring() says: for an object, or (fetched: false) whether
  // what is here is still what is there.
  void Ended(const absl::Status& status, bool fetched, absl::Time now);
  void Evicted(uint64_t bytes) {
    const net::MutexLock lock(&mutex_);
    ++counts_.evicted;
    counts_.evicted_bytes += bytes;
  }

  // ---- Requests of HTTP ----
  // A sink that passes all on to `sink`, and notes how the request has ended. what: its URL, for
  // people.
  std::shared_ptr<fetch::Sink> Watching(std::shared_ptr<fetch::Sink> sink, std::string what);

  Counts Read() const;

 private:
  class Watcher;
  struct alignas(64) Lookups {
    net::Counter count;
  };

  void Note(const fetch::Outcome& outcome, const std::string& what);

  const std::string name_;
  const absl::Duration slow_;
  std::array<Lookups, kShards> lookups_;
  mutable net::Mutex mutex_;
  Counts counts_ GUARDED_BY(mutex_);
  int64_t logged_ns_ GUARDED_BY(mutex_) = 0;  // the last slow one
  uint64_t unlogged_ GUARDED_BY(mutex_) = 0;  // slow ones since
};

}  // namespace objmapper::origin
