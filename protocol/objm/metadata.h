// Metadata: a sequence of `type u8 | length u16 | data`, at most kMetadataBytesMax bytes.
//
//   MetadataWriter writer;
//   writer.AddU64(MetadataType::kSize, 4096);
//   writer.AddText(MetadataType::kError, "no such object: model.bin");
//   Send(writer.bytes());
//
//   std::optional<Metadata> metadata = ParseMetadata(bytes);
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "protocol/limits.h"

namespace objmapper::protocol {

enum class MetadataType : uint8_t {
  kSize = 0x01,         // u64 bytes, of the whole object
  kMtime = 0x02,        // i64 seconds since the epoch
  kEtag = 0x03,         // string; changes whenever the content does
  kMime = 0x04,         // string
  kBackend = 0x05,      // u8, which tier answered
  kLatency = 0x06,      // u32 microseconds inside the server
  kExpires = 0x07,      // i64 seconds since the epoch: from then on the object is gone
  kStale = 0x08,        // no data: the object may be outdated, its origin cannot be asked
  kRange = 0x10,        // offset u64, length u64, as granted
  kCursor = 0x11,       // opaque; where the next LIST continues
  kRetryAfter = 0x12,   // u32 milliseconds
  kTtl = 0x13,          // u32 seconds, 1 or more: a stored object's time to live; in requests
  kIfMatch = 0x14,      // string, an ETAG: only if the object is this version; in requests
  kIfAbsent = 0x15,     // no data: only if there is no object; in requests
  kIfNoneMatch = 0x16,  // string, an ETAG: only if the object is another version; in requests
  kError = 0xFF,        // UTF-8 message for a person; always present when status is not OK
};

// Builds the metadata of one message in a fixed buffer; no allocation. One thread.
//
// An entry that does not fit whole is left out, but for kError, whose text is cut at a UTF-8
// character's end, so that an error always says something.
class MetadataWriter {
 public:
  MetadataWriter() {}  // leaves the buffer uninitialized on purpose: it is on the hot path

  void AddU8(MetadataType type, uint8_t value);
  void AddU32(MetadataType type, uint32_t value);
  void AddU64(MetadataType type, uint64_t value);
  void AddRange(uint64_t offset, uint64_t length);
  // `text` of kError may be any bytes: what is not UTF-8 is replaced by '?', since a message may
  // quote a URI and a URI may be any bytes.
  void AddText(MetadataType type, absl::string_view text);

  // What has been added; valid until the writer changes or dies.
  absl::string_view bytes() const { return absl::string_view(buffer_, size_); }

 private:
  // Begins an entry, and returns where its data goes; null: it does not fit.
  char* Open(MetadataType type, size_t data_bytes);

  size_t size_ = 0;
  char buffer_[kMetadataBytesMax];
};

// What a reader got from a message's metadata; entries that were absent are nullopt.
struct Metadata {
  struct Range {
    uint64_t offset = 0;
    uint64_t length = 0;
  };
  std::optional<uint64_t> size;
  std::optional<uint64_t> mtime;
  std::optional<std::string> etag;
  std::optional<std::string> mime;
  std::optional<uint8_t> backend;
  std::optional<uint32_t> latency_us;
  std::optional<uint64_t> expires;
  bool stale = false;
  std::optional<Range> range;
  std::optional<std::string> cursor;
  std::optional<uint32_t> retry_after_ms;
  std::optional<uint32_t> ttl_s;
  std::optional<std::string> if_match;
  bool if_absent = false;
  std::optional<std::string> if_none_match;
  std::optional<std::string> error;
};

// Reads `bytes`. Unknown types are skipped. nullopt when an entry is cut short or an entry of a
// fixed size has another: the sender broke the protocol.
std::optional<Metadata> ParseMetadata(absl::string_view bytes);

}  // namespace objmapper::protocol
