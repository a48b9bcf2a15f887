// CRC-64/NVME against its check value, and against itself bit by bit.
#include "origin/cache/crc64nvme.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace objmapper::origin {
namespace {

uint64_t BitByBit(absl::string_view bytes) {
  uint64_t sum = ~uint64_t{0};
  for (const char byte : bytes) {
    sum ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit)
      sum = (sum & 1) != 0 ? sum >> 1 ^ 0x9A6C9329AC4BC9B5 : sum >> 1;
  }
  return ~sum;
}

// The check value of the catalogue of parametrised CRC algorithms ("CRC-64/NVME"), and the NVMe
// specification's own, of 4 KiB.
TEST(Crc64NvmeTest, CheckValues) {
  EXPECT_EQ(Crc64Nvme(""), 0u);
  EXPECT_EQ(Crc64Nvme("123456789"), 0xAE8B14860A799888u);
  EXPECT_EQ(Crc64Nvme(std::string(4096, '\0')), 0x6482D367EB22B64Eu);
  EXPECT_EQ(Crc64Nvme(std::string(4096, '\xFF')), 0xC0DDBA7302ECA3ACu);
}

// Of any length, from any address, in any pieces.
TEST(Crc64NvmeTest, InPieces) {
  std::mt19937 random(1);
  std::string bytes(300, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  for (size_t begin = 0; begin < 9; ++begin) {
    for (size_t size = 0; size < 200; ++size) {
      const absl::string_view piece = absl::string_view(bytes).substr(begin, size);
      ASSERT_EQ(Crc64Nvme(piece), BitByBit(piece)) << begin << " " << size;
      const size_t half = size / 3;
      ASSERT_EQ(Crc64Nvme(piece.substr(half), Crc64Nvme(piece.substr(0, half))), BitByBit(piece));
    }
  }
}

}  // namespace
}  // namespace objmapper::origin
