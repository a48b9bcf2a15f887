// The epoll thread, and one new thread for each connection that is ready.
#include "models/thread_per_request.h"

#include <utility>

namespace objmapper::models {

ThreadPerRequest::ThreadPerRequest(const Options& options)
    : context_(options),
      threads_(options.threads_max),
      parking_(&context_, [this](std::unique_ptr<Connection> c) { StartThread(std::move(c)); }) {
  parking_.Start();
}

void ThreadPerRequest::Adopt(std::unique_ptr<session::Session> session) {
  parking_.Adopt(std::make_unique<Connection>(std::move(session)));
}

void ThreadPerRequest::StartThread(std::unique_ptr<Connection> connection) {
  if (!threads_.WaitForPlace()) return;
  Connection* const handed = connection.get();
  absl::AnyInvocable<void()> work = [this, handed] {
    ServeRequest(std::unique_ptr<Connection>(handed));
  };
  if (threads_.TryRun("model/request", &work)) {
    connection.release();  // the thread's
  } else {
    Refuse(&context_, std::move(connection->session), "the server can start no more threads");
  }
}

void ThreadPerRequest::ServeRequest(std::unique_ptr<Connection> connection) {
  std::unique_ptr<Conversation> conversation;
  {
    net::MutexLock lock(&mutex_);
    if (!spare_.empty()) {
      conversation = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  if (conversation == nullptr) conversation = std::make_unique<Conversation>(&context_);

  Next next;
  do {
    next = conversation->Serve(connection.get());
  } while (next == Next::kAgain);
  if (next == Next::kWait) parking_.Park(std::move(connection));

  net::MutexLock lock(&mutex_);
  spare_.push_back(std::move(conversation));
}

void ThreadPerRequest::Drain() {
  context_.phase.Drain();
  parking_.Wake();
}

void ThreadPerRequest::Stop() {
  context_.phase.Stop();
  threads_.Close();
  parking_.Stop();  // after this nobody starts a thread
  threads_.Join();
  parking_.Clear();  // what they have given back meanwhile
}

}  // namespace objmapper::models
