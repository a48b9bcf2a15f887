// Reads an object to its end and knows whether it came right.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/object.h"
#include "tools/bench/origin/http.h"
#include "tools/bench/origin/node.h"

namespace objmapper::bench {

enum class Way : uint8_t { kFdPass, kCopy, kHttp };
const char* NameOf(Way way);

struct Got {
  uint64_t bytes = 0;
  uint32_t crc32c = 0;
  double first_byte_s = 0;  // since before it connected
  double seconds = 0;       // to the last byte
};

struct Part {
  std::optional<client::Range> range;  // none: the whole
  bool first_byte_only = false;        // closes the connection when it has seen one
};

// Asks the node on a new connection. kFdPass: reads the descriptor with pread(2). Errors: the
// client's. Thread-safe.
absl::StatusOr<Got> ReadFrom(const Node& node, Way way, const std::string& uri,
                             const Part& part = {});
// Likewise from any HTTP server.
absl::StatusOr<Got> ReadByHttp(const HttpPlace& place, const Part& part = {});

// Of a file, from its first to its last byte; of several as if they were one.
absl::StatusOr<Got> ReadFiles(const std::vector<std::string>& paths);

// DATA_LOSS unless these are the whole content's bytes; `what` says who got them.
absl::Status CheckWhole(const Got& got, const Content& content, absl::string_view what);

}  // namespace objmapper::bench
