// Accepting, HELLO, and the epoll loop.
#include <errno.h>
#include <glog/logging.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <memory>
#include <thread>
#include <vector>

#include "net/epoll.h"
#include "net/tcp.h"
#include "tools/bench/contenders/floor/floor.h"
#include "tools/bench/contenders/place.h"

namespace objmapper::bench {
namespace {

// Waits until somebody connects.
std::unique_ptr<FloorConnection> AcceptNext(const Listeners& listeners) {
  auto connection = std::make_unique<FloorConnection>();
  while (true) {
    pollfd both[] = {{listeners.unix_fd, POLLIN, 0}, {listeners.tcp_fd, POLLIN, 0}};
    poll(both, 2, -1);
    for (const pollfd& one : both) {
      if (one.revents == 0) continue;
      AcceptFrom(listeners, one.fd, SOCK_NONBLOCK, *connection);
      if (connection->fd.valid()) return connection;
    }
  }
}

class FloorThread {
 public:
  FloorThread(net::Epoll* epoll, const EpollFloor& floor) : epoll_(epoll), floor_(floor) {}

  [[noreturn]] void Run() {
    while (true) {
      for (const epoll_event& event : epoll_->Wait(floor_.poll ? 0 : -1)) {
        auto* connection = static_cast<FloorConnection*>(event.data.ptr);
        if (!Turn(*connection)) delete connection;
      }
    }
  }

 private:
  // One event of one connection; false when it is over.
  bool Turn(FloorConnection& connection) {
    const int fd = connection.fd.get();
    const bool was_blocked = connection.blocked;
    connection.blocked = false;
    size_t have = connection.unread.size();
    memcpy(scratch_, connection.unread.data(), have);
    if (!was_blocked) {
      const ssize_t got = recv(fd, scratch_ + have, sizeof(scratch_) - have, MSG_DONTWAIT);
      if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
      have += got;
    }
    absl::string_view input(scratch_, have);
    if (!connection.greeted && !Greet(connection, input)) return false;
    const ssize_t taken = connection.greeted ? floor_.serve(connection, input) : 0;
    if (taken < 0) return false;
    connection.unread.assign(input.data() + taken, input.size() - taken);
    if (connection.blocked != was_blocked) {
      epoll_->Modify(fd, connection.blocked ? EPOLLOUT : EPOLLIN, &connection);
    }
    return true;
  }

  net::Epoll* const epoll_;
  const EpollFloor& floor_;
  char scratch_[64 * 1024];
};

}  // namespace

void AcceptFrom(const Listeners& listeners, int listener, int flags, FloorConnection& connection) {
  connection.fd.Reset(accept4(listener, nullptr, nullptr, flags | SOCK_CLOEXEC));
  connection.is_unix = listener == listeners.unix_fd;
  if (connection.fd.valid() && !connection.is_unix) net::SendAtOnce(connection.fd.get());
}

bool Greet(FloorConnection& connection, absl::string_view& input) {
  if (input.size() < kHelloBytes) return true;
  char ack[kHelloAckBytes];
  WriteHelloAck(input.data(), ack);
  input.remove_prefix(kHelloBytes);
  connection.greeted = true;
  return send(connection.fd.get(), ack, sizeof(ack), MSG_NOSIGNAL) == sizeof(ack);
}

void Run(const EpollFloor& floor, const Listeners& listeners) {
  // Neither sets nor threads are ever given back: the process ends first.
  std::vector<net::Epoll*> sets;
  for (int i = 0; i < (floor.threads > 0 ? floor.threads : Cores()); ++i) {
    sets.push_back(new net::Epoll);
    std::thread([set = sets.back(), &floor] { (new FloorThread(set, floor))->Run(); }).detach();
  }
  for (size_t turn = 0;; ++turn) {
    FloorConnection* connection = AcceptNext(listeners).release();
    connection->greeted = !floor.greets;
    const int error = sets[turn % sets.size()]->Add(connection->fd.get(), EPOLLIN, connection);
    CHECK(error == 0) << "epoll_ctl: " << strerror(error);
  }
}

}  // namespace objmapper::bench
