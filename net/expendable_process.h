// The processes behind net/expendable.h: what runs in them, and what they share with the server.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <iterator>

#include "absl/status/status.h"
#include "net/expendable.h"
#include "net/unique_fd.h"

namespace objmapper::net {

enum ExpendableKind : int { kCloser = 0, kTasker = 1, kExpendableKinds = 2 };

// Before the bytes of each message. Of a kTasker's, the first descriptor is where its answer goes,
// a SOCK_SEQPACKET: any number of '.', which show that it makes progress, then '=' and the answer.
struct ExpendableHeader {
  // kTasker: the descriptor behind is a socket to be read, ReceivedElsewhere is the answer
  uint64_t receive_bytes = 0;
  int64_t patience_ns = 0;  // kTasker: how long it may be at it without a sign of progress
  int32_t ticket = 0;       // kCloser: which of ExpendableShared::tickets, or kUntilTheEnd
};

// A worker has a descriptor as soon as it was sent, and must not let go of it before the server
// has: else the server's would be the last. The server writes in the message's ticket when it has.
enum class Ticket : uint8_t { kFree, kSent, kClosedHere };
inline constexpr int kTickets = 4096;
// The server is about to end, and closes it then.
inline constexpr int32_t kUntilTheEnd = -1;

// One worker's place, in memory that all share.
struct ExpendableSlot {
  std::atomic<int32_t> pid{0};  // 0: free; written by the supervisor
  // net::NowNs() at which it is to be killed; 0: it waits for a message. Written by the worker.
  std::atomic<int64_t> until_ns{0};
  bool killed = false;  // the supervisor's own: it has been, and is not gone

  bool idle() const { return pid.load() != 0 && until_ns.load() == 0; }
};

struct ExpendableShared {
  ExpendableSlot slots[kExpendableKinds][kExpendableWorkersMax];
  std::atomic<Ticket> tickets[kTickets];
  std::atomic<bool> asleep{false};  // the supervisor: nobody was at work when it looked
  std::atomic<uint64_t> killed{0};

  bool AnyIdle(int kind) const {
    return std::any_of(std::begin(slots[kind]), std::end(slots[kind]),
                       [](const ExpendableSlot& slot) { return slot.idle(); });
  }
};

// The supervisor's life. sockets: where workers of each kind receive. Returns never.
[[noreturn]] void RunSupervisor(ExpendableShared* shared, UniqueFd sockets[kExpendableKinds],
                                const ExpendableTask& task, const ForeignJudge& judge);

// The answer to receive_bytes: this and the bytes; then, where it was one descriptor, another with
// its verdict, and it, where that is 0.
struct ReceiptHeader {
  int64_t result = 0;  // as recvmsg(2); -errno
  uint32_t fds = 0;
  int32_t verdict = 0;
  bool lost = false;
};

}  // namespace objmapper::net
