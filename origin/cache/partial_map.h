// What of an object is here, on the disk: which of its blocks, and the checksum of each. A file
// beside the one with the bytes.
//
//   header   what the object is: its identity, padded to a multiple of 4096 bytes, with a checksum
//   entries  16 bytes for each block: the CRC32C of its bytes, a flag, and a checksum (XXH3, 64
//            bits) of both, of the block's number and of the header's checksum
//
// An entry that is torn, of another block or of another object's map fails its checksum and says
// nothing; so do 16 zeros, which is what has not been written yet. An entry is a claim: it has been
// written after the bytes, so it is true after a crash of the server, wherever that came. After a
// crash of the machine the disk may have the claim and not the bytes, so whoever opens a map anew
// compares each block with its checksum before it is used (PartialObject).
//
// Numbers are little-endian. One thread's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "net/unique_fd.h"

namespace objmapper::origin {

// Which bytes an object consists of: what two fills have to agree in to go on with each other's.
struct Identity {
  std::string uri;
  std::string source;  // its URL at the origin
  std::string etag;    // as the origin wrote it (mark.h)
  std::optional<int64_t> last_modified_s;
  uint64_t size = 0;
  uint32_t block_bytes = 8 * 1024 * 1024;  // 4096 to 2^30; the last block may be shorter

  uint64_t blocks() const { return size / block_bytes + (size % block_bytes != 0 ? 1 : 0); }
  uint32_t BytesOf(uint64_t block) const {
    const uint64_t left = size - block * block_bytes;
    return left < block_bytes ? static_cast<uint32_t>(left) : block_bytes;
  }
  friend bool operator==(const Identity&, const Identity&) = default;
};

class PartialMap {
 public:
  // So many blocks an object may have: 128 TiB of 8 MiB each, whose map takes 256 MiB.
  static constexpr uint64_t kBlocksMax = uint64_t{1} << 24;

  // Of nothing yet, as the file `name` in `folder` (borrowed), which appears whole; what has the
  // name is replaced. OUT_OF_RANGE: too many blocks, or too much text. INVALID_ARGUMENT:
  // block_bytes is none. Else as storage::NewFile.
  static absl::StatusOr<PartialMap> Create(int folder, const std::string& name,
                                           const Identity& identity);
  // NOT_FOUND: there is none. DATA_LOSS: it is none, or is damaged. Else as ErrnoToStatus.
  static absl::StatusOr<PartialMap> Open(int folder, const std::string& name);

  const Identity& identity() const { return identity_; }
  // The checksum of a block that is claimed to be here. A claim that is damaged is none.
  const std::optional<uint32_t>& claim(uint64_t block) const { return claims_[block]; }

  // Its bytes are in their file now. UNAVAILABLE: no room. Then, as before, it is not claimed.
  absl::Status Claim(uint64_t block, uint32_t crc32c);
  // It is not here any more. Before its bytes are changed.
  absl::Status Revoke(uint64_t block);

 private:
  struct Entry;
  explicit PartialMap(Identity identity) : identity_(std::move(identity)) {}
  Entry EntryOf(uint64_t block, uint32_t crc32c) const;
  absl::Status Put(uint64_t block, const Entry& entry);

  Identity identity_;
  net::UniqueFd file_;
  uint64_t entries_at_ = 0;  // in the file
  uint64_t seed_ = 0;        // the header's checksum
  std::vector<std::optional<uint32_t>> claims_;
};

}  // namespace objmapper::origin
