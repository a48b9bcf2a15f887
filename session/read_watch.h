// Whoever wants to know which objects clients ask for: those who count.
#pragma once

#include "absl/strings/string_view.h"

namespace objmapper::session {

// Thread-safe.
class ReadWatch {
 public:
  virtual ~ReadWatch() = default;
  // Somebody who may do so asks for the object, or for what it is: once for each such request, by
  // the thread that has the connection. It must not wait.
  virtual void OnRead(absl::string_view uri) = 0;
};

}  // namespace objmapper::session
