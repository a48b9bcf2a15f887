// Keeps what is no text from a terminal, which would obey it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace objmapper::tools {

// Sees an object piece by piece, as it comes. Text is UTF-8 without control characters, but for
// those that texts have: tab, the ends of lines and pages, backspace, bell, and escape (colours).
// Not thread-safe.
class TerminalGuard {
 public:
  // FAILED_PRECONDITION: it is no text; the message says what to do.
  absl::Status Check(absl::string_view piece);

 private:
  std::string begun_;  // a character of which the rest is in the next piece
};

}  // namespace objmapper::tools
