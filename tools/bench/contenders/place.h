// Where things are: programs, ports, files of a run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace objmapper::bench {

// This program itself, to be executed again.
absl::StatusOr<std::string> OwnProgram();

// A program of this build by its path in the tree ("server/server"): from this program's runfiles,
// else from bazel-bin under the working directory. NOT_FOUND: says where it was looked for.
absl::StatusOr<std::string> BuiltProgram(absl::string_view path);

// An installed program, from $PATH and the usual sbin directories, which a user's $PATH may lack.
// NOT_FOUND: names the Debian `package` that has it.
absl::StatusOr<std::string> InstalledProgram(absl::string_view name, absl::string_view package);

// A TCP port on 127.0.0.1 that was free a moment ago. Whoever is told to listen there may still be
// overtaken; then it says so and ends.
absl::StatusOr<uint16_t> FreePort();

// Whole text files. Errors name the file and the reason.
absl::StatusOr<std::string> ReadFile(const std::string& path);
absl::Status WriteFile(const std::string& path, absl::string_view text);

// The numbers of the cores that this process may use, at least one (sched_getaffinity(2)); servers
// get as many workers as there are.
std::vector<int> UsableCores();
inline int Cores() { return static_cast<int>(UsableCores().size()); }

}  // namespace objmapper::bench
