// memcached's text protocol, as much as "get" needs.
#pragma once

#include <memory>

#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {

std::unique_ptr<WireDriver> MakeMemcached();

}  // namespace objmapper::bench
