// Who waits for which check or flight. Invariant: nobody is told of anything with the lock held.
#include "origin/flight/flights.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/retry_after.h"
#include "origin/cache/place.h"
#include "origin/flight/trouble.h"
#include "storage/tree/disk_tier.h"
#include "text/printable.h"

namespace objmapper::origin {
namespace {

// Names that are known to be absent; when there are more, those that are known no longer are
// forgotten, and all where that does not help.
constexpr size_t kAbsentMax = 100'000;

// For so long an object that has no mark, and so is this disk's own, is not looked at again: a mark
// may come with a file that somebody puts in its place from outside.
constexpr absl::Duration kOwnFor = absl::Minutes(10);

// Whether the origin, or the way to it, is the reason, so that what is here may do for now.
bool IsTrouble(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsDataLoss(status);
}

bool AreSame(const Origins& a, const Origins& b) {
  return std::equal(a.all().begin(), a.all().end(), b.all().begin(), b.all().end(),
                    [](const auto& one, const auto& other) { return *one == *other; });
}

std::function<double()> OwnRandom() {
  return
      [generator = std::mt19937_64(std::random_device()()),
       uniform = std::uniform_real_distribution<double>()]() mutable { return uniform(generator); };
}

Backoff::Options OfRoom(Backoff::Options options) {
  options.what = "it is not tried again";
  return options;
}

}  // namespace

Flights::Flights(Options options)
    : options_(std::move(options)),
      budget_(options_.under_way_max),
      uncached_(std::make_shared<Uncached>(Uncached::Options{.fetcher = options_.fetcher,
                                                             .run = options_.run,
                                                             .now = options_.now,
                                                             .bytes_max = options_.uncached_max})),
      freshness_({.names_max = options_.freshness_names_max, .now = options_.now}),
      lists_({.fetcher = options_.fetcher,
              .run = options_.run,
              .backoff = options_.backoff,
              .random = options_.random == nullptr ? OwnRandom() : options_.random,
              .now = options_.now}),
      backoff_(options_.backoff, options_.random == nullptr ? OwnRandom() : options_.random),
      no_room_(OfRoom(options_.backoff),
               options_.random == nullptr ? OwnRandom() : options_.random) {}

Flights::~Flights() { Stop(); }

absl::StatusOr<std::shared_ptr<const Source>> Flights::SourceOf(
    const std::shared_ptr<const Origin>& origin) const {
  absl::StatusOr<S3Access> access = S3Access{nullptr, {origin->region, origin->endpoint}};
  if (origin->kind == Origin::Kind::kS3 && options_.s3 != nullptr) access = options_.s3(*origin);
  if (!access.ok()) return access.status();
  return Source::Make(origin, *std::move(access), options_.run);
}

absl::Status Flights::SetOrigins(const Origins& origins) {
  auto map = std::make_shared<Map>();
  map->origins = origins;
  const std::shared_ptr<const Map> before = this->map();
  const auto account_of = [&before](const Origin& origin) {
    for (const auto& [known, asked] : before->asked)
      if (*known == origin) return asked.account;
    return std::make_shared<Account>(absl::StrCat("/", text::Printable(origin.prefix)),
                                     origin.slow);
  };
  for (const std::shared_ptr<const Origin>& origin : origins.all()) {
    absl::StatusOr<std::shared_ptr<const Source>> source = SourceOf(origin);
    if (!source.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("/", text::Printable(origin->prefix), ": ", source.status().message()));
    }
    map->asked.emplace(origin.get(), Asked{*std::move(source), account_of(*origin)});
  }
  lists_.ForgetTrouble();
  const net::MutexLock lock(&mutex_);
  if (!AreSame(origins, map_->origins)) freshness_.SetOrigins(origins);
  lookups_.SetOrigins(origins,
                      [&map](const Origin& origin) { return map->asked.at(&origin).account; });
  map_ = std::move(map);
  absent_.clear();
  backoff_.ClearAll();
  no_room_.ClearAll();
  return absl::OkStatus();
}

