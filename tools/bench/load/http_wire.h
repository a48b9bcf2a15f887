// HTTP/1.1, persistent, as much as a GET of a static file needs (RFC 9112).
#pragma once

#include <memory>

#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {

// Answers must have a Content-Length; chunked ones are broken answers.
std::unique_ptr<WireDriver> MakeHttp();

}  // namespace objmapper::bench
