// The engine on epoll(7): readiness, then one system call per connection.
#include "loop/epoll_engine.h"

#include <errno.h>
#include <glog/logging.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "net/clock.h"
#include "net/scm_rights.h"

namespace objmapper::loop {
namespace {
// What one receive brings at most.
constexpr size_t kScratchBytes = 16 * 1024;
}  // namespace

EpollEngine::EpollEngine(int event_fd, RunElsewhere run_elsewhere)
    : event_fd_(event_fd), run_elsewhere_(std::move(run_elsewhere)), scratch_(kScratchBytes) {
  // Tags: null is the loop's event, this object what was done elsewhere, all others are channels.
  CHECK_EQ(epoll_.Add(event_fd_, EPOLLIN, nullptr), 0);
  CHECK_EQ(epoll_.Add(done_event_.fd(), EPOLLIN, this), 0);
}

int EpollEngine::Attach(Channel* channel) {
  channel->epoll_events_ = 0;
  return epoll_.Add(channel->socket(), 0, channel);
}

void EpollEngine::Watch(Channel* channel) {
  if (channel->detaching_) return;  // it is out of the set already
  uint32_t events = 0;
  if (channel->receive_wanted_) events |= EPOLLIN;
  if (channel->writable_wanted_ || channel->send_full_) events |= EPOLLOUT;
  if (events == channel->epoll_events_ && !channel->out_of_set_) return;
  channel->epoll_events_ = events;
  if (!channel->out_of_set_) {
    epoll_.Modify(channel->socket(), events, channel);
  } else if (events != 0) {
    channel->out_of_set_ = false;
    const int error = epoll_.Add(channel->socket(), events, channel);
    CHECK_EQ(error, 0) << "a socket that was in the set a moment ago";
  }
}

void EpollEngine::StartReceiving(Channel* channel) {
  if (channel->receive_ended_ || channel->detaching_) return;
  channel->receive_wanted_ = true;
  Watch(channel);
}

void EpollEngine::StopReceiving(Channel* channel) {
  channel->receive_wanted_ = false;
  Watch(channel);
}

void EpollEngine::Send(Channel* channel, absl::Span<iovec> pieces, absl::Span<const int> fds) {
  DCHECK(!channel->send_in_flight_);
  channel->send_in_flight_ = true;
  channel->pieces_ = pieces;
  channel->fds_ = fds;
  TrySend(channel);
}

void EpollEngine::TrySend(Channel* channel) {
  msghdr message{};
  message.msg_iov = channel->pieces_.data();
  message.msg_iovlen = channel->pieces_.size();
  if (!channel->fds_.empty()) net::AttachFds(channel->fds_, &control_, &message);
  ssize_t sent;
  do {
    sent = sendmsg(channel->socket(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0 && errno == EAGAIN && !channel->detaching_) {
    channel->send_full_ = true;
    Watch(channel);
    return;
  }
  channel->send_full_ = false;
  channel->send_result_ = sent < 0 ? -errno : sent;
  Queue(channel);
}

void EpollEngine::AwaitWritable(Channel* channel) {
  channel->writable_wanted_ = true;
  Watch(channel);
}

void EpollEngine::Detach(Channel* channel) {
  DCHECK(!channel->detaching_);
  channel->detaching_ = true;
  channel->receive_wanted_ = false;
  channel->writable_wanted_ = false;
  // A send that waits for room will never have it: the caller has shut the socket down.
  if (channel->send_full_) TrySend(channel);
  if (!channel->out_of_set_) epoll_.Remove(channel->socket());
  Queue(channel);
}

void EpollEngine::Queue(Channel* channel) {
  if (channel->queued_) return;
  channel->queued_ = true;
  endings_.push_back(channel);
}

void EpollEngine::BeginWrite(Write* write, int fd, const char* data, size_t bytes,
                             uint64_t offset) {
  run_elsewhere_([this, write, fd, data, bytes, offset] {
    const ssize_t written = pwrite(fd, data, bytes, static_cast<off_t>(offset));
    AddDone({write, written < 0 ? -errno : written});
  });
}

void EpollEngine::AddDone(const Done& done) {
  {
    net::MutexLock lock(&mutex_);
    done_.push_back(done);
  }
  done_event_.Signal();
}

bool EpollEngine::Wait(int64_t timeout_ns, int64_t* now_ns) {
  int timeout_ms = -1;
  if (!endings_.empty()) {
    timeout_ms = 0;
  } else if (timeout_ns >= 0) {
    timeout_ms = static_cast<int>(std::min<int64_t>((timeout_ns + 999'999) / 1'000'000, 1'000'000));
  }
  bool event_seen = false;
  const absl::Span<epoll_event> events = epoll_.Wait(timeout_ms);
  *now_ns = net::NowNs();
  for (const epoll_event& event : events) {
    if (event.data.ptr == nullptr) {
      event_seen = true;
      continue;
    }
    if (event.data.ptr == this) {
      TellDone();
      continue;
    }
    // Channels are forgotten in TellEndings() alone, so the pointer is good for this whole loop;
    // one that began to detach meanwhile is to be left alone.
    auto* channel = static_cast<Channel*>(event.data.ptr);
    if (channel->detaching_) continue;
    const bool broken = (event.events & (EPOLLHUP | EPOLLERR)) != 0;
    if (channel->send_full_ && (broken || (event.events & EPOLLOUT) != 0)) {
      TrySend(channel);
      if (!channel->send_full_) Watch(channel);
    }
    if (!channel->detaching_ && channel->writable_wanted_ &&
        (broken || (event.events & EPOLLOUT) != 0)) {
      channel->writable_wanted_ = false;
      Watch(channel);
      channel->OnWritable();
    }
    if (channel->detaching_) continue;
    if (channel->receive_wanted_ && (broken || (event.events & EPOLLIN) != 0)) {
      Receive(channel);
    } else if (broken && !channel->receive_ended_ && !channel->send_in_flight_) {
      channel->receive_ended_ = true;
      channel->OnReceiveEnd(ECONNRESET);
    }
    // EPOLLHUP and EPOLLERR cannot be masked: a peer that has gone would wake the loop for ever
    // while its channel waits for something else, such as a disk.
    if (broken && !channel->detaching_ && channel->epoll_events_ == 0 && !channel->out_of_set_) {
      channel->out_of_set_ = true;
      epoll_.Remove(channel->socket());
    }
  }
  TellEndings();
  return event_seen;
}

void EpollEngine::Receive(Channel* channel) {
  bool fds_refused = false;
  size_t with_fds = 0;
  const ssize_t got =
      channel->may_bring_fds_
          ? net::RecvBeforeFds(channel->socket(), absl::MakeSpan(scratch_), &with_fds)
          : net::RecvRefusingFds(channel->socket(), absl::MakeSpan(scratch_), &fds_refused);
  if (with_fds > 0) {
    StopReceiving(channel);
    channel->OnFdsWait(with_fds);
    return;
  }
  if (got > 0) {
    channel->OnReceived(absl::string_view(scratch_.data(), static_cast<size_t>(got)), fds_refused);
    return;
  }
  if (got < 0 && errno == EAGAIN) return;
  const int error = got == 0 ? 0 : errno;
  channel->receive_ended_ = true;
  channel->receive_wanted_ = false;
  Watch(channel);
  channel->OnReceiveEnd(error);
}

void EpollEngine::TellEndings() {
  // What handlers begin may end at once and be queued behind; it is told in the next Wait(), so
  // that one busy connection does not keep the others from their events.
  std::vector<Channel*> endings;
  endings.swap(endings_);
  for (Channel* channel : endings) {
    channel->queued_ = false;
    if (channel->send_in_flight_ && !channel->send_full_) {
      channel->send_in_flight_ = false;
      channel->OnSent(channel->send_result_);
    }
    if (channel->detaching_ && !channel->queued_) {
      if (channel->send_in_flight_) continue;
      channel->detaching_ = false;
      channel->OnDetached();
    }
  }
}

void EpollEngine::TellDone() {
  done_event_.Clear();
  std::vector<Done> all;
  {
    net::MutexLock lock(&mutex_);
    all.swap(done_);
  }
  for (const Done& done : all) done.write->OnWritten(done.result);
}

}  // namespace objmapper::loop
