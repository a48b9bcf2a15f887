// cp(1) copying the same files: what a plain program takes to store them.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {

inline constexpr char kCp[] = "cp";

// Copies all files, from the page cache, over those of the run before, in a folder beside them: one
// process for all of them, which copies one after the other and waits for no disk. What an object
// costs therefore has a share of starting it.
absl::StatusOr<Sample> RunCp(const std::vector<std::string>& files, uint64_t bytes_each);

}  // namespace objmapper::bench
