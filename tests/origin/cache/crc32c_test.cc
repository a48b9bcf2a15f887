// CRC32C against published values, and sums of parts against the sum of the whole.
#include "origin/cache/crc32c.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>

#include "absl/strings/string_view.h"

namespace objmapper::origin {
namespace {

// RFC 3720, appendix B.4, and the "check" value of every catalogue of CRCs.
TEST(Crc32cTest, IsThePublishedOne) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62A8AB43u);
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending.push_back(c);
  EXPECT_EQ(Crc32c(ascending), 0x46DD794Eu);
}

// Wherever a text is cut, its parts' sums make the whole's: by continuing and by combining.
TEST(Crc32cTest, PartsMakeTheWhole) {
  std::mt19937_64 random(1);
  std::string text(100'000, '\0');
  for (char& c : text) c = static_cast<char>(random());
  const uint32_t whole = Crc32c(text);
  for (const size_t cut : {size_t{0}, size_t{1}, size_t{63}, size_t{4096}, size_t{65'537},
                           text.size() - 1, text.size()}) {
    const absl::string_view first = absl::string_view(text).substr(0, cut);
    const absl::string_view second = absl::string_view(text).substr(cut);
    EXPECT_EQ(Crc32c(second, Crc32c(first)), whole) << cut;
    EXPECT_EQ(Crc32cCombine(Crc32c(first), Crc32c(second), second.size()), whole) << cut;
  }
}

// Lengths beyond 32 bits: zeros that are combined doubling by doubling, and at once.
TEST(Crc32cTest, CombinesWhatIsLargerThanMemory) {
  uint32_t zeros = Crc32c(std::string(1 << 20, '\0'));
  uint64_t bytes = 1 << 20;
  const uint32_t a = Crc32c("a");
  uint32_t behind_a = Crc32cCombine(a, zeros, bytes);
  for (int i = 0; i < 15; ++i) {
    behind_a = Crc32cCombine(behind_a, zeros, bytes);
    zeros = Crc32cCombine(zeros, zeros, bytes);
    bytes *= 2;
    EXPECT_EQ(Crc32cCombine(a, zeros, bytes), behind_a) << bytes;
  }
  EXPECT_GT(bytes, uint64_t{1} << 32);
}

}  // namespace
}  // namespace objmapper::origin
