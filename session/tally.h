// What a serving thread counts, and the board on which the tallies of all threads are found.
//
//   TallyLease tally(board, "fdpass");              // a thread of a lane, at its start
//   tally->Answered(ReceiptOf(request, status, bytes), now_ns);
//   TallySnapshot all = board->Read();              // any thread: the sum, by mode and by lane
//
// A tally has one writer at a time and shares no cache line with another, so that counting takes no
// lock and no locked instruction; the reader adds up what it finds.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/clock.h"
#include "net/counter.h"
#include "net/mutex.h"
#include "protocol/dialect.h"
#include "protocol/mode.h"
#include "protocol/objm/request_parser.h"
#include "protocol/status.h"
#include "session/latency_histogram.h"

namespace objmapper::session {

// A build that counts nothing, so that what counting costs can be measured (docs/operations.md):
// --copt=-DOBJMAPPER_UNCOUNTED.
#ifdef OBJMAPPER_UNCOUNTED
inline constexpr bool kCounting = false;
#else
inline constexpr bool kCounting = true;
#endif
// The time, where it is read to be counted by alone.
inline int64_t CountingNowNs() { return kCounting ? net::NowNs() : 0; }

// The modes as they are counted: the three ways to hand an object over, to store one, and the rest.
enum class Way : uint8_t { kFdPass, kCopy, kSplice, kPut, kOther };
constexpr size_t kWays = 5;
inline Way WayOf(protocol::Mode mode) {
  switch (mode) {
    case protocol::Mode::kFdPass:
      return Way::kFdPass;
    case protocol::Mode::kCopy:
      return Way::kCopy;
    case protocol::Mode::kSplice:
      return Way::kSplice;
    case protocol::Mode::kPut:
    case protocol::Mode::kPutFd:
      return Way::kPut;
    default:
      return Way::kOther;
  }
}
// "fdpass", "copy", "splice", "put", "other"; static.
const char* NameOf(Way way);

// What became of one request.
struct Receipt {
  protocol::Mode mode = protocol::Mode::kFdPass;
  protocol::Status status = protocol::Status::kOk;
  int64_t received_ns = 0;  // net::NowNs(), when it was taken off the socket
  uint64_t bytes = 0;       // of the object, handed over (as a descriptor, or sent) or stored
  std::shared_ptr<const std::string> name;          // the object's, where a log wants it; else null
  std::shared_ptr<const protocol::http::Ask> http;  // the same, of a request of HTTP
};

// That a ping is refused is its answer, and no error.
inline Receipt ReceiptOf(const protocol::Request& request, protocol::Status status,
                         uint64_t bytes = 0) {
  if (status == protocol::Status::kInvalidRequest && request.reason == protocol::kPing)
    status = protocol::Status::kOk;
  return {request.mode, status,       request.received_ns,
          bytes,        request.name, request.name == nullptr ? nullptr : request.http};
}

// By protocol::Dialect. "unknown" (refused before it was told), "v1", "v2", "http"; static.
constexpr size_t kDialects = 4;
const char* NameOf(protocol::Dialect dialect);

// Status bytes are below this.
constexpr size_t kStatuses = 0x23;

struct TallySnapshot {
  struct PerWay {
    std::array<uint64_t, kStatuses> by_status{};  // answers, by the status byte
    uint64_t bytes = 0;
    LatencySnapshot service;  // from taken off the socket to handed to the kernel whole
    uint64_t requests() const;
    uint64_t errors() const;  // answers other than OK and NOT_MODIFIED
  };
  struct PerLane {
    std::string name;
    uint64_t threads = 0;   // that serve it now
    uint64_t busy_ns = 0;   // time of its threads outside of waiting
    uint64_t taken_up = 0;  // connections handed to it and taken up by a thread
    LatencySnapshot wait;   // from handed over to taken up
  };
  std::array<PerWay, kWays> ways;
  std::array<uint64_t, kDialects> by_dialect{};  // answers
  std::vector<PerLane> lanes;                    // by name
};

// One thread's at a time.
class alignas(64) Tally {
 public:
  explicit Tally(std::string lane) : lane_(std::move(lane)) {}

  // The answer has been given to the kernel whole.
  void Answered(const Receipt& receipt, int64_t now_ns, protocol::Dialect dialect) {
    by_dialect_[static_cast<size_t>(dialect)].Add();
    PerWay& way = ways_[static_cast<size_t>(WayOf(receipt.mode))];
    way.by_status[static_cast<size_t>(receipt.status) % kStatuses].Add();
    way.bytes.Add(receipt.bytes);
    way.service.Record(now_ns - receipt.received_ns);
  }
  // It has not after all: for who counts what is about to go. `now_ns` as then.
  void TakeBack(const Receipt& receipt, int64_t now_ns, protocol::Dialect dialect) {
    by_dialect_[static_cast<size_t>(dialect)].Add(~uint64_t{0});
    PerWay& way = ways_[static_cast<size_t>(WayOf(receipt.mode))];
    way.by_status[static_cast<size_t>(receipt.status) % kStatuses].Add(~uint64_t{0});
    way.bytes.Add(~receipt.bytes + 1);
    way.service.TakeBack(now_ns - receipt.received_ns);
  }
  // A connection that had waited `ns` in the lane's queue was taken up.
  void TookUp(int64_t ns) {
    if (kCounting) wait_.Record(ns);
  }
  // The thread has worked for `ns` since it last waited.
  void Worked(int64_t ns) {
    if (kCounting) busy_ns_.Add(ns > 0 ? static_cast<uint64_t>(ns) : 0);
  }

  // Any thread.
  const std::string& lane() const { return lane_; }
  void AddTo(TallySnapshot* all, TallySnapshot::PerLane* lane) const;

 private:
  struct PerWay {
    std::array<net::Counter, kStatuses> by_status;
    net::Counter bytes;
    LatencyHistogram service;
  };

  const std::string lane_;
  std::array<PerWay, kWays> ways_;
  std::array<net::Counter, kDialects> by_dialect_;
  LatencyHistogram wait_;
  net::Counter busy_ns_;
};

// Thread-safe. Outlives all leases.
class TallyBoard {
 public:
  TallySnapshot Read() const;

 private:
  friend class TallyLease;
  Tally* Take(const std::string& lane);
  void GiveBack(Tally* tally);

  struct Place {
    std::unique_ptr<Tally> tally;  // stays when its thread ends: what was counted was
    bool taken = false;
  };
  mutable net::Mutex mutex_;
  std::vector<Place> places_ GUARDED_BY(mutex_);
};

// The right to write to a tally of `lane`. Threads that end give theirs to those that come.
class TallyLease {
 public:
  // board: null for one's own, which nobody reads (tests).
  TallyLease(TallyBoard* board, const std::string& lane);
  ~TallyLease();
  TallyLease(const TallyLease&) = delete;
  TallyLease& operator=(const TallyLease&) = delete;

  Tally* operator->() const { return tally_; }

 private:
  TallyBoard* const board_;
  std::unique_ptr<Tally> own_;
  Tally* tally_;
};

}  // namespace objmapper::session
