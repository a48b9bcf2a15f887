// Where connections wait for their next request without a thread each: an epoll set, and one thread
// that tells which are ready and ends those whose deadline has come.
//
// A connection is registered with EPOLLONESHOT: when it has been reported ready, nothing more is
// reported until it is parked again, so whoever got it is its one owner.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "models/context.h"
#include "net/deadline_list.h"
#include "net/epoll.h"
#include "net/mutex.h"
#include "net/serving_thread.h"

namespace objmapper::models {

class Parking {
 public:
  using OnReady = std::function<void(std::unique_ptr<Connection>)>;

  // on_ready: called on the parking thread with each connection that can be read from, or that the
  // drain lets go; it may wait, and then the others do. context: outlives this.
  Parking(Context* context, OnReady on_ready);
  ~Parking() { Clear(); }

  void Start();
  // Any thread. The caller must not touch the connection afterwards: it may be served already.
  void Park(std::unique_ptr<Connection> connection);
  // The same with a connection that is new here. Its request waits in its socket, which is looked
  // at at once; but of one that another server has handed over a whole request may have been read
  // already, and then nothing more need ever come.
  void Adopt(std::unique_ptr<Connection> connection);
  // Makes the thread see that the phase has changed. Any thread.
  void Wake() { thread_.Wake(); }
  // After context->phase.Stop(). Ends the thread, so on_ready is not called any more. Once.
  void Stop() { thread_.Stop(); }
  // Closes the connections that are parked. After Stop().
  void Clear() { TakeUntil(net::kNever); }

 private:
  // Ordered by deadline. An entry owns its connection.
  using Parked = std::pair<int64_t, Connection*>;

  void Run();
  int SleepMs();
  // Whether one that has been taken out is to be served all the same, and not told that it is late.
  bool MayGoOn(Connection* connection);
  std::unique_ptr<Connection> Take(Connection* connection);
  // Takes out those whose deadline is `until_ns` or earlier.
  std::vector<std::unique_ptr<Connection>> TakeUntil(int64_t until_ns);
  // Hands it out.
  void Ready(std::unique_ptr<Connection> connection);

  Context* const context_;
  const OnReady on_ready_;
  const int64_t sleep_max_ns_;
  net::Epoll epoll_;
  net::Mutex mutex_;
  absl::btree_set<Parked> parked_ GUARDED_BY(mutex_);
  int64_t wakes_at_ns_ GUARDED_BY(mutex_) = 0;  // when the thread will look at the deadlines again
  int64_t looked_ns_ = 0;  // the thread's: when it last began to look at what has come
  net::ServingThread<std::unique_ptr<Connection>> thread_;  // its mail: what Adopt() has taken in
};

}  // namespace objmapper::models
