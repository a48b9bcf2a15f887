#include "storage/content_etag.h"

#include <errno.h>
#include <unistd.h>
#include <xxhash.h>

#include <memory>

#include "absl/strings/str_format.h"
#include "net/errno_status.h"

namespace objmapper::storage {
namespace {
constexpr size_t kPieceBytes = 1024 * 1024;
}  // namespace

absl::StatusOr<std::string> ComputeContentEtag(int fd, uint64_t size) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), &XXH3_freeState);
  if (state == nullptr) return absl::ResourceExhaustedError("no memory for a hash");
  XXH3_128bits_reset(state.get());
  const auto piece = std::make_unique<char[]>(kPieceBytes);
  uint64_t at = 0;
  while (true) {
    const ssize_t got = pread(fd, piece.get(), kPieceBytes, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return net::ErrnoToStatus(errno, "read");
    if (got == 0) break;
    XXH3_128bits_update(state.get(), piece.get(), static_cast<size_t>(got));
    at += static_cast<uint64_t>(got);
  }
  if (at != size) return absl::AbortedError("it changed while it was read");
  const XXH128_hash_t hash = XXH3_128bits_digest(state.get());
  return absl::StrFormat("xxh3-%016x%016x", hash.high64, hash.low64);
}

}  // namespace objmapper::storage
