// All objects that are on their way from origins: one flight for each, whoever asks.
//
//   Flights flights(options);
//   flights.SetOrigins(*Origins::Load(file));
//   tree.SetRemote(&flights);
//   ...
//   flights.Stop();          // before the pool and the fetcher end
//
// A flight depends on nobody who waits for it: it goes on when they have left. Errors go to those
// who wait then; that there is no such object is remembered for a moment (Origin::negative).
//
// What is not done yet: blocks of a range alone, reading behind the fill, revalidation, MD5 sums.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "net/counter.h"
#include "net/mutex.h"
#include "origin/config/origins.h"
#include "origin/flight/account.h"
#include "origin/flight/budget.h"
#include "origin/flight/flight.h"
#include "origin/flight/source.h"
#include "storage/tree/remote.h"

namespace objmapper::origin {

// Thread-safe.
class Flights : public storage::Remote {
 public:
  struct Options {
    PartialObject::Options cache;
    fetch::Fetcher* fetcher = nullptr;  // outlives it
    // Threads that may wait for the disk and for keys; they outlive Stop().
    RunFn run;
    // Of what has been asked for and is not on the disk, in all flights together; but each flight's
    // first part.
    uint64_t under_way_max = 128 << 20;
    // How an S3 origin is reached; none: where its words say, and without keys. Errors: it cannot
    // be.
    std::function<absl::StatusOr<S3Access>(const Origin&)> s3;
    std::function<absl::Time()> now = absl::Now;
  };
  explicit Flights(Options options);
  ~Flights() override;

  // From now on objects come from these; what is under way goes on. INVALID_ARGUMENT: one of them
  // cannot be; all stays as it was.
  absl::Status SetOrigins(const Origins& origins);

  bool MayHave(absl::string_view uri) const override;
  void Bring(absl::string_view uri, std::function<void(absl::Status)> done) override;
  bool KeepsApart(absl::string_view uri) const override;
  absl::StatusOr<storage::OpenedObject> OpenKept(absl::string_view uri,
                                                 storage::Wait wait) override;
  std::vector<Kept> ListKept(absl::string_view prefix, absl::string_view after,
                             size_t max) const override;
  absl::Status MayChange(absl::string_view uri) const override;

  // Ends all flights, and tells those who wait. Waits for that.
  void Stop();

  struct Counts {
    uint64_t begun = 0;      // flights
    uint64_t brought = 0;    // objects
    uint64_t absent = 0;     // that the origin does not have
    uint64_t failed = 0;     // flights that ended in trouble
    uint64_t under_way = 0;  // flights, now
    uint64_t waiting = 0;    // those who wait for them, now
  };
  Counts Read() const;

  struct Report {
    std::shared_ptr<const Origin> origin;
    std::string keys;  // as Source::DescribeKeys()
    Account::Counts counts;
  };
  // Of each origin, in the order of their prefixes. One that SetOrigins() names again as it was
  // goes on with its counts.
  std::vector<Report> ReadOrigins() const;

 private:
  // How an origin is asked, and what came of it.
  struct Asked {
    std::shared_ptr<const Source> source;
    std::shared_ptr<Account> account;
  };
  // One set of origins.
  struct Map {
    Origins origins;
    absl::flat_hash_map<const Origin*, Asked> asked;
  };
  struct Entry {
    std::shared_ptr<Flight> flight;
    std::shared_ptr<Account> account;  // of its origin
    std::vector<std::function<void(absl::Status)>> waiting;
  };

  absl::StatusOr<std::shared_ptr<const Source>> SourceOf(
      const std::shared_ptr<const Origin>& origin) const;
  std::shared_ptr<const Map> map() const;
  bool IsKnownAbsent(absl::string_view uri) const EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteAbsent(const std::string& uri, absl::Duration how_long) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Ended(const std::string& uri, absl::Duration negative, const absl::Status& status);

  const Options options_;
  Budget budget_;
  mutable net::Mutex mutex_;
  std::condition_variable_any none_;  // no flight is under way, and everybody has been told
  std::shared_ptr<const Map> map_ GUARDED_BY(mutex_) = std::make_shared<Map>();
  absl::flat_hash_map<std::string, Entry> flights_ GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, absl::Time> absent_ GUARDED_BY(mutex_);  // until when
  int telling_ GUARDED_BY(mutex_) = 0;  // flights that have ended, while who waits is told
  bool stopping_ GUARDED_BY(mutex_) = false;
  net::Counter begun_, brought_, not_there_, failed_;  // written under mutex_
};

}  // namespace objmapper::origin
