// What all flights, and those of each origin, have come to so far.
#include <optional>
#include <utility>
#include <vector>

#include "origin/cache/shelf.h"
#include "origin/flight/flights.h"

namespace objmapper::origin {

std::vector<Flights::Report> Flights::ReadOrigins() const {
  std::shared_ptr<const Map> map;
  absl::flat_hash_map<const Account*, std::pair<uint64_t, uint64_t>> now;
  {
    const net::MutexLock lock(&mutex_);
    map = map_;
    for (const auto& [uri, entry] : flights_) {
      auto& [under_way, waiting] = now[entry.account.get()];
      ++under_way;
      waiting += entry.waiting.size() + entry.asking.size();
    }
  }
  std::vector<Report> reports;
  for (const std::shared_ptr<const Origin>& origin : map->origins.all()) {
    const Asked& asked = map->asked.at(origin.get());
    const auto [under_way, waiting] = now[asked.account.get()];
    reports.push_back(
        {origin, asked.source->DescribeKeys(), asked.account->Read(), under_way, waiting});
  }
  return reports;
}

std::shared_ptr<Account> Flights::AccountOf(absl::string_view uri) const {
  const auto found = map_->asked.find(map_->origins.LineOf(uri));
  return found == map_->asked.end() ? nullptr : found->second.account;
}

void Flights::NoteFound(const std::string& uri, const Check::Finding& finding, Entry* entry) {
  using Kind = Check::Finding::Kind;
  const Shelf* const shelf = options_.cache.shelf;
  entry->found = entry->here ? Account::Here::kWhole
                 : shelf != nullptr && shelf->Find(Shelf::Kind::kPart, uri).has_value()
                     ? Account::Here::kPart
                     : Account::Here::kNothing;
  // To who asks for this disk's own, the origin is nothing.
  if (finding.kind == Kind::kOwn) entry->found.reset();
  if (entry->found.has_value())
    entry->account->Found(*entry->found, entry->waiting.size() + entry->asking.size());
}

void Flights::Evicted(absl::string_view uri, uint64_t bytes) {
  const net::MutexLock lock(&mutex_);
  if (const std::shared_ptr<Account> account = AccountOf(uri); account != nullptr)
    account->Evicted(bytes);
}

Flights::Counts Flights::Read() const {
  const net::MutexLock lock(&mutex_);
  Counts counts{.begun = begun_,
                .brought = brought_,
                .absent = not_there_,
                .left = left_,
                .failed = failed_,
                .checked = checked_,
                .unchanged = unchanged_,
                .removed = removed_,
                .stale = stale_,
                .held_off = held_off_,
                .no_room = without_room_,
                .stored = stored_,
                .deleted = deleted_,
                .refused = refused_,
                .under_way = flights_.size()};
  for (const auto& [uri, entry] : flights_)
    counts.waiting += entry.waiting.size() + entry.asking.size();
  return counts;
}

}  // namespace objmapper::origin
