// What the load generator needs to know of a server: where it listens and what it speaks.
#pragma once

#include <cstdint>
#include <string>

namespace objmapper::bench {

enum class Transport : uint8_t { kUnix, kTcp };

// The languages that contenders speak. The same objects are asked for by the same names in each.
enum class Wire : uint8_t {
  kObjmapper,  // docs/protocol.md: our models, and the floors, which speak just enough of it
  kHttp,       // GET /name, HTTP/1.1, persistent: nginx, lighttpd, h2o
  kRedis,      // GET name (RESP2)
  kMemcached,  // get name (text protocol)
  kDbus,       // a method call Open(s) -> h on a bus, by sd-bus's wire format: descriptors alone
};

struct Endpoint {
  Wire wire = Wire::kObjmapper;
  Transport transport = Transport::kUnix;
  std::string path;   // kUnix: the socket's
  uint16_t port = 0;  // kTcp: on 127.0.0.1
};

}  // namespace objmapper::bench
