// Merges a page of the disk with objects that are elsewhere, in the order of the URIs; a name there
// hides the one on the disk.
#include <utility>

#include "storage/store/list_page.h"

namespace objmapper::storage {

ListPage MergeListing(ListPage disk, std::vector<ListEntry> others, const ListQuery& query,
                      const ListFilter& filter) {
  ListPage merged;
  bool full = false;
  auto next = disk.entries.begin();
  for (ListEntry& listed : others) {
    if (full) break;
    // What comes after the disk's page is on a later one.
    if (!disk.cursor.empty() && listed.uri > disk.cursor && disk.next < listed.uri) break;
    if (!filter.Permits(listed.uri)) continue;
    if (!disk.cursor.empty() && listed.uri > disk.cursor) {
      disk.next = std::move(listed.uri);
      break;
    }
    for (; !full && next != disk.entries.end() && next->uri < listed.uri; ++next)
      full = !merged.Add(*next, query);
    if (full) break;
    if (next != disk.entries.end() && next->uri == listed.uri) ++next;
    full = !merged.Add(std::move(listed), query);
  }
  for (; !full && next != disk.entries.end(); ++next) full = !merged.Add(*next, query);
  if (!full) {
    merged.cursor = std::move(disk.cursor);
    merged.next = std::move(disk.next);
  }
  return merged;
}

}  // namespace objmapper::storage
