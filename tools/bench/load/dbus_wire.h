// A method call on a bus, Open(s) -> h, by sd-bus's wire format: what passing descriptors costs
// there.
//
// Destination and interface org.objmapper.Bench, path /, member Open.
#pragma once

#include <memory>

#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {

// Opens with SASL EXTERNAL as this process's user, descriptor passing, and Hello.
std::unique_ptr<WireDriver> MakeDbus();

}  // namespace objmapper::bench
