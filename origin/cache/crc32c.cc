// Sums by ISA-L. They are combined as zlib combines its own (crc32_combine(), Mark Adler): the
// first is multiplied by x^(8n), modulo the polynomial.
#include "origin/cache/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace objmapper::origin {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;     // its bits from x^31 (the lowest) down
constexpr uint32_t kOne = uint32_t{1} << 31;     // x^0
constexpr size_t kPieceBytes = size_t{1} << 30;  // the library counts in int

// a * b modulo the polynomial.
constexpr uint32_t Product(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = kOne; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b & 1) != 0 ? b >> 1 ^ kPolynomial : b >> 1;
  }
  return product;
}

// x^(2^k), for all k that 8 times a count of 64 bits needs.
constexpr std::array<uint32_t, 67> kPowers = [] {
  std::array<uint32_t, 67> powers{kOne >> 1};
  for (size_t k = 1; k < powers.size(); ++k) powers[k] = Product(powers[k - 1], powers[k - 1]);
  return powers;
}();

}  // namespace

uint32_t Crc32c(absl::string_view bytes, uint32_t before) {
  uint32_t sum = ~before;
  while (!bytes.empty()) {
    const size_t piece = std::min(bytes.size(), kPieceBytes);
    // It only reads; its prototype says nothing of that.
    auto* const data = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    sum = crc32_iscsi(data, static_cast<int>(piece), sum);
    bytes.remove_prefix(piece);
  }
  return ~sum;
}

uint32_t Crc32cCombine(uint32_t first, uint32_t second, uint64_t second_bytes) {
  uint32_t shift = kOne;
  for (size_t k = 3; second_bytes != 0; second_bytes >>= 1, ++k) {
    if ((second_bytes & 1) != 0) shift = Product(kPowers[k], shift);
  }
  return Product(shift, first) ^ second;
}

}  // namespace objmapper::origin
