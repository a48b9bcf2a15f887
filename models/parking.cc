// The epoll set and its thread. A connection is handed out only after it was taken out of the
// deadlines, so it has one owner.
#include "models/parking.h"

#include <glog/logging.h>
#include <sys/epoll.h>

#include <algorithm>

#include "models/conversation.h"
#include "net/clock.h"
#include "net/errno_status.h"
#include "net/readable.h"

namespace objmapper::models {
namespace {
constexpr uint32_t kEvents = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT;
}  // namespace

// The thread never sleeps longer than the shortest timeout, so that one who parks hardly ever has
// to wake it for the sake of the deadline.
Parking::Parking(Context* context, OnReady on_ready)
    : context_(context),
      on_ready_(std::move(on_ready)),
      sleep_max_ns_(std::min(DeadlineNs(0, context->options.limits->idle_timeout),
                             DeadlineNs(0, context->options.limits->request_timeout))) {
  CHECK_EQ(epoll_.Add(thread_.event_fd(), EPOLLIN, nullptr), 0);
}

void Parking::Start() {
  thread_.Start("model/parking", [this] { Run(); });
}

void Parking::Park(std::unique_ptr<Connection> connection) {
  Connection* const parked = connection.get();
  const int fd = parked->session->fd();
  bool wake = context_->phase.draining();
  {
    // Held until the socket is armed: the thread takes the connection out under the same lock.
    net::MutexLock lock(&mutex_);
    if (parked->in_epoll) {
      epoll_.Modify(fd, kEvents, parked);
    } else if (const int error = epoll_.Add(fd, kEvents, parked); error != 0) {
      LOG(WARNING) << parked->session->PeerName() << ": closed, "
                   << net::ErrnoToStatus(error, "epoll_ctl").message();
      return;
    }
    parked->in_epoll = true;
    parked_.emplace(parked->deadline_ns, connection.release());
    wake = wake || parked->deadline_ns < wakes_at_ns_;
  }
  if (wake) Wake();
}

void Parking::Adopt(std::unique_ptr<Connection> connection) {
  if (connection->session->unread.empty()) {
    Park(std::move(connection));
    return;
  }
  thread_.Put(std::move(connection));  // to be served whatever its socket says
}

void Parking::Ready(std::unique_ptr<Connection> connection) {
  connection->ready_ns = net::NowNs();
  on_ready_(std::move(connection));
}

void Parking::Run() {
  while (!context_->phase.stopping()) {
    for (const epoll_event& event : epoll_.Wait(SleepMs())) {
      if (event.data.ptr != nullptr) {
        Ready(Take(static_cast<Connection*>(event.data.ptr)));
        continue;
      }
      for (std::unique_ptr<Connection>& arrived : thread_.TakeAll()) Ready(std::move(arrived));
    }
    for (std::unique_ptr<Connection>& late : TakeUntil(looked_ns_)) {
      if (!MayGoOn(late.get())) {
        EndLate(context_, std::move(late->session));
      } else if (late->deadline_ns > looked_ns_) {
        Park(std::move(late));
      } else {
        Ready(std::move(late));
      }
    }
    if (context_->phase.draining()) {
      for (auto& connection : TakeUntil(net::kNever)) on_ready_(std::move(connection));
    }
  }
}

// What came while the process was stopped, or found no room in this round, is served. The deadline
// stays: should it be no whole request, the connection is late at the next look.
bool Parking::MayGoOn(Connection* connection) {
  const session::Session& session = *connection->session;
  if (!session.peer_done && net::IsReadable(session.fd())) return true;
  const int64_t late_ns = looked_ns_ - connection->deadline_ns;
  if (late_ns <= net::kOversleptNs || connection->excused) return false;
  // Found late only since nobody has looked: as much time again, for what may be on its way still.
  const session::SessionLimits& limits = *session.limits;
  connection->deadline_ns =
      DeadlineNs(looked_ns_, connection->half_said ? limits.request_timeout : limits.idle_timeout);
  connection->excused = true;
  return true;
}

int Parking::SleepMs() {
  const int64_t now_ns = looked_ns_ = net::NowNs();
  net::MutexLock lock(&mutex_);
  wakes_at_ns_ = sleep_max_ns_ == net::kNever ? net::kNever : now_ns + sleep_max_ns_;
  if (!parked_.empty()) wakes_at_ns_ = std::min(wakes_at_ns_, parked_.begin()->first);
  return wakes_at_ns_ == net::kNever ? -1 : net::SleepMs(wakes_at_ns_, now_ns);
}

std::unique_ptr<Connection> Parking::Take(Connection* connection) {
  net::MutexLock lock(&mutex_);
  CHECK_EQ(parked_.erase({connection->deadline_ns, connection}), 1u);
  return std::unique_ptr<Connection>(connection);
}

std::vector<std::unique_ptr<Connection>> Parking::TakeUntil(int64_t until_ns) {
  std::vector<std::unique_ptr<Connection>> taken;
  net::MutexLock lock(&mutex_);
  while (!parked_.empty() && parked_.begin()->first <= until_ns) {
    Connection* const connection = parked_.begin()->second;
    parked_.erase(parked_.begin());
    // Still armed: what its socket reports must not come here any more.
    epoll_.Remove(connection->session->fd());
    connection->in_epoll = false;
    taken.emplace_back(connection);
  }
  return taken;
}

}  // namespace objmapper::models
