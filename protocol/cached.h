// What an answer says of an object that has come from an origin: HTTP's Age and Cache-Status, V2's
// STALE.
#pragma once

#include <cstdint>

namespace objmapper::protocol {

struct Cached {
  // What was done for this answer.
  enum class How : uint8_t {
    kNone,         // nothing is said: it has no origin, or nobody is told
    kHit,          // it was here
    kFetched,      // it was not
    kReplaced,     // another version was
    kNotModified,  // it was, and its origin was asked, which answered 304
    kConfirmed,    // the same, and another answer of the same version
  };
  How how = How::kNone;
  bool at_wish = false;  // its origin was asked only since the request wants it younger than it was
  bool stale = false;    // it is older than is allowed, since its origin cannot be asked
  // Seconds since the epoch: when it was fetched, or its origin last said that it is the same, and
  // until when that is enough; INT64_MAX: for ever.
  int64_t checked_s = 0;
  int64_t due_s = INT64_MAX;
};

}  // namespace objmapper::protocol
