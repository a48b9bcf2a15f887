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
            "walk the folder, and "
            "objects that have expired are removed. It is read at the start, while requests are "
            "served already.");
DEFINE_int64(catalog_watches, 100'000,
             "Folders in which the catalog follows by inotify what others change; about 1 KiB of "
             "kernel memory each, and "
             "fs.inotify.max_user_watches allows how many. The others are looked at every "
             "--catalog_rescan.");
DEFINE_string(catalog_rescan, "1m",
              "How often all of the folder is looked at again, whatever inotify has told of it; a "
              "look that takes more than a tenth "
              "of that is followed by a rest of nine times as long.");
DEFINE_string(catalog_memory, "2G",
              "How much memory the list of all objects may take. Clients' objects beyond that are "
              "refused as UNAVAILABLE; where "
              "others put more into the folder, OP_LIST walks it. Unless it is given, at most half "
              "of what the machine and its cgroup "
              "have. Empty: no bound.");
DEFINE_string(
    disk_evict_at, "",
    "How full the disk may become before the objects go that were used longest ago, with "
    "--writable: a share of "
    "the file system (85%), whatever fills it, or bytes of objects (200G). Empty: none goes.");
DEFINE_string(disk_refuse_at, "",
              "How full the disk may become before clients' objects are refused as UNAVAILABLE, "
              "with --writable: as "
              "--disk_evict_at, and more. Empty: when it is full.");

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
