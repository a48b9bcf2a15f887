#include "router/models/accept_pool.h"

#include <pthread.h>

#include <utility>

#include "router/models/conversation.h"

namespace objmapper::router::models {

AcceptPool::AcceptPool(const Options& options)
    : context_(options),
      ready_(options.queue_depth_max),
      parking_(&context_, [this](std::unique_ptr<Connection> c) { ready_.Push(std::move(c)); }) {
  for (int i = 0; i < options.pool_size; ++i) workers_.emplace_back([this] { Work(); });
  parking_.Start();
}

void AcceptPool::Adopt(std::unique_ptr<Session> session) {
  parking_.Adopt(std::make_unique<Connection>(std::move(session)));
}

void AcceptPool::Work() {
  pthread_setname_np(pthread_self(), "model/accept");
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
  ready_.Close();
  parking_.Stop();
  for (std::thread& worker : workers_) worker.join();
  parking_.Clear();  // what they have given back meanwhile
}

}  // namespace objmapper::router::models
