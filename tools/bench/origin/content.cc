// One block of noise, repeated; each repetition begins with its number.
#include "tools/bench/origin/content.h"

#include <errno.h>
#include <string.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "origin/cache/crc32c.h"

namespace objmapper::bench {
namespace {

constexpr size_t kBlockBytes = 64 * 1024;
constexpr size_t kPieceBytes = 1 << 20;

std::string Noise(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string block(kBlockBytes, 0);
  for (size_t at = 0; at < block.size(); at += sizeof(uint64_t)) {
    const uint64_t word = random();
    memcpy(&block[at], &word, sizeof word);
  }
  return block;
}

}  // namespace

Content::Content(uint64_t seed, uint64_t bytes) : block_(Noise(seed)), bytes_(bytes) {
  crc32c_ = Crc32cOf(0, bytes);
}

uint32_t Content::Crc32cOf(uint64_t offset, uint64_t length) const {
  std::vector<char> piece(kPieceBytes);
  uint32_t sum = 0;
  for (const uint64_t end = offset + length; offset < end;) {
    const auto part = static_cast<size_t>(std::min<uint64_t>(piece.size(), end - offset));
    Fill(offset, absl::MakeSpan(piece.data(), part));
    sum = origin::Crc32c({piece.data(), part}, sum);
    offset += part;
  }
  return sum;
}

void Content::Fill(uint64_t offset, absl::Span<char> out) const {
  while (!out.empty()) {
    const uint64_t number = offset / kBlockBytes;
    const size_t at = offset % kBlockBytes;
    const size_t part = std::min(out.size(), kBlockBytes - at);
    memcpy(out.data(), block_.data() + at, part);
    char label[sizeof number];
    memcpy(label, &number, sizeof label);
    for (size_t i = at; i < std::min(sizeof label, at + part); ++i) out[i - at] = label[i];
    offset += part;
    out.remove_prefix(part);
  }
}

absl::Status Content::WriteTo(const std::string& path) const {
  std::ofstream out(path, std::ios::binary);
  std::vector<char> piece(kPieceBytes);
  for (uint64_t offset = 0; offset < bytes_;) {
    const auto part = static_cast<size_t>(std::min<uint64_t>(piece.size(), bytes_ - offset));
    Fill(offset, absl::MakeSpan(piece.data(), part));
    if (!out.write(piece.data(), static_cast<std::streamsize>(part))) break;
    offset += part;
  }
  if (!out.flush()) return net::ErrnoToStatus(errno, absl::StrCat("write ", path));
  return absl::OkStatus();
}

}  // namespace objmapper::bench
