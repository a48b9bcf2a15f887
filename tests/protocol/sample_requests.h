// Requests of every shape that the protocol has, for tests that go over all of them.
#pragma once

#include <string>
#include <vector>

#include "protocol/objm/encode.h"

namespace objmapper::protocol {

// Every mode, with URIs of 1, some and kUriBytesMax bytes; in V2 also with every combination of
// flags, and with extreme ids, offsets, lengths and body lengths. The URIs are static.
std::vector<RequestToSend> SampleRequests(Dialect dialect);

// The bytes of one request.
std::string Encoded(Dialect dialect, const RequestToSend& request);

// The bytes of HELLO.
std::string EncodedHello(uint16_t capabilities, uint16_t max_pipeline);

}  // namespace objmapper::protocol
