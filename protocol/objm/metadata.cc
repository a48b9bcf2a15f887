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

// Sets `*field` from the data of a fixed-size entry, by `get`. False when the size is another's.
template <typename Value>
bool Read(absl::string_view data, Value (*get)(const char*), std::optional<Value>* field) {
  if (data.size() != sizeof(Value)) return false;
  *field = get(data.data());
  return true;
}
bool ReadText(absl::string_view data, std::optional<std::string>* field) {
  *field = std::string(data);
  return true;
}
Metadata::Range GetRange(const char* in) {
  return {.offset = GetU64(in), .length = GetU64(in + sizeof(uint64_t))};
}

// Reads one entry into `metadata`. False when its size is wrong for its type.
bool ReadEntry(MetadataType type, absl::string_view data, Metadata* metadata) {
  switch (type) {
    case MetadataType::kSize:
      return Read(data, GetU64, &metadata->size);
    case MetadataType::kMtime:
      return Read(data, GetU64, &metadata->mtime);
    case MetadataType::kEtag:
      return ReadText(data, &metadata->etag);
    case MetadataType::kMime:
      return ReadText(data, &metadata->mime);
    case MetadataType::kBackend:
      return Read(data, GetU8, &metadata->backend);
    case MetadataType::kLatency:
      return Read(data, GetU32, &metadata->latency_us);
    case MetadataType::kExpires:
      return Read(data, GetU64, &metadata->expires);
    case MetadataType::kStale:
      metadata->stale = true;
      return data.empty();
    case MetadataType::kRange:
      return Read(data, GetRange, &metadata->range);
    case MetadataType::kCursor:
      return ReadText(data, &metadata->cursor);
    case MetadataType::kRetryAfter:
      return Read(data, GetU32, &metadata->retry_after_ms);
    case MetadataType::kTtl:
      return Read(data, GetU32, &metadata->ttl_s);
    case MetadataType::kIfMatch:
      return ReadText(data, &metadata->if_match);
    case MetadataType::kIfAbsent:
      metadata->if_absent = true;
      return data.empty();
    case MetadataType::kIfNoneMatch:
      return ReadText(data, &metadata->if_none_match);
    case MetadataType::kError:
      return ReadText(data, &metadata->error);
  }
  return true;  // unknown: a newer server's
}

}  // namespace

char* MetadataWriter::Open(MetadataType type, size_t data_bytes) {
  const size_t room = kMetadataBytesMax - size_;
  if (room < kEntryHeaderBytes || room - kEntryHeaderBytes < data_bytes) return nullptr;
  char* out = PutU8(buffer_ + size_, static_cast<uint8_t>(type));
  size_ += kEntryHeaderBytes + data_bytes;
  return PutU16(out, static_cast<uint16_t>(data_bytes));
}

void MetadataWriter::AddU8(MetadataType type, uint8_t value) {
  if (char* const data = Open(type, sizeof(value))) PutU8(data, value);
}

void MetadataWriter::AddU32(MetadataType type, uint32_t value) {
  if (char* const data = Open(type, sizeof(value))) PutU32(data, value);
}

void MetadataWriter::AddU64(MetadataType type, uint64_t value) {
  if (char* const data = Open(type, sizeof(value))) PutU64(data, value);
}

void MetadataWriter::AddRange(uint64_t offset, uint64_t length) {
  char* const data = Open(MetadataType::kRange, sizeof(offset) + sizeof(length));
  if (data != nullptr) PutU64(PutU64(data, offset), length);
}

void MetadataWriter::AddText(MetadataType type, absl::string_view text) {
  if (type != MetadataType::kError) {
    char* const data = Open(type, text.size());
    if (data != nullptr && !text.empty()) std::memcpy(data, text.data(), text.size());
    return;
  }
  // The length is known only after the cut, so the text is written first and its header before it.
  const size_t room = kMetadataBytesMax - size_;
  if (room < kEntryHeaderBytes) return;
  Open(type, CopyAsUtf8(text, buffer_ + size_ + kEntryHeaderBytes, room - kEntryHeaderBytes));
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
