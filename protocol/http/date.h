// Times as HTTP writes them (RFC 9110, 5.6.7).
#pragma once

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace objmapper::protocol::http {

// "Sun, 06 Nov 1994 08:49:37 GMT".
inline constexpr size_t kDateBytes = 29;

// Writes kDateBytes bytes. seconds: since the epoch, in the years 0 to 9999.
void FormatDate(int64_t seconds, char* out);

// Of the three forms in use: that one, "Sunday, 06-Nov-94 08:49:37 GMT" and "Sun Nov  6 08:49:37
// 1994". Two digits are the year that is at most 50 years after `now_s`. nullopt: it is none, and
// whoever has it is to go on as if it were not there.
std::optional<int64_t> ParseDate(absl::string_view text, int64_t now_s);

}  // namespace objmapper::protocol::http
