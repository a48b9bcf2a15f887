// thread_per_request: a new thread for each request.
//
// What it is. One thread watches all connections in an epoll set. When one becomes readable, a
// detached thread is started, answers what has arrived, gives the connection back to the set and
// ends. At most threads_max run; then requests wait in their sockets until a thread ends.
//
// Where it wins. Requests that each take long (a cold disk, a big body, a slow client): they hold
// up nobody, and between requests a connection costs no thread. Nothing needs tuning.
//
// Where it loses. Short requests. Creating a thread and running its first instruction takes longer
// than opening a file and passing its descriptor, and is paid again for each: this is the baseline
// to beat.
#pragma once

#include <memory>
#include <vector>

#include "models/context.h"
#include "models/conversation.h"
#include "models/parking.h"
#include "models/thread_group.h"
#include "net/mutex.h"
#include "session/lane.h"

namespace objmapper::models {

class ThreadPerRequest : public session::Lane {
 public:
  explicit ThreadPerRequest(const Options& options);

  void Adopt(std::unique_ptr<session::Session> session) override;
  void Drain() override;
  void Stop() override;
  size_t QueueDepth() const override { return 0; }

 private:
  void StartThread(std::unique_ptr<Connection> connection);
  void ServeRequest(std::unique_ptr<Connection> connection);

  Context context_;
  ThreadGroup threads_;
  Parking parking_;
  // Buffers of threads that have ended, for those to come: allocating them is not what is measured.
  net::Mutex mutex_;
  std::vector<std::unique_ptr<Conversation>> spare_ GUARDED_BY(mutex_);
};

}  // namespace objmapper::models
