// The first two bytes of a connection decide who understands it.
#include "protocol/opening.h"

#include <gtest/gtest.h>

#include <string>

#include "protocol/mode.h"

namespace objmapper::protocol {
namespace {

TEST(OpeningTest, MethodsAreHttp) {
  for (const char* method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "LOCK", "SEARCH",
                             "WHATEVER", "FETCH", "PRI", "PROXY", "\r\n", "\x16\x03"}) {
    EXPECT_EQ(OpeningOf(absl::string_view(method).substr(0, 1)), Opening::kNeedMore) << method;
    EXPECT_EQ(OpeningOf(method), Opening::kHttp) << method;
  }
}

TEST(OpeningTest, HelloAndEveryV1RequestAreOurs) {
  EXPECT_EQ(OpeningOf("OB"), Opening::kOwn);
  for (int mode = 0; mode < 256; ++mode) {
    if (!IsMode(static_cast<uint8_t>(mode))) continue;
    for (int high = 0; high <= 0x10; ++high) {
      const std::string bytes{static_cast<char>(mode), static_cast<char>(high)};
      EXPECT_EQ(OpeningOf(bytes), Opening::kOwn) << mode << " " << high;
    }
  }
  for (const char* bytes : {"1", "2", "3", "get", "\x80", "\x16\x04", "\rG", "\n", "G e"})
    EXPECT_EQ(OpeningOf(bytes), Opening::kOwn) << bytes;
}

}  // namespace
}  // namespace objmapper::protocol
