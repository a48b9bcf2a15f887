// thread_per_connection: a thread for each connection, for as long as it lives.
//
// What it is. The thread waits for a request, answers it, and waits for the next. At most
// threads_max connections are served; one more is told UNAVAILABLE and closed.
//
// Where it wins. Simplicity; few connections that are always busy; requests that wait for the disk
// or for their client, since each waits alone. The kernel's scheduler is the fairest queue there
// is.
//
// Where it loses. Many connections: each costs a stack and a thread even while it is silent, and
// each request wakes a thread that was asleep, which costs more than answering it.
#pragma once

#include <memory>

#include "models/context.h"
#include "models/thread_group.h"
#include "session/lane.h"

namespace objmapper::models {

class ThreadPerConnection : public session::Lane {
 public:
  explicit ThreadPerConnection(const Options& options);

  void Adopt(std::unique_ptr<session::Session> session) override;
  void Drain() override;
  void Stop() override;
  size_t QueueDepth() const override { return 0; }

 private:
  Context context_;
  ThreadGroup threads_;
};

}  // namespace objmapper::models