bool Flights::MayHave(absl::string_view uri) const {
  std::shared_ptr<const Map> map;
  {
    const net::MutexLock lock(&mutex_);
    if (!Absence(Canonical(uri)).ok()) {
      if (const std::shared_ptr<Account> account = AccountOf(uri); account != nullptr)
        account->KnownAbsent();
      return false;
    }
    map = map_;
  }
  return !map->origins.empty() && IsForOrigin(map->origins, uri);
}

std::shared_ptr<const Flights::Map> Flights::map() const {
  const net::MutexLock lock(&mutex_);
  return map_;
}

bool Flights::MustCheck(absl::string_view uri) const {
  // What the rules for names refuse is refused by the disk, and never asked for.
  return freshness_.MustCheck(uri) && !absl::IsPermissionDenied(storage::DiskTier::CheckName(uri));
}

absl::Status Flights::Join(const std::string& name, const storage::Wanted& wanted, bool here,
                           absl::FunctionRef<void(Entry*)> enter) {
  // Else the caller has found nothing here.
  const bool must_look = freshness_.MustCheck(name);
  std::shared_ptr<Check> check;
  {
    const net::MutexLock lock(&mutex_);
    if (stopping_) return ServerStops();
    Entry* entry = nullptr;
    if (const auto found = flights_.find(name); found != flights_.end()) {
      entry = &found->second;
    } else {
      absl::StatusOr<Location> location = map_->origins.Find(name);
      if (!location.ok()) return location.status();
      if (!must_look) {
        const absl::Time now = options_.now();
        absl::Status refused = backoff_.Refusal(name, now);
        if (!refused.ok()) {
          held_off_.Add();
          map_->asked.at(location->origin.get()).account->HeldOff();
        }
        if (refused.ok() && here) refused = NoRoomFor(name, now);
        if (!refused.ok()) return refused;
      }
      const Asked& asked = map_->asked.at(location->origin.get());
      entry = &flights_[name];
      entry->source = asked.source;
      entry->account = asked.account;
      entry->location = *std::move(location);
      entry->check = check = NewCheck(name, *entry, wanted.age_max_s);
    }
    entry->account->Asked();
    if (entry->found.has_value()) entry->account->Found(*entry->found, 1);
    enter(entry);
    // Here, since the flight may have gone when the lock has. Should it end before this comes, it
    // ends for the one who has just been entered, too. One that is to come is told by Checked().
    if (entry->flight != nullptr) entry->flight->Want(wanted);
  }
  if (check != nullptr) check->Begin();
  return absl::OkStatus();
}

void Flights::Bring(absl::string_view uri, Brought done) {
  BringAged(uri, std::nullopt, std::move(done));
}

void Flights::BringChecked(absl::string_view uri, int64_t age_max_s, Brought done) {
  BringAged(uri, age_max_s, std::move(done));
}

void Flights::BringAged(absl::string_view uri, std::optional<int64_t> age_max_s, Brought done) {
  storage::Wanted wanted;
  wanted.age_max_s = age_max_s;
  const absl::Status joined =
      Join(std::string(Canonical(uri)), wanted, /*here=*/true, [&](Entry* entry) {
        entry->waiting.push_back({age_max_s, done});
      });
  if (!joined.ok()) done(joined);
}

void Flights::Follow(absl::string_view uri, const storage::Wanted& wanted, Followed done) {
  const absl::Status joined =
      Join(std::string(Canonical(uri)), wanted, /*here=*/false, [&](Entry* entry) {
        entry->asking.push_back({wanted, done});
      });
  if (!joined.ok()) done(joined);
}

