// The windows of an object that is sent from the disk, and which of them are in the page cache, as
// far as was known lately.
//
// One loop's, touched by its thread alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace objmapper::copypath {

// A mapping is brought in and sent in windows of this size: the next is read from disk while this
// one is sent.
inline constexpr uint64_t kWindowBytes = 2 * 1024 * 1024;

// kResident holds for a few milliseconds: then the kernel is asked again with mincore(2).
// kComing: the disk is being asked.
enum class Residency : uint8_t { kUnknown, kResident, kComing };

class Windows {
 public:
  // Nothing is asked of the kernel before this. map: of all of it, or null. All outlive the last
  // call.
  void Begin(int fd, uint64_t size, char* map);

  Residency Of(size_t index, int64_t now_ns);
  void Set(size_t index, Residency residency, int64_t now_ns);
  // Whether the disk is being asked for window `index`.
  bool IsComing(size_t index) const;
  // How many something is remembered of.
  size_t known() const { return windows_.size(); }

 private:
  struct Window {
    Residency residency = Residency::kUnknown;
    int64_t seen_ns = 0;
  };

  bool IsInPageCache(size_t index) const;

  int fd_ = -1;
  uint64_t size_ = 0;
  char* map_ = nullptr;
  bool mincore_tells_ = false;
  absl::flat_hash_map<size_t, Window> windows_;  // those that were asked for lately
};

// Bytes [begin, end) of window `index` of an object of `size` bytes.
inline std::pair<uint64_t, uint64_t> WindowOf(uint64_t size, size_t index) {
  const uint64_t begin = index * kWindowBytes;
  return {begin, begin + kWindowBytes < size ? begin + kWindowBytes : size};
}

}  // namespace objmapper::copypath
