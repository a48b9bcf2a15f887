// fio (Debian: fio) reading the same cold files: what a plain program gets from the disk.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {

inline constexpr char kFio[] = "fio";

// Reads every file once, each by a process of its own, all at once, buffered. The files have been
// dropped from the page cache. NOT_FOUND: fio is not installed.
absl::StatusOr<Sample> RunFio(const std::vector<std::string>& files);

}  // namespace objmapper::bench