void Flights::Known(const std::string& uri, const std::shared_ptr<Progress>& progress) {
  std::vector<Asking> asking;
  bool replaces = false;
  {
    const net::MutexLock lock(&mutex_);
    Entry& entry = flights_.at(uri);
    asking.swap(entry.asking);
    replaces = entry.here;
    ++telling_;
  }
  for (const Asking& one : asking) one.done(std::make_shared<Follower>(progress, replaces));
  DoneTelling();
}

Means Flights::MeansFor(std::shared_ptr<Account> account) const {
  return {.cache = options_.cache,
          .fetcher = options_.fetcher,
          .account = std::move(account),
          .run = options_.run,
          .now = options_.now};
}

std::shared_ptr<Check> Flights::NewCheck(const std::string& uri, const Entry& entry,
                                         std::optional<int64_t> age_max_s) {
  return std::make_shared<Check>(
      MeansFor(entry.account), entry.source, entry.location, uri,
      Check::Known{.checked = freshness_.CheckedAt(uri),
                   .refusal = backoff_.Refusal(uri, options_.now()),
                   .age_max_s = age_max_s},
      [this, uri](const Check::Finding& finding) { Checked(uri, finding); });
}

std::shared_ptr<Flight> Flights::NewFlight(const std::string& uri, const Entry& entry,
                                           const absl::Status& no_room) {
  Flight::Listener listener;
  listener.known = [this, uri](const std::shared_ptr<Progress>& progress) { Known(uri, progress); };
  listener.ended = [this, uri](const absl::Status& status) {
    Ended(uri, status, status.ok() ? std::optional(options_.now()) : std::nullopt, /*asked=*/true);
  };
  auto flight = std::make_shared<Flight>(Flight::Options{.means = MeansFor(entry.account),
                                                         .budget = &budget_,
                                                         .uncached = uncached_,
                                                         .no_room = no_room},
                                         entry.source, entry.location, uri, std::move(listener));
  if (!entry.waiting.empty()) flight->Want({});
  for (const Asking& one : entry.asking) flight->Want(one.wanted);
  return flight;
}

void Flights::Checked(const std::string& uri, const Check::Finding& finding) {
  using Kind = Check::Finding::Kind;
  using Came = storage::Provenance::Came;
  absl::Status status = finding.status;
  std::optional<absl::Time> fresh_since;
  std::shared_ptr<Flight> flight;
  {
    const net::MutexLock lock(&mutex_);
    Entry& entry = flights_.at(uri);
    entry.here = finding.kind != Kind::kAbsent && finding.kind != Kind::kGone;
    entry.checked = finding.checked;
    entry.good = finding.good;
    entry.stale_until = finding.stale_until;
    NoteFound(uri, finding, &entry);
    if (finding.asked) checked_.Add();
    switch (finding.kind) {
      case Kind::kOwn:
        freshness_.Nothing(uri, options_.now() + kOwnFor);
        break;
      case Kind::kFresh:
        fresh_since = finding.checked;
        if (finding.asked) {
          unchanged_.Add();
          entry.came = finding.not_modified ? Came::kNotModified : Came::kConfirmed;
        }
        break;
      case Kind::kGone:
        removed_.Add();
        break;
      case Kind::kTrouble:
        if (!finding.asked) held_off_.Add();
        break;
      case Kind::kAbsent:
        status = Absence(uri);
        [[fallthrough]];
      case Kind::kOutdated:
        if (status.ok()) {
          status = backoff_.Refusal(uri, options_.now());
          if (!status.ok()) held_off_.Add();
        }
        if (stopping_) status = ServerStops();
        if (!entry.changes.empty()) status = absl::CancelledError("it is being changed");
        if (!status.ok()) break;
        if (const absl::Status no_room = NoRoomFor(uri, options_.now()); !no_room.ok()) {
          entry.keeps = false;
          // Who can read what passes has it asked for.
          if (entry.asking.empty()) status = no_room;
          if (!status.ok()) break;
          entry.flight = flight = NewFlight(uri, entry, no_room);
        } else {
          entry.flight = flight = NewFlight(uri, entry, absl::OkStatus());
        }
        entry.came = entry.here ? Came::kReplaced : Came::kFetched;
        entry.account->Begun();
        begun_.Add();
        break;
    }
  }
  if (flight != nullptr) return flight->Begin();
  Ended(uri, std::move(status), fresh_since, finding.asked);
}

