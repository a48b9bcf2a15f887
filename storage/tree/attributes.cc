// Extended attributes of objects. Other programs can write them too, so every value is checked, and
// an ETAG is used only if the file's times show that it has not changed since.
#include "storage/tree/attributes.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "net/clock.h"
#include "net/errno_status.h"
#include "storage/tree/disk_error.h"

namespace objmapper::storage {
namespace {

constexpr char kExpires[] = "user.objmapper.expires";
constexpr char kEtag[] = "user.objmapper.etag";
constexpr char kOrigin[] = "user.objmapper.origin";
constexpr char kPinned[] = "user.objmapper.pinned";
constexpr size_t kValueMax = 256;
// For the names of a file's attributes: those of security modules and our own.
constexpr size_t kNamesMax = 1024;

// Setting the attribute, and giving the finished file its name, change the ctime of the file; who
// writes its bytes and turns the mtime back changes it too. They are told apart by time: ours is
// the one within an instant of the stamp that is kept. Two ticks of the clock that the kernel
// stamps files with, where it ticks slowest (100 Hz).
constexpr int64_t kInstantNs = 20'000'000;
// How often it is kept anew where the instant was over before the work was done.
constexpr int kAttemptsMax = 8;

// What is kept: an etag, and what the file was when it had that content.
struct Kept {
  std::string etag;
  uint64_t size = 0;
  int64_t mtime_ns = 0;
  int64_t kept_ns = 0;  // when that was
};

// A hash of ours is kept in 41 bytes: they have room in an inode of 256 bytes (ext4, xfs), beside
// the attribute's name. Text does not, and then every object takes a block more, which is to be
// allocated, written and freed. What is kept of other etags is text, as all once were.
constexpr absl::string_view kHashPrefix = "xxh3-";
constexpr size_t kHashBytes = 16;
constexpr char kCompact = '\1';  // begins no etag
constexpr size_t kCompactBytes = 1 + kHashBytes + 3 * sizeof(uint64_t);

// The bytes of `etag`, if it is such a hash.
std::optional<std::string> HashOf(absl::string_view etag) {
  if (!absl::ConsumePrefix(&etag, kHashPrefix) || etag.size() != 2 * kHashBytes ||
      !std::all_of(etag.begin(), etag.end(), [](char c) {
        return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
      }))
    return std::nullopt;
  return absl::HexStringToBytes(etag);
}

std::string Encode(const Kept& kept) {
  const std::optional<std::string> hash = HashOf(kept.etag);
  if (!hash.has_value()) {
    return absl::StrCat(kept.etag, " ", kept.size, " ", kept.mtime_ns, " ", kept.kept_ns);
  }
  std::string value = absl::StrCat(absl::string_view(&kCompact, 1), *hash);
  for (const uint64_t number :
       {kept.size, static_cast<uint64_t>(kept.mtime_ns), static_cast<uint64_t>(kept.kept_ns)}) {
    const uint64_t little = htole64(number);
    value.append(reinterpret_cast<const char*>(&little), sizeof(little));
  }
  return value;
}

std::optional<Kept> Decode(absl::string_view value) {
  Kept kept;
  if (value.size() == kCompactBytes && value[0] == kCompact) {
    uint64_t numbers[3];
    memcpy(numbers, &value[1 + kHashBytes], sizeof(numbers));
    kept.etag = absl::StrCat(kHashPrefix, absl::BytesToHexString(value.substr(1, kHashBytes)));
    kept.size = le64toh(numbers[0]);
    kept.mtime_ns = static_cast<int64_t>(le64toh(numbers[1]));
    kept.kept_ns = static_cast<int64_t>(le64toh(numbers[2]));
    return kept;
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(value, ' ');
  if (parts.size() != 4 || !absl::SimpleAtoi(parts[1], &kept.size) ||
      !absl::SimpleAtoi(parts[2], &kept.mtime_ns) || !absl::SimpleAtoi(parts[3], &kept.kept_ns))
    return std::nullopt;
  kept.etag = std::string(parts[0]);
  return kept;
}

template <size_t kMax = kValueMax>
std::optional<std::string> Get(int fd, const char* name) {
  char value[kMax];
  ssize_t size = fgetxattr(fd, name, value, sizeof(value));
  // A descriptor of O_PATH is asked by the name that it has in /proc.
  if (size < 0 && errno == EBADF)
    size = getxattr(absl::StrCat("/proc/self/fd/", fd).c_str(), name, value, sizeof(value));
  if (size < 0) return std::nullopt;
  return std::string(value, static_cast<size_t>(size));
}

// What setting an attribute has failed with. ENOSPC is an inode's too, whose attributes fill what
// it has for them.
absl::Status AttributeError(int error, absl::string_view needs) {
  if (error != EOPNOTSUPP) return DiskError(error, "fsetxattr");
  return absl::UnimplementedError(
      absl::StrCat(needs, " a file system with extended attributes (EOPNOTSUPP)"));
}

// As docs/protocol.md has it: 1 to 64 printable ASCII characters.
bool MayBeEtag(absl::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

// What tells one version of a file from the next.
std::optional<ObjectInfo> TimesOf(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) return std::nullopt;
  ObjectInfo info;
  info.size = static_cast<uint64_t>(status.st_size);
  info.mtime_ns = NanosecondsOf(status.st_mtim);
  info.ctime_ns = NanosecondsOf(status.st_ctim);
  return info;
}

// list, get: those that follow a link at the end of the path, or those that do not.
Kind KindAt(const std::string& path, ssize_t (*list)(const char*, char*, size_t),
            ssize_t (*get)(const char*, const char*, void*, size_t)) {
  char names[kNamesMax];
  const ssize_t size = list(path.c_str(), names, sizeof(names));
  if (size < 0 && errno == ERANGE) {
    return {.fetched = get(path.c_str(), kOrigin, nullptr, 0) >= 0,
            .pinned = get(path.c_str(), kPinned, nullptr, 0) >= 0};
  }
  Kind kind;
  for (const absl::string_view found :
       absl::StrSplit(absl::string_view(names, size < 0 ? 0 : static_cast<size_t>(size)), '\0')) {
    kind.fetched |= found == kOrigin;
    kind.pinned |= found == kPinned;
  }
  return kind;
}

}  // namespace

absl::Status SetExpiry(int fd, int64_t expires_s) {
  const std::string value = absl::StrCat(expires_s);
  if (fsetxattr(fd, kExpires, value.data(), value.size(), 0) != 0)
    return AttributeError(errno, "an object that expires needs");
  struct stat status;
  if (fstat(fd, &status) != 0 || fchmod(fd, (status.st_mode & 07777) | S_ISVTX) != 0) {
    return DiskError(errno, "fchmod");
  }
  return absl::OkStatus();
}

std::optional<int64_t> ExpiryOf(int fd) {
  const std::optional<std::string> value = Get(fd, kExpires);
  int64_t expires_s;
  if (!value.has_value() || !absl::SimpleAtoi(*value, &expires_s)) return std::nullopt;
  return expires_s;
}

bool IsPast(const std::optional<int64_t>& expires_s) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  // In seconds: others may have set the attribute to any number, and its nanoseconds need not fit.
  return expires_s.has_value() && now.tv_sec >= *expires_s;
}

bool KeepContentEtag(int fd, const std::string& etag) {
  const std::optional<ObjectInfo> before = TimesOf(fd);
  if (!before.has_value()) return false;
  if (KnownContentEtag(fd, *before) == etag) return true;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    // The clock of the kernel's own stamps, which is behind the exact one: the ctime is never
    // earlier than this.
    const std::string value =
        Encode({etag, before->size, before->mtime_ns, net::NowNs(CLOCK_REALTIME_COARSE)});
    if (fsetxattr(fd, kEtag, value.data(), value.size(), 0) != 0) return false;
    const std::optional<ObjectInfo> info = TimesOf(fd);
    if (!info.has_value() || info->size != before->size || info->mtime_ns != before->mtime_ns)
      return false;
    if (KnownContentEtag(fd, *info).has_value()) return true;
  }
  return false;
}

