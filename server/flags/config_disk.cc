#include "server/flags/config_disk.h"

#include <gflags/gflags.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/cores.h"
#include "server/flags/flag_errors.h"
#include "text/duration.h"

DEFINE_bool(catalog, true,
            "Keep a list of all objects in memory (about 100 bytes each), so that OP_LIST need not "
            "walk the directory tree and expired objects are removed. The list is built at the "
            "start, while requests are already served.");
DEFINE_int64(catalog_watches, 100'000,
             "Maximum number of directories in which the catalog follows changes by inotify. Each "
             "takes about 1 KiB of kernel memory; fs.inotify.max_user_watches limits their number. "
             "All other directories are read every --catalog_rescan.");
DEFINE_string(catalog_rescan, "1m",
              "Interval at which the whole directory tree is read again, whatever inotify has "
              "reported. If reading takes longer than a tenth of the interval, the pause after it "
              "is nine times as long as the reading.");
DEFINE_string(
    catalog_memory, "2G",
    "Maximum memory of the list of all objects. Beyond it, clients' new objects are refused as "
    "UNAVAILABLE; if files are added in other ways, OP_LIST walks the directory tree. The default "
    "is limited to half of the memory of the machine and its cgroup. Empty: no limit.");
DEFINE_string(disk_evict_at, "",
              "Disk usage above which least recently used objects are evicted, with --writable: a "
              "percentage of the file system (85%), whatever uses it, or bytes of objects (200G). "
              "Empty: nothing is evicted.");
DEFINE_string(disk_refuse_at, "",
              "Disk usage above which clients' new objects are refused as UNAVAILABLE, with "
              "--writable: a percentage or bytes, as for --disk_evict_at, and higher than that. "
              "Empty: when the disk is full.");

namespace objmapper::server {
namespace {

using Of = storage::DiskLevel::Of;

constexpr uint64_t kCatalogBytesMin = 65536;

absl::Status ReadLevel(const char* flag, const std::string& text, const Config& config,
                       storage::DiskLevel* level) {
  const absl::StatusOr<storage::DiskLevel> parsed = storage::ParseDiskLevel(text);
  if (!parsed.ok()) return Bad(flag, text, parsed.status().message());
  *level = *parsed;
  if (level->of == Of::kNothing) return absl::OkStatus();
  if (!config.writable) return Bad(flag, text, "without --writable nothing is stored or removed");
  if (!config.catalog) return Bad(flag, text, "without --catalog nobody knows what there is");
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadDisk(Config* config) {
  config->catalog = FLAGS_catalog;
  if (absl::Status s = CheckRange("catalog_watches", FLAGS_catalog_watches, 0, 100'000'000);
      !s.ok())
    return s;
  config->catalog_watches = static_cast<size_t>(FLAGS_catalog_watches);
  if (!text::ParseDuration(FLAGS_catalog_rescan, &config->catalog_rescan) ||
      config->catalog_rescan < absl::Milliseconds(1) ||
      config->catalog_rescan > absl::Hours(24 * 365)) {
    return Bad("catalog_rescan", FLAGS_catalog_rescan,
               "it is a duration such as 30s or 5m, from 1ms to a year");
  }
  if (!FLAGS_catalog_memory.empty()) {
    const absl::StatusOr<storage::DiskLevel> memory = storage::ParseDiskLevel(FLAGS_catalog_memory);
    if (!memory.ok() || memory->of != Of::kObjects || memory->value < kCatalogBytesMin) {
      return Bad("catalog_memory", FLAGS_catalog_memory,
                 "it is a number of bytes such as 64M or 2G, 64K or more, or empty");
    }
    config->catalog_memory = memory->value;
    // The default is for machines that have more.
    const uint64_t half = std::max(kCatalogBytesMin, MemoryAllowed() / 2);
    if (gflags::GetCommandLineFlagInfoOrDie("catalog_memory").is_default) {
      config->catalog_memory = std::min(config->catalog_memory, half);
    }
  }
  const storage::DiskLevel& evict_at = config->disk_evict_at;
  const storage::DiskLevel& refuse_at = config->disk_refuse_at;
  if (absl::Status s =
          ReadLevel("disk_evict_at", FLAGS_disk_evict_at, *config, &config->disk_evict_at);
      !s.ok())
    return s;
  if (absl::Status s =
          ReadLevel("disk_refuse_at", FLAGS_disk_refuse_at, *config, &config->disk_refuse_at);
      !s.ok()) {
    return s;
  }
  if (evict_at.of == Of::kNothing || refuse_at.of == Of::kNothing) return absl::OkStatus();
  const std::string other = absl::StrCat("--disk_evict_at is ", FLAGS_disk_evict_at);
  if (evict_at.of != refuse_at.of) {
    return Bad(
        "disk_refuse_at", FLAGS_disk_refuse_at,
        absl::StrCat(other, ": both are shares of the file system, or both bytes of objects"));
  }
  if (evict_at.value >= refuse_at.value) {
    return Bad(
        "disk_refuse_at", FLAGS_disk_refuse_at,
        absl::StrCat(other, ": objects go first, so that what is refused begins above that"));
  }
  return absl::OkStatus();
}

}  // namespace objmapper::server
