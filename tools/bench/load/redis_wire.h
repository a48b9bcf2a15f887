// redis's protocol, RESP2, as much as GET needs.
#pragma once

#include <memory>

#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {

std::unique_ptr<WireDriver> MakeRedis();

}  // namespace objmapper::bench
