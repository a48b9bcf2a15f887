// The lookup behind OP_STAT, the same for every lane, model and transport.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/tree/description.h"
#include "storage/tree/stat_cache.h"
#include "storage/tree/tree.h"

namespace objmapper::storage {

// What there is to tell of `uri`: from the index where it knows, else from the tree, and then the
// index knows it too. now_ns: net::NowNs(), a moment ago. Errors as Tree::OpenObject().
// Thread-safe.
absl::StatusOr<Description> FindDescription(const Tree& tree, StatCache* index,
                                            absl::string_view uri, int64_t now_ns, Wait wait);

}  // namespace objmapper::storage
