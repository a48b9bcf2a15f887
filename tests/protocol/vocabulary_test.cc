// The protocol's words: protocol/mode.h and protocol/status.h.
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "protocol/mode.h"
#include "protocol/status.h"

namespace objmapper::protocol {
namespace {

// Of the 256 bytes, exactly the eight of the protocol's table are modes, and have names.
TEST(ModeTest, EightBytesAreModes) {
  const std::string modes = "123SWFDL";
  std::set<std::string> names;
  for (int byte = 0; byte <= 0xFF; ++byte) {
    const bool listed = modes.find(static_cast<char>(byte)) != std::string::npos;
    EXPECT_EQ(IsMode(static_cast<uint8_t>(byte)), listed) << byte;
    const std::string name(ModeName(static_cast<Mode>(byte)));
    EXPECT_EQ(name.substr(0, 3) == "OP_", listed) << name;
    EXPECT_EQ(name == "unknown", !listed) << name;
    if (listed) names.insert(name);
  }
  EXPECT_EQ(names.size(), modes.size());
  EXPECT_EQ(ModeName(Mode::kPutFd), "OP_PUT_FD");
}

// Of the 256 bytes, exactly the twenty of the protocol's table are statuses, and have names.
TEST(StatusTest, TwentyBytesAreStatuses) {
  const std::set<int> statuses = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09,
                                  0x0A, 0x0B, 0x10, 0x11, 0x12, 0x13, 0x14, 0x20, 0x21, 0x22};
  std::set<std::string> names;
  for (int byte = 0; byte <= 0xFF; ++byte) {
    const bool listed = statuses.count(byte) != 0;
    EXPECT_EQ(IsStatus(static_cast<uint8_t>(byte)), listed) << byte;
    const std::string name(StatusName(static_cast<Status>(byte)));
    EXPECT_EQ(name != "unknown", listed) << byte;
    if (listed) names.insert(name);
  }
  EXPECT_EQ(names.size(), statuses.size());
  EXPECT_EQ(StatusName(static_cast<Status>(0x14)), "UNAVAILABLE");
}

}  // namespace
}  // namespace objmapper::protocol
