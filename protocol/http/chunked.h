// A body in chunks (RFC 9112, 7.1), as it comes: strictly, since where it ends the next request
// begins.
//
//   ChunkReader chunks;
//   while (...) {
//     const ChunkReader::Result result = chunks.Next(input);
//     input.remove_prefix(result.consumed);
//     switch (result.kind) ...
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace objmapper::protocol::http {

// Not thread-safe; copyable.
class ChunkReader {
 public:
  enum class Kind : uint8_t {
    kNeedMore,
    kData,  // some of the body: result.data, which points into the input
    kEnd,   // of the body, with its trailers, which are dropped
    kBroken,
  };
  struct Result {
    Kind kind = Kind::kNeedMore;
    size_t consumed = 0;  // bytes of the input that this call is done with
    absl::string_view data;
    const char* reason = "";  // kBroken: a static sentence
  };

  // After kEnd or kBroken it must not be called again. Of a line that is not whole nothing is
  // consumed: the caller offers it again, with more.
  Result Next(absl::string_view input);

 private:
  enum class State : uint8_t { kSize, kData, kDataEnd, kTrailers };

  State state_ = State::kSize;
  uint64_t left_ = 0;       // of the chunk
  size_t extra_bytes_ = 0;  // of extensions and trailers, all together
};

// The other way: `data` as one chunk; nothing for none of it, since that would be the end.
void AppendChunk(absl::string_view data, std::string* out);
// What follows the last one.
inline constexpr absl::string_view kLastChunk = "0\r\n\r\n";

}  // namespace objmapper::protocol::http
