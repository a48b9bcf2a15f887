// A page of a listing from the catalog: entries that have expired or that the caller may not see
// are skipped.
#include "storage/store/list_catalog.h"

#include <time.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace objmapper::storage {
namespace {

// As the wire has an entry (docs/protocol.md): uri_length u16, size u64, mtime u64.
constexpr size_t kEntryBytes = 18;

}  // namespace

ListPage ListCatalog(const Catalog& catalog, const Tree& tree, const ListQuery& query,
                     const ListFilter& filter) {
  ListPage page;
  size_t bytes = 0;
  // By the same clock as Tree's, which finds it or not: time(2) is up to a tick behind.
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const time_t now_s = now.tv_sec;
  catalog.ForEachFrom(
      query.prefix, query.cursor, [&](const Catalog::Object& object, std::string* from) {
        if (!filter.Permits(object.uri)) {
          std::optional<std::string> next = filter.After(object.uri);
          if (!next.has_value()) return false;
          *from = *std::move(next);
          return true;
        }
        if (object.entry.expires_s != 0 && object.entry.expires_s <= now_s) return true;
        ListEntry entry{object.uri, object.entry.size, object.entry.mtime_s};
        if (object.entry.link) {
          const absl::StatusOr<ObjectInfo> info = tree.Stat(object.uri, Wait::kMayBlock);
          if (!info.ok()) return true;  // it leads to no object
          entry.size = info->size;
          entry.mtime_s = info->mtime_s;
        }
        bytes += kEntryBytes + object.uri.size();
        // A page has one entry at least, or there would be no end.
        if (!page.entries.empty() && bytes > query.bytes_max) {
          page.cursor = page.entries.back().uri;
          page.next = std::move(entry.uri);
          return false;
        }
        page.entries.push_back(std::move(entry));
        return true;
      });
  return page;
}

}  // namespace objmapper::storage
