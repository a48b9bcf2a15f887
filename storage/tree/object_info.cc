// The ETAG of a version: all bits of size, times and inode.
#include "storage/tree/object_info.h"

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

namespace objmapper::storage {

int64_t NanosecondsOf(const timespec& time) {
  int64_t ns;
  if (__builtin_mul_overflow(int64_t{time.tv_sec}, int64_t{1'000'000'000}, &ns) ||
      __builtin_add_overflow(ns, int64_t{time.tv_nsec}, &ns)) {
    return time.tv_sec < 0 ? INT64_MIN : INT64_MAX;
  }
  return ns;
}

std::string Etag(const ObjectInfo& info) {
  // Every bit of every field, so that distinct infos cannot collide: 40 bytes, 54 characters of
  // base64. Decimal or hexadecimal digits would not fit.
  const uint64_t fields[] = {info.size, static_cast<uint64_t>(info.mtime_ns),
                             static_cast<uint64_t>(info.ctime_ns), info.device, info.inode};
  return absl::WebSafeBase64Escape(
      absl::string_view(reinterpret_cast<const char*>(fields), sizeof(fields)));
}

}  // namespace objmapper::storage
