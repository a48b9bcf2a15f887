// A page of a listing from the catalog: entries that have expired or that the caller may not see
// are skipped.
#include <time.h>

#include <optional>
#include <string>
#include <utility>

#include "storage/store/list_page.h"

namespace objmapper::storage {

ListPage ListCatalog(const Catalog& catalog, const Tree& tree, const ListQuery& query,
                     const ListFilter& filter) {
  ListPage page;
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
        return page.Add(std::move(entry), query);
      });
  return page;
}

}  // namespace objmapper::storage
