// The etag of an object's content: XXH3, 128 bits. The same content has the same one, on any
// machine and at any time.
//
// It is computed once, when the object is stored, and kept with its file (attributes.h), for as
// long as nobody changes the file (also: its name or mode) behind the server's back. Etag() of
// object_info.h is the other kind, made of what the file system says of a version: it costs
// nothing, so it is for files that came by another way. Both change whenever the content does, and
// are never mistaken for each other ("xxh3-" begins none of those). description.h tells which of
// them an answer carries. Source: https://github.com/Cyan4973/xxHash, XXH3_128bits.
//
// Holes are hashed as the zeros that they read as, without being read. An object with more of them
// than kHolesMax has no such etag but the other kind: what takes no room must not take a thread for
// hours.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct XXH3_state_s;

namespace objmapper::storage {

// Of what is in memory.
std::string ContentEtagOf(absl::string_view content);

class ContentHash {
 public:
  static constexpr uint64_t kHolesMax = uint64_t{1} << 30;  // bytes

  // fd: open for reading; borrowed, and its offset is moved. size: of the file.
  ContentHash(int fd, uint64_t size);
  ContentHash(const ContentHash&) = delete;
  ContentHash& operator=(const ContentHash&) = delete;

  // Reads on, for some milliseconds. True: etag() is known. Waits for the disk. ABORTED: the file
  // has another size than `size`. Else as net::ErrnoToStatus.
  absl::StatusOr<bool> Step();
  // Empty: there are too many holes.
  const std::string& etag() const { return etag_; }

 private:
  void HashZeros(uint64_t bytes);
  void NextExtent();

  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  const int fd_;
  const uint64_t size_;
  std::unique_ptr<XXH3_state_s, Free> state_;
  std::unique_ptr<char[]> piece_;
  uint64_t at_ = 0;
  uint64_t data_end_ = 0;  // up to here it is to be read
  uint64_t holes_ = 0;     // bytes so far
  std::string etag_;
};

}  // namespace objmapper::storage
