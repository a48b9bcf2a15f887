// What one origin has been asked for since the server began to use it, and what came of it.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "net/mutex.h"

namespace objmapper::origin {

class Account {
 public:
  struct Counts {
    uint64_t requests = 0;  // for what was not here, or due; several may wait for one fetch
    uint64_t begun = 0;     // fetches
    uint64_t brought = 0;   // of these: objects that came,
    uint64_t absent = 0;    // that it does not have,
    uint64_t failed = 0;    // and what ended in trouble
    uint64_t bytes = 0;     // of objects, that came
    // The last trouble, and when; empty: there was none. over: a later fetch ended well.
    std::string trouble;
    absl::Time trouble_at;
    bool over = false;
  };

  void Asked() {
    const net::MutexLock lock(&mutex_);
    ++counts_.requests;
  }
  // A fetch.
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
  void Ended(const absl::Status& status, bool fetched, absl::Time now) {
    const net::MutexLock lock(&mutex_);
    if (status.ok() || absl::IsNotFound(status)) {
      if (absl::IsNotFound(status)) {
        ++counts_.absent;
      } else if (fetched) {
        ++counts_.brought;
      }
      counts_.over = true;
      return;
    }
    ++counts_.failed;
    counts_.trouble = std::string(status.message());
    counts_.trouble_at = now;
    counts_.over = false;
  }

  Counts Read() const {
    const net::MutexLock lock(&mutex_);
    return counts_;
  }

 private:
  mutable net::Mutex mutex_;
  Counts counts_ GUARDED_BY(mutex_);
};

}  // namespace objmapper::origin
