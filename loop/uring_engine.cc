// The engine on io_uring. Completions are handled after the drain; lost completions end the
// connections that they may have belonged to.
#include "loop/uring_engine.h"

#include <errno.h>
#include <glog/logging.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "net/clock.h"
#include "net/scm_rights.h"

namespace objmapper::loop {
namespace {
// What one ReceiveNow() brings at most.
constexpr size_t kScratchBytes = 16 * 1024;
}  // namespace

absl::StatusOr<std::unique_ptr<UringEngine>> UringEngine::Create(int event_fd) {
  absl::StatusOr<std::unique_ptr<net::Ring>> ring = net::Ring::Create({});
  if (!ring.ok()) return std::move(ring).status();
  return std::unique_ptr<UringEngine>(new UringEngine(*std::move(ring), event_fd));
}

UringEngine::UringEngine(std::unique_ptr<net::Ring> ring, int event_fd)
    : ring_(std::move(ring)), scratch_(kScratchBytes), event_fd_(event_fd) {}

int UringEngine::Attach(Channel* channel) {
  CHECK_EQ(reinterpret_cast<uint64_t>(channel) & 15, 0u) << "Tag() needs aligned objects";
  channels_.insert(channel);
  return 0;
}

void UringEngine::StartReceiving(Channel* channel) {
  if (channel->receive_ended_ || channel->detaching_) return;
  channel->receive_wanted_ = true;
  if (!channel->receive_armed_) Arm(channel);
}

void UringEngine::Arm(Channel* channel) {
  channel->receive_armed_ = true;
  ++channel->in_flight_;
  if (channel->may_bring_fds_) {
    // The ring has no way to look at what comes before it takes it.
    ring_->AwaitReadable(channel->socket(), WhatOf(*channel), Tag(channel, Operation::kReceive));
    return;
  }
  ring_->ReceiveMultishot(channel->socket(), WhatOf(*channel), Tag(channel, Operation::kReceive));
}

void UringEngine::StopReceiving(Channel* channel) {
  channel->receive_wanted_ = false;
  CancelReceive(channel);
}

void UringEngine::CancelReceive(Channel* channel) {
  if (!channel->receive_armed_ || channel->cancelling_) return;
  channel->cancelling_ = true;
  ++channel->in_flight_;
  ring_->CancelReceive(WhatOf(*channel), Tag(channel, Operation::kReceive),
                       Tag(channel, Operation::kCancel));
}

void UringEngine::Send(Channel* channel, absl::Span<iovec> pieces, absl::Span<const int> fds) {
  DCHECK(!channel->send_in_flight_);
  channel->send_in_flight_ = true;
  ++channel->in_flight_;
  const uint64_t tag = Tag(channel, Operation::kSend);
  size_t bytes = 0;
  for (const iovec& piece : pieces) bytes += piece.iov_len;
  channel->send_result_ = static_cast<ssize_t>(bytes);  // what a whole send returns
  if (pieces.size() == 1 && fds.empty()) {
    ring_->Send(channel->socket(), pieces[0].iov_base, pieces[0].iov_len, channel->send_full_, tag);
    return;
  }
  if (channel->outgoing_ == nullptr) channel->outgoing_ = std::make_unique<Channel::Outgoing>();
  msghdr* header = &channel->outgoing_->header;
  *header = msghdr{};
  header->msg_iov = pieces.data();
  header->msg_iovlen = pieces.size();
  if (!fds.empty()) net::AttachFds(fds, &channel->outgoing_->control, header);
  ring_->SendMessage(channel->socket(), header, channel->send_full_, tag);
}

void UringEngine::AwaitWritable(Channel* channel) {
  if (channel->detaching_) return;
  DCHECK(!channel->writable_wanted_);
  channel->writable_wanted_ = true;
  ++channel->in_flight_;
  ring_->PollOnce(channel->socket(), POLLOUT, Tag(channel, Operation::kWritable));
}

void UringEngine::Detach(Channel* channel) {
  DCHECK(!channel->detaching_);
  channel->detaching_ = true;
  channel->receive_wanted_ = false;
  CancelReceive(channel);
  if (channel->in_flight_ == 0) {
    // Told from Wait(), like every ending: a cancel of nothing completes at once.
    ++channel->in_flight_;
    channel->cancelling_ = true;
    ring_->CancelReceive(WhatOf(*channel), Tag(channel, Operation::kReceive),
                         Tag(channel, Operation::kCancel));
  }
}

void UringEngine::BeginWrite(Write* write, int fd, const char* data, size_t bytes,
                             uint64_t offset) {
  writes_.insert(write);
  ring_->Write(fd, data, bytes, offset, Tag(write, Operation::kWrite));
}

net::Ring::Receive UringEngine::WhatOf(const Channel& channel) {
  if (!channel.unix_socket_) return net::Ring::Receive::kBytes;
  return net::Ring::Receive::kRefuseFds;
}

bool UringEngine::Wait(int64_t timeout_ns, int64_t* now_ns) {
  if (!event_armed_) {
    event_armed_ = true;
    ring_->PollOnce(event_fd_, POLLIN, Tag(nullptr, Operation::kEvent));
  }
  event_seen_ = false;
  const absl::Span<net::Ring::Event> events = ring_->Wait(timeout_ns);
  *now_ns = net::NowNs();
  if (ring_->lost()) {
    Recover(events);
    return true;  // what was lost may have been the event
  }
  for (net::Ring::Event& event : events) Handle(&event);
  return event_seen_;
}

// Completions have been lost. Of what a connection has received a part may be missing, and of what
// was sent to it nobody knows how much has gone: those where that may be so end, as if they had
// been reset. The others, and the loop, go on.
void UringEngine::Recover(absl::Span<net::Ring::Event> told) {
  const net::Ring::Remains remains = ring_->Recover();
  // How each operation ended that is known to have ended. Multishot receives that go on have been
  // cancelled since.
  absl::flat_hash_map<uint64_t, int> ended;
  const auto note = [&ended](const net::Ring::Event& event) {
    if (!event.more) ended[event.user_data] = event.result;
  };
  for (const net::Ring::Event& event : told) note(event);
  for (const net::Ring::Event& event : remains.events) note(event);

  std::vector<net::Ring::Event> endings;
  const auto end = [&](const void* object, Operation operation, int when_lost) {
    net::Ring::Event& event = endings.emplace_back();
    event.user_data = Tag(object, operation);
    const auto known = ended.find(event.user_data);
    event.result = known == ended.end() ? when_lost : known->second;
  };
  int broken = 0;
  for (Channel* channel : channels_) {
    if (!channel->receive_armed_) continue;
    ++broken;
    ended.erase(Tag(channel, Operation::kReceive));  // with all that it brought
    end(channel, Operation::kReceive, -ECONNRESET);
  }
  for (Channel* channel : channels_) {
    if (channel->send_in_flight_) end(channel, Operation::kSend, -ECONNRESET);
    if (channel->writable_wanted_) end(channel, Operation::kWritable, 0);
    if (channel->cancelling_) end(channel, Operation::kCancel, 0);
  }
  for (Write* write : writes_) {
    if (remains.all_ended || ended.contains(Tag(write, Operation::kWrite)))
      end(write, Operation::kWrite, -EIO);
  }
  event_armed_ = false;
  LOG(ERROR) << "io_uring lost completions for lack of memory (EBADR): " << broken
             << " connections of this loop are closed, since it is not known what was lost";
  for (net::Ring::Event& event : endings) Handle(&event);
}

void UringEngine::Handle(net::Ring::Event* told) {
  const net::Ring::Event& event = *told;
  void* object = reinterpret_cast<void*>(event.user_data & ~uint64_t{15});
  const auto operation = static_cast<Operation>(event.user_data & kOperationMask);
  if (operation == Operation::kEvent) {
    event_armed_ = false;
    event_seen_ = true;
    return;
  }
  if (operation == Operation::kWrite) {
    writes_.erase(static_cast<Write*>(object));
    static_cast<Write*>(object)->OnWritten(event.result);
    return;
  }
  auto* channel = static_cast<Channel*>(object);
  if (!event.more) --channel->in_flight_;
  switch (operation) {
    case Operation::kReceive:
      HandleReceive(channel, told);
      break;
    case Operation::kSend: {
      channel->send_in_flight_ = false;
      channel->send_full_ = event.result < channel->send_result_;
      // Nothing was sent and nothing is wrong: try again.
      const int result = event.result == -EINTR ? -EAGAIN : event.result;
      channel->OnSent(result);
      break;
    }
    case Operation::kWritable:
      channel->writable_wanted_ = false;
      channel->OnWritable();
      break;
    case Operation::kCancel:
      channel->cancelling_ = false;
      // Receiving was wanted again while the cancel was on its way; or that came too early for what
      // was begun since.
      if (channel->receive_wanted_ && !channel->receive_armed_) Arm(channel);
      if (!channel->receive_wanted_ && event.result == -ENOENT) CancelReceive(channel);
      break;
    case Operation::kEvent:
    case Operation::kWrite:
      break;
  }
  if (channel->detaching_ && channel->in_flight_ == 0) FinishDetach(channel);
}

void UringEngine::HandleReceive(Channel* channel, net::Ring::Event* told) {
  const net::Ring::Event& event = *told;
  if (!event.more) channel->receive_armed_ = false;
  if (!event.bytes.empty()) channel->OnReceived(event.bytes, event.fds_refused);
  if (event.buffer >= 0) ring_->ReturnBuffer(event.buffer);
  if (event.more) return;
  if (channel->may_bring_fds_ && event.result > 0) {
    // Wanted again while a cancel is on its way: begun anew when that has ended.
    if (channel->receive_wanted_ && !channel->cancelling_) ReceiveNow(channel);
    return;
  }
  const bool out_of_buffers = event.result == -ENOBUFS;
  const bool cancelled = event.result == -ECANCELED || event.result == -EINTR;
  // EAGAIN: the socket is in non-blocking mode, for bodies that are moved inside the kernel, and
  // had nothing. It is waited for by polling, which heeds no mode.
  const bool nothing_there = event.result == -EAGAIN;
  if (event.result > 0 || out_of_buffers || cancelled || nothing_there) {
    // The kernel ends a multishot receive for reasons of its own, too: begin again if still wanted.
    if (!channel->receive_wanted_ || channel->cancelling_) return;
    if (!nothing_there) {
      Arm(channel);
      return;
    }
    channel->receive_armed_ = true;
    ++channel->in_flight_;
    ring_->AwaitReadable(channel->socket(), WhatOf(*channel), Tag(channel, Operation::kReceive));
    return;
  }
  EndReceive(channel, -event.result);
}

void UringEngine::EndReceive(Channel* channel, int error) {
  channel->receive_ended_ = true;
  channel->receive_wanted_ = false;
  channel->OnReceiveEnd(error);
}

void UringEngine::ReceiveNow(Channel* channel) {
  size_t with_fds = 0;
  const ssize_t got = net::RecvBeforeFds(channel->socket(), absl::MakeSpan(scratch_), &with_fds);
  if (with_fds > 0) {
    channel->receive_wanted_ = false;
    channel->OnFdsWait(with_fds);
    return;
  }
  if (got == 0 || (got < 0 && errno != EAGAIN)) {
    EndReceive(channel, got == 0 ? 0 : errno);
    return;
  }
  if (got > 0)
    channel->OnReceived(absl::string_view(scratch_.data(), static_cast<size_t>(got)), false);
  if (channel->receive_wanted_ && !channel->receive_armed_ && !channel->cancelling_ &&
      !channel->detaching_)
    Arm(channel);
}

void UringEngine::FinishDetach(Channel* channel) {
  channel->detaching_ = false;
  channels_.erase(channel);
  channel->OnDetached();
}

}  // namespace objmapper::loop
