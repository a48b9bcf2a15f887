// Merges what is here with what is there, up to where both are known.
#include "storage/store/list_through.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "storage/store/list_cursor.h"

namespace objmapper::storage {
namespace {
constexpr size_t kHereBytesMax = 64 * 1024;
}  // namespace

ThroughPage::ThroughPage(Store* store, Remote* remote, ListQuery query)
    : store_(store), remote_(remote), query_(std::move(query)) {
  asked_.prefix = query_.prefix;
  asked_.from = query_.cursor;
  if (!asked_.from.empty()) asked_.from.push_back('\0');
}

absl::StatusOr<bool> ThroughPage::Take(ListedThere there, const ListFilter& filter) {
  there_ = std::move(there.entries);
  taken_ = 0;
  std::optional<std::string> there_ends;  // what is there is known up to this
  if (!there.from.empty()) there_ends = std::move(there.from);
  std::optional<std::string> from = asked_.from;
  while (from.has_value()) {
    ListQuery query = query_;
    query.cursor = CursorBefore(*from);
    // Of which not much more than the origin's page has is looked at.
    query.bytes_max = std::min(query.bytes_max, kHereBytesMax);
    absl::StatusOr<ListPage> here = store_->List(query, filter);
    if (!here.ok()) return here.status();
    std::optional<std::string> end = there_ends;
    from = std::nullopt;
    if (!here->cursor.empty() && (!end.has_value() || here->next < *end)) from = end = here->next;
    if (!Merge(here->entries, end, filter)) return true;
  }
  if (!there_ends.has_value() || !seen_from_.has_value()) return true;
  asked_.from = std::max(*there_ends, *seen_from_);
  if (!absl::StartsWith(asked_.from, query_.prefix)) return true;
  if (page_.entries.empty()) return false;
  page_.cursor = page_.entries.back().uri;
  page_.next = asked_.from;
  return true;
}

bool ThroughPage::Merge(const std::vector<ListEntry>& here, const std::optional<std::string>& end,
                        const ListFilter& filter) {
  const auto is_before = [&end](const std::string& uri) { return !end.has_value() || uri < *end; };
  for (const ListEntry& entry : here) {
    if (!is_before(entry.uri)) break;
    for (; taken_ < there_.size() && there_[taken_].uri < entry.uri; ++taken_)
      if (!AddThere(&there_[taken_], filter)) return false;
    if (remote_->IsCopy(entry.uri)) continue;
    if (taken_ < there_.size() && there_[taken_].uri == entry.uri) ++taken_;
    if (!page_.Add(entry, query_)) return false;
  }
  for (; taken_ < there_.size() && is_before(there_[taken_].uri); ++taken_)
    if (!AddThere(&there_[taken_], filter)) return false;
  return true;
}

bool ThroughPage::AddThere(ListedThere::Entry* entry, const ListFilter& filter) {
  if (!seen_from_.has_value() || entry->uri < *seen_from_) return true;
  if (!filter.Permits(entry->uri)) {
    seen_from_ = filter.After(entry->uri);
    return true;
  }
  return page_.Add({std::move(entry->uri), entry->size, entry->mtime_s}, query_);
}

}  // namespace objmapper::storage
