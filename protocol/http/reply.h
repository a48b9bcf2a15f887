// The answer to GET and HEAD of an object that is there: which status, which of its bytes, and what
// is said before, between and behind them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "protocol/cached.h"
#include "protocol/http/ask.h"
#include "protocol/http/ranges.h"

namespace objmapper::protocol::http {

// One version of an object.
struct ObjectFacts {
  uint64_t size = 0;
  int64_t mtime_s = 0;
  absl::string_view etag;  // without quotes
  Cached cached;
};

struct Reply {
  int status = 200;  // 200, 206, 304, 412, 416
  std::string head;  // all that goes before the first byte of the object
  // Of the object; empty: there is no body, or `head` has it.
  std::vector<Part> parts;
  // What goes behind each part; as many as there are parts, but none where there is one part.
  std::vector<std::string> behind;
};

// now_s: the wall clock. `reply` is reused: it keeps its memory.
void MakeReply(const Ask& ask, const ObjectFacts& facts, int64_t now_s, Reply* reply);

}  // namespace objmapper::protocol::http
