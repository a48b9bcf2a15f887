// The flags about the objects: where they are, whether clients may change them, and how much of the
// disk and of the memory they may take.
#include <gflags/gflags.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/cores.h"
#include "server/flags/flag.h"
#include "storage/catalog/disk_limits.h"
#include "storage/store/store.h"

namespace objmapper::server {
namespace {

using Of = storage::DiskLevel::Of;

constexpr uint64_t kBytesLeast = 65536;

// A number of bytes, 64K or more.
absl::StatusOr<uint64_t> BytesOf(const std::string& text, const char* wanted) {
  const absl::StatusOr<storage::DiskLevel> level = storage::ParseDiskLevel(text);
  if (level.ok() && level->of == Of::kObjects && level->value >= kBytesLeast) return level->value;
  return absl::InvalidArgumentError(wanted);
}

absl::StatusOr<uint64_t> CatalogBytes(const std::string& text) {
  return BytesOf(text, "expected a number of bytes such as 64M or 2G, at least 64K, or empty");
}

absl::StatusOr<uint64_t> MemoryBytes(const std::string& text) {
  if (text == "0") return 0;
  // Each object takes whole pages.
  return BytesOf(absl::AsciiStrToUpper(text),
                 "expected a number of bytes such as 64M or 2G, 64K or more, or 0");
}

}  // namespace
}  // namespace objmapper::server

