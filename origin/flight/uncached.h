// What goes from an origin to its readers without being kept here, since there is no room for it:
// a stream of its own for each reader (uncached_stream.h), all of them within a bound of memory.
//
// Nothing is shared between readers, so that none waits for another one: an object that eight read
// so leaves its origin eight times. Each stream has a window, which is all of it that is ever in
// memory: a sixteenth of what the others have left, so that many may read, and few fast.
//
// Thread-safe. Held by whoever has a stream, or may open one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "net/counter.h"
#include "net/mutex.h"
#include "origin/config/origins.h"
#include "origin/fetch/fetcher.h"
#include "origin/flight/account.h"
#include "origin/flight/part_sink.h"
#include "origin/flight/source.h"
#include "origin/flight/strand.h"
#include "storage/tree/pass_through.h"

namespace objmapper::origin {

class UncachedStream;

class Uncached : public std::enable_shared_from_this<Uncached> {
 public:
  struct Options {
    fetch::Fetcher* fetcher = nullptr;  // until Stop() has returned
    RunFn run;
    std::function<absl::Time()> now = absl::Now;
    uint64_t bytes_max = 128 << 20;  // of all windows together
    // Of each window, but of a shorter stream's.
    uint64_t window_min = 512 * 1024;
    uint64_t window_max = 8 << 20;
  };
  explicit Uncached(Options options)
      : options_(std::move(options)), bytes_left_(options_.bytes_max) {}

  // One version of one object, as its origin has told it.
  struct Version {
    std::shared_ptr<const Source> source;
    std::shared_ptr<Account> account;
    Location location;
    std::string url;  // for people
    Facts facts;
  };
  // [begin, end) of it, cut at its end.
  //
  //   RESOURCE_EXHAUSTED   the windows of others leave no room (and when to come again); or it has
  //                        no strong ETag, so that it cannot be had in parts, and is larger than a
  //                        window
  absl::StatusOr<std::unique_ptr<storage::PassThrough>> Open(const Version& version, uint64_t begin,
                                                             uint64_t end);

  // Ends all streams; none is opened any more.
  void Stop();

  struct Counts {
    uint64_t opened = 0;   // streams
    uint64_t refused = 0;  // that were not, for want of memory
    uint64_t bytes = 0;    // that came for them
    uint64_t open = 0;     // now
    uint64_t window_bytes = 0;
  };
  Counts Read() const;

 private:
  friend class UncachedStream;
  void Came(uint64_t bytes);
  void Closed(const UncachedStream* stream, uint64_t window);

  const Options options_;
  mutable net::Mutex mutex_;
  uint64_t bytes_left_ GUARDED_BY(mutex_);
  absl::flat_hash_map<const UncachedStream*, std::weak_ptr<UncachedStream>> open_
      GUARDED_BY(mutex_);
  bool stopped_ GUARDED_BY(mutex_) = false;
  // Written under mutex_.
  net::Counter opened_, refused_, bytes_;
};

}  // namespace objmapper::origin
