// An object on its way here that comes as the test says.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "net/mutex.h"
#include "net/unique_fd.h"
#include "storage/tree/filling.h"

namespace objmapper::storage {

class FakeFilling : public Filling {
 public:
  explicit FakeFilling(std::string content, std::string etag = "v1")
      : content_(std::move(content)), fd_(memfd_create("filling", MFD_CLOEXEC)) {
    description_.size = content_.size();
    description_.mtime_s = 1'600'000'000;
    description_.etag = std::move(etag);
    EXPECT_EQ(ftruncate(fd_.get(), static_cast<off_t>(content_.size())), 0);
  }

  // ---- As readers see it ----

  const Description& description() const override { return description_; }
  int fd() const override { return fd_.get(); }
  uint64_t ReadableFrom(uint64_t offset) const override {
    const net::MutexLock lock(&mutex_);
    return Readable(offset);
  }
  void Want(uint64_t begin, uint64_t end) override {
    const net::MutexLock lock(&mutex_);
    wanted_.emplace_back(begin, end);
  }
  void Await(uint64_t offset, std::function<void()> again) override {
    {
      const net::MutexLock lock(&mutex_);
      if (Readable(offset) == 0 && !ended_.has_value()) {
        awaited_.emplace_back(offset, std::move(again));
        return;
      }
    }
    again();
  }
  std::optional<absl::Status> ended() const override {
    const net::MutexLock lock(&mutex_);
    return ended_;
  }

  // ---- For the test ----

  // From now on [begin, end), and no other bytes, are readable.
  void Show(uint64_t begin, uint64_t end) {
    EXPECT_EQ(pwrite(fd_.get(), content_.data() + begin, end - begin, static_cast<off_t>(begin)),
              static_cast<ssize_t>(end - begin));
    {
      const net::MutexLock lock(&mutex_);
      readable_ = {begin, end};
    }
    Tell();
  }
  // OK: all of it is.
  void End(absl::Status status) {
    if (status.ok()) Show(0, content_.size());
    {
      const net::MutexLock lock(&mutex_);
      ended_ = std::move(status);
    }
    Tell();
  }

  std::vector<std::pair<uint64_t, uint64_t>> wanted() const {
    const net::MutexLock lock(&mutex_);
    return wanted_;
  }
  size_t awaiting() const {
    const net::MutexLock lock(&mutex_);
    return awaited_.size();
  }

 private:
  using Awaited = std::vector<std::pair<uint64_t, std::function<void()>>>;

  uint64_t Readable(uint64_t offset) const EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return offset < readable_.first ? 0 : readable_.second - std::min(readable_.second, offset);
  }
  void Tell() {
    Awaited told;
    {
      const net::MutexLock lock(&mutex_);
      Awaited still;
      for (auto& one : awaited_) {
        const bool tell = ended_.has_value() || Readable(one.first) > 0;
        (tell ? told : still).push_back(std::move(one));
      }
      awaited_.swap(still);
    }
    for (const auto& [offset, again] : told) again();
  }

  const std::string content_;
  const net::UniqueFd fd_;
  Description description_;
  mutable net::Mutex mutex_;
  std::pair<uint64_t, uint64_t> readable_ GUARDED_BY(mutex_) = {0, 0};
  std::vector<std::pair<uint64_t, uint64_t>> wanted_ GUARDED_BY(mutex_);
  Awaited awaited_ GUARDED_BY(mutex_);
  std::optional<absl::Status> ended_ GUARDED_BY(mutex_);
};

}  // namespace objmapper::storage
