// One thread of the load generator: its connections and the epoll loop that drives them.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tools/bench/load/connection.h"
#include "tools/bench/load/load.h"
#include "tools/bench/load/plan.h"
#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {

// Its methods are called from one thread at a time, not always the same.
class ClientThread {
 public:
  // Owns the connections whose index modulo options.client_threads is `index`. The references
  // outlive it.
  ClientThread(const Target& target, const WireDriver& driver, const Plan& plan,
               const LoadOptions& options, int index);

  // Connects all, at most for 10 s. A server that accepts but does not open every connection (its
  // threads are taken) has its way once nothing has happened for a second, if it opened one.
  absl::Status Connect();

  // Makes the calling thread the one that Run() wants: on this core (-1: anywhere), and woken to
  // the microsecond.
  static void Prepare(int core);

  // Asks within [start_ns, end_ns], `rate` requests a second on all threads together (0: closed
  // loop); then waits for what is outstanding: 10 s at most, and 0.5 s at most without any answer.
  LoadResult Run(int64_t start_ns, int64_t end_ns, double rate);

 private:
  // Handles what is ready, waiting until `deadline_ns` at most.
  void Step(int64_t deadline_ns);
  void Act(Connection* connection, Connection::Next next);
  void ConnectWaiting();
  // Open loop: hands out what has become due.
  void AddDue();
  int64_t NextDueNs() const;
  bool AllOpen() const;
  bool AnyConnecting() const { return !waiting_.empty() || connecting_ > 0; }

  static constexpr int kEventsMax = 128;

  Workbench bench_;
  const int index_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::deque<Connection*> waiting_;  // to be connected, from retry_ns_ on
  int64_t retry_ns_ = 0;
  int64_t connected_ns_ = 0;  // when a connect last went well
  int connecting_ = 0;        // in progress
  uint64_t scheduled_ = 0;    // open loop: requests that have become due
  int64_t heard_ns_ = 0;      // when an event last came
};

}  // namespace objmapper::bench
