// Other people's load generators: what they find must be what ours finds (http --cross_check).
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/bench/load/load.h"

namespace objmapper::bench {

enum class Generator : uint8_t {
  kOwn,     // load/load.h
  kWrk,     // Debian: wrk
  kH2load,  // Debian: nghttp2-client
};

// "own", "wrk", "h2load".
const char* NameOf(Generator generator);

// NOT_FOUND: it is not installed; names the Debian package.
absl::Status CheckInstalled(Generator generator);

// A generator that asks what `options` say: GET of its first name over TCP in a closed loop, one
// request outstanding on each connection. INVALID_ARGUMENT: they say something else, which a
// program cannot do. kOwn: as Load::Connect().
//
// A program connects anew in each Run(), which lasts a whole number of seconds with wrk, and finds
// no latencies here.
absl::StatusOr<std::unique_ptr<Load>> ConnectBy(Generator generator, const Endpoint& endpoint,
                                                const LoadOptions& options);

// What a program has printed: seconds, requests and errors. INTERNAL: it makes no sense; quotes it.
absl::StatusOr<LoadResult> ReadWrk(const std::string& output);
absl::StatusOr<LoadResult> ReadH2load(const std::string& output);

}  // namespace objmapper::bench
