// getenv(3), which is thread-safe as long as nobody sets variables, as nobody does here.
#include "origin/credentials/environment.h"

#include <stdlib.h>

namespace objmapper::origin {

Environment ProcessEnvironment() {
  return [](const char* name) {
    const char* const value = getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
}

}  // namespace objmapper::origin
