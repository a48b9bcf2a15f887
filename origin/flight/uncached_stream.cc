// Asks for part after part. Invariant: nobody is called with the lock held; the fetcher is, which
// waits for nothing and calls nobody, so that none of its calls comes after End().
#include "origin/flight/uncached_stream.h"

#include <glog/logging.h>
#include <string.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "origin/cache/crc32c.h"
#include "origin/cache/mark.h"
#include "origin/flight/trouble.h"

namespace objmapper::origin {
namespace {

using fetch::Verdict;

}  // namespace

UncachedStream::UncachedStream(std::shared_ptr<Uncached> owner, Uncached::Version version,
                               uint64_t begin, uint64_t end, uint64_t window)
    : owner_(std::move(owner)),
      version_(std::move(version)),
      begin_(begin),
      end_(end),
      window_(window),
      in_parts_(IsStrong(version_.facts.etag)),
      // Two, so that one comes while the other is taken; all, where there is room for that.
      part_bytes_(end - begin <= window ? end - begin : std::max<uint64_t>(window / 2, 1)),
      whole_(begin == 0 && end == version_.facts.size),
      strand_(std::make_shared<Strand>(owner_->options_.run)),
      came_(in_parts_ ? begin : 0),
      asked_(begin),
      taken_(begin) {
  if (!whole_) return;
  expected_crc32c_ = version_.facts.crc32c;
  SaidSums said = version_.facts.sums;
  if (version_.source->origin().kind != Origin::Kind::kS3) said.md5.reset();
  if (said.any()) sums_.emplace(std::move(said));
}

void UncachedStream::Begin() {
  if (begin_ == end_) return End(absl::OkStatus());
  AskMore();
}

// ---- The reader ----

storage::PassThrough::Piece UncachedStream::Take(size_t bytes_max) {
  storage::PassThrough::Piece taken;
  bool ask = false;
  {
    const net::MutexLock lock(&mutex_);
    if (pieces_.empty() || bytes_max == 0) return taken;
    std::string& first = pieces_.front();
    taken.bytes = std::min(bytes_max, first.size() - first_taken_);
    taken.data = std::make_unique_for_overwrite<char[]>(taken.bytes);
    memcpy(taken.data.get(), first.data() + first_taken_, taken.bytes);
    first_taken_ += taken.bytes;
    if (first_taken_ == first.size()) {
      pieces_.pop_front();
      first_taken_ = 0;
    }
    taken_ += taken.bytes;
    ask = MayAsk();
  }
  if (ask) AskMore();
  return taken;
}

bool UncachedStream::IsReady() const {
  const net::MutexLock lock(&mutex_);
  return !pieces_.empty() || ended_.has_value();
}

bool UncachedStream::Await(std::function<void()> again) {
  {
    const net::MutexLock lock(&mutex_);
    if (again_ != nullptr) return false;
    if (pieces_.empty() && !ended_.has_value()) {
      again_ = std::move(again);
      return true;
    }
  }
  again();
  return true;
}

std::optional<absl::Status> UncachedStream::ended() const {
  const net::MutexLock lock(&mutex_);
  return ended_;
}

void UncachedStream::Leave() {
  End(absl::CancelledError("nobody reads it any more"));
  std::deque<std::string> pieces;
  {
    const net::MutexLock lock(&mutex_);
    pieces.swap(pieces_);
  }
  owner_->Closed(this, window_);
}

void UncachedStream::End(absl::Status status) {
  std::function<void()> again;
  {
    const net::MutexLock lock(&mutex_);
    if (ended_.has_value()) return;
    ended_ = std::move(status);
    if (request_ != 0) owner_->options_.fetcher->Cancel(request_);
    again.swap(again_);
  }
  if (again != nullptr) again();
}

// ---- Asking ----

bool UncachedStream::MayAsk() const {
  if (ended_.has_value() || request_ != 0 || asked_ == end_) return false;
  const uint64_t bytes = std::min(part_bytes_, end_ - asked_);
  return asked_ + bytes - taken_ <= window_;
}

void UncachedStream::AskMore() {
  absl::Status failed;
  {
    const net::MutexLock lock(&mutex_);
    if (!MayAsk()) return;
    const uint64_t bytes = std::min(part_bytes_, end_ - asked_);
    const bool all = bytes == version_.facts.size || !in_parts_;
    Source::Wanted wanted;
    // A server that knows no ranges sends all, which is what is wanted then.
    wanted.or_whole = all;
    if (in_parts_) {
      wanted.range = {asked_, asked_ + bytes - 1};
      wanted.if_match = version_.facts.etag;
    }
    wanted.bytes_max = in_parts_ ? bytes : version_.facts.size;
    PartEvents events;
    const auto self = shared_from_this();
    events.on_facts = [self](const Facts& facts) { self->OnFacts(facts); };
    events.on_bytes = [self](uint64_t offset, const std::string& piece) {
      self->OnBytes(offset, piece);
    };
    events.on_done = [self](const fetch::Outcome& outcome) { self->OnDone(outcome); };
    const absl::StatusOr<uint64_t> id = owner_->options_.fetcher->Fetch(
        version_.source->Get(version_.location, std::move(wanted)),
        version_.account->Watching(std::make_shared<PartSink>(strand_, owner_->options_.now,
                                                              /*first=*/all, std::move(events)),
                                   version_.url));
    if (id.ok()) {
      request_ = *id;
      asked_ = in_parts_ ? asked_ + bytes : end_;
      return;
    }
    failed = id.status();
  }
  End(Trouble(absl::StrCat(version_.url, ": ", failed.message())));
}

// ---- What comes ----

void UncachedStream::OnFacts(const Facts& facts) {
  const Facts& known = version_.facts;
  // Of parts the fetcher has compared the ETag, where the answer has one.
  const bool same = (in_parts_ || facts.etag == known.etag) &&
                    (facts.size == 0 || facts.size == known.size) &&
                    (in_parts_ || facts.last_modified_s == known.last_modified_s);
  if (!same) return End(absl::AbortedError(absl::StrCat(version_.url, ": it has changed")));
  if (whole_ && facts.crc32c.has_value()) expected_crc32c_ = facts.crc32c;
}

void UncachedStream::OnBytes(uint64_t offset, const std::string& bytes) {
  version_.account->Came(bytes.size());
  owner_->Came(bytes.size());
  if (ended().has_value()) return;
  if (offset != came_) {
    return End(Trouble(absl::StrCat(version_.url, ": its bytes from ", came_,
                                    " on were asked for, and those from ", offset, " on came")));
  }
  came_ += bytes.size();
  if (sums_.has_value()) sums_->Add(bytes);
  if (expected_crc32c_.has_value()) crc32c_ = Crc32c(bytes, crc32c_);
  // Of what comes whole, only what was wanted.
  const uint64_t from = std::max(offset, begin_), to = std::min(came_, end_);
  if (from >= to) return;
  Deliver(std::exchange(withheld_, bytes.substr(from - offset, to - from)));
}

void UncachedStream::OnDone(const fetch::Outcome& outcome) {
  uint64_t asked = 0;
  {
    const net::MutexLock lock(&mutex_);
    request_ = 0;
    if (ended_.has_value()) return;
    asked = in_parts_ ? asked_ : version_.facts.size;
  }
  switch (outcome.verdict) {
    case Verdict::kFound:
      break;
    case Verdict::kNotFound:
    case Verdict::kPreconditionFailed:
    case Verdict::kBadRange:
      return End(absl::AbortedError(outcome.reason));
    case Verdict::kPermissionDenied:
      return End(absl::PermissionDeniedError(outcome.reason));
    default:
      return End(TroubleOf(outcome));
  }
  if (came_ != asked) {
    return End(Trouble(absl::StrCat(version_.url, ": it ended at ", came_, " instead of ", asked)));
  }
  if (asked < end_) {
    Deliver(std::exchange(withheld_, std::string()));
    return AskMore();
  }
  if (absl::Status checked = Check(); !checked.ok()) return End(std::move(checked));
  Deliver(std::exchange(withheld_, std::string()));
  End(absl::OkStatus());
}

absl::Status UncachedStream::Check() {
  if (expected_crc32c_.has_value() && crc32c_ != *expected_crc32c_) {
    return absl::DataLossError(
        absl::StrCat(version_.url, ": the CRC32C of what came is not its origin's"));
  }
  return sums_.has_value() ? sums_->Compare(version_.url) : absl::OkStatus();
}

void UncachedStream::Deliver(std::string bytes) {
  if (bytes.empty()) return;
  std::function<void()> again;
  {
    const net::MutexLock lock(&mutex_);
    if (ended_.has_value()) return;
    pieces_.push_back(std::move(bytes));
    again.swap(again_);
  }
  if (again != nullptr) again();
}

}  // namespace objmapper::origin
