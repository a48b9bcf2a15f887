// The descriptors that came with a connection's bytes and were not taken yet, in stream order: the
// k-th one belongs to the k-th OK FDPASS answer, in every dialect.
//
// Never more are held than there are answers that bring one: FDPASS requests without an answer, and
// OK answers whose descriptor was not taken. Not thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "net/unique_fd.h"

namespace objmapper::client {

// Behind the server's name, of one that breaks that rule.
inline constexpr absl::string_view kTooManyFds =
    " sent more descriptors than OK answers that carry one";

class ReceivedFds {
 public:
  // One more is due: its request is on the way. One less: that was answered with an error.
  void Expect() { ++due_; }
  void ExpectOneLess() { --due_; }
  // How many may still come. Not known behind a lost one: then at least as many as that.
  size_t missing() const { return due_ - fds_.size(); }
  // More have come than are due.
  bool too_many() const { return fds_.size() > due_; }

  // lost: the kernel dropped some of those that came. Nobody knows whose the later ones are, so
  // they are closed here.
  void Add(std::vector<net::UniqueFd> received, bool lost) {
    if (!lost_) {
      for (net::UniqueFd& fd : received) fds_.push_back(std::move(fd));
    }
    lost_ |= lost;
  }
  // The one that is due next; an invalid one when it has not come, or was lost().
  net::UniqueFd Take() {
    --due_;
    if (fds_.empty()) return net::UniqueFd();
    net::UniqueFd fd = std::move(fds_.front());
    fds_.pop_front();
    return fd;
  }
  // Whether one was dropped since BeginAnew(), which is called when all answers are in: every
  // descriptor that came has found its own then.
  bool lost() const { return lost_; }
  void BeginAnew() { lost_ = false; }

  void CloseAll() { fds_.clear(); }

 private:
  std::deque<net::UniqueFd> fds_;
  size_t due_ = 0;
  bool lost_ = false;
};

}  // namespace objmapper::client
