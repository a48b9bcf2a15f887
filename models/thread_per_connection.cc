// A thread for each connection, from its arrival to its end.
#include "models/thread_per_connection.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "models/conversation.h"

namespace objmapper::models {

ThreadPerConnection::ThreadPerConnection(const Options& options)
    : context_(options), threads_(options.threads_max) {}

void ThreadPerConnection::Adopt(std::unique_ptr<session::Session> session) {
  auto connection = std::make_unique<Connection>(std::move(session));
  Connection* const handed = connection.get();
  absl::AnyInvocable<void()> work = [this, handed] {
    const std::unique_ptr<Connection> own(handed);
    Conversation(&context_).ServeToTheEnd(own.get());
  };
  if (threads_.TryRun("model/conn", &work)) {
    connection.release();  // the thread's
  } else {
    Refuse(&context_, std::move(connection->session),
           absl::StrCat("the server has reached its limit of ", context_.options.threads_max,
                        " threads, or can start no more; try again"));
  }
}

void ThreadPerConnection::Drain() { context_.phase.Drain(); }

void ThreadPerConnection::Stop() {
  context_.phase.Stop();
  threads_.Join();
}

}  // namespace objmapper::models
