// Shares out the memory of streams. Invariant: what the windows of open streams have, and what is
// left, is all there is.
#include "origin/flight/uncached.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/retry_after.h"
#include "origin/cache/mark.h"
#include "origin/flight/trouble.h"
#include "origin/flight/uncached_stream.h"

namespace objmapper::origin {
namespace {

// Of what is left, the next window's share.
constexpr uint64_t kShare = 16;
// When somebody may have read what he came for.
constexpr absl::Duration kComeAgainIn = absl::Seconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<storage::PassThrough>> Uncached::Open(const Version& version,
                                                                     uint64_t begin, uint64_t end) {
  const uint64_t size = version.facts.size;
  end = std::min(end, size);
  begin = std::min(begin, end);
  // What cannot be had in parts comes whole, whatever of it is wanted.
  const bool in_parts = IsStrong(version.facts.etag);
  const uint64_t needed = in_parts ? end - begin : begin == end ? 0 : size;
  if (!in_parts && needed > options_.window_max) {
    return Trouble(absl::StrCat(version.url, ": there is no room for its ", size,
                                " bytes, and without a strong ETag it cannot go through in parts"));
  }
  std::shared_ptr<UncachedStream> stream;
  {
    const net::MutexLock lock(&mutex_);
    if (stopped_) return Trouble("the server stops");
    const uint64_t share =
        std::clamp(bytes_left_ / kShare, options_.window_min, options_.window_max);
    const uint64_t window = in_parts ? std::min(needed, share) : needed;
    if (window > bytes_left_) {
      refused_.Add();
      return net::WithRetryAfter(
          Trouble(absl::StrCat(version.url, ": there is no room for it here, and ", open_.size(),
                               " readers of such objects have the memory that there is for them "
                               "(--origin_uncached_bytes)")),
          kComeAgainIn);
    }
    stream = std::make_shared<UncachedStream>(shared_from_this(), version, begin, end, window);
    bytes_left_ -= window;
    opened_.Add();
    open_.emplace(stream.get(), stream);
  }
  stream->Begin();
  return std::make_unique<UncachedReader>(std::move(stream));
}

void Uncached::Stop() {
  std::vector<std::shared_ptr<UncachedStream>> streams;
  {
    const net::MutexLock lock(&mutex_);
    stopped_ = true;
    for (const auto& [key, held] : open_)
      if (std::shared_ptr<UncachedStream> stream = held.lock())
        streams.push_back(std::move(stream));
  }
  for (const std::shared_ptr<UncachedStream>& stream : streams)
    stream->End(Trouble("the server stops"));
}

void Uncached::Came(uint64_t bytes) {
  const net::MutexLock lock(&mutex_);
  bytes_.Add(bytes);
}

void Uncached::Closed(const UncachedStream* stream, uint64_t window) {
  const net::MutexLock lock(&mutex_);
  open_.erase(stream);
  bytes_left_ += window;
}

Uncached::Counts Uncached::Read() const {
  const net::MutexLock lock(&mutex_);
  return {.opened = opened_,
          .refused = refused_,
          .bytes = bytes_,
          .open = open_.size(),
          .window_bytes = options_.bytes_max - bytes_left_};
}

}  // namespace objmapper::origin
