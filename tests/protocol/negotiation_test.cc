// HELLO: what both sides agree on (RequestParser in protocol/objm/request_parser.h).
#include <algorithm>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/request_parser.h"
#include "tests/protocol/sample_requests.h"

namespace objmapper::protocol {
namespace {

// The parser of a server that offers `ours`, after a HELLO that asks for `theirs`.
RequestParser Negotiate(RequestParser::Offer ours, RequestParser::Offer theirs) {
  RequestParser parser(ours);
  const RequestParser::Result result =
      parser.Next(EncodedHello(theirs.capabilities, theirs.max_pipeline));
  EXPECT_EQ(result.kind, RequestParser::Kind::kHello);
  EXPECT_EQ(result.consumed, kHelloBytes);
  return parser;
}

// Every set of capabilities, and each of them again with all the bits that nobody has defined.
std::vector<uint16_t> CapabilitySets() {
  constexpr uint16_t kBits[] = {kOutOfOrderReplies, kPipelining, kFdInHeader,
                                kFdBatch,           kRange,      kObjectOps};
  std::vector<uint16_t> sets = {0};
  for (const uint16_t bit : kBits) {
    const size_t without = sets.size();
    for (size_t i = 0; i < without; ++i) sets.push_back(sets[i] | bit);
  }
  const size_t known = sets.size();
  for (size_t i = 0; i < known; ++i) {
    sets.push_back(sets[i] | static_cast<uint16_t>(~kAllCapabilities));
  }
  return sets;
}

// For every pair of sets: what is agreed on is the intersection, once FD_BATCH is read as asking
// for FD_IN_HEADER too; and FD_BATCH never stands without it.
TEST(NegotiationTest, CapabilitiesAreTheIntersection) {
  constexpr uint16_t kFdBits = kFdInHeader | kFdBatch;
  for (const uint16_t ours : CapabilitySets()) {
    if ((ours & ~kAllCapabilities) != 0) continue;  // a server offers what it knows
    for (const uint16_t theirs : CapabilitySets()) {
      const RequestParser parser =
          Negotiate({.capabilities = ours}, {.capabilities = theirs, .max_pipeline = 0});
      const uint16_t agreed = parser.capabilities();
      ASSERT_EQ(agreed & ~kFdBits, ours & theirs & ~kFdBits) << ours << " " << theirs;
      const bool they_read_headers = (theirs & kFdBits) != 0;
      ASSERT_EQ(parser.Has(kFdInHeader), (ours & kFdInHeader) != 0 && they_read_headers)
          << ours << " " << theirs;
      ASSERT_EQ(parser.Has(kFdBatch), (ours & kFdBits) == kFdBits && (theirs & kFdBatch) != 0)
          << ours << " " << theirs;
    }
  }
}

// CONDITIONS is read as asking for METADATA too, in which conditions travel.
TEST(NegotiationTest, ConditionsTravelInMetadata) {
  EXPECT_EQ(Negotiate({}, {.capabilities = kConditions, .max_pipeline = 0}).capabilities(),
            kConditions | kMetadata);
  EXPECT_EQ(Negotiate({.capabilities = kConditions}, {.capabilities = 0xFFFF, .max_pipeline = 0})
                .capabilities(),
            0);
}

// max_pipeline is the smaller of both sides', and 0 from the client takes the server's.
TEST(NegotiationTest, MaxPipelineIsTheSmaller) {
  for (const uint16_t ours : {1, 2, 64, 0xFFFF}) {
    for (const uint16_t theirs : {1, 2, 63, 64, 65, 0xFFFF}) {
      EXPECT_EQ(Negotiate({.max_pipeline = ours}, {.max_pipeline = theirs}).max_pipeline(),
                std::min(ours, theirs));
    }
    EXPECT_EQ(Negotiate({.max_pipeline = ours}, {.max_pipeline = 0}).max_pipeline(), ours);
  }
}

// V1 has no HELLO: nothing is agreed on, and the server's own max_pipeline stands.
TEST(NegotiationTest, V1AgreesOnNothing) {
  RequestParser parser({.max_pipeline = 5});
  EXPECT_EQ(parser.max_pipeline(), 5);
  parser.Next(Encoded(Dialect::kV1, {.mode = Mode::kCopy, .uri = "x"}));
  EXPECT_EQ(parser.capabilities(), 0);
  EXPECT_EQ(parser.max_pipeline(), 5);
}

// HELLO comes once; a second one is no message.
TEST(NegotiationTest, ASecondHelloIsFatal) {
  RequestParser parser = Negotiate({}, {});
  const RequestParser::Result result = parser.Next(EncodedHello(kAllCapabilities, 0));
  EXPECT_EQ(result.kind, RequestParser::Kind::kFatal);
  EXPECT_EQ(result.status, Status::kProtocolError);
}

}  // namespace
}  // namespace objmapper::protocol
