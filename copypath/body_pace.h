// How slowly the body of an OP_PUT comes: whether its sender keeps us waiting on purpose, or as
// good as.
//
//   BodyPace pace(limits);
//   pace.Waited(ns);   // so long there was nothing to do but to wait for the client
//   pace.Came(bytes);
//   if (pace.too_slow()) ...
//
// Each byte a second of SessionLimits::put_rate_min buys a second's wait; what has been waited
// beyond that may grow to request_timeout. Bytes that come early buy nothing: who has sent much at
// once may not rest on it for hours. The time that the server takes itself, for its disk or for
// others, does not count; nor, beyond request_timeout, what one wait took: who says nothing for
// longer is let go by another clock, so that it was the server that was stopped meanwhile.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "session/session.h"

namespace objmapper::copypath {

// One thread's at a time.
class BodyPace {
 public:
  BodyPace() = default;  // any pace will do
  explicit BodyPace(const session::SessionLimits& limits)
      : rate_(limits.put_rate_min),
        patience_ns_(absl::ToInt64Nanoseconds(limits.request_timeout == absl::ZeroDuration()
                                                  ? absl::Seconds(30)
                                                  : limits.request_timeout)) {}

  void Waited(int64_t ns) { late_ns_ += std::clamp<int64_t>(ns, 0, patience_ns_); }
  void Came(uint64_t bytes) {
    if (rate_ == 0) return;
    const double bought_ns = static_cast<double>(bytes) / static_cast<double>(rate_) * 1e9;
    late_ns_ =
        bought_ns >= static_cast<double>(late_ns_) ? 0 : late_ns_ - static_cast<int64_t>(bought_ns);
  }
  bool too_slow() const { return rate_ != 0 && late_ns_ > patience_ns_; }

  // For the client: what is wrong with the object `uri`'s body, of which `left` bytes are missing;
  // nullopt: nobody knows how many.
  std::string Why(absl::string_view uri, std::optional<uint64_t> left) const {
    return absl::StrCat(
        "the body of \"", absl::CHexEscape(uri.substr(0, 100)), "\" arrives too slowly: less than ",
        rate_, " bytes per second for ", absl::FormatDuration(absl::Nanoseconds(patience_ns_)),
        " (--put_rate_min), and ", left.has_value() ? absl::StrCat(*left) : "more", " are missing");
  }

 private:
  uint64_t rate_ = 0;  // bytes a second; 0: any
  int64_t patience_ns_ = 0;
  int64_t late_ns_ = 0;
};

}  // namespace objmapper::copypath
