// objmapper's own protocol, and what floors speak of it (docs/protocol.md).
#pragma once

#include <cstdint>
#include <memory>

#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {

// V1: no opening; a descriptor comes on a byte 'X' after the header.
std::unique_ptr<WireDriver> MakeObjmapperV1();

// V2 with PIPELINING, on Unix sockets FD_IN_HEADER and, with `batch`, FD_BATCH, and OBJECT_OPS with
// `stores`. A server that grants less than that, or fewer than `depth` outstanding requests, is a
// broken answer to the opening.
std::unique_ptr<WireDriver> MakeObjmapperV2(bool descriptors, bool batch, bool stores,
                                            uint16_t depth);

}  // namespace objmapper::bench
