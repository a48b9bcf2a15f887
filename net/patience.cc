// A deadline for one wait. poll(2) is asked once more after the deadline before the wait fails, so
// bytes that arrived while the process was stopped are found.
#include "net/patience.h"

#include <errno.h>
#include <glog/logging.h>
#include <poll.h>

#include <algorithm>

#include "net/clock.h"
#include "net/deadline_list.h"

namespace objmapper::net {
namespace {
// What is longer is for ever: 146 years, so that sums with the clock do not overflow.
constexpr int64_t kLongestNs = kNever / 2;
// poll(2) counts milliseconds in an int.
constexpr int kPollMsMax = 1'000'000'000;
}  // namespace

Patience::Patience(absl::Duration timeout)
    : until_ns_(kNever), timeout_ns_(std::max<int64_t>(absl::ToInt64Nanoseconds(timeout), 0)) {
  if (timeout_ns_ < kLongestNs) until_ns_ = NowNs() + timeout_ns_;
}

bool Patience::Await(int fd, short events) {
  while (true) {
    const int64_t looked_ns = NowNs();
    pollfd one{fd, events, 0};
    const int wait_ms = until_ns_ == kNever ? -1 : SleepMs(until_ns_, looked_ns);
    const int ready = poll(&one, 1, until_ns_ != kNever && wait_ms < 0 ? kPollMsMax : wait_ms);
    PCHECK(ready >= 0 || errno == EINTR || errno == ENOMEM) << "poll";
    if (ready > 0) return true;
    if (until_ns_ == kNever) continue;
    if (looked_ns >= until_ns_) return false;
    const int64_t now_ns = NowNs();
    if (now_ns - until_ns_ <= kOversleptNs || excused_) continue;
    until_ns_ = now_ns + timeout_ns_;
    excused_ = true;
  }
}

}  // namespace objmapper::net
