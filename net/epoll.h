// epoll(7), owned: registrations carry a pointer, waiting retries EINTR.
#pragma once

#include <sys/epoll.h>

#include <cstdint>

#include "absl/types/span.h"
#include "net/unique_fd.h"

namespace objmapper::net {

// One epoll instance. Wait() belongs to one thread; Add, Modify and Remove may come from any.
class Epoll {
 public:
  // Fatal when the process has no descriptor left: made at start, before there are clients.
  Epoll();

  // `events`: EPOLLIN, EPOLLOUT, EPOLLET, ...; `tag` comes back in epoll_event::data.ptr.
  // Returns 0 or the errno: ENOSPC or ENOMEM when the user's watches are used up (epoll(7)).
  [[nodiscard]] int Add(int fd, uint32_t events, void* tag);
  void Modify(int fd, uint32_t events, void* tag);
  void Remove(int fd);
  // The same for descriptors that somebody else owns, and may have closed without a word, so that
  // the kernel has forgotten them, or their number is another one's: adds or modifies, whichever it
  // takes, as Add(); removes what is there.
  [[nodiscard]] int Set(int fd, uint32_t events, void* tag);
  void Forget(int fd);

  // Events that are ready, waiting at most `timeout_ms` (-1: for ever, 0: not at all).
  absl::Span<epoll_event> Wait(int timeout_ms);

 private:
  static constexpr int kEventsMax = 128;

  UniqueFd fd_;
  epoll_event events_[kEventsMax];
};

}  // namespace objmapper::net
