// When a page is full, and whether a listing can skip everything below a name.
#include "storage/store/list.h"

#include <utility>

#include "absl/strings/match.h"

namespace objmapper::storage {

bool ListPage::Add(ListEntry entry, const ListQuery& query) {
  // As the wire has an entry (docs/protocol.md): uri_length u16, size u64, mtime u64.
  constexpr size_t kEntryBytes = 18;
  bytes += kEntryBytes + entry.uri.size();
  // A page has one entry at least, or there would be no end.
  if (!entries.empty() && bytes > query.bytes_max) {
    cursor = entries.back().uri;
    next = std::move(entry.uri);
    return false;
  }
  entries.push_back(std::move(entry));
  return true;
}

bool ListFilter::MayHold(absl::string_view before) const {
  if (Permits(before)) return true;
  const std::optional<std::string> next = After(before);
  return next.has_value() && absl::StartsWith(*next, before);
}

}  // namespace objmapper::storage
