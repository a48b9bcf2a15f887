// The engine on io_uring: multishot receives into shared buffers, gathered sends, writes to files.
#pragma once

#include <memory>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "loop/engine.h"
#include "net/ring.h"

namespace objmapper::loop {

class UringEngine : public Engine {
 public:
  // `event_fd`: readable when the loop has something else to do; borrowed. Must be called on the
  // loop's thread: the ring belongs to the thread that made it.
  // Errors: as Ring::Create().
  static absl::StatusOr<std::unique_ptr<UringEngine>> Create(int event_fd);

  const char* name() const override { return "uring"; }
  int Attach(Channel* channel) override;
  void StartReceiving(Channel* channel) override;
  void StopReceiving(Channel* channel) override;
  void Send(Channel* channel, absl::Span<iovec> pieces, absl::Span<const int> fds) override;
  void AwaitWritable(Channel* channel) override;
  void Detach(Channel* channel) override;
  void BeginWrite(Write* write, int fd, const char* data, size_t bytes, uint64_t offset) override;
  bool Wait(int64_t timeout_ns, int64_t* now_ns) override;

 private:
  // The low bits of user_data tell which operation of the object it points to has completed; bit 0
  // is the ring's. Objects are aligned to 16 bytes by the allocator.
  enum class Operation : uint64_t {
    kReceive = 0,
    kSend = 2,
    kWritable = 4,
    kCancel = 6,
    kEvent = 8,
    kWrite = 10,
  };
  static constexpr uint64_t kOperationMask = 14;

  UringEngine(std::unique_ptr<net::Ring> ring, int event_fd);
  static uint64_t Tag(const void* object, Operation operation) {
    return reinterpret_cast<uint64_t>(object) | static_cast<uint64_t>(operation);
  }
  static net::Ring::Receive WhatOf(const Channel& channel);
  void Handle(net::Ring::Event* event);
  void HandleReceive(Channel* channel, net::Ring::Event* event);
  void ReceiveNow(Channel* channel);
  void EndReceive(Channel* channel, int error);
  void Arm(Channel* channel);
  void CancelReceive(Channel* channel);
  void FinishDetach(Channel* channel);
  void Recover(absl::Span<net::Ring::Event> told);

  std::unique_ptr<net::Ring> ring_;
  std::vector<char> scratch_;  // what one ReceiveNow() brings
  const int event_fd_;
  // What may have something in flight, for when completions are lost.
  absl::flat_hash_set<Channel*> channels_;
  absl::flat_hash_set<Write*> writes_;
  bool event_armed_ = false;
  bool event_seen_ = false;
};

}  // namespace objmapper::loop
