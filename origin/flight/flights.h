// All objects that are on their way from origins: one flight for each, whoever asks.
//
//   Flights flights(options);
//   flights.SetOrigins(*Origins::Load(file));
//   tree.SetRemote(&flights);
//   ...
//   flights.Stop();          // before the pool and the fetcher end
//
// A flight depends on nobody who waits for it: it goes on when they have left. Errors go to those
// who wait then, and for a moment to those who come later (backoff.h); that there is no such object
// is remembered for a moment too (Origin::negative).
//
// What is here is handed out for as long as its origin's line says (freshness.h). Then who asks for
// it has its origin asked whether it is still the same (check.h), once for all who ask meanwhile;
// if it is not, the new version takes its place, and who has the old one open keeps that. Where the
// origin cannot be asked, Origin::stale_if_error says for how long more it is handed out.
//
// Of a large object some blocks may be all that is wanted (Follow()); who wants more joins the
// flight.
//
// What finds no room here goes through uncached to those who can read it so (Follow(); uncached.h),
// and is not tried to be kept again for a moment. That is no trouble of its origin's, which is
// asked as ever.
//
// What clients change of an object (change.h) takes its flight's place: an earlier flight or check
// of that name is ended first, changes of one name follow each other, and who asks for the object
// meanwhile is told when the last one is over. So no earlier version is published over a later one.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "net/counter.h"
#include "net/mutex.h"
#include "origin/config/origins.h"
#include "origin/flight/account.h"
#include "origin/flight/backoff.h"
#include "origin/flight/budget.h"
#include "origin/flight/change.h"
#include "origin/flight/check.h"
#include "origin/flight/flight.h"
#include "origin/flight/freshness.h"
#include "origin/flight/lists.h"
#include "origin/flight/lookups.h"
#include "origin/flight/means.h"
#include "origin/flight/progress.h"
#include "origin/flight/source.h"
#include "origin/flight/uncached.h"
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
    uint64_t uncached_max = 128 << 20;  // Uncached::Options::bytes_max
    // How an S3 origin is reached; none: where its words say, and without keys. Errors: it cannot
    // be.
    std::function<absl::StatusOr<S3Access>(const Origin&)> s3;
    Backoff::Options backoff;
    size_t freshness_names_max = 1 << 20;  // Freshness::Options::names_max
    std::function<absl::Time()> now = absl::Now;
    std::function<double()> random;  // for Backoff; null: a generator of its own
  };
  explicit Flights(Options options);
  ~Flights() override;

  // From now on objects come from these; what is under way goes on. Where they are others than
  // before, what is here is looked at once more. INVALID_ARGUMENT: one of them cannot be; all stays
  // as it was.
  absl::Status SetOrigins(const Origins& origins);

  bool MayHave(absl::string_view uri) const override;
  bool MustCheck(absl::string_view uri) const override;
  void Bring(absl::string_view uri, std::function<void(absl::Status)> done) override;
  void Follow(absl::string_view uri, const storage::Wanted& wanted,
              std::function<void(absl::StatusOr<std::shared_ptr<storage::Filling>>)> done) override;
  bool KeepsApart(absl::string_view uri) const override;
  absl::StatusOr<storage::OpenedObject> OpenKept(absl::string_view uri,
                                                 storage::Wait wait) override;
  std::vector<Kept> ListKept(absl::string_view prefix, absl::string_view after) const override;
  void ListThere(const storage::AskedThere& asked,
                 std::function<void(absl::StatusOr<storage::ListedThere>)> done) override;
  bool IsCopy(absl::string_view uri) const override;
  absl::Status MayChange(absl::string_view uri) const override;
  bool ChangesAfar(absl::string_view uri) const override;
  void Change(absl::string_view uri, Wish wish, std::function<void(absl::Status)> done) override;
  void Stored(absl::string_view uri) override;
  bool MustCompare(absl::string_view uri, int64_t age_max_s) override;
  void BringChecked(absl::string_view uri, int64_t age_max_s,
                    std::function<void(absl::Status)> done) override;
  storage::Provenance ProvenanceOf(absl::string_view uri, int fd) override;

  // Somebody asks for it, wherever it is: for the figures. Once for each request; never waits.
  void LookedUp(absl::string_view uri) { lookups_.Count(uri); }
  // What was fetched has been removed here to make room.
  void Evicted(absl::string_view uri, uint64_t bytes);

  // Ends all flights and listings, and tells those who wait. Waits for that.
  void Stop();

  struct Counts {
    uint64_t begun = 0;      // flights
    uint64_t brought = 0;    // objects
    uint64_t absent = 0;     // that the origin does not have
    uint64_t left = 0;       // flights that have brought some blocks, and nobody wanted more
    uint64_t failed = 0;     // flights and checks that ended in trouble
    uint64_t checked = 0;    // of what is here its origin was asked
    uint64_t unchanged = 0;  // of them, it was the same
    uint64_t removed = 0;    // the origin has it no more
    uint64_t stale = 0;      // it could not be asked, and what is here was good enough
    uint64_t held_off = 0;   // was not asked again so soon after trouble
    uint64_t no_room = 0;    // flights of objects that could not be kept
    uint64_t stored = 0;     // objects that clients have stored there
    uint64_t deleted = 0;    // and deleted
    uint64_t refused = 0;    // changes that came to nothing, or of which nobody knows
    uint64_t under_way = 0;  // flights, checks and changes, now
    uint64_t waiting = 0;    // those who wait for them, now
  };
  Counts Read() const;
  Uncached::Counts ReadUncached() const { return uncached_->Read(); }

  struct Report {
    std::shared_ptr<const Origin> origin;
    std::string keys;  // as Source::DescribeKeys()
    Account::Counts counts;
    uint64_t under_way = 0, waiting = 0;  // as in Counts
  };
  // Of each origin, in the order of their prefixes. One that SetOrigins() names again as it was
  // goes on with its counts.
  std::vector<Report> ReadOrigins() const;

 private:
  using Asked = Lists::Asked;
  // One set of origins.
  struct Map {
    Origins origins;
    absl::flat_hash_map<const Origin*, Asked> asked;
  };
  using Brought = std::function<void(absl::Status)>;
  using Followed = std::function<void(absl::StatusOr<std::shared_ptr<storage::Filling>>)>;
  struct Waiting {
    std::optional<int64_t> age_max_s;  // as storage::Wanted's
    Brought done;
  };
  struct Asking {
    storage::Wanted wanted;
    Followed done;
  };
  // What a client wants to be changed, and who is told of it.
  struct Changing {
    std::shared_ptr<origin::Change> change;
    Brought done;
  };
  // A check, then perhaps a flight; or a change.
  struct Entry {
    std::shared_ptr<Check> check;
    std::shared_ptr<Flight> flight;
    Changing change;                   // under way
    std::deque<Changing> changes;      // that come next
    std::shared_ptr<Account> account;  // of its origin
    std::vector<Waiting> waiting;      // for all of it
    std::vector<Asking> asking;        // what it is
    std::shared_ptr<const Source> source;
    Location location;
    bool here = false;                              // something is, of the origin's
    std::optional<Account::Here> found;             // how much, once that is known
    bool keeps = true;                              // its flight tries to keep it
    bool good = false;                              // as Check::Finding
    absl::Time checked;                             // as Check::Finding
    absl::Time stale_until = absl::InfinitePast();  // the same
    storage::Provenance::Came came = storage::Provenance::Came::kUnknown;
  };

  // Whether an origin is asked for it, or whoever asks is told why it cannot be.
  static bool IsForOrigin(const Origins& origins, absl::string_view uri);
  absl::StatusOr<std::shared_ptr<const Source>> SourceOf(
      const std::shared_ptr<const Origin>& origin) const;
  std::shared_ptr<const Map> map() const;
  // Joins what is under way for `name`, for so much of it, or begins it. Then `enter` puts who is
  // to be told of it into its entry. here: it is of no use if it cannot be kept. Not OK: there is
  // nothing, since that is so.
  absl::Status Join(const std::string& name, const storage::Wanted& wanted, bool here,
                    absl::FunctionRef<void(Entry*)> enter);
  void BringAged(absl::string_view uri, std::optional<int64_t> age_max_s, Brought done);
  Means MeansFor(std::shared_ptr<Account> account) const;
  std::shared_ptr<Check> NewCheck(const std::string& uri, const Entry& entry,
                                  std::optional<int64_t> age_max_s)
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<Flight> NewFlight(const std::string& uri, const Entry& entry,
                                    const absl::Status& no_room);
  absl::Status Absence(absl::string_view uri) const EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<Account> AccountOf(absl::string_view uri) const EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // How much was here for those who have come so far.
  void NoteFound(const std::string& uri, const Check::Finding& finding, Entry* entry)
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Not OK: a moment ago there was none for it.
  absl::Status NoRoomFor(absl::string_view uri, absl::Time now) const
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteAbsent(const std::string& uri, absl::Duration how_long) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Checked(const std::string& uri, const Check::Finding& finding);
  void Known(const std::string& uri, const std::shared_ptr<Progress>& progress);
  // fresh_since: of what is here; nullopt: nothing is, or it is this disk's own. asked: the origin.
  void Ended(const std::string& uri, absl::Status status, std::optional<absl::Time> fresh_since,
             bool asked);
  void Changed(const std::string& uri, const origin::Change::Ending& ending);
  // Takes what has ended off the list; a change that waited for that takes its place.
  Entry TakeOut(const std::string& uri, std::shared_ptr<origin::Change>* next)
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The first of `before`'s further changes takes its place; null: there is none.
  std::shared_ptr<origin::Change> NextChange(const std::string& uri, Entry* before)
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What those who wait are told.
  struct Told {
    absl::Status status;
    bool here_does = false;  // what is here does for those who want nothing newer than it
    bool again = false;      // all ask once more
    bool passes = false;     // those who can read what is not kept do
    std::optional<absl::Time> good_since;  // of what is here, if its origin was not asked
  };
  // Behind TakeOut(), without the lock. Then `next`, if there is one, begins.
  void Tell(const std::string& uri, Entry entry, const Told& told,
            const std::shared_ptr<origin::Change>& next);
  void DoneTelling();
  // It has failed with `*status`, which may be told when to come again: how that is remembered.
  // Whether what is here does all the same for who wants it as old as its origin's line allows.
  bool Settle(const std::string& uri, const Entry& entry, bool asked, absl::Status* status)
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  Budget budget_;
  const std::shared_ptr<Uncached> uncached_;
  Freshness freshness_;
  Lookups lookups_;
  Lists lists_;
  mutable net::Mutex mutex_;
  std::condition_variable_any none_;  // no flight is under way, and everybody has been told
  std::shared_ptr<const Map> map_ GUARDED_BY(mutex_) = std::make_shared<Map>();
  absl::flat_hash_map<std::string, Entry> flights_ GUARDED_BY(mutex_);
  Backoff backoff_ GUARDED_BY(mutex_);
  Backoff no_room_ GUARDED_BY(mutex_);  // for names for which there was none
  absl::flat_hash_map<std::string, absl::Time> absent_ GUARDED_BY(mutex_);  // until when
  int telling_ GUARDED_BY(mutex_) = 0;  // of them, some have ended, while who waits is told
  bool stopping_ GUARDED_BY(mutex_) = false;
  // Written under mutex_.
  net::Counter begun_, brought_, not_there_, left_, failed_;
  net::Counter checked_, unchanged_, removed_, stale_, held_off_, without_room_;
  net::Counter stored_, deleted_, refused_;
};

}  // namespace objmapper::origin
