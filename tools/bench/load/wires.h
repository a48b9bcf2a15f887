// The languages, one file each: http_wire.cc and so on.
#pragma once

#include <cstdint>
#include <memory>

#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {

// objmapper's own protocol, and what floors speak of it (docs/protocol.md).
// V1: no opening; a descriptor comes on a byte 'X' after the header.
std::unique_ptr<WireDriver> MakeObjmapperV1();
// V2 with PIPELINING, on Unix sockets FD_IN_HEADER and, with `batch`, FD_BATCH, and OBJECT_OPS with
// `stores`. A server that grants less than that, or fewer than `depth` outstanding requests, is a
// broken answer to the opening.
std::unique_ptr<WireDriver> MakeObjmapperV2(bool descriptors, bool batch, bool stores,
                                            uint16_t depth);

// HTTP/1.1, persistent, as much as a GET of a static file needs (RFC 9112). Answers must have a
// Content-Length; chunked ones are broken answers.
std::unique_ptr<WireDriver> MakeHttp();

// redis's protocol, RESP2, as much as GET and SET need.
std::unique_ptr<WireDriver> MakeRedis();

// memcached's text protocol, as much as "get" and "set" need.
std::unique_ptr<WireDriver> MakeMemcached();

// A method call on a bus, Open(s) -> h, by sd-bus's wire format: what passing descriptors costs
// there. Destination and interface org.objmapper.Bench, path /, member Open. Opens with SASL
// EXTERNAL as this process's user, descriptor passing, and Hello.
std::unique_ptr<WireDriver> MakeDbus();

}  // namespace objmapper::bench
