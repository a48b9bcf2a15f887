// The Range field: which parts of an object are asked for (RFC 9110, 14).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace objmapper::protocol::http {

// Who asks for more parts than this gets the whole.
inline constexpr size_t kRangesMax = 100;

struct Part {
  uint64_t offset;
  uint64_t length;  // 1 or more
};

enum class Ranges : uint8_t {
  kWhole,          // there is no range, or none that counts: the whole object, 200
  kParts,          // 206
  kUnsatisfiable,  // 416
};

// What `value`, a Range field's or empty, asks of an object of `size` bytes. parts: in the order
// asked for, but those that overlap or touch are one, at the place of the first of them. What
// is malformed, in another unit, of more than kRangesMax parts, or together not less than the
// object, counts as nothing.
Ranges ParseRanges(absl::string_view value, uint64_t size, std::vector<Part>* parts);

// "bytes 0-9/100"; of `part`, or "bytes */100".
std::string ContentRange(const Part& part, uint64_t size);
std::string UnsatisfiedRange(uint64_t size);

}  // namespace objmapper::protocol::http