DEFINE_string(root, "", "Directory whose files are the objects. Empty: ./objects, if it exists.");
FLAG(int64, index_entries, 65536, Number(0, 1'000'000'000), index_entries,
     "Maximum number of objects whose size and times are cached for OP_STAT. 0: none.");
FLAG(bool, writable, false, Anything(), limits.writable,
     "Clients may store and delete objects (OP_PUT, OP_PUT_FD, OP_DELETE), within "
     "--rules_file if it is given. Without this flag they never change anything under the root.");
FLAG(string, durability, "data",
     OneOf<storage::Durability>({{{"none", storage::Durability::kNone},
                                  {"data", storage::Durability::kData},
                                  {"full", storage::Durability::kFull}}}),
     store.durability,
     "What a crash of the machine may lose of an object whose storing was acknowledged, "
     "with --writable: none (anything not yet written back), data (the name, never part "
     "of the bytes), full (nothing). A crash of the server alone loses nothing.");
FLAG(int64, put_rate_min, 256, Number(0, int64_t{1} << 40), limits.put_rate_min,
     "Minimum rate, in bytes per second, of the body of an OP_PUT. A client that is more "
     "than --request_timeout behind this rate is answered TIMEOUT, and its unfinished "
     "object is dropped. 0: no minimum, as long as bytes arrive.");
FLAG(int32, put_room_per_peer, 90, Number(1, 100), house.peer_percent,
     "Maximum share, in per cent, of the free room (on the disk, or below "
     "--disk_refuse_at) that unfinished objects of one peer (a user; over TCP an address) "
     "may take. The rest is left to other peers. 100: all.");
FLAG(bool, catalog, true, Anything(), catalog,
     "Keep a list of all objects in memory (about 100 bytes each), so that OP_LIST need not "
     "walk the directory tree and expired objects are removed. The list is built at the "
     "start, while requests are already served.");
FLAG(int64, catalog_watches, 100'000, Number(0, 100'000'000), house.watches_max,
     "Maximum number of directories in which the catalog follows changes by inotify. Each "
     "takes about 1 KiB of kernel memory; fs.inotify.max_user_watches limits their number. "
     "All other directories are read every --catalog_rescan.");
FLAG(string, catalog_rescan, "1m", Time(), house.rescan,
     "Interval at which the whole directory tree is read again, whatever inotify has "
     "reported. If reading takes longer than a tenth of the interval, the pause after it "
     "is nine times as long as the reading.");
FLAG(string, catalog_memory, "2G", ParsedIfAny(CatalogBytes), house.catalog_memory,
     "Maximum memory of the list of all objects. Beyond it, clients' new objects are refused as "
     "UNAVAILABLE; if files are added in other ways, OP_LIST walks the directory tree. The default "
     "is limited to half of the memory of the machine and its cgroup. Empty: no limit.");
FLAG(string, disk_evict_at, "", Parsed(storage::ParseDiskLevel), house.evict_at,
     "Disk usage above which least recently used objects are evicted, with --writable or origins: "
     "a percentage of the file system (85%), whatever uses it, or bytes of objects (200G). Those "
     "that were fetched from origins go first, and without --writable no others. Empty: nothing is "
     "evicted, but what was fetched above 90%.");
FLAG(string, disk_refuse_at, "", Parsed(storage::ParseDiskLevel), house.refuse_at,
     "Disk usage above which clients' new objects are refused as UNAVAILABLE, with "
     "--writable: a percentage or bytes, as for --disk_evict_at, and higher than that. "
     "Empty: when the disk is full.");
FLAG(
    string, memory_limit, "0", Parsed(MemoryBytes), memory.bytes_max,
    "Maximum number of bytes (64M, 2G) of objects in memory: sealed memfds that clients store with "
    "OP_PUT_FD and that have no copy on the disk. They are evicted when the limit is reached, and "
    "are gone when the server ends (docs/memory.md). 0: memfds are copied to the disk.");

namespace objmapper::server {
namespace {

absl::Status ReadRoot(Config* config) {
  const bool given = !FLAGS_root.empty();
  const std::string wanted = given ? FLAGS_root : "objects";
  struct stat status;
  if (stat(wanted.c_str(), &status) != 0) {
    if (given) return Bad("root", wanted, "there is no such directory, or it cannot be reached");
    return absl::InvalidArgumentError(
        "--root is not given, and there is no directory ./objects, which is the default. Give the "
        "directory to serve with --root=DIR.");
  }
  if (!S_ISDIR(status.st_mode)) return Bad("root", wanted, "it is not a directory");
  // Absolute, for the log: a relative path tells little to who reads it later. Links in it stay, so
  // that SIGHUP follows one that leads elsewhere by then; but for one that a ".." comes behind,
  // which only the file system can resolve.
  if (!absl::StrContains(wanted, "..")) {
    std::error_code error;
    std::string path = std::filesystem::absolute(wanted, error).lexically_normal().string();
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    config->root = error ? wanted : path;
    return absl::OkStatus();
  }
  char* absolute = realpath(wanted.c_str(), nullptr);
  config->root = absolute == nullptr ? wanted : absolute;
  free(absolute);
  return absl::OkStatus();
}

absl::Status CheckLevels(const Config& config) {
  const storage::DiskLevel& evict_at = config.house.evict_at;
  const storage::DiskLevel& refuse_at = config.house.refuse_at;
  for (const auto& [flag, text, level] :
       {std::tuple("disk_evict_at", FLAGS_disk_evict_at, evict_at),
        std::tuple("disk_refuse_at", FLAGS_disk_refuse_at, refuse_at)}) {
    if (level.of == Of::kNothing) continue;
    if (!config.writes_root())
      return Bad(flag, text, "it needs --writable, --origin or --origins_file");
    if (!config.catalog)
      return Bad(flag, text, "without --catalog it is not known what objects there are");
  }
  if (evict_at.of == Of::kNothing || refuse_at.of == Of::kNothing) return absl::OkStatus();
  const std::string other = absl::StrCat("--disk_evict_at is ", FLAGS_disk_evict_at);
  if (evict_at.of != refuse_at.of) {
    return Bad(
        "disk_refuse_at", FLAGS_disk_refuse_at,
        absl::StrCat(other,
                     ": both must be percentages of the file system, or both bytes of objects"));
  }
  if (evict_at.value < refuse_at.value) return absl::OkStatus();
  return Bad(
      "disk_refuse_at", FLAGS_disk_refuse_at,
      absl::StrCat(other, ": objects are evicted first, so refusing begins above that level"));
}

absl::Status CheckCatalog(Config* config) {
  if (config->house.rescan < absl::Milliseconds(1) ||
      config->house.rescan == absl::InfiniteDuration()) {
    return Bad("catalog_rescan", FLAGS_catalog_rescan,
               "expected a duration such as 30s or 5m, from 1ms to a year");
  }
  // The default is for machines that have more.
  uint64_t& memory = config->house.catalog_memory;
  if (!IsGiven("catalog_memory"))
    memory = std::min(memory, std::max(kBytesLeast, MemoryAllowed() / 2));
  return CheckLevels(*config);
}

absl::Status CheckMemory(Config* config) {
  const uint64_t limit = config->memory.bytes_max;
  if (limit != 0 && !config->limits.writable) {
    return Bad("memory_limit", FLAGS_memory_limit,
               "no client can store objects in a server without --writable");
  }
  if (const uint64_t allowed = MemoryAllowed(); limit > allowed) {
    config->warnings.push_back(
        absl::StrCat("--memory_limit=", FLAGS_memory_limit,
                     " is more memory than this process may use (", allowed,
                     " bytes: the machine's memory, or memory.max of its cgroup); the kernel would "
                     "kill it before the limit is reached."));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckObjects(Config* config) {
  return RunChecks({ReadRoot, CheckCatalog, CheckMemory}, config);
}

}  // namespace objmapper::server
