// A process that is short of descriptors.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

namespace objmapper::net {

// While it lives, so many descriptors can be opened and then EMFILE. Where numbers below the
// highest that is open are free, those count as well. Not to be nested.
class FdsLeft {
 public:
  explicit FdsLeft(int left) {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    // The lowest free number is the first one that the kernel uses.
    const int next = dup(STDIN_FILENO);
    EXPECT_GE(next, 0);
    close(next);
    rlimit low = before_;
    low.rlim_cur = static_cast<rlim_t>(next + left);
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  }
  ~FdsLeft() { EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before_), 0); }
  FdsLeft(const FdsLeft&) = delete;
  FdsLeft& operator=(const FdsLeft&) = delete;

 private:
  rlimit before_{};
};

}  // namespace objmapper::net
