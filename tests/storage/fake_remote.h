// A remote that has what the test says, and brings it when the test says so.
#pragma once

#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/mutex.h"
#include "storage/tree/remote.h"

namespace objmapper::storage {

// Of the names that begin with "far/", below a root that has a folder of that name.
class FakeRemote : public Remote {
 public:
  explicit FakeRemote(std::string root) : root_(std::move(root)) {}

  bool MayHave(absl::string_view uri) const override { return absl::StartsWith(uri, "far/"); }
  bool MustCheck(absl::string_view uri) const override {
    const net::MutexLock lock(&mutex_);
    ++questions_;
    return due_.contains(uri);
  }
  void Bring(absl::string_view uri, std::function<void(absl::Status)> done) override {
    const net::MutexLock lock(&mutex_);
    asked_.push_back({std::string(uri), std::move(done)});
  }

  // All that it may have is its own.
  Provenance ProvenanceOf(absl::string_view uri, int) override {
    const net::MutexLock lock(&mutex_);
    return {.remote = MayHave(uri), .stale = stale_.contains(uri), .checked_s = 1};
  }
  // What is here under that name is handed out though it is due.
  void SetStale(absl::string_view uri) {
    const net::MutexLock lock(&mutex_);
    stale_.emplace(uri);
  }

  void Stored(absl::string_view uri) override {
    const net::MutexLock lock(&mutex_);
    stored_.push_back(std::string(uri));
  }

  // From now on what is here under that name is to be checked before each answer, or is not.
  void SetDue(absl::string_view uri, bool due) {
    const net::MutexLock lock(&mutex_);
    if (due) {
      due_.emplace(uri);
    } else {
      due_.erase(std::string(uri));
    }
  }
  // How often it was asked MustCheck() since this was last called.
  int TakeQuestions() {
    const net::MutexLock lock(&mutex_);
    return std::exchange(questions_, 0);
  }
  std::vector<std::string> stored() const {
    const net::MutexLock lock(&mutex_);
    return stored_;
  }

  // Who follows what is not shown has it brought.
  void Follow(absl::string_view uri, const Wanted& wanted,
              std::function<void(absl::StatusOr<std::shared_ptr<Filling>>)> done) override {
    std::shared_ptr<Filling> filling;
    {
      const net::MutexLock lock(&mutex_);
      followed_.push_back(wanted);
      if (const auto shown = shown_.find(uri); shown != shown_.end()) filling = shown->second;
    }
    if (filling == nullptr) return Remote::Follow(uri, wanted, std::move(done));
    done(std::move(filling));
  }
  // From now on who follows `uri` gets this; null: nothing.
  void Show(absl::string_view uri, std::shared_ptr<Filling> filling) {
    const net::MutexLock lock(&mutex_);
    shown_[std::string(uri)] = std::move(filling);
  }
  // With what they have followed, in order.
  std::vector<Wanted> Followed() const {
    const net::MutexLock lock(&mutex_);
    return followed_;
  }

  // What has been asked for, in order, and not been ended.
  std::vector<std::string> Asked() const {
    const net::MutexLock lock(&mutex_);
    std::vector<std::string> uris;
    for (const auto& [uri, done] : asked_) uris.push_back(uri);
    return uris;
  }
  // Ends the first that asks for `uri`, on a thread of its own: the object is there, or why not.
  void Brought(absl::string_view uri, absl::string_view content) {
    std::ofstream(absl::StrCat(root_, "/", uri)) << content;
    End(uri, absl::OkStatus());
  }
  void End(absl::string_view uri, absl::Status status) {
    std::function<void(absl::Status)> done;
    {
      const net::MutexLock lock(&mutex_);
      for (size_t i = 0; i < asked_.size() && done == nullptr; ++i) {
        if (asked_[i].first != uri) continue;
        done = std::move(asked_[i].second);
        asked_.erase(asked_.begin() + static_cast<ptrdiff_t>(i));
      }
    }
    if (done != nullptr) std::thread(done, std::move(status)).join();
  }

 private:
  const std::string root_;
  mutable net::Mutex mutex_;
  std::map<std::string, std::shared_ptr<Filling>, std::less<>> shown_ GUARDED_BY(mutex_);
  std::vector<Wanted> followed_ GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, std::function<void(absl::Status)>>> asked_ GUARDED_BY(mutex_);
  std::set<std::string, std::less<>> due_ GUARDED_BY(mutex_);
  std::set<std::string, std::less<>> stale_ GUARDED_BY(mutex_);
  std::vector<std::string> stored_ GUARDED_BY(mutex_);
  mutable int questions_ GUARDED_BY(mutex_) = 0;
};

}  // namespace objmapper::storage
