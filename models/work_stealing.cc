// A deque for each worker, each with a lock of its own; a thief takes from the other end than the
// owner.
#include "models/work_stealing.h"

#include <pthread.h>

#include <utility>

#include "models/conversation.h"

namespace objmapper::models {

WorkStealing::WorkStealing(const Options& options)
    : context_(options),
      stand_ins_(
          "model/steal",
          [this] { Work(next_home_.fetch_add(1, std::memory_order_relaxed) % deques_.size()); }),
      parking_(&context_, [this](std::unique_ptr<Connection> c) { Push(std::move(c)); }) {
  context_.stand_ins = &stand_ins_;
  const size_t workers = static_cast<size_t>(options.pool_size);
  for (size_t i = 0; i < workers; ++i) deques_.push_back(std::make_unique<Deque>());
  for (size_t i = 0; i < workers; ++i) workers_.emplace_back([this, i] { Work(i); });
  parking_.Start();
}

void WorkStealing::Adopt(std::unique_ptr<session::Session> session) {
  auto connection = std::make_unique<Connection>(std::move(session));
  connection->home = next_home_.fetch_add(1, std::memory_order_relaxed) % deques_.size();
  parking_.Adopt(std::move(connection));
}

void WorkStealing::Push(std::unique_ptr<Connection> connection) {
  Deque* const home = deques_[connection->home].get();
  {
    net::MutexLock lock(&home->mutex);
    home->ready.push_back(std::move(connection));
  }
  // Counted after it is in: whoever claims it will find one.
  net::MutexLock lock(&mutex_);
  ++unclaimed_;
  pushed_.notify_one();
}

void WorkStealing::Work(size_t self) {
  pthread_setname_np(pthread_self(), "model/steal");
  const storage::SlowOpens::Watched watched(&context_.options.tree->slow_opens());
  Conversation conversation(&context_);
  while (AwaitWork()) {
    std::unique_ptr<Connection> connection = TakeOrSteal(self);
    connection->home = self;
    switch (conversation.Serve(connection.get())) {
      case Next::kWait:
        parking_.Park(std::move(connection));
        break;
      case Next::kAgain:
        Push(std::move(connection));
        break;
      case Next::kEnded:
        break;
    }
  }
}

bool WorkStealing::AwaitWork() {
  net::MutexLock lock(&mutex_);
  while (unclaimed_ == 0 && !context_.phase.stopping()) pushed_.wait(mutex_);
  if (context_.phase.stopping()) return false;
  --unclaimed_;
  return true;
}

std::unique_ptr<Connection> WorkStealing::TakeOrSteal(size_t self) {
  // One that this worker has claimed is in some deque, but a thief may be a step ahead of it there:
  // then what that one has claimed is still to be found.
  for (size_t i = self;; ++i) {
    if (auto connection = TakeTop(deques_[i % deques_.size()].get())) return connection;
  }
}

// The oldest, for the owner too: the youngest would have warmer caches, but under load the oldest
// would wait for ever.
std::unique_ptr<Connection> WorkStealing::TakeTop(Deque* deque) {
  net::MutexLock lock(&deque->mutex);
  if (deque->ready.empty()) return nullptr;
  std::unique_ptr<Connection> top = std::move(deque->ready.front());
  deque->ready.pop_front();
  return top;
}

void WorkStealing::Drain() {
  context_.phase.Drain();
  parking_.Wake();
}

void WorkStealing::Stop() {
  context_.phase.Stop();
  stand_ins_.Close();
  {
    net::MutexLock lock(&mutex_);  // nobody is between looking at the phase and going to sleep
    pushed_.notify_all();
  }
  parking_.Stop();
  for (std::thread& worker : workers_) worker.join();
  stand_ins_.Join();
  parking_.Clear();  // what they have given back meanwhile
  for (const auto& deque : deques_) {
    net::MutexLock lock(&deque->mutex);
    deque->ready.clear();
  }
}

}  // namespace objmapper::models
