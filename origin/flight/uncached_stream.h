// One reader's way through to an origin: a part of an object is asked for when the reader has taken
// enough of those before it, one at a time, each of the very version (If-Match).
//
// What has been asked for and not been taken is never more than the window, so a reader that is
// slow costs its window, and no connection to the origin for long: an answer is taken in as it
// comes, since it was asked for only where there is room for all of it.
//
// The piece that came last is withheld until more comes or, at the end, the length is what it
// should be, and of a whole object also its checksum, where the origin has told one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "net/mutex.h"
#include "origin/fetch/request.h"
#include "origin/flight/part_sink.h"
#include "origin/flight/strand.h"
#include "origin/flight/sums.h"
#include "origin/flight/uncached.h"
#include "storage/tree/pass_through.h"

namespace objmapper::origin {

class UncachedStream : public std::enable_shared_from_this<UncachedStream> {
 public:
  // window: bytes, of `owner`'s, to which they are given back by Leave().
  UncachedStream(std::shared_ptr<Uncached> owner, Uncached::Version version, uint64_t begin,
                 uint64_t end, uint64_t window);

  // ---- Any thread ----
  void Begin();
  // No more comes. Only the first counts.
  void End(absl::Status status);
  // The reader has gone; the last call of his.
  void Leave();

  // ---- The reader ----  (storage/tree/pass_through.h)
  storage::PassThrough::Piece Take(size_t bytes_max);
  bool IsReady() const;
  bool Await(std::function<void()> again);
  std::optional<absl::Status> ended() const;

 private:
  // The next part, if there is room for it.
  void AskMore();
  bool MayAsk() const EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The strand's.
  void OnFacts(const Facts& facts);
  void OnBytes(uint64_t offset, const std::string& bytes);
  void OnDone(const fetch::Outcome& outcome);
  absl::Status Check();
  void Deliver(std::string bytes);

  const std::shared_ptr<Uncached> owner_;
  const Uncached::Version version_;
  const uint64_t begin_, end_, window_;
  const bool in_parts_;        // else it comes whole, and is cut here
  const uint64_t part_bytes_;  // of one request
  const bool whole_;           // all of the object is read, so that it can be checked
  const std::shared_ptr<Strand> strand_;

  // The strand's.
  uint64_t came_;  // all before has come
  std::string withheld_;
  std::optional<Sums> sums_;  // nullopt: nothing is said of the whole, or not all is read
  std::optional<uint32_t> expected_crc32c_;
  uint32_t crc32c_ = 0;

  mutable net::Mutex mutex_;
  std::deque<std::string> pieces_ GUARDED_BY(mutex_);
  size_t first_taken_ GUARDED_BY(mutex_) = 0;  // bytes of the first piece
  uint64_t asked_ GUARDED_BY(mutex_);          // all before has been asked for
  uint64_t taken_ GUARDED_BY(mutex_);          // all before has been taken
  uint64_t request_ GUARDED_BY(mutex_) = 0;    // under way; 0: none
  std::function<void()> again_ GUARDED_BY(mutex_);
  std::optional<absl::Status> ended_ GUARDED_BY(mutex_);
};

// The reader's end of it.
class UncachedReader : public storage::PassThrough {
 public:
  explicit UncachedReader(std::shared_ptr<UncachedStream> stream) : stream_(std::move(stream)) {}
  ~UncachedReader() override { stream_->Leave(); }
  UncachedReader(const UncachedReader&) = delete;
  UncachedReader& operator=(const UncachedReader&) = delete;

  Piece Take(size_t bytes_max) override { return stream_->Take(bytes_max); }
  bool IsReady() const override { return stream_->IsReady(); }
  bool Await(std::function<void()> again) override { return stream_->Await(std::move(again)); }
  std::optional<absl::Status> ended() const override { return stream_->ended(); }

 private:
  const std::shared_ptr<UncachedStream> stream_;
};

}  // namespace objmapper::origin
