// What a server says its objects' versions are: what a client that revalidates has kept.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/bench/load/load.h"

namespace objmapper::bench {

// The ETags of `names`, with their quotes, each asked for by HEAD on one connection.
// UNAVAILABLE or DEADLINE_EXCEEDED: it does not answer. FAILED_PRECONDITION: the object is not
// there, or has no ETag. Messages name the server and the object.
absl::StatusOr<std::map<std::string, std::string>> EntityTags(
    const Endpoint& endpoint, const std::vector<std::string>& names);

}  // namespace objmapper::bench
