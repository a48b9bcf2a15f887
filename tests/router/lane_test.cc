#include "router/lane.h"

#include <gtest/gtest.h>

namespace objmapper::router {
namespace {

using protocol::Mode;

// Descriptors are the fdpass lane's, bytes the copypath's; what costs neither, and what will be
// refused, any lane can answer.
TEST(LaneTest, OfEveryModeOnEveryTransport) {
  EXPECT_EQ(LaneOf(Mode::kFdPass, Transport::kUnix), LaneKind::kFdPass);
  EXPECT_EQ(LaneOf(Mode::kFdPass, Transport::kTcp), std::nullopt);  // refused: no descriptors there
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    EXPECT_EQ(LaneOf(Mode::kCopy, transport), LaneKind::kCopyPath);
    EXPECT_EQ(LaneOf(Mode::kSplice, transport), LaneKind::kCopyPath);
    for (const Mode mode :
         {Mode::kStat, Mode::kPut, Mode::kPutFd, Mode::kDelete, Mode::kList, Mode{'?'}}) {
      EXPECT_EQ(LaneOf(mode, transport), std::nullopt) << static_cast<char>(mode);
    }
  }
}

}  // namespace
}  // namespace objmapper::router
