// The map's file: written with pwrite(2), an entry at a time, and read once.
#include "origin/cache/partial_map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "storage/store/new_file.h"
#include "storage/tree/disk_error.h"
#include "text/printable.h"

namespace objmapper::origin {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint64_t kPage = 4096;
constexpr uint64_t kHeaderMax = 16 * kPage;  // URI, URL and etag together are shorter
constexpr char kMagic[8] = {'o', 'b', 'j', 'm', 'p', 'a', 'r', 't'};
constexpr uint32_t kVersion = 1;
constexpr uint32_t kHere = 1;

// The header's front; the texts follow it, one behind the other. Its last 8 bytes are its checksum.
struct Front {
  char magic[8];
  uint32_t version;
  uint32_t header_bytes;
  uint64_t size;
  int64_t last_modified_s;
  uint32_t has_last_modified;
  uint32_t block_bytes;
  uint32_t uri_bytes, source_bytes, etag_bytes;
  uint32_t none;
};
static_assert(sizeof(Front) == 56);

absl::Status CheckShape(const Identity& identity) {
  if (identity.block_bytes < kPage || identity.block_bytes > uint32_t{1} << 30) {
    return absl::InvalidArgumentError(
        absl::StrCat("blocks of ", identity.block_bytes, " bytes; expected 4096 to 2^30"));
  }
  if (identity.blocks() > PartialMap::kBlocksMax) {
    return absl::OutOfRangeError(absl::StrCat(identity.size, " bytes are more than ",
                                              PartialMap::kBlocksMax, " blocks of ",
                                              identity.block_bytes));
  }
  return absl::OkStatus();
}

absl::Status WriteAll(int fd, const void* from, size_t bytes, uint64_t at) {
  const char* next = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t put = TEMP_FAILURE_RETRY(pwrite(fd, next, bytes, static_cast<off_t>(at)));
    if (put < 0) return storage::DiskError(errno, "write a map");
    next += put;
    bytes -= static_cast<size_t>(put);
    at += static_cast<uint64_t>(put);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadAt(int fd, uint64_t at, size_t bytes) {
  std::string got(bytes, '\0');
  size_t done = 0;
  while (done < bytes) {
    const ssize_t some = TEMP_FAILURE_RETRY(
        pread(fd, got.data() + done, bytes - done, static_cast<off_t>(at + done)));
    if (some < 0) return net::ErrnoToStatus(errno, "read a map");
    if (some == 0) break;
    done += static_cast<size_t>(some);
  }
  got.resize(done);
  return got;
}

absl::Status Damaged() { return absl::DataLossError("a map of a part-filled object is damaged"); }

std::string EncodeHeader(const Identity& identity) {
  Front front{};
  memcpy(front.magic, kMagic, sizeof(kMagic));
  front.version = kVersion;
  front.size = identity.size;
  front.has_last_modified = identity.last_modified_s.has_value() ? 1 : 0;
  front.last_modified_s = identity.last_modified_s.value_or(0);
  front.block_bytes = identity.block_bytes;
  front.uri_bytes = static_cast<uint32_t>(identity.uri.size());
  front.source_bytes = static_cast<uint32_t>(identity.source.size());
  front.etag_bytes = static_cast<uint32_t>(identity.etag.size());
  const std::string texts = absl::StrCat(identity.uri, identity.source, identity.etag);
  const uint64_t bytes = sizeof(front) + texts.size() + sizeof(uint64_t);
  front.header_bytes = static_cast<uint32_t>((bytes + kPage - 1) / kPage * kPage);
  std::string header(front.header_bytes, '\0');
  memcpy(header.data(), &front, sizeof(front));
  memcpy(header.data() + sizeof(front), texts.data(), texts.size());
  const uint64_t check = XXH3_64bits(header.data(), header.size() - sizeof(check));
  memcpy(header.data() + header.size() - sizeof(check), &check, sizeof(check));
  return header;
}

uint64_t CheckOf(absl::string_view header) {
  uint64_t check;
  memcpy(&check, header.data() + header.size() - sizeof(check), sizeof(check));
  return check;
}

std::optional<Identity> DecodeHeader(absl::string_view header, const Front& front) {
  const uint64_t check = XXH3_64bits(header.data(), header.size() - sizeof(check));
  if (check != CheckOf(header)) return std::nullopt;
  const uint64_t texts = uint64_t{front.uri_bytes} + front.source_bytes + front.etag_bytes;
  if (sizeof(front) + texts + sizeof(check) > header.size()) return std::nullopt;
  const absl::string_view all = header.substr(sizeof(front));
  Identity identity;
  identity.uri = std::string(all.substr(0, front.uri_bytes));
  identity.source = std::string(all.substr(front.uri_bytes, front.source_bytes));
  identity.etag = std::string(all.substr(front.uri_bytes + front.source_bytes, front.etag_bytes));
  if (front.has_last_modified != 0) identity.last_modified_s = front.last_modified_s;
  identity.size = front.size;
  identity.block_bytes = front.block_bytes;
  if (!CheckShape(identity).ok()) return std::nullopt;
  return identity;
}

}  // namespace

struct PartialMap::Entry {
  uint32_t crc32c = 0;
  uint32_t here = 0;
  uint64_t check = 0;
};

PartialMap::Entry PartialMap::EntryOf(uint64_t block, uint32_t crc32c) const {
  static_assert(sizeof(Entry) == 16);
  const uint64_t what[] = {block, uint64_t{crc32c} << 32 | kHere};
  return {crc32c, kHere, XXH3_64bits_withSeed(what, sizeof(what), seed_)};
}

absl::StatusOr<PartialMap> PartialMap::Create(int folder, const std::string& name,
                                              const Identity& identity) {
  if (absl::Status shape = CheckShape(identity); !shape.ok()) return shape;
  if (identity.uri.size() + identity.source.size() + identity.etag.size() > kHeaderMax - kPage) {
    return absl::OutOfRangeError(absl::StrCat(
        "URI, URL and etag of ", text::Quoted(identity.uri, 100), " are too long for a map"));
  }
  const std::string header = EncodeHeader(identity);
  PartialMap map(identity);
  map.entries_at_ = header.size();
  map.seed_ = CheckOf(header);
  map.claims_.resize(identity.blocks());
  absl::StatusOr<storage::NewFile> file = storage::NewFile::Make(folder, name);
  if (!file.ok()) return file.status();
  if (absl::Status put = WriteAll(file->fd(), header.data(), header.size(), 0); !put.ok())
    return put;
  // Entries that nobody has written are holes, and read as zeros.
  const uint64_t end = map.entries_at_ + identity.blocks() * sizeof(Entry);
  if (ftruncate(file->fd(), static_cast<off_t>(end)) != 0)
    return storage::DiskError(errno, "make a map");
  bool replaced;
  if (absl::Status named = file->Publish(folder, &replaced); !named.ok()) return named;
  map.file_ = std::move(*file).TakeFd();
  return map;
}

absl::StatusOr<PartialMap> PartialMap::Open(int folder, const std::string& name) {
  net::UniqueFd file(
      openat(folder, name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!file.valid()) return net::ErrnoToStatus(errno, "open a map");
  struct stat status;
  if (fstat(file.get(), &status) != 0) return net::ErrnoToStatus(errno, "open a map");
  if (!S_ISREG(status.st_mode)) return Damaged();
  const absl::StatusOr<std::string> front_bytes = ReadAt(file.get(), 0, sizeof(Front));
  if (!front_bytes.ok()) return front_bytes.status();
  Front front;
  if (front_bytes->size() != sizeof(front)) return Damaged();
  memcpy(&front, front_bytes->data(), sizeof(front));
  if (memcmp(front.magic, kMagic, sizeof(kMagic)) != 0 || front.version != kVersion ||
      front.header_bytes % kPage != 0 || front.header_bytes < kPage ||
      front.header_bytes > kHeaderMax) {
    return Damaged();
  }
  const absl::StatusOr<std::string> header = ReadAt(file.get(), 0, front.header_bytes);
  if (!header.ok()) return header.status();
  if (header->size() != front.header_bytes) return Damaged();
  const std::optional<Identity> identity = DecodeHeader(*header, front);
  if (!identity.has_value()) return Damaged();
  PartialMap map(*identity);
  map.file_ = std::move(file);
  map.entries_at_ = header->size();
  map.seed_ = CheckOf(*header);
  map.claims_.resize(identity->blocks());
  // Where it has been cut, the rest is claimed no more.
  const absl::StatusOr<std::string> entries =
      ReadAt(map.file_.get(), map.entries_at_, identity->blocks() * sizeof(Entry));
  if (!entries.ok()) return entries.status();
  for (uint64_t block = 0; (block + 1) * sizeof(Entry) <= entries->size(); ++block) {
    Entry entry;
    memcpy(&entry, entries->data() + block * sizeof(entry), sizeof(entry));
    const Entry expected = map.EntryOf(block, entry.crc32c);
    if (entry.here == expected.here && entry.check == expected.check)
      map.claims_[block] = entry.crc32c;
  }
  return map;
}

absl::Status PartialMap::Put(uint64_t block, const Entry& entry) {
  return WriteAll(file_.get(), &entry, sizeof(entry), entries_at_ + block * sizeof(entry));
}

absl::Status PartialMap::Claim(uint64_t block, uint32_t crc32c) {
  if (absl::Status put = Put(block, EntryOf(block, crc32c)); !put.ok()) return put;
  claims_[block] = crc32c;
  return absl::OkStatus();
}

absl::Status PartialMap::Revoke(uint64_t block) {
  if (!claims_[block].has_value()) return absl::OkStatus();
  claims_[block].reset();
  return Put(block, Entry{});
}

}  // namespace objmapper::origin
