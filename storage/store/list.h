// What a listing is asked for, and what it is: one page of URIs in order, of those that the caller
// may see.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace objmapper::storage {

struct ListQuery {
  std::string prefix;              // of URIs, bytes; not of path components
  std::string cursor;              // from the page before; empty: from the start
  size_t bytes_max = 1024 * 1024;  // of entries as the wire has them (18 bytes and the URI, each)
};
struct ListEntry {
  std::string uri;
  uint64_t size = 0;
  int64_t mtime_s = 0;  // since the epoch
};
struct ListPage {
  std::vector<ListEntry> entries;  // sorted by URI, as bytes
  std::string cursor;  // the last of them, when there is more: ListQuery::cursor of the next page;
                       // else empty
  std::string next;    // and the least that is still to come; what a client is told is made of both
                       // (list_cursor.h)
  size_t bytes = 0;    // of the entries, as ListQuery::bytes_max counts

  // Adds the next entry. False: the page is full, and ends before it.
  bool Add(ListEntry entry, const ListQuery& query);
};

// What of a listing may be seen.
class ListFilter {
 public:
  virtual ~ListFilter() = default;
  virtual bool Permits(absl::string_view uri) const = 0;
  // Of a URI that may not be seen: the least greater one that perhaps may; nullopt: there is none.
  // So whole folders are passed over.
  virtual std::optional<std::string> After(absl::string_view uri) const = 0;
  // Whether something perhaps may be seen of what begins with `before`, which ends in '/'.
  bool MayHold(absl::string_view before) const;
};

}  // namespace objmapper::storage
