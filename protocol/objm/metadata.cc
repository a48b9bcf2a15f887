// Writing and reading of metadata. An entry that does not fit is left out, an entry of an unknown
// type is skipped, and one whose size does not fit its type makes the whole malformed.
#include "protocol/objm/metadata.h"

#include <cstring>

#include "protocol/objm/big_endian.h"
#include "text/printable.h"

namespace objmapper::protocol {
namespace {

constexpr size_t kEntryHeaderBytes = 3;  // type u8, length u16

// Copies `text` to `out`, every byte that belongs to no UTF-8 character as '?', and stops before
// the first character that would make it longer than `room`. Returns the number of bytes written.
size_t CopyAsUtf8(absl::string_view text, char* out, size_t room) {
  size_t written = 0;
  while (!text.empty()) {
    const size_t bytes = text::Utf8Length(text);
    const size_t taken = bytes == 0 ? 1 : bytes;
    if (taken > room - written) break;
    if (bytes == 0) {
      out[written] = '?';
    } else {
      std::memcpy(out + written, text.data(), bytes);
    }
    written += taken;
    text.remove_prefix(taken);
  }
  return written;
}

// Sets `*field` from the data of a fixed-size entry. False when the size is another's.
bool ReadU8(absl::string_view data, std::optional<uint8_t>* field) {
  if (data.size() != sizeof(uint8_t)) return false;
  *field = GetU8(data.data());
  return true;
}
bool ReadU32(absl::string_view data, std::optional<uint32_t>* field) {
  if (data.size() != sizeof(uint32_t)) return false;
  *field = GetU32(data.data());
  return true;
}
bool ReadU64(absl::string_view data, std::optional<uint64_t>* field) {
  if (data.size() != sizeof(uint64_t)) return false;
  *field = GetU64(data.data());
  return true;
}
bool ReadRange(absl::string_view data, std::optional<Metadata::Range>* field) {
  if (data.size() != 2 * sizeof(uint64_t)) return false;
  *field = Metadata::Range{.offset = GetU64(data.data()),
                           .length = GetU64(data.data() + sizeof(uint64_t))};
  return true;
}

// Reads one entry into `metadata`. False when its size is wrong for its type.
bool ReadEntry(MetadataType type, absl::string_view data, Metadata* metadata) {
  switch (type) {
    case MetadataType::kSize:
      return ReadU64(data, &metadata->size);
    case MetadataType::kMtime:
      return ReadU64(data, &metadata->mtime);
    case MetadataType::kEtag:
      metadata->etag = std::string(data);
      return true;
    case MetadataType::kMime:
      metadata->mime = std::string(data);
      return true;
    case MetadataType::kBackend:
      return ReadU8(data, &metadata->backend);
    case MetadataType::kLatency:
      return ReadU32(data, &metadata->latency_us);
    case MetadataType::kRange:
      return ReadRange(data, &metadata->range);
    case MetadataType::kCursor:
      metadata->cursor = std::string(data);
      return true;
    case MetadataType::kRetryAfter:
      return ReadU32(data, &metadata->retry_after_ms);
    case MetadataType::kTtl:
      return ReadU32(data, &metadata->ttl_s);
    case MetadataType::kError:
      metadata->error = std::string(data);
      return true;
  }
  return true;  // unknown: a newer server's
}

}  // namespace

bool MetadataWriter::Open(MetadataType type, size_t data_bytes) {
  const size_t room = kMetadataBytesMax - size_;
  if (room < kEntryHeaderBytes || room - kEntryHeaderBytes < data_bytes) return false;
  char* out = PutU8(buffer_ + size_, static_cast<uint8_t>(type));
  PutU16(out, static_cast<uint16_t>(data_bytes));
  size_ += kEntryHeaderBytes;
  return true;
}

void MetadataWriter::AddU8(MetadataType type, uint8_t value) {
  if (!Open(type, sizeof(value))) return;
  PutU8(buffer_ + size_, value);
  size_ += sizeof(value);
}

void MetadataWriter::AddU32(MetadataType type, uint32_t value) {
  if (!Open(type, sizeof(value))) return;
  PutU32(buffer_ + size_, value);
  size_ += sizeof(value);
}

void MetadataWriter::AddU64(MetadataType type, uint64_t value) {
  if (!Open(type, sizeof(value))) return;
  PutU64(buffer_ + size_, value);
  size_ += sizeof(value);
}

void MetadataWriter::AddRange(uint64_t offset, uint64_t length) {
  if (!Open(MetadataType::kRange, sizeof(offset) + sizeof(length))) return;
  PutU64(PutU64(buffer_ + size_, offset), length);
  size_ += sizeof(offset) + sizeof(length);
}

void MetadataWriter::AddText(MetadataType type, absl::string_view text) {
  if (type != MetadataType::kError) {
    if (!Open(type, text.size())) return;
    if (!text.empty()) std::memcpy(buffer_ + size_, text.data(), text.size());
    size_ += text.size();
    return;
  }
  // The length is known only after the cut, so the text is written first and its header before it.
  const size_t room = kMetadataBytesMax - size_;
  if (room < kEntryHeaderBytes) return;
  const size_t bytes =
      CopyAsUtf8(text, buffer_ + size_ + kEntryHeaderBytes, room - kEntryHeaderBytes);
  Open(type, bytes);
  size_ += bytes;
}

std::optional<Metadata> ParseMetadata(absl::string_view bytes) {
  Metadata metadata;
  while (!bytes.empty()) {
    if (bytes.size() < kEntryHeaderBytes) return std::nullopt;
    const MetadataType type = static_cast<MetadataType>(GetU8(bytes.data()));
    const size_t data_bytes = GetU16(bytes.data() + 1);
    bytes.remove_prefix(kEntryHeaderBytes);
    if (bytes.size() < data_bytes) return std::nullopt;
    if (!ReadEntry(type, bytes.substr(0, data_bytes), &metadata)) return std::nullopt;
    bytes.remove_prefix(data_bytes);
  }
  return metadata;
}

}  // namespace objmapper::protocol