void Flights::Ended(const std::string& uri, absl::Status status,
                    std::optional<absl::Time> fresh_since, bool asked) {
  Entry entry;
  bool again = false, passes = false;
  // For those who want nothing newer than its origin's line says.
  bool here_does = status.ok();
  const absl::Time now = options_.now();
  std::shared_ptr<origin::Change> next;
  {
    const net::MutexLock lock(&mutex_);
    entry = TakeOut(uri, &next);
    again = absl::IsCancelled(status);
    passes = IsNoRoom(status);
    if (again) {
      left_.Add();
      backoff_.Clear(uri);
    } else {
      if (status.ok() && entry.flight != nullptr) brought_.Add();
      const Origin* const origin = map_->origins.LineOf(uri);
      if (fresh_since.has_value() && origin != nullptr)
        freshness_.Good(uri, *fresh_since, *fresh_since + origin->revalidate, entry.came);
      if (asked && !passes) entry.account->Ended(status, /*fetched=*/entry.flight != nullptr, now);
      if ((status.ok() || passes) && asked) backoff_.Clear(uri);
      if (status.ok()) no_room_.Clear(uri);
      if (!status.ok()) here_does = Settle(uri, entry, asked, &status);
    }
  }
  // What a change has waited for is not handed out any more.
  Told told{.status = std::move(status),
            .here_does = here_does,
            .again = again || next != nullptr,
            .passes = passes};
  if (entry.came == storage::Provenance::Came::kUnknown) told.good_since = fresh_since;
  Tell(uri, std::move(entry), told, next);
}

Flights::Entry Flights::TakeOut(const std::string& uri, std::shared_ptr<origin::Change>* next) {
  const auto found = flights_.find(uri);
  Entry entry = std::move(found->second);
  flights_.erase(found);
  ++telling_;
  *next = NextChange(uri, &entry);
  return entry;
}

void Flights::Tell(const std::string& uri, Entry entry, const Told& told,
                   const std::shared_ptr<origin::Change>& next) {
  const absl::Time now = options_.now();
  // Who has come when it was about to end, with some of it here, has another; and so has who wants
  // it newer than was found good enough without asking.
  const auto goes_again = [&](std::optional<int64_t> age_max_s) {
    if (told.again) return true;
    if (!told.status.ok() || !age_max_s.has_value() || !told.good_since.has_value()) return false;
    return *age_max_s == 0 || now - *told.good_since > absl::Seconds(*age_max_s);
  };
  const auto result = [&](std::optional<int64_t> age_max_s) {
    return told.here_does && !age_max_s.has_value() ? absl::OkStatus() : told.status;
  };
  for (Waiting& one : entry.waiting) {
    if (goes_again(one.age_max_s)) {
      BringAged(uri, one.age_max_s, std::move(one.done));
    } else {
      one.done(result(one.age_max_s));
    }
  }
  // So has who can read what is not kept, and does not know yet which version there is.
  for (Asking& one : entry.asking) {
    absl::Status of_it = result(one.wanted.age_max_s);
    if (goes_again(one.wanted.age_max_s) || (told.passes && !of_it.ok())) {
      Follow(uri, one.wanted, std::move(one.done));
    } else if (of_it.ok()) {
      one.done(nullptr);
    } else {
      one.done(std::move(of_it));
    }
  }
  entry = Entry();
  if (next != nullptr) next->Begin();
  DoneTelling();
}

void Flights::DoneTelling() {
  const net::MutexLock lock(&mutex_);
  --telling_;
  none_.notify_all();
}

