// How far the fill of one version of an object has come: what a flight tells those who read behind
// it, each by a Follower.
//
// The last block is withheld as long as the whole is on its way and has not passed its check. Of an
// object of which only some blocks are fetched it is shown when it is complete, since nobody will
// know more of it.
//
// One that ends since there is no room for the object here (EndPassing()) lets its readers have the
// rest through uncached, each by itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "net/mutex.h"
#include "origin/cache/partial_view.h"
#include "origin/flight/ranges.h"
#include "storage/tree/filling.h"

namespace objmapper::origin {

// Thread-safe.
class Progress {
 public:
  // want: has a range fetched; any thread. left: the last follower has gone; any thread, perhaps
  // one that holds locks, so it must not call back. Neither is called after End().
  struct Flight {
    std::function<void(uint64_t begin, uint64_t end)> want;
    std::function<void()> left;
  };
  // view: null, if nothing of it is kept here.
  Progress(std::shared_ptr<const PartialView> view, storage::Description description,
           Flight flight);

  // ---- The flight's strand ----

  // All of it will be here, or the flight fails: from now on the last block is withheld.
  void WholeComes() { whole_comes_.store(true, std::memory_order_relaxed); }
  // Something has been written: tells those who await it.
  void Tell();
  // As Filling::ended(). Only the first counts.
  void End(const absl::Status& status) { EndPassing(status, nullptr); }
  // The same, since there is no room here. pass: Filling::PassBy(), any thread.
  using PassFn = std::function<absl::StatusOr<std::unique_ptr<storage::PassThrough>>(uint64_t begin,
                                                                                     uint64_t end)>;
  void EndPassing(const absl::Status& status, PassFn pass);
  // Whether somebody reads behind it, or may.
  bool followed() const { return followers_.load(std::memory_order_relaxed) > 0; }

  // ---- Followers, any thread ----

  const storage::Description& description() const { return description_; }
  int fd() const { return view_ == nullptr ? -1 : view_->fd(); }
  uint64_t ReadableFrom(uint64_t offset) const;
  void Want(uint64_t begin, uint64_t end);
  void Await(uint64_t offset, std::function<void()> again);
  std::optional<absl::Status> ended() const;
  bool passes() const;
  absl::StatusOr<std::unique_ptr<storage::PassThrough>> PassBy(uint64_t begin, uint64_t end) const;
  void Enter() { followers_.fetch_add(1, std::memory_order_relaxed); }
  void Leave();

 private:
  struct Waiting {
    uint64_t offset;
    std::function<void()> again;
  };

  const std::shared_ptr<const PartialView> view_;
  const storage::Description description_;
  const uint64_t last_block_begin_;
  std::atomic<bool> whole_comes_{false};
  std::atomic<bool> is_whole_{false};  // here, and checked
  std::atomic<int> followers_{0};
  mutable net::Mutex mutex_;
  Flight flight_ GUARDED_BY(mutex_);  // empty once it has ended
  std::optional<absl::Status> ended_ GUARDED_BY(mutex_);
  PassFn pass_ GUARDED_BY(mutex_);  // null: it does not pass
  std::vector<Waiting> waiting_ GUARDED_BY(mutex_);
};

// One reader, or several that share it.
class Follower : public storage::Filling {
 public:
  // replaces: as Filling's.
  explicit Follower(std::shared_ptr<Progress> progress, bool replaces = false)
      : progress_(std::move(progress)), replaces_(replaces) {
    progress_->Enter();
  }
  ~Follower() override { progress_->Leave(); }
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  const storage::Description& description() const override { return progress_->description(); }
  bool replaces() const override { return replaces_; }
  int fd() const override { return progress_->fd(); }
  uint64_t ReadableFrom(uint64_t offset) const override { return progress_->ReadableFrom(offset); }
  void Want(uint64_t begin, uint64_t end) override;
  void Await(uint64_t offset, std::function<void()> again) override {
    progress_->Await(offset, std::move(again));
  }
  std::optional<absl::Status> ended() const override { return progress_->ended(); }
  bool passes() const override { return progress_->passes(); }
  absl::StatusOr<std::unique_ptr<storage::PassThrough>> PassBy(uint64_t begin,
                                                               uint64_t end) override {
    return progress_->PassBy(begin, end);
  }

 private:
  const std::shared_ptr<Progress> progress_;
  const bool replaces_;
  net::Mutex mutex_;
  Ranges wanted_ GUARDED_BY(mutex_);  // what the flight has been told of
};

}  // namespace objmapper::origin
