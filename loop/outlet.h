// The sending side of a connection's socket: what has it, one thing at a time.
//
// Invariant: nothing is begun while something has the socket; whatever began says when it ended
// (Free()).
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "loop/engine.h"
#include "net/send_queue.h"

namespace objmapper::loop {

// The loop's thread's.
class Outlet {
 public:
  // engine: outlives the outlet.
  Outlet(Channel* channel, Engine* engine) : channel_(channel), engine_(engine) {}

  bool free() const { return use_ == Use::kFree; }
  // It waits for its peer to take something.
  bool stalled() const { return use_ == Use::kSend || use_ == Use::kRoom; }
  bool awaits_room() const { return use_ == Use::kRoom; }
  bool transfers() const { return use_ == Use::kTransfer; }
  // Whether the peer has taken anything since the last look (net/send_queue.h).
  bool Shrank() { return unsent_.Shrank(channel_->socket()); }

  // As Engine::Send(); Channel::OnSent() tells.
  void Send(absl::Span<iovec> pieces, absl::Span<const int> fds = {}) {
    unsent_.Forget();  // most go at once: to watch each would be a call more for each
    use_ = Use::kSend;
    engine_->Send(channel_, pieces, fds);
  }
  // What the socket had no room for.
  void SendRest(absl::Span<iovec> pieces, absl::Span<const int> fds = {}) {
    unsent_.Watch(channel_->socket());
    use_ = Use::kSend;
    engine_->Send(channel_, pieces, fds);
  }
  // Channel::OnWritable() tells.
  void AwaitRoom() {
    use_ = Use::kRoom;
    unsent_.Watch(channel_->socket());
    engine_->AwaitWritable(channel_);
  }
  // As good as sending: nothing else may be sent meanwhile.
  void Hold() { use_ = Use::kSend; }
  // A splice thread has it.
  void LendToTransfer() { use_ = Use::kTransfer; }
  void Free() { use_ = Use::kFree; }

 private:
  enum class Use : uint8_t { kFree, kSend, kRoom, kTransfer };

  Channel* const channel_;
  Engine* const engine_;
  net::SendQueue unsent_;  // while stalled()
  Use use_ = Use::kFree;
};

}  // namespace objmapper::loop
