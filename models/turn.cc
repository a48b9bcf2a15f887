// Receives what has arrived and takes the requests from it, up to the limits of a turn.
#include <errno.h>
#include <string.h>

#include <algorithm>

#include "models/conversation.h"
#include "net/clock.h"
#include "net/scm_rights.h"
#include "protocol/limits.h"
#include "session/intake.h"

namespace objmapper::models {
namespace {
// One read brings at most this much: about a thousand pipelined requests.
constexpr size_t kBytesMax = 64 * 1024;
// How many of them are taken before another connection may have its turn.
constexpr size_t kRequestsMax = net::kFdsPerMessageMax;
// So what fills the buffer begins with a whole message, or is a part of a body that is dropped.
static_assert(kBytesMax > 2 * (protocol::kUriBytesMax + protocol::kMetadataBytesMax));
}  // namespace

// Left as the allocator gives it: pages that are never written cost nothing.
Turn::Turn() : bytes_(new char[kBytesMax]) {}

bool Turn::Receive(session::Session* session, bool draining) {
  // There may be more unread than the buffer holds: a connection that came from another owner
  // brings what that one has read.
  size_t have = std::min(session->unread.size(), kBytesMax);
  memcpy(bytes_.get(), session->unread.data(), have);
  const bool all = have == session->unread.size();
  bool read_some = false;
  // More than half a buffer unread means complete requests: serve those first.
  if (!session->peer_done && have <= kBytesMax / 2) {
    const ssize_t got = session::Receive(session, absl::MakeSpan(bytes_.get(), kBytesMax), have,
                                         session::OnFds::kWait);
    if (got > 0) {
      have += static_cast<size_t>(got);
      session->received_ns.store(net::NowNs(), std::memory_order_relaxed);
      read_some = true;
    } else if (got == 0) {
      session->peer_done = true;
    } else if (errno != EAGAIN) {
      return false;
    }
  }
  const absl::string_view input(bytes_.get(), have);
  session::TakeBurst(session, input, /*lane=*/std::nullopt, /*outstanding=*/0, kRequestsMax,
                     &burst_);
  session::OrderForService(*session, &burst_.requests);
  requests_ = absl::MakeConstSpan(burst_.requests);
  requests_ = requests_.first(std::min<uint64_t>(requests_.size(), session->allowance()));
  const bool body_follows = burst_.end == session::Burst::End::kOperation &&
                            burst_.requests.back().mode == protocol::Mode::kPut;
  session::KeepUnread(session, all ? input : absl::string_view(session->unread), burst_.consumed,
                      body_follows ? burst_.requests.back().body_length : 0);
  // the rest is at hand
  if (!all && burst_.end == session::Burst::End::kNeedMore) burst_.end = session::Burst::End::kFull;
  if (draining && read_some && burst_.end == session::Burst::End::kNeedMore) {
    burst_.end = session::Burst::End::kFull;  // read until the socket is empty
  }
  return true;
}

}  // namespace objmapper::models
