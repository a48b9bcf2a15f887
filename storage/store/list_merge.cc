// Merges a page of the disk with the objects in memory, in the order of the URIs; a name in memory
// hides the one on the disk.
#include "storage/store/list_merge.h"

#include <utility>

namespace objmapper::storage {
namespace {
// As the wire has an entry (docs/protocol.md): uri_length u16, size u64, mtime u64.
constexpr size_t kEntryBytes = 18;
}  // namespace

ListPage MergeListing(ListPage disk, std::vector<MemoryTier::Listed> memory, const ListQuery& query,
                      const ListFilter& filter) {
  ListPage merged;
  size_t bytes = 0;
  // False: the page is full.
  const auto add = [&](ListEntry entry) {
    bytes += kEntryBytes + entry.uri.size();
    // A page has one entry at least, or there would be no end.
    if (!merged.entries.empty() && bytes > query.bytes_max) {
      merged.next = std::move(entry.uri);
      return false;
    }
    merged.entries.push_back(std::move(entry));
    return true;
  };
  bool full = false;
  auto next = disk.entries.begin();
  for (MemoryTier::Listed& listed : memory) {
    if (full) break;
    // What comes after the disk's page is on a later one.
    if (!disk.cursor.empty() && listed.uri > disk.cursor && disk.next < listed.uri) break;
    if (!filter.Permits(listed.uri)) continue;
    if (!disk.cursor.empty() && listed.uri > disk.cursor) {
      disk.next = std::move(listed.uri);
      break;
    }
    for (; !full && next != disk.entries.end() && next->uri < listed.uri; ++next)
      full = !add(*next);
    if (full) break;
    if (next != disk.entries.end() && next->uri == listed.uri) ++next;
    full = !add(ListEntry{std::move(listed.uri), listed.info.size, listed.info.mtime_s});
  }
  for (; !full && next != disk.entries.end(); ++next) full = !add(*next);
  if (full) {
    merged.cursor = merged.entries.back().uri;
  } else {
    merged.cursor = std::move(disk.cursor);
    merged.next = std::move(disk.next);
  }
  return merged;
}

}  // namespace objmapper::storage
