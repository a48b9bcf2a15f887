// Marks as text in an extended attribute: one field behind the other, escaped, so that getfattr(1)
// shows them as they are.
#include "origin/cache/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <xxhash.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "storage/tree/attributes.h"
#include "storage/tree/disk_error.h"
#include "storage/tree/object_info.h"

namespace objmapper::origin {
namespace {

constexpr absl::string_view kKind = "1";
constexpr size_t kClientEtagMax = 64;  // docs/protocol.md

// Printable ASCII without the blank and '%' stays as it is.
std::string Escaped(absl::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (c > 0x20 && c < 0x7F && c != '%') {
      escaped.push_back(c);
    } else {
      absl::StrAppendFormat(&escaped, "%%%02x", static_cast<uint8_t>(c));
    }
  }
  return escaped;
}

std::optional<std::string> Unescaped(absl::string_view escaped) {
  std::string value;
  for (size_t i = 0; i < escaped.size(); ++i) {
    if (escaped[i] != '%') {
      value.push_back(escaped[i]);
      continue;
    }
    uint32_t byte;
    if (i + 2 >= escaped.size() || !absl::SimpleHexAtoi(escaped.substr(i + 1, 2), &byte))
      return std::nullopt;
    value.push_back(static_cast<char>(byte));
    i += 2;
  }
  return value;
}

// Reads one field into a mark. False: it is none of its kind.
bool Take(absl::string_view name, absl::string_view text, Mark* mark) {
  const std::optional<std::string> value = Unescaped(text);
  if (!value.has_value()) return false;
  if (name == "uri") {
    mark->uri = *value;
  } else if (name == "source") {
    mark->source = *value;
  } else if (name == "etag") {
    mark->etag = *value;
  } else if (name == "modified") {
    return absl::SimpleAtoi(*value, &mark->last_modified_s.emplace());
  } else if (name == "size") {
    return absl::SimpleAtoi(*value, &mark->size);
  } else if (name == "crc32c") {
    return value->size() == 8 && absl::SimpleHexAtoi(*value, &mark->crc32c.emplace());
  } else if (name == "fetched") {
    return absl::SimpleAtoi(*value, &mark->fetched_s);
  } else if (name == "checked") {
    return absl::SimpleAtoi(*value, &mark->checked_s);
  } else if (name == "mtime_ns") {
    return absl::SimpleAtoi(*value, &mark->mtime_ns);
  }
  // Others are a later server's to know.
  return true;
}

}  // namespace

std::string EncodeMark(const Mark& mark) {
  std::string text = absl::StrCat(
      kKind, " uri=", Escaped(mark.uri), " source=", Escaped(mark.source), " size=", mark.size,
      " fetched=", mark.fetched_s, " checked=", mark.checked_s, " mtime_ns=", mark.mtime_ns);
  if (!mark.etag.empty()) absl::StrAppend(&text, " etag=", Escaped(mark.etag));
  if (mark.last_modified_s.has_value()) absl::StrAppend(&text, " modified=", *mark.last_modified_s);
  if (mark.crc32c.has_value()) absl::StrAppendFormat(&text, " crc32c=%08x", *mark.crc32c);
  return text;
}

std::optional<Mark> ParseMark(absl::string_view text) {
  const std::vector<absl::string_view> words = absl::StrSplit(text, ' ');
  if (words.front() != kKind) return std::nullopt;
  Mark mark;
  std::set<absl::string_view> seen;
  for (const absl::string_view word : absl::MakeSpan(words).subspan(1)) {
    const std::pair<absl::string_view, absl::string_view> field =
        absl::StrSplit(word, absl::MaxSplits('=', 1));
    if (field.first.empty() || !seen.insert(field.first).second ||
        !Take(field.first, field.second, &mark))
      return std::nullopt;
  }
  for (const absl::string_view needed : {"uri", "source", "size", "mtime_ns"}) {
    if (!seen.contains(needed)) return std::nullopt;
  }
  return mark;
}

absl::Status CheckMarks(const storage::Tree& tree) {
  const net::UniqueFd file(
      openat(tree.root().fd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR));
  // Where there is no O_TMPFILE, the first object that is published finds out.
  if (!file.valid()) {
    if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL) return absl::OkStatus();
    return storage::DiskError(errno, "make a file in the root");
  }
  return storage::SetOriginMark(file.get(), kKind);
}

absl::Status WriteMark(int fd, Mark mark) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  timespec times[] = {now, {.tv_sec = 0, .tv_nsec = UTIME_OMIT}};
  if (mark.last_modified_s.has_value() && *mark.last_modified_s <= now.tv_sec)
    times[1] = {.tv_sec = *mark.last_modified_s, .tv_nsec = 0};
  if (futimens(fd, times) != 0) return storage::DiskError(errno, "futimens");
  struct stat status;
  if (fstat(fd, &status) != 0) return net::ErrnoToStatus(errno, "fstat");
  mark.mtime_ns = storage::NanosecondsOf(status.st_mtim);
  return storage::SetOriginMark(fd, EncodeMark(mark));
}

absl::Status UpdateMark(int fd, const Mark& mark) {
  const absl::StatusOr<storage::ObjectInfo> info = storage::InfoOf(fd, mark.uri);
  if (!info.ok()) return info.status();
  const std::optional<std::string> etag = storage::KnownContentEtag(fd, *info);
  if (absl::Status set = storage::SetOriginMark(fd, EncodeMark(mark)); !set.ok()) return set;
  if (etag.has_value()) storage::KeepContentEtag(fd, *etag);
  return absl::OkStatus();
}

std::optional<Mark> ReadMark(int fd) {
  const std::optional<std::string> text = storage::OriginMarkOf(fd);
  return text.has_value() ? ParseMark(*text) : std::nullopt;
}

bool IsUnchanged(int fd, const Mark& mark) {
  struct stat status;
  return fstat(fd, &status) == 0 && static_cast<uint64_t>(status.st_size) == mark.size &&
         storage::NanosecondsOf(status.st_mtim) == mark.mtime_ns;
}

bool IsStrong(absl::string_view etag) {
  return etag.size() >= 2 && etag.front() == '"' && etag.back() == '"' &&
         std::all_of(etag.begin() + 1, etag.end() - 1, [](char c) {
           return c != '"' && static_cast<uint8_t>(c) > 0x20 && c != 0x7F;
         });
}

std::string ClientEtag(const Mark& mark) {
  if (IsStrong(mark.etag)) {
    const absl::string_view inner = absl::string_view(mark.etag).substr(1, mark.etag.size() - 2);
    const bool fits =
        !inner.empty() && inner.size() <= kClientEtagMax &&
        std::all_of(inner.begin(), inner.end(), [](char c) { return c > 0x20 && c < 0x7F; });
    if (fits) return std::string(inner);
  }
  const std::string version =
      absl::StrCat(Escaped(mark.source), " ", Escaped(mark.etag), " ",
                   mark.last_modified_s.value_or(0), " ", mark.size, " ", mark.crc32c.value_or(0));
  const XXH128_hash_t hash = XXH3_128bits(version.data(), version.size());
  return absl::StrFormat("origin-%016x%016x", hash.high64, hash.low64);
}

}  // namespace objmapper::origin
