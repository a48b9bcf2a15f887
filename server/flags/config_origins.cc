// The flags about origins: where objects are fetched from that are not here.
#include <gflags/gflags.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "origin/config/origins.h"
#include "server/flags/flag.h"

namespace objmapper::server {
namespace {

absl::StatusOr<uint64_t> UncachedBytes(const std::string& text) {
  constexpr uint64_t kLeast = 1 << 20;
  const absl::StatusOr<storage::DiskLevel> level =
      storage::ParseDiskLevel(absl::AsciiStrToUpper(text));
  if (!level.ok() || level->of != storage::DiskLevel::Of::kObjects || level->value < kLeast)
    return absl::InvalidArgumentError("expected a number of bytes such as 64M or 1G, 1M or more");
  return level->value;
}

}  // namespace
}  // namespace objmapper::server

FLAG(string, origin, "", Anything(), origin,
     "Where objects are fetched from that are not under --root: a URL (s3://BUCKET/PREFIX, "
     "http://HOST/PATH, https://HOST/PATH) and words about it, such as "
     "\"s3://models region=eu-west-1 revalidate=10m\" (docs/origins.md). They are kept under "
     "--root. "
     "Empty: nowhere.");
FLAG(string, origins_file, "", Anything(), origins_file,
     "File with an origin for each prefix of URIs, one on each line: the prefix, and what --origin "
     "takes (docs/origins.md). Read again at SIGHUP. Empty: none.");
FLAG(string, origin_uncached_bytes, "128M", Parsed(UncachedBytes), origin_uncached_bytes,
     "Maximum memory (64M, 1G) of objects that go from their origin to clients without being kept, "
     "since there is no room for them under --root. Each body has a window of a sixteenth of what "
     "others have left, of 512 KiB to 8 MiB; one for which nothing is left is refused as "
     "UNAVAILABLE.");

namespace objmapper::server {
namespace {

using Of = storage::DiskLevel::Of;

// How full the file system may become with what was fetched, unless a flag says otherwise: some
// room is left for what else is written there.
constexpr uint64_t kEvictFetchedAtPercent = 90;

}  // namespace

absl::Status CheckOrigins(Config* config) {
  if (!config->origin.empty() && !config->origins_file.empty()) {
    return Bad("origins_file", config->origins_file,
               "--origin is given too; a line for the prefix / says the same");
  }
  absl::StatusOr<origin::Origins> origins = origin::Origins();
  if (!config->origin.empty()) origins = origin::Origins::OfFlag(config->origin);
  if (!config->origins_file.empty()) origins = origin::Origins::Load(config->origins_file);
  if (!origins.ok()) {
    // The value of --origin is not shown: there may be a password in it.
    return absl::InvalidArgumentError(
        absl::StrCat(config->origin.empty() ? "--origins_file: " : "--origin is not valid: ",
                     origins.status().message()));
  }
  config->origins = *std::move(origins);
  if (!config->fetches()) return absl::OkStatus();
  storage::Housekeeping::Options& house = config->house;
  if (!config->catalog) {
    config->warnings.push_back(
        "--catalog=false: it is not known what is here of origins, so nothing is evicted; what is "
        "fetched when the disk is full is not kept.");
    return absl::OkStatus();
  }
  // What is this disk's own is only removed where the operator has said at which level.
  house.evicts = config->limits.writable && house.evict_at.of != Of::kNothing
                     ? storage::Evicts::kFetchedFirst
                     : storage::Evicts::kFetchedOnly;
  const bool below =
      house.refuse_at.of == Of::kNothing ||
      (house.refuse_at.of == Of::kFileSystem && house.refuse_at.value > kEvictFetchedAtPercent);
  if (house.evict_at.of == Of::kNothing && below)
    house.evict_at = {Of::kFileSystem, kEvictFetchedAtPercent};
  return absl::OkStatus();
}

}  // namespace objmapper::server
