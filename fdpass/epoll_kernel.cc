// The fdpass lane's kernel on epoll: each step is a system call of its own, made when it is asked
// for, and nothing is ever in flight.
#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "fdpass/kernel.h"
#include "net/epoll.h"
#include "session/intake.h"

namespace objmapper::fdpass {

class EpollKernel : public Kernel {
 public:
  explicit EpollKernel(int event_fd) { CHECK_EQ(epoll_.Add(event_fd, EPOLLIN, nullptr), 0); }

  const char* name() const override { return "epoll"; }

  int Add(Socket* socket) override { return SetInterest(socket, Interest::kRequests); }

  int SetInterest(Socket* socket, Interest interest) override {
    if (socket->interest_ == interest) return 0;
    // EPOLLHUP and EPOLLERR cannot be masked: who is waited for by others than the peer is not in
    // the set, or a peer that has gone would wake the worker for ever.
    if (interest == Interest::kNothing) {
      epoll_.Remove(socket->session->fd());
    } else if (socket->interest_ == Interest::kNothing) {
      const int error = epoll_.Add(socket->session->fd(), EventsOf(interest), socket);
      if (error != 0) return error;
    } else {
      epoll_.Modify(socket->session->fd(), EventsOf(interest), socket);
    }
    socket->interest_ = interest;
    return 0;
  }

  void Remove(Socket* socket) override {
    if (socket->interest_ != Interest::kNothing) epoll_.Remove(socket->session->fd());
    socket->interest_ = Interest::kNothing;
  }

  void Wait(int64_t timeout_ns, Woken* woken) override {
    *woken = {};
    const int64_t timeout_ms =
        timeout_ns < 0 ? -1 : std::min<int64_t>((timeout_ns + 999'999) / 1'000'000, 1'000'000);
    for (const epoll_event& event : epoll_.Wait(static_cast<int>(timeout_ms))) {
      if (event.data.ptr == nullptr) {
        woken->mail = true;
      } else {
        woken->ready.push_back(static_cast<Socket*>(event.data.ptr));
      }
    }
  }

  ssize_t Receive(Socket* socket, absl::Span<char> buffer, size_t have) override {
    return session::Receive(socket->session.get(), buffer, have, session::OnFds::kLeave);
  }
  void Exact(Socket*) override {}

  bool wants_seen_regular() const override { return true; }
  void Open(int directory, const char* name, bool seen_regular, int* result) override {
    opens_.push_back({directory, name, seen_regular, result});
  }
  void OpenAll() override {
    cut_short_.store(false, std::memory_order_relaxed);
    for (const Queued& open : opens_)
      *open.result = cut_short_.load(std::memory_order_relaxed) ? -EAGAIN : OpenNow(open);
    opens_.clear();
  }
  void CutShort() override { cut_short_.store(true, std::memory_order_relaxed); }

  bool SendLater(Outgoing*) override { return false; }
  void Close(net::UniqueFd fd) override { fd.Reset(); }

 private:
  struct Queued {
    int directory;
    const char* name;
    bool seen_regular;
    int* result;
  };

  static uint32_t EventsOf(Interest interest) {
    return interest == Interest::kRoom ? EPOLLOUT : EPOLLIN;
  }

  static int OpenNow(const Queued& open) {
    // What is no regular file may block, or wake up. What was one a moment ago, and is a FIFO by
    // now, blocks until the worker is interrupted.
    const uint64_t careful = open.seen_regular ? 0 : O_NONBLOCK;
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | careful;
    how.resolve = RESOLVE_CACHED;
    const long fd = syscall(SYS_openat2, open.directory, open.name, &how, sizeof(how));
    // EINVAL: Linux before 5.12 does not know RESOLVE_CACHED.
    if (fd < 0) return errno == EINVAL ? -EAGAIN : -errno;
    if (careful != 0) fcntl(static_cast<int>(fd), F_SETFL, 0);
    return static_cast<int>(fd);
  }

  net::Epoll epoll_;
  std::vector<Queued> opens_;
  std::atomic<bool> cut_short_{false};  // an open of this OpenAll() hangs
};

std::unique_ptr<Kernel> MakeEpollKernel(int event_fd) {
  return std::make_unique<EpollKernel>(event_fd);
}

}  // namespace objmapper::fdpass
