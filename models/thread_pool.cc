// The queue of connections and the workers that keep them until they close.
#include "models/thread_pool.h"

#include <pthread.h>

#include <utility>

#include "models/conversation.h"

namespace objmapper::models {

ThreadPool::ThreadPool(const Options& options)
    : context_(options),
      queue_(options.queue_depth_max),
      stand_ins_("model/pool", [this] { Work(); }) {
  context_.stand_ins = &stand_ins_;
  for (int i = 0; i < options.pool_size; ++i) workers_.emplace_back([this] { Work(); });
}

void ThreadPool::Adopt(std::unique_ptr<session::Session> session) {
  if (!queue_.TryPush(&session)) {
    Refuse(&context_, std::move(session), "the queue of connections is full; try again");
  }
}

void ThreadPool::Work() {
  pthread_setname_np(pthread_self(), "model/pool");
  const storage::SlowOpens::Watched watched(&context_.options.tree->slow_opens());
  Conversation conversation(&context_);
  while (std::optional<std::unique_ptr<session::Session>> session = queue_.Pop()) {
    Connection connection(*std::move(session));
    connection.ready_ns = connection.session->handed_ns;
    conversation.ServeToTheEnd(&connection);
  }
}

void ThreadPool::Drain() { context_.phase.Drain(); }

void ThreadPool::Stop() {
  context_.phase.Stop();
  stand_ins_.Close();
  queue_.Close();
  for (std::thread& worker : workers_) worker.join();
  stand_ins_.Join();
}

}  // namespace objmapper::models
