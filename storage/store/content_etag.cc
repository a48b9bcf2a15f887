// Hashes a file in pieces. If size or times change meanwhile, there is no hash.
#include "storage/store/content_etag.h"

#include <errno.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>

#include "absl/strings/str_format.h"
#include "net/errno_status.h"

namespace objmapper::storage {
namespace {
constexpr size_t kPieceBytes = 1024 * 1024;
// Of one Step(): bytes, of data or of holes, and how many of both.
constexpr uint64_t kStepBytes = 64 * 1024 * 1024;
constexpr int kStepPieces = 4096;
constexpr size_t kZeros = 64 * 1024;

std::string TextOf(const XXH128_hash_t& hash) {
  return absl::StrFormat("xxh3-%016x%016x", hash.high64, hash.low64);
}
}  // namespace

std::string ContentEtagOf(absl::string_view content) {
  return TextOf(XXH3_128bits(content.data(), content.size()));
}

void ContentHash::Free::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

ContentHash::ContentHash(int fd, uint64_t size) : fd_(fd), size_(size), state_(XXH3_createState()) {
  if (state_ != nullptr) XXH3_128bits_reset(state_.get());
}

void ContentHash::HashZeros(uint64_t bytes) {
  static constexpr char zeros[kZeros] = {};
  while (bytes > 0) {
    const size_t some = static_cast<size_t>(std::min<uint64_t>(bytes, kZeros));
    XXH3_128bits_update(state_.get(), zeros, some);
    bytes -= some;
  }
}

// Hashes the hole at at_, or as much of it as may be, and finds where the data behind it ends.
void ContentHash::NextExtent() {
  const off_t data = lseek(fd_, static_cast<off_t>(at_), SEEK_DATA);
  if (data < 0 && errno != ENXIO) {
    data_end_ = size_ + 1;  // it cannot be asked: all is read, and the end found
    return;
  }
  // ENXIO: none any more, or the file is shorter than it was; then reading at its end will tell.
  const uint64_t begin = data < 0 ? size_ : std::min(static_cast<uint64_t>(data), size_);
  if (begin - at_ > kHolesMax - holes_) {
    holes_ = kHolesMax + 1;
    return;
  }
  const uint64_t hole_bytes = std::min(begin - at_, kStepBytes);
  holes_ += hole_bytes;
  HashZeros(hole_bytes);
  at_ += hole_bytes;
  if (at_ < begin) return;
  const off_t hole = begin < size_ ? lseek(fd_, data, SEEK_HOLE) : -1;
  data_end_ = hole > data ? std::min(static_cast<uint64_t>(hole), size_) : size_ + 1;
}

absl::StatusOr<bool> ContentHash::Step() {
  if (state_ == nullptr) return absl::ResourceExhaustedError("no memory for a hash");
  const size_t room = static_cast<size_t>(std::clamp<uint64_t>(size_, 1, kPieceBytes));
  if (piece_ == nullptr) piece_.reset(new char[room]);
  uint64_t bytes = 0;
  for (int pieces = 0; pieces < kStepPieces && bytes < kStepBytes; ++pieces) {
    const uint64_t before = at_;
    if (at_ >= data_end_) {
      NextExtent();
      if (holes_ > kHolesMax) return true;
      bytes += at_ - before;
      if (at_ >= data_end_) continue;
    }
    const uint64_t from = at_;
    // At its end too: a file that has grown is found out.
    const ssize_t got =
        pread(fd_, piece_.get(), static_cast<size_t>(std::min<uint64_t>(room, data_end_ - at_)),
              static_cast<off_t>(at_));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return net::ErrnoToStatus(errno, "read");
    if (got == 0) {
      if (at_ != size_) break;
      etag_ = TextOf(XXH3_128bits_digest(state_.get()));
      return true;
    }
    XXH3_128bits_update(state_.get(), piece_.get(), static_cast<size_t>(got));
    at_ += static_cast<uint64_t>(got);
    bytes += at_ - from;
    if (at_ > size_) break;
  }
  if (bytes == 0 || at_ > size_) return absl::AbortedError("it changed while it was read");
  return false;
}

}  // namespace objmapper::storage
