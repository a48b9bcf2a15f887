// Listings of what is at the origins, a page of the origin's at a time (storage::Remote's
// ListThere()): for each one request of ListObjectsV2, by which alone nothing is held between two
// pages, and of a listing of any length no more than a page is in memory.
//
//   Lists lists(options);
//   lists.Begin(origins, ask_of, asked, done);
//   ...
//   lists.Stop();          // before the pool and the fetcher end
//
// A page is of one line of --origins_file. Where those of several meet a prefix, pages of one
// follow those of another, in the order of the URIs, and of each only the names that its line is
// for.
//
// Thread-safe.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "net/mutex.h"
#include "origin/config/origins.h"
#include "origin/fetch/fetcher.h"
#include "origin/flight/account.h"
#include "origin/flight/backoff.h"
#include "origin/flight/source.h"
#include "origin/flight/strand.h"
#include "storage/tree/remote.h"

namespace objmapper::origin {

class Lists {
 public:
  struct Options {
    fetch::Fetcher* fetcher = nullptr;  // outlives it
    RunFn run;                          // where keys are waited for, and pages are read
    Backoff::Options backoff;           // of an origin as a whole
    std::function<double()> random;     // for it
    std::function<absl::Time()> now = absl::Now;
  };
  // How an origin is asked, and where what comes of it is noted.
  struct Asked {
    std::shared_ptr<const Source> source;
    std::shared_ptr<Account> account;
  };
  using Done = std::function<void(absl::StatusOr<storage::ListedThere>)>;

  explicit Lists(Options options);

  // As storage::Remote::ListThere(). asked_of: called here, for one of `origins`.
  void Begin(const Origins& origins, const std::function<Asked(const Origin&)>& asked_of,
             storage::AskedThere asked, Done done);

  // Who has failed may be asked again.
  void ForgetTrouble();
  // Ends all, and tells those who wait. Waits for that. Afterwards there are none.
  void Stop();

 private:
  // One request.
  struct Page;
  class BodySink;

  void Prepare(const std::shared_ptr<Page>& page);
  void Ask(const std::shared_ptr<Page>& page);
  void Answered(const std::shared_ptr<Page>& page, const std::string& body,
                const fetch::Outcome& outcome);
  absl::StatusOr<storage::ListedThere> Read(Page* page, const std::string& body);
  void End(const std::shared_ptr<Page>& page, absl::StatusOr<storage::ListedThere> listed);

  const Options options_;
  net::Mutex mutex_;
  std::condition_variable_any none_;  // is under way
  absl::flat_hash_set<std::shared_ptr<Page>> under_way_ GUARDED_BY(mutex_);
  Backoff backoff_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace objmapper::origin
