// Programs that are no servers, on the same files.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {

inline constexpr char kFio[] = "fio";
inline constexpr char kCp[] = "cp";

// What a plain program gets from the disk: fio reads every file once, each by a process of its own,
// all at once, buffered. The files have been dropped from the page cache. NOT_FOUND: fio (Debian:
// fio) is not installed.
absl::StatusOr<Sample> RunFio(const std::vector<std::string>& files);

// What a plain program takes to store them: cp(1) copies all files, from the page cache, over those
// of the run before, in a folder beside them: one process for all of them, which copies one after
// the other and waits for no disk. What an object costs therefore has a share of starting it.
absl::StatusOr<Sample> RunCp(const std::vector<std::string>& files, uint64_t bytes_each);

// "git describe" of the tree in the working folder; empty when that is none.
std::string ThisVersion();

}  // namespace objmapper::bench
