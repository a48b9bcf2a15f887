// What Client::List() returns.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace objmapper::client {

struct ListEntry {
  std::string uri;
  uint64_t size = 0;    // bytes
  int64_t mtime_s = 0;  // seconds since the epoch; before it, below 0
};

struct ListPage {
  std::vector<ListEntry> entries;  // sorted by URI, as bytes
  std::string cursor;              // for the next page; empty: there is no more
};

// ---- For client/ itself ----

// The entries in the body of the answer to a LIST of `prefix`, of which all that came before were
// up to `after`: empty, none. INTERNAL, and the message names the entry, when it is cut short, or
// one is not what was asked for: a name that does not begin with the prefix, that is empty, too
// long or holds a NUL, or that does not come behind the one before.
absl::StatusOr<std::vector<ListEntry>> ParseListBody(absl::string_view body,
                                                     absl::string_view prefix,
                                                     absl::string_view after);

}  // namespace objmapper::client
