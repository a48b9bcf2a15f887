// Flights, as far as they are about what clients change. Invariant: of one name there is a change
// or a flight under way, never both.
#include <utility>

#include "absl/strings/str_cat.h"
#include "origin/cache/place.h"
#include "origin/flight/flights.h"
#include "origin/flight/trouble.h"
#include "text/printable.h"

namespace objmapper::origin {

absl::Status Flights::MayChange(absl::string_view uri) const {
  const absl::StatusOr<Location> location = map()->origins.Find(Canonical(uri));
  if (!location.ok()) return absl::OkStatus();
  if (!location->origin->write_through) {
    return absl::UnimplementedError(absl::StrCat(
        text::Quoted(uri), " comes from ", location->origin->Url(), ", and is only read there"));
  }
  if (IsPath(Canonical(uri))) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(text::Quoted(uri), " comes from ",
                                               location->origin->Url(),
                                               ", and is only read, since its name is no path"));
}

bool Flights::ChangesAfar(absl::string_view uri) const {
  const absl::StatusOr<Location> location = map()->origins.Find(Canonical(uri));
  return location.ok() && location->origin->write_through && IsPath(Canonical(uri));
}

void Flights::Change(absl::string_view uri, Wish wish, Brought done) {
  const std::string name(Canonical(uri));
  std::shared_ptr<origin::Change> change;
  absl::Status refused;
  {
    const net::MutexLock lock(&mutex_);
    const absl::StatusOr<Location> location = map_->origins.Find(name);
    if (stopping_) {
      refused = ServerStops();
    } else if (!location.ok() || !location->origin->write_through) {
      // Its line has gone, or the word, since ChangesAfar() was asked.
      refused = absl::UnimplementedError(
          absl::StrCat(text::Quoted(uri), ": its origin is not written to any more"));
    } else {
      const Asked& asked = map_->asked.at(location->origin.get());
      change = std::make_shared<origin::Change>(
          MeansFor(asked.account), asked.source, *location, name, std::move(wish),
          [this, name](const origin::Change::Ending& ending) { Changed(name, ending); });
      const auto [found, is_new] = flights_.try_emplace(name);
      Entry& entry = found->second;
      if (is_new) {
        entry.source = asked.source;
        entry.account = asked.account;
        entry.location = *location;
        entry.change = {change, std::move(done)};
      } else {
        entry.changes.push_back({std::exchange(change, nullptr), std::move(done)});
        const absl::Status why = absl::CancelledError("it is being changed");
        if (entry.flight != nullptr) {
          entry.flight->Cancel(why);
        } else if (entry.check != nullptr) {
          entry.check->Cancel(why);
        }
      }
    }
  }
  if (change != nullptr) change->Begin();
  if (!refused.ok()) done(refused);
}

std::shared_ptr<origin::Change> Flights::NextChange(const std::string& uri, Entry* before) {
  if (before->changes.empty()) return nullptr;
  Entry& entry = flights_[uri];
  entry.source = before->source;
  entry.account = before->account;
  entry.location = before->location;
  entry.change = std::move(before->changes.front());
  before->changes.pop_front();
  entry.changes.swap(before->changes);
  return entry.change.change;
}

void Flights::Changed(const std::string& uri, const origin::Change::Ending& ending) {
  Entry entry;
  std::shared_ptr<origin::Change> next;
  absl::Status status = ending.status;
  bool absent = false;
  {
    const net::MutexLock lock(&mutex_);
    entry = TakeOut(uri, &next);
    // Whatever was known is about what was there before; also where it is unknown what is now.
    absent_.erase(uri);
    backoff_.Clear(uri);
    const bool deletes = entry.change.change->deletes();
    absent = deletes && (status.ok() || absl::IsNotFound(status));
    const absl::Time now = options_.now();
    const Origin& origin = entry.source->origin();
    if (absent) {
      NoteAbsent(uri, origin.negative);
      freshness_.Nothing(uri, now + origin.negative);
    } else if (ending.here) {
      freshness_.Good(uri, now, now + origin.revalidate);
    }
    if (status.ok()) {
      (deletes ? deleted_ : stored_).Add();
    } else {
      refused_.Add();
    }
  }
  entry.change.done(status);
  if (absent) {
    status = absl::NotFoundError(
        absl::StrCat(text::Quoted(uri), ": it has just been deleted at its origin"));
  }
  // What could not be changed, or is not here, is fetched by those who wait for it.
  const bool here_does = status.ok();
  Tell(uri, std::move(entry),
       {.status = std::move(status),
        .here_does = here_does,
        .again = next != nullptr || !(absent || ending.here)},
       next);
}

}  // namespace objmapper::origin
