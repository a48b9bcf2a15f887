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
  uint64_t size = 0;     // bytes
  uint64_t mtime_s = 0;  // seconds since the epoch
};

struct ListPage {
  std::vector<ListEntry> entries;  // sorted by URI, as bytes
  std::string cursor;              // for the next page; empty: there is no more
};

// ---- For client/ itself ----

// The entries in the body of a LIST's answer. INTERNAL: it is cut short.
absl::StatusOr<std::vector<ListEntry>> ParseListBody(absl::string_view body);

}  // namespace objmapper::client
