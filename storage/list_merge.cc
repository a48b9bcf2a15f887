#include "storage/list_merge.h"

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
    if (!merged.entries.empty() && bytes > query.bytes_max) return false;
    merged.entries.push_back(std::move(entry));
    return true;
  };
  bool full = false;
  auto next = disk.entries.begin();
  for (MemoryTier::Listed& listed : memory) {
    // What comes after the disk's page is on a later one.
    if (full || (!disk.cursor.empty() && listed.uri > disk.cursor)) break;
    if (!filter.Permits(listed.uri)) continue;
    for (; !full && next != disk.entries.end() && next->uri < listed.uri; ++next) full = !add(*next);
    if (full) break;
    if (next != disk.entries.end() && next->uri == listed.uri) ++next;
    const auto mtime_s = static_cast<uint64_t>(listed.info.mtime_ns / 1'000'000'000);
    full = !add(ListEntry{std::move(listed.uri), listed.info.size, mtime_s});
  }
  for (; !full && next != disk.entries.end(); ++next) full = !add(*next);
  merged.cursor = full ? merged.entries.back().uri : disk.cursor;
  return merged;
}

}  // namespace objmapper::storage
