// Threads and parking of the models that have queues; the order in which they are stopped.
#include "models/pool.h"

#include <pthread.h>

#include <utility>

namespace objmapper::models {

Pool::Pool(const Options& options, const char* name, std::function<void()> work)
    : context_(options),
      stand_ins_(name, std::move(work)),
      parking_(&context_, [this](std::unique_ptr<Connection> ready) { Push(std::move(ready)); }) {
  context_.stand_ins = &stand_ins_;
}

void Pool::AddThread(const char* name, std::function<void()> work) {
  threads_.emplace_back([name, work = std::move(work)] {
    pthread_setname_np(pthread_self(), name);
    work();
  });
}

void Pool::GoOn(Next next, std::unique_ptr<Connection> connection) {
  switch (next) {
    case Next::kWait:
      parking_.Park(std::move(connection));
      break;
    case Next::kAgain:
      PutBack(std::move(connection));
      break;
    case Next::kEnded:
      break;
  }
}

void Pool::Drain() {
  context_.phase.Drain();
  parking_.Wake();
}

void Pool::Stop() {
  context_.phase.Stop();
  stand_ins_.Close();
  CloseQueues();
  parking_.Stop();
  for (std::thread& thread : threads_) thread.join();
  stand_ins_.Join();
  parking_.Clear();  // what they have given back meanwhile
}

}  // namespace objmapper::models
