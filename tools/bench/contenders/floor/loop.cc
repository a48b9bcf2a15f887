#include "tools/bench/contenders/floor/loop.h"

#include <errno.h>
#include <glog/logging.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "net/epoll.h"
#include "tools/bench/contenders/floor/wire.h"
#include "tools/bench/contenders/place.h"

namespace objmapper::bench {
namespace {

class FloorThread {
 public:
  FloorThread(net::Epoll* epoll, bool poll, std::unique_ptr<FloorServant> servant)
      : epoll_(epoll), poll_(poll), servant_(std::move(servant)) {}

  [[noreturn]] void Run() {
    while (true) {
      for (const epoll_event& event : epoll_->Wait(poll_ ? 0 : -1)) {
        auto* connection = static_cast<FloorConnection*>(event.data.ptr);
        if (Turn(connection)) continue;
        close(connection->fd);
        delete connection;
      }
    }
  }

 private:
  // One event of one connection; false when it is over.
  bool Turn(FloorConnection* connection) {
    const bool was_blocked = connection->blocked;
    connection->blocked = false;
    size_t have = connection->unread.size();
    memcpy(scratch_, connection->unread.data(), have);
    if (!was_blocked) {
      const ssize_t got =
          recv(connection->fd, scratch_ + have, sizeof(scratch_) - have, MSG_DONTWAIT);
      if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
      have += got;
    }
    absl::string_view input(scratch_, have);
    if (!connection->greeted && !Greet(connection, &input)) return false;
    const ssize_t taken = connection->greeted ? servant_->Serve(connection, input) : 0;
    if (taken < 0) return false;
    connection->unread.assign(input.data() + taken, input.size() - taken);
    if (connection->blocked != was_blocked) {
      epoll_->Modify(connection->fd, connection->blocked ? EPOLLOUT : EPOLLIN, connection);
    }
    return true;
  }

  static bool Greet(FloorConnection* connection, absl::string_view* input) {
    if (input->size() < kHelloBytes) return true;
    char ack[kHelloAckBytes];
    WriteHelloAck(input->data(), ack);
    input->remove_prefix(kHelloBytes);
    connection->greeted = true;
    return send(connection->fd, ack, sizeof(ack), MSG_NOSIGNAL) == sizeof(ack);
  }

  net::Epoll* const epoll_;
  const bool poll_;
  const std::unique_ptr<FloorServant> servant_;
  char scratch_[64 * 1024];
};

}  // namespace

void RunFloor(const Listeners& listeners, bool poll,
              const std::function<std::unique_ptr<FloorServant>()>& servant, int threads) {
  // Neither sets nor threads are ever given back: the process ends first.
  std::vector<net::Epoll*> sets;
  for (int i = 0; i < (threads > 0 ? threads : Cores()); ++i) {
    sets.push_back(new net::Epoll);
    std::thread([set = sets.back(), poll, made = servant().release()] {
      (new FloorThread(set, poll, std::unique_ptr<FloorServant>(made)))->Run();
    }).detach();
  }
  const std::unique_ptr<FloorServant> maker = servant();
  for (size_t turn = 0;; ++turn) {
    const Accepted accepted = AcceptNext(listeners, SOCK_NONBLOCK);
    FloorConnection* connection = maker->NewConnection().release();
    connection->fd = accepted.fd;
    const int error = sets[turn % sets.size()]->Add(accepted.fd, EPOLLIN, connection);
    CHECK(error == 0) << "epoll_ctl: " << strerror(error);
  }
}

}  // namespace objmapper::bench
