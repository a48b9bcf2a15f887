// Writes down what a RequestParser says about a stream, and checks on the way what must hold at
// every step whatever the bytes are. The fuzz target and the unit tests read streams through it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "protocol/objm/request_parser.h"

namespace objmapper::protocol {

// `result` in one line; two results with the same line say the same.
std::string Describe(const RequestParser& parser, const RequestParser::Result& result);

// Feeds `stream` to a new parser, `chunk_bytes` (1 or more) at a time, and skips every body.
// Returns a line for each message; the last one says CLOSE, the error, or what is left unread.
//
// CHECK-fails unless, at every step, Next() consumes no more than it was given, makes progress with
// each message, consumes nothing but a skipped body with kNeedMore, and agrees with PeekMode().
std::vector<std::string> TranscribeRequests(absl::string_view stream, RequestParser::Offer offer,
                                            size_t chunk_bytes);

}  // namespace objmapper::protocol
