#include "storage/object_info.h"

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

namespace objmapper::storage {

std::string Etag(const ObjectInfo& info) {
  // Every bit of every field, so that distinct infos cannot collide: 40 bytes, 54 characters of
  // base64. Decimal or hexadecimal digits would not fit.
  const uint64_t fields[] = {info.size, static_cast<uint64_t>(info.mtime_ns),
                             static_cast<uint64_t>(info.ctime_ns), info.device, info.inode};
  return absl::WebSafeBase64Escape(
      absl::string_view(reinterpret_cast<const char*>(fields), sizeof(fields)));
}

}  // namespace objmapper::storage
