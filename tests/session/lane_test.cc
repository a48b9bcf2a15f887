// Every mode belongs to one lane, on every transport.
#include "session/lane.h"

#include <gtest/gtest.h>

namespace objmapper::session {
namespace {

using protocol::Mode;

// Descriptors are the fdpass lane's, bytes and operations the copypath's; what costs neither, and
// what will be refused, any lane can answer.
TEST(LaneTest, OfEveryModeOnEveryTransport) {
  for (const bool writable : {false, true}) {
    EXPECT_EQ(LaneOf(Mode::kFdPass, Transport::kUnix, writable), LaneKind::kFdPass);
    // refused: no descriptors there
    EXPECT_EQ(LaneOf(Mode::kFdPass, Transport::kTcp, writable), std::nullopt);
    EXPECT_EQ(LaneOf(Mode::kPutFd, Transport::kTcp, writable), std::nullopt);
    const std::optional<LaneKind> if_writable =
        writable ? std::optional(LaneKind::kCopyPath) : std::nullopt;
    EXPECT_EQ(LaneOf(Mode::kPutFd, Transport::kUnix, writable), if_writable);
    for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
      for (const Mode mode : {Mode::kCopy, Mode::kSplice, Mode::kList}) {
        EXPECT_EQ(LaneOf(mode, transport, writable), LaneKind::kCopyPath)
            << static_cast<char>(mode);
      }
      for (const Mode mode : {Mode::kPut, Mode::kDelete}) {
        EXPECT_EQ(LaneOf(mode, transport, writable), if_writable) << static_cast<char>(mode);
      }
      for (const Mode mode : {Mode::kStat, Mode{'?'}}) {
        EXPECT_EQ(LaneOf(mode, transport, writable), std::nullopt) << static_cast<char>(mode);
      }
    }
  }
}

}  // namespace
}  // namespace objmapper::session
