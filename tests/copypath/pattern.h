// Bytes that tell where they belong: no two places of one pattern, and no two patterns, look alike
// for long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>

namespace objmapper::copypath {

inline std::string Pattern(size_t bytes, uint32_t seed) {
  std::mt19937 random(seed);
  std::string out(bytes + sizeof(uint32_t), '\0');
  for (size_t at = 0; at < bytes; at += sizeof(uint32_t)) {
    const uint32_t word = random();
    std::memcpy(&out[at], &word, sizeof(word));
  }
  out.resize(bytes);
  return out;
}

}  // namespace objmapper::copypath
