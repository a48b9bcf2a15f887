// Durations: absl's format, or plain digits for seconds.
#include "text/duration.h"

#include "absl/strings/numbers.h"

namespace objmapper::text {
namespace {

constexpr double kSecondsMax = 1e12;

}  // namespace

bool ParseDuration(absl::string_view text, absl::Duration* duration) {
  // Digits alone: SimpleAtod() knows "inf", "1e9" and "-1" too.
  if (text.find_first_not_of("0123456789.") != absl::string_view::npos) {
    absl::Duration parsed;
    if (!absl::ParseDuration(text, &parsed)) return false;
    *duration = parsed;
    return true;
  }
  double seconds = 0;
  if (!absl::SimpleAtod(text, &seconds) || seconds > kSecondsMax) return false;
  *duration = absl::Seconds(seconds);
  return true;
}

}  // namespace objmapper::text
