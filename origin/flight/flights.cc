// Who waits for which flight. Invariant: nobody is told of anything with the lock held.
#include "origin/flight/flights.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "origin/cache/place.h"
#include "origin/cache/shelf.h"
#include "text/printable.h"

namespace objmapper::origin {
namespace {

// Names that are known to be absent; when there are more, those that are known no longer are
// forgotten, and all where that does not help.
constexpr size_t kAbsentMax = 100'000;

// Whether an origin is asked for it, or whoever asks is told why it cannot be.
bool IsForOrigin(const Origins& origins, absl::string_view uri) {
  const absl::Status found = origins.Find(uri).status();
  return !absl::IsNotFound(found) && !absl::IsFailedPrecondition(found);
}

absl::Status Stopped() { return absl::ResourceExhaustedError("the server stops"); }

}  // namespace

Flights::Flights(Options options) : options_(std::move(options)), budget_(options_.under_way_max) {}

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
    return std::make_shared<Account>();
  };
  for (const std::shared_ptr<const Origin>& origin : origins.all()) {
    absl::StatusOr<std::shared_ptr<const Source>> source = SourceOf(origin);
    if (!source.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("/", text::Printable(origin->prefix), ": ", source.status().message()));
    }
    map->asked.emplace(origin.get(), Asked{*std::move(source), account_of(*origin)});
  }
  const net::MutexLock lock(&mutex_);
  map_ = std::move(map);
  absent_.clear();
  return absl::OkStatus();
}

bool Flights::MayHave(absl::string_view uri) const {
  std::shared_ptr<const Map> map;
  {
    const net::MutexLock lock(&mutex_);
    if (IsKnownAbsent(Canonical(uri))) return false;
    map = map_;
  }
  return !map->origins.empty() && IsForOrigin(map->origins, uri);
}

std::shared_ptr<const Flights::Map> Flights::map() const {
  const net::MutexLock lock(&mutex_);
  return map_;
}

bool Flights::KeepsApart(absl::string_view uri) const {
  const Shelf* const shelf = options_.cache.shelf;
  if (shelf == nullptr) return false;
  const absl::string_view name = Canonical(uri);
  // A path may be taken by the disk, which has a folder of that name.
  return IsPath(name) ? shelf->HasWhole(name) : IsForOrigin(map()->origins, name);
}

absl::StatusOr<storage::OpenedObject> Flights::OpenKept(absl::string_view uri, storage::Wait wait) {
  const absl::string_view name = Canonical(uri);
  if (wait == storage::Wait::kCachedOnly && options_.cache.shelf->HasWhole(name))
    return absl::UnavailableError(absl::StrCat("open ", text::Quoted(uri), ": the disk is asked"));
  return options_.cache.shelf->OpenWhole(name);
}

std::vector<storage::Remote::Kept> Flights::ListKept(absl::string_view prefix,
                                                     absl::string_view after, size_t max) const {
  std::vector<Kept> kept;
  if (options_.cache.shelf == nullptr) return kept;
  for (Found& found : options_.cache.shelf->List(Found::Kind::kWhole, std::string(prefix),
                                                 std::string(after), max))
    kept.push_back({std::move(found.uri), found.size, found.mtime_s});
  return kept;
}

absl::Status Flights::MayChange(absl::string_view uri) const {
  const absl::StatusOr<Location> location = map()->origins.Find(Canonical(uri));
  if (!location.ok()) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(
      text::Quoted(uri), " comes from ", location->origin->Url(), ", and is only read there"));
}

void Flights::Bring(absl::string_view uri, std::function<void(absl::Status)> done) {
  const std::string name(Canonical(uri));
  absl::Status refused;
  std::shared_ptr<Flight> flight;
  {
    const net::MutexLock lock(&mutex_);
    if (stopping_) {
      refused = Stopped();
    } else if (const auto found = flights_.find(name); found != flights_.end()) {
      found->second.waiting.push_back(std::move(done));
      found->second.account->Asked(/*begins=*/false);
      return;
    } else if (absl::StatusOr<Location> location = map_->origins.Find(name); !location.ok()) {
      refused = location.status();
    } else {
      const auto& [source, account] = map_->asked.at(location->origin.get());
      flight = std::make_shared<Flight>(Flight::Options{.cache = options_.cache,
                                                        .fetcher = options_.fetcher,
                                                        .budget = &budget_,
                                                        .account = account,
                                                        .run = options_.run,
                                                        .now = options_.now},
                                        source, *std::move(location), name,
                                        [this, name, negative = source->origin().negative,
                                         account = account](const absl::Status& status) {
                                          account->Ended(status, options_.now());
                                          Ended(name, negative, status);
                                        });
      Entry& entry = flights_[name];
      entry.flight = flight;
      entry.account = account;
      account->Asked(/*begins=*/true);
      entry.waiting.push_back(std::move(done));
      begun_.Add();
    }
  }
  if (flight == nullptr) return done(std::move(refused));
  flight->Begin();
}

void Flights::Ended(const std::string& uri, absl::Duration negative, const absl::Status& status) {
  std::vector<std::function<void(absl::Status)>> waiting;
  std::shared_ptr<Flight> flight;
  {
    const net::MutexLock lock(&mutex_);
    const auto found = flights_.find(uri);
    waiting = std::move(found->second.waiting);
    flight = std::move(found->second.flight);
    flights_.erase(found);
    ++telling_;
    if (status.ok()) {
      brought_.Add();
    } else if (absl::IsNotFound(status)) {
      not_there_.Add();
      NoteAbsent(uri, negative);
    } else {
      failed_.Add();
    }
  }
  for (const auto& done : waiting) done(status);
  const net::MutexLock lock(&mutex_);
  --telling_;
  none_.notify_all();
}

bool Flights::IsKnownAbsent(absl::string_view uri) const {
  const auto found = absent_.find(uri);
  return found != absent_.end() && options_.now() < found->second;
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
  std::vector<std::shared_ptr<Flight>> flights;
  {
    const net::MutexLock lock(&mutex_);
    stopping_ = true;
    for (const auto& [uri, entry] : flights_) flights.push_back(entry.flight);
  }
  for (const std::shared_ptr<Flight>& flight : flights) flight->Cancel(Stopped());
  const net::MutexLock lock(&mutex_);
  while (!flights_.empty() || telling_ > 0) none_.wait(mutex_);
}

std::vector<Flights::Report> Flights::ReadOrigins() const {
  const std::shared_ptr<const Map> map = this->map();
  std::vector<Report> reports;
  for (const std::shared_ptr<const Origin>& origin : map->origins.all()) {
    const Asked& asked = map->asked.at(origin.get());
    reports.push_back({origin, asked.source->DescribeKeys(), asked.account->Read()});
  }
  return reports;
}

Flights::Counts Flights::Read() const {
  const net::MutexLock lock(&mutex_);
  Counts counts{.begun = begun_,
                .brought = brought_,
                .absent = not_there_,
                .failed = failed_,
                .under_way = flights_.size()};
  for (const auto& [uri, entry] : flights_) counts.waiting += entry.waiting.size();
  return counts;
}

}  // namespace objmapper::origin
