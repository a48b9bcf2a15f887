#include "tools/bench/contenders/floor/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"

namespace objmapper::bench {

absl::StatusOr<Objects> OpenObjects(const std::string& root, bool map) {
  Objects objects;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(root, error), end; !error && entry != end;
       entry.increment(error)) {
    if (!entry->is_regular_file()) continue;
    const std::string path = entry->path().string();
    Object object{.fd = open(path.c_str(), O_RDONLY | O_CLOEXEC), .bytes = entry->file_size()};
    if (object.fd < 0) return net::ErrnoToStatus(errno, absl::StrCat("open ", path));
    if (map && object.bytes != 0) {
      void* data = mmap(nullptr, object.bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, object.fd, 0);
      if (data == MAP_FAILED) return net::ErrnoToStatus(errno, absl::StrCat("map ", path));
      object.data = static_cast<const char*>(data);
    }
    objects[entry->path().filename().string()] = object;
  }
  if (error) return net::ErrnoToStatus(error.value(), absl::StrCat("list ", root));
  return objects;
}

}  // namespace objmapper::bench
