// What a server's --admin_listen says of origins and of what is here of them, and what it may be
// told to do with that (server/admin/cache_pages.h).
//
//   absl::StatusOr<std::vector<CachedObject>> pinned =
//       AskCache({.admin = "unix:/run/objmapper/admin", .timeout = absl::Seconds(30)},
//                CacheAction::kPin, uris);
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace objmapper::tools {

enum class CacheAction : uint8_t { kLook, kPin, kUnpin, kEvict, kEvictPinned };

struct CachedObject {
  absl::Status status;  // OK, or why there is nothing more to be said of it; the server's words
  // kLook.
  std::string state;  // "whole", "part": of an origin's; "own": it is none
  uint64_t size = 0;  // bytes, of the object
  uint64_t bytes_here = 0;
  bool pinned = false, being_fetched = false;
  std::string source, etag;  // empty: not known
  std::optional<int64_t> fetched_s, checked_s;
  // kEvict.
  uint64_t freed_bytes = 0;
};

struct CacheDoor {
  std::string admin;  // as AskAdmin()
  absl::Duration timeout;
};

// One for each URI, in their order. Errors: as AskAdmin() and RefusedByAdmin(), and DATA_LOSS: what
// comes is none of a server's answers. What was asked before an error may have been done.
absl::StatusOr<std::vector<CachedObject>> AskCache(const CacheDoor& door, CacheAction action,
                                                   absl::Span<const std::string> uris);

// The origins: for people, a line or more for each; and as JSON, a line each. Errors as AskCache().
absl::StatusOr<std::string> OriginsText(const CacheDoor& door);
absl::StatusOr<std::string> OriginsLines(const CacheDoor& door);

}  // namespace objmapper::tools