std::optional<std::string> KnownContentEtag(int fd, const ObjectInfo& info) {
  const std::optional<std::string> value = Get(fd, kEtag);
  if (!value.has_value()) return std::nullopt;
  const std::optional<Kept> kept = Decode(*value);
  // Whoever may write to the file may have put anything there.
  if (!kept.has_value() || !MayBeEtag(kept->etag)) return std::nullopt;
  int64_t since_ns;  // others may have set any number
  const bool same = kept->size == info.size && kept->mtime_ns == info.mtime_ns &&
                    !__builtin_sub_overflow(info.ctime_ns, kept->kept_ns, &since_ns) &&
                    since_ns >= 0 && since_ns <= kInstantNs;
  return same ? std::optional<std::string>(kept->etag) : std::nullopt;
}

absl::Status SetOriginMark(int fd, absl::string_view mark) {
  if (mark.size() > kOriginMarkMax) {
    return absl::OutOfRangeError(absl::StrCat("what is to be kept of its origin takes ",
                                              mark.size(), " bytes, more than ", kOriginMarkMax));
  }
  return fsetxattr(fd, kOrigin, mark.data(), mark.size(), 0) == 0
             ? absl::OkStatus()
             : AttributeError(errno, "an object of an origin is kept only on");
}

std::optional<std::string> OriginMarkOf(int fd) { return Get<kOriginMarkMax>(fd, kOrigin); }

absl::Status SetPinned(int fd, bool pinned) {
  const std::optional<ObjectInfo> info = TimesOf(fd);
  if (!info.has_value()) return net::ErrnoToStatus(errno, "fstat");
  const std::optional<std::string> etag = KnownContentEtag(fd, *info);
  if (pinned ? fsetxattr(fd, kPinned, "", 0, 0) != 0
             : fremovexattr(fd, kPinned) != 0 && errno != ENODATA) {
    return AttributeError(errno, "an object is pinned only on");
  }
  if (etag.has_value()) KeepContentEtag(fd, *etag);
  return absl::OkStatus();
}

bool IsPinned(int fd) { return Get(fd, kPinned).has_value(); }

Kind KindOf(int directory, const std::string& name) {
  return KindAt(absl::StrCat("/proc/self/fd/", directory, "/", name), llistxattr, lgetxattr);
}

Kind KindOf(int fd) { return KindAt(absl::StrCat("/proc/self/fd/", fd), listxattr, getxattr); }

}  // namespace objmapper::storage
