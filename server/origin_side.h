// All that brings objects from origins (--origin, --origins_file), in one piece: the thread that
// speaks HTTP, threads that write what comes, keys, and what of it is here.
//
//   absl::StatusOr<std::unique_ptr<OriginSide>> side = OriginSide::Make(config, parts);
//   (*side)->Start();      // once rights are given up
//   ...
//   (*side)->Stop();       // before those stop who wait for objects
//
// Thread-safe but for Start() and Stop().
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "copypath/blocking_pool.h"
#include "net/mutex.h"
#include "origin/cache/control.h"
#include "origin/cache/shelf.h"
#include "origin/config/origins.h"
#include "origin/fetch/fetcher.h"
#include "origin/flight/flights.h"
#include "server/admin/vitals.h"
#include "server/flags/config.h"
#include "session/read_watch.h"
#include "storage/catalog/housekeeping.h"
#include "storage/store/store.h"
#include "storage/tree/tree.h"

namespace objmapper::server {

class OriginSide : public session::ReadWatch {
 public:
  // Where what is brought goes; all outlive it.
  struct Parts {
    storage::Tree* tree = nullptr;
    storage::Store* store = nullptr;
    storage::Housekeeping* house = nullptr;  // null: nothing is limited
    origin::Shelf* shelf = nullptr;
  };

  // Makes it the tree's remote. Errors: an origin cannot be reached as it is written down, or the
  // root cannot keep what is brought; the message is for the operator.
  static absl::StatusOr<std::unique_ptr<OriginSide>> Make(const Config& config, const Parts& parts);
  ~OriginSide() override;

  // Begins to bring, and looks for what an earlier server has left.
  void Start();
  // Reads --origins_file again: objects come from there from now on, and what is under way goes on.
  // Returns how many origins there are. Errors: as --origins_file's; FAILED_PRECONDITION: there is
  // no such file to read. All stays as it was then. Any thread.
  absl::StatusOr<size_t> ReadAgain();
  // Ends what is under way; who waits is told. Waits for that.
  void Stop();

  // For the figures: what is asked for, and what has been removed to make room. Any thread.
  void OnRead(absl::string_view uri) override { flights_.LookedUp(uri); }
  void Evicted(absl::string_view uri, uint64_t bytes) { flights_.Evicted(uri, bytes); }
  // Its part of the figures. Any thread.
  Vitals::Origins Read() const;
  // Each origin's; and what operators do with what is here. Any thread.
  std::vector<origin::Flights::Report> ReadOrigins() const { return flights_.ReadOrigins(); }
  const origin::Control& control() const { return control_; }

 private:
  OriginSide(const Config& config, const Parts& parts);
  absl::StatusOr<origin::S3Access> AccessTo(const origin::Origin& origin);

  const Config& config_;
  const Parts parts_;
  const origin::Control control_;
  origin::fetch::Fetcher fetcher_;
  copypath::BlockingPool pool_;
  origin::Flights flights_;
  bool running_ = false;
  mutable net::Mutex mutex_;
  Vitals::Origins figures_ GUARDED_BY(mutex_);  // of the configuration
};

}  // namespace objmapper::server
