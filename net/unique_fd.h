// Owns exactly one file descriptor, or none.
//
// A function that takes a UniqueFd keeps the descriptor; one that takes an int borrows it for the
// call. Not thread-safe.
#pragma once

#include <utility>

namespace objmapper::net {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  bool valid() const { return fd_ >= 0; }
  // The descriptor, still owned here; -1 when there is none.
  int get() const { return fd_; }

  // Gives the descriptor up without closing it.
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }

  // Closes what is owned and owns `fd` instead.
  //
  // close() is never retried: on Linux the number is free even after EINTR (close(2)), so a retry
  // could close somebody else's descriptor. EBADF means that two owners existed: it is fatal.
  void Reset(int fd = -1) {
    if (valid()) Close(fd);
    fd_ = fd;
  }

 private:
  // next: what is owned then.
  void Close(int next) const;

  int fd_ = -1;
};

}  // namespace objmapper::net
