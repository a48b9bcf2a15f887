// accept(2) and its errors. A client that cannot be served for want of a descriptor is told so, by
// giving up the one that is kept for that.
#include "router/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "net/clock.h"

namespace objmapper::router {
namespace {

// How many connections one turn accepts before it looks at the others again.
constexpr int kAcceptsPerTurn = 64;
// How long listeners rest when the process can open no descriptor.
constexpr int64_t kPauseNs = 100'000'000;

// How many of the process's last descriptors no client's connection gets: else clients that come
// and stay could hold every one, also that which the operator's door or a job has just given up.
constexpr rlim_t kSpareFds = 4;

// Numbers are given lowest first (open(2)), so a high one tells that few are left.
bool IsAmongLast(int fd) {
  rlimit limit;
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
         static_cast<rlim_t>(fd) + kSpareFds >= limit.rlim_cur;
}

net::UniqueFd OpenReserve() { return net::UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

// Blocking sockets: io_uring waits by itself only on those, and other calls say MSG_DONTWAIT.
net::UniqueFd AcceptOne(const ListenerSource& source) {
  return net::UniqueFd(accept4(source.listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
}

}  // namespace

Listeners::Listeners(net::Epoll* epoll, std::vector<net::Listener> listeners,
                     const net::CongestionControl& congestion, Admit admit)
    : epoll_(epoll), admit_(std::move(admit)), reserve_(OpenReserve()) {
  for (net::Listener& listener : listeners) {
    const auto& source =
        listeners_.emplace_back(std::make_unique<ListenerSource>(std::move(listener)));
    if (source->transport() == session::Transport::kTcp)
      congestion.PrepareListener(source->listener.fd());
  }
}

bool Listeners::Accept(ListenerSource* source) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    net::UniqueFd socket = AcceptOne(*source);
    if (socket.valid()) {
      if (IsAmongLast(socket.get())) {
        Refuse(source, std::move(socket));
        continue;
      }
      admit_(std::move(socket), source->transport(), /*last=*/false);
      continue;
    }
    switch (errno) {
      case EAGAIN:
        return false;
      case EMFILE:
      case ENFILE:
        RefuseForLackOfDescriptors(source);
        return false;
      case ENOMEM:
      case ENOBUFS:
        PLOG(WARNING) << "accept on " << source->listener.address().ToUrl();
        SetPaused(true);
        return false;
      default:
        // EINTR, ECONNABORTED, and what accept(2) lists as the new connection's own errors.
        continue;
    }
  }
  return true;
}

void Listeners::AcceptAll() {
  for (const auto& source : listeners_) {
    while (Accept(source.get())) {
    }
  }
}

void Listeners::Refuse(ListenerSource* source, net::UniqueFd socket) {
  LOG_EVERY_T(WARNING, 1) << "out of descriptors (RLIMIT_NOFILE): refusing connections on "
                          << source->listener.address().ToUrl();
  admit_(std::move(socket), source->transport(), /*last=*/true);
}

void Listeners::RefuseForLackOfDescriptors(ListenerSource* source) {
  // Left in the backlog the client would wait for nothing. The reserve makes room to tell it.
  reserve_.Reset();
  Refuse(source, AcceptOne(*source));
  reserve_ = OpenReserve();
  if (!reserve_.valid()) SetPaused(true);
}

void Listeners::SetPaused(bool paused) {
  for (const auto& source : listeners_) {
    if (source->paused == paused) continue;
    source->paused = paused;
    if (paused) {
      epoll_->Remove(source->listener.fd());
    } else {
      CHECK_EQ(epoll_->Add(source->listener.fd(), EPOLLIN, source.get()), 0);
    }
  }
  resume_ns_ = paused ? net::NowNs() + kPauseNs : net::kNever;
}

void Listeners::Resume() {
  if (!reserve_.valid()) reserve_ = OpenReserve();
  SetPaused(false);
}

void Listeners::TakeRenewed() {
  std::vector<net::Listener> renewed;
  {
    const net::MutexLock lock(&mutex_);
    renewed.swap(renewed_);
  }
  for (net::Listener& listener : renewed) {
    for (auto& source : listeners_) {
      if (source->listener.address().ToUrl() != listener.address().ToUrl()) continue;
      while (Accept(source.get())) {
      }
      auto fresh = std::make_unique<ListenerSource>(std::move(listener));
      if (!source->paused) epoll_->Remove(source->listener.fd());
      fresh->paused = source->paused;
      if (!fresh->paused) CHECK_EQ(epoll_->Add(fresh->listener.fd(), EPOLLIN, fresh.get()), 0);
      source->before.reset();
      fresh->before = std::move(source);
      const net::MutexLock lock(&mutex_);
      source = std::move(fresh);
      break;
    }
  }
}

void Listeners::Close(bool leave_files, bool take_over_files) {
  for (const auto& source : listeners_) {
    if (leave_files) source->listener.LeaveFile();
    if (take_over_files) source->listener.TakeOverFile();
    // A socket that another process has too goes on after our close(2), and so would its place in
    // the epoll set.
    if (!source->paused) epoll_->Remove(source->listener.fd());
  }
  std::vector<std::unique_ptr<ListenerSource>> closing;
  {
    const net::MutexLock lock(&mutex_);
    closing.swap(listeners_);
    renewed_.clear();
  }
  closing.clear();  // removes the socket files
  resume_ns_ = net::kNever;
}

std::vector<Listening> Listeners::listening() const {
  std::vector<Listening> listening;
  const net::MutexLock lock(&mutex_);
  for (const auto& source : listeners_) {
    const net::Listener& listener = source->listener;
    listening.push_back({listener.fd(), listener.address().ToUrl(),
                         listener.file() != net::Listener::File::kTheirs, listener.address(),
                         listener.file_identity()});
  }
  return listening;
}

void Listeners::Renew(net::Listener listener) {
  const net::MutexLock lock(&mutex_);
  renewed_.push_back(std::move(listener));
}

}  // namespace objmapper::router
