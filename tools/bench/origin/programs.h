// Programs that fetch an object, run to their end.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/bench/origin/far.h"
#include "tools/bench/origin/node.h"

namespace objmapper::bench {

struct Ran {
  double seconds = 0;  // until the last of them ended
  double cpu_s = 0;    // of all, user and system
};

// Runs all of these at once; logs go to LOG.N. UNAVAILABLE: one failed, with its log's end.
absl::StatusOr<Ran> RunPrograms(const std::vector<std::vector<std::string>>& argvs,
                                const std::string& log);

// So many curls, each for one range of what `url` has, into `to`.N: nobody puts the pieces
// together. NOT_FOUND: it is not installed.
inline constexpr int kCurls = 8;
absl::StatusOr<std::vector<std::vector<std::string>>> CurlsFor(const std::string& url,
                                                               uint64_t bytes,
                                                               const std::string& to);
std::vector<std::string> FilesOfCurls(const std::string& to);

// "objmapper warm" for these.
absl::StatusOr<std::vector<std::string>> WarmFor(const Node& node,
                                                 const std::vector<std::string>& uris, int jobs);

}  // namespace objmapper::bench
