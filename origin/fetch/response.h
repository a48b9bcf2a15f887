// The head of an answer, as its lines come in; and whether it belongs to what was asked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "origin/fetch/request.h"

namespace objmapper::origin::fetch {

// Takes what CURLOPT_HEADERFUNCTION gives: whole lines, the status line first, an empty one last;
// heads of other answers (1xx) may stand before. Trailers behind the body are ignored.
class HeadReader {
 public:
  enum class State : uint8_t { kReading, kWhole, kBad };

  // kWhole: head() is the final one, from now on. kBad: why() says so.
  State Take(absl::string_view line);

  bool whole() const { return state_ == State::kWhole; }
  // 0 as long as there is none.
  int status() const { return whole() ? head_.status : 0; }
  const Head& head() const { return head_; }
  // Content-Range: what of the object this is, if any; and of how much, in head().object_bytes.
  const std::optional<ByteRange>& range() const { return range_; }
  const std::string& why() const { return why_; }

 private:
  State Bad(std::string why);
  State Finish();

  State state_ = State::kReading;
  Head head_;
  size_t bytes_ = 0;
  std::optional<ByteRange> range_;
  std::string why_;
};

// "bytes 0-99/1234", "bytes 0-99/*" and "bytes */1234" (RFC 9110, 14.4). False: none of these, or a
// range that ends before it begins or beyond the object.
bool ParseContentRange(absl::string_view value, std::optional<ByteRange>* range,
                       std::optional<uint64_t>* object_bytes);

}  // namespace objmapper::origin::fetch
