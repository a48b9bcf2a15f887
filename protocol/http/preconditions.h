// Preconditions: whether a request still applies to the object as it is now (RFC 9110, 13).
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "protocol/http/head.h"

namespace objmapper::protocol::http {

// What is there under the request's name.
struct Selected {
  bool exists = false;
  absl::string_view etag;  // as it goes out: strong, in quotes
  int64_t mtime_s = 0;
};

enum class Verdict : uint8_t {
  kProceed,
  kNotModified,  // 304
  kFailed,       // 412
};

// In the order of RFC 9110, 13.2.2, without If-Range. reads: GET or HEAD, of something that exists.
// now_s: for dates.
Verdict EvaluatePreconditions(const Head& head, bool reads, const Selected& selected,
                              int64_t now_s);

// Whether the Range field counts: there is no If-Range, or it names this very version.
bool RangeApplies(const Head& head, const Selected& selected, int64_t now_s);

// Whether `list`, an If-Match or If-None-Match field's value, has the tag, or is "*". weak: W/ does
// not matter.
bool HasTag(absl::string_view list, absl::string_view etag, bool weak);

}  // namespace objmapper::protocol::http
