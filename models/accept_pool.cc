// The epoll thread, the queue and the workers. A connection is in exactly one of them.
#include "models/accept_pool.h"

#include <pthread.h>

#include <utility>

#include "models/conversation.h"

namespace objmapper::models {

AcceptPool::AcceptPool(const Options& options)
    : context_(options),
      ready_(options.queue_depth_max),
      stand_ins_("model/accept", [this] { Work(); }),
      parking_(&context_, [this](std::unique_ptr<Connection> c) { ready_.Push(std::move(c)); }) {
  context_.stand_ins = &stand_ins_;
  for (int i = 0; i < options.pool_size; ++i) workers_.emplace_back([this] { Work(); });
  parking_.Start();
}

void AcceptPool::Adopt(std::unique_ptr<session::Session> session) {
  parking_.Adopt(std::make_unique<Connection>(std::move(session)));
}

void AcceptPool::Work() {
  pthread_setname_np(pthread_self(), "model/accept");
  const storage::SlowOpens::Watched watched(&context_.options.tree->slow_opens());
  Conversation conversation(&context_);
  while (std::optional<std::unique_ptr<Connection>> taken = ready_.Pop()) {
    std::unique_ptr<Connection> connection = *std::move(taken);
    switch (conversation.Serve(connection.get())) {
      case Next::kWait:
        parking_.Park(std::move(connection));
        break;
      case Next::kAgain:
        ready_.PutBack(std::move(connection));
        break;
      case Next::kEnded:
        break;
    }
  }
}

void AcceptPool::Drain() {
  context_.phase.Drain();
  parking_.Wake();
}

void AcceptPool::Stop() {
  context_.phase.Stop();
  stand_ins_.Close();
  ready_.Close();
  parking_.Stop();
  for (std::thread& worker : workers_) worker.join();
  stand_ins_.Join();
  parking_.Clear();  // what they have given back meanwhile
}

}  // namespace objmapper::models
