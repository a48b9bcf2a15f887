// Compares by the hash that a server makes of what it stores. One STAT for each, and a look at the
// whole file where its length is the object's.
#include "tools/cli/same.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/error.h"
#include "net/errno_status.h"
#include "protocol/capabilities.h"
#include "text/printable.h"

namespace objmapper::tools {
namespace {

constexpr absl::string_view kOfContent = "xxh3-";
constexpr size_t kPieceBytes = 256 * 1024;

struct Free {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

// Of an object that cannot be asked about: an error where it cannot be copied either, or not now.
absl::StatusOr<bool> NotKnown(const absl::Status& error) {
  if (client::SourceOf(error) != client::ErrorSource::kServer || absl::IsUnavailable(error))
    return error;
  return false;
}

}  // namespace

absl::StatusOr<std::string> ContentEtag(int file, absl::string_view path) {
  const std::unique_ptr<XXH3_state_t, Free> state(XXH3_createState());
  if (state == nullptr) return absl::ResourceExhaustedError("no memory for a hash");
  XXH3_128bits_reset(state.get());
  std::string piece(kPieceBytes, '\0');
  off_t at = 0;
  while (true) {
    const ssize_t got = pread(file, piece.data(), piece.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return net::ErrnoToStatus(errno, absl::StrCat("read ", text::Printable(path)));
    if (got == 0) break;
    XXH3_128bits_update(state.get(), piece.data(), static_cast<size_t>(got));
    at += got;
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(state.get());
  return absl::StrFormat("%s%016x%016x", kOfContent, hash.high64, hash.low64);
}

absl::StatusOr<bool> IsSame(client::Client& client, const std::string& uri, int file,
                            absl::string_view path, bool for_ever) {
  struct stat attributes;
  if (fstat(file, &attributes) != 0)
    return net::ErrnoToStatus(errno, absl::StrCat("look at ", text::Printable(path)));
  if (!S_ISREG(attributes.st_mode)) return false;
  const absl::StatusOr<client::ObjectInfo> object = client.Stat(uri);
  if (!object.ok()) return NotKnown(object.status());
  if (object->size != static_cast<uint64_t>(attributes.st_size)) return false;
  if (!object->etag.has_value() || !absl::StartsWith(*object->etag, kOfContent)) return false;
  // Only with VERSIONS an answer says when it is gone.
  const bool knows_end = (client.capabilities() & protocol::kVersions) != 0;
  if (for_ever && (!knows_end || object->expires_s.has_value() || object->ttl_s.has_value()))
    return false;
  const absl::StatusOr<std::string> etag = ContentEtag(file, path);
  if (!etag.ok()) return etag.status();
  return *etag == *object->etag;
}

}  // namespace objmapper::tools
