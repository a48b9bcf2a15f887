// Who reads behind a fill, and awaits what. Invariant: nobody is called with the lock held.
#include "origin/flight/progress.h"

#include <algorithm>
#include <iterator>

namespace objmapper::origin {

Progress::Progress(std::shared_ptr<const PartialView> view, storage::Description description,
                   Flight flight)
    : view_(std::move(view)),
      description_(std::move(description)),
      last_block_begin_(view_ == nullptr || view_->size() == 0
                            ? 0
                            : (view_->size() - 1) / view_->block_bytes() * view_->block_bytes()),
      flight_(std::move(flight)) {}

uint64_t Progress::ReadableFrom(uint64_t offset) const {
  if (view_ == nullptr || offset >= view_->size()) return 0;
  if (is_whole_.load(std::memory_order_acquire)) return view_->size() - offset;
  const uint64_t here = view_->ReadableFrom(offset);
  const bool shows_last = !whole_comes_.load(std::memory_order_relaxed) &&
                          view_->IsValid(last_block_begin_ / view_->block_bytes());
  if (shows_last || offset + here <= last_block_begin_) return here;
  return offset < last_block_begin_ ? last_block_begin_ - offset : 0;
}

void Progress::Want(uint64_t begin, uint64_t end) {
  std::function<void(uint64_t, uint64_t)> want;
  {
    const net::MutexLock lock(&mutex_);
    want = flight_.want;
  }
  if (want) want(begin, end);
}

void Progress::Await(uint64_t offset, std::function<void()> again) {
  {
    const net::MutexLock lock(&mutex_);
    if (!ended_.has_value() && ReadableFrom(offset) == 0) {
      waiting_.push_back({offset, std::move(again)});
      return;
    }
  }
  again();
}

void Progress::Tell() {
  std::vector<Waiting> told;
  {
    const net::MutexLock lock(&mutex_);
    const bool over = ended_.has_value();
    const auto still = std::partition(waiting_.begin(), waiting_.end(), [&](const Waiting& one) {
      return !over && ReadableFrom(one.offset) == 0;
    });
    told.assign(std::make_move_iterator(still), std::make_move_iterator(waiting_.end()));
    waiting_.erase(still, waiting_.end());
  }
  for (const Waiting& one : told) one.again();
}

void Progress::EndPassing(const absl::Status& status, PassFn pass) {
  Flight flight;
  {
    const net::MutexLock lock(&mutex_);
    if (ended_.has_value()) return;
    ended_ = status;
    pass_ = std::move(pass);
    if (status.ok()) is_whole_.store(true, std::memory_order_release);
    std::swap(flight, flight_);
  }
  Tell();
}

std::optional<absl::Status> Progress::ended() const {
  const net::MutexLock lock(&mutex_);
  return ended_;
}

bool Progress::passes() const {
  const net::MutexLock lock(&mutex_);
  return pass_ != nullptr;
}

absl::StatusOr<std::unique_ptr<storage::PassThrough>> Progress::PassBy(uint64_t begin,
                                                                       uint64_t end) const {
  PassFn pass;
  {
    const net::MutexLock lock(&mutex_);
    pass = pass_;
  }
  if (pass == nullptr) return absl::ResourceExhaustedError("it is kept here, or not at all");
  return pass(begin, end);
}

void Progress::Leave() {
  if (followers_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  std::function<void()> left;
  {
    const net::MutexLock lock(&mutex_);
    left = flight_.left;
  }
  if (left) left();
}

void Follower::Want(uint64_t begin, uint64_t end) {
  end = std::min(end, description().size);
  {
    const net::MutexLock lock(&mutex_);
    if (wanted_.Add(begin, end).empty()) return;
  }
  progress_->Want(begin, end);
}

}  // namespace objmapper::origin
