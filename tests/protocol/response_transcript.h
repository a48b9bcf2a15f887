// Writes down what a ResponseParser says about a stream, and checks on the way what must hold at
// every step whatever the bytes are. The fuzz target and the unit tests read streams through it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "protocol/objm/response_parser.h"

namespace objmapper::protocol {

// `result` in one line, its metadata included; two results with the same line say the same.
std::string Describe(const ResponseParser::Result& result);

// Feeds `stream` to a new parser, `chunk_bytes` (1 or more) at a time, and takes content_length
// bytes after each response as its body. Returns a line for each message; the last one says what
// broke, or what is left unread.
//
// CHECK-fails unless, at every step, Next() consumes no more than it was given, makes progress with
// each message, and consumes nothing with kNeedMore and kBroken.
std::vector<std::string> TranscribeResponses(absl::string_view stream, Dialect dialect,
                                             size_t chunk_bytes);

}  // namespace objmapper::protocol