bool Flights::Settle(const std::string& uri, const Entry& entry, bool asked, absl::Status* why) {
  absl::Status& status = *why;
  const absl::Time now = options_.now();
  if (absl::IsNotFound(status)) {
    if (!asked) return false;
    backoff_.Clear(uri);
    not_there_.Add();
    const absl::Duration negative = entry.source->origin().negative;
    NoteAbsent(uri, negative);
    freshness_.Nothing(uri, now + negative);
    return false;
  }
  if (stopping_) return entry.good;
  absl::Time until = now + absl::Milliseconds(net::RetryAfterMs(status));
  if (IsNoRoom(status)) {
    // Else it was not tried.
    if (entry.flight != nullptr && entry.keeps) {
      without_room_.Add();
      until = no_room_.Failed(uri, status, now);
      status = net::WithRetryAfter(std::move(status), until - now);
    }
  } else if (asked) {
    failed_.Add();
    until = backoff_.Failed(uri, status, now);
    status = net::WithRetryAfter(std::move(status), until - now);
  }
  // It was asked about for somebody who wants it newer than its line says.
  if (entry.good) return true;
  if (IsTrouble(status) && entry.stale_until > now) {
    stale_.Add();
    freshness_.Stale(uri, entry.checked, std::min(until, entry.stale_until));
    return true;
  }
  // Till then nothing is to be found here, so that who looks for it is refused at once.
  if (!entry.here) freshness_.Nothing(uri, until);
  return false;
}

void Flights::Stored(absl::string_view uri) {
  const std::string name(Canonical(uri));
  freshness_.Nothing(name, options_.now() + kOwnFor);
  const net::MutexLock lock(&mutex_);
  absent_.erase(name);
  backoff_.Clear(name);
  no_room_.Clear(name);
}

absl::Status Flights::Absence(absl::string_view uri) const {
  const auto found = absent_.find(uri);
  if (found == absent_.end() || options_.now() >= found->second) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(text::Quoted(uri), ": its origin had none a moment ago"));
}

absl::Status Flights::NoRoomFor(absl::string_view uri, absl::Time now) const {
  absl::Status refusal = no_room_.Refusal(uri, now);
  return refusal.ok() ? refusal : NoRoom(std::move(refusal));
}

void Flights::NoteAbsent(const std::string& uri, absl::Duration how_long) {
  if (how_long <= absl::ZeroDuration()) return;
  const absl::Time now = options_.now();
  if (absent_.size() >= kAbsentMax) {
    absl::erase_if(absent_, [now](const auto& one) { return one.second <= now; });
    if (absent_.size() >= kAbsentMax) absent_.clear();
  }
  absent_[uri] = now + how_long;
}

void Flights::Stop() {
  uncached_->Stop();
  std::vector<std::shared_ptr<Flight>> flights;
  std::vector<std::shared_ptr<Check>> checks;
  std::vector<std::shared_ptr<origin::Change>> changes;
  {
    const net::MutexLock lock(&mutex_);
    stopping_ = true;
    for (const auto& [uri, entry] : flights_) {
      if (entry.change.change != nullptr) {
        changes.push_back(entry.change.change);
      } else if (entry.flight != nullptr) {
        flights.push_back(entry.flight);
      } else {
        checks.push_back(entry.check);
      }
      for (const Changing& one : entry.changes) changes.push_back(one.change);
    }
  }
  for (const std::shared_ptr<Check>& check : checks) check->Cancel(ServerStops());
  for (const std::shared_ptr<Flight>& flight : flights) flight->Cancel(ServerStops());
  for (const std::shared_ptr<origin::Change>& change : changes) change->Cancel(ServerStops());
  lists_.Stop();
  const net::MutexLock lock(&mutex_);
  while (!flights_.empty() || telling_ > 0) none_.wait(mutex_);
}

}  // namespace objmapper::origin
