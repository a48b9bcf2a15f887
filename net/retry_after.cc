// A payload of the status: decimal milliseconds.
#include "net/retry_after.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace objmapper::net {
namespace {

constexpr absl::string_view kPayload = "objmapper/retry-after";
// What goes out is a u32.
constexpr absl::Duration kMost = absl::Milliseconds(UINT32_MAX);

}  // namespace

absl::Status WithRetryAfter(absl::Status status, absl::Duration after) {
  const absl::Duration ms =
      absl::Ceil(std::clamp(after, absl::ZeroDuration(), kMost), absl::Milliseconds(1));
  status.SetPayload(kPayload, absl::Cord(absl::StrCat(absl::ToInt64Milliseconds(ms))));
  return status;
}

uint32_t RetryAfterMs(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayload);
  uint32_t ms = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &ms)) return 0;
  return ms;
}

}  // namespace objmapper::net
