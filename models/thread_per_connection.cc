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
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/conversation.h"
#include "models/makers.h"

namespace objmapper::models {
namespace {

class ThreadPerConnection : public session::Lane {
 public:
  explicit ThreadPerConnection(const Options& options)
      : context_(options), threads_(options.threads_max) {}

  void Adopt(std::unique_ptr<session::Session> session) override {
    auto connection = std::make_unique<Connection>(std::move(session));
    const bool runs = threads_.TryRun("model/conn", [this, handed = connection.get()] {
      const std::unique_ptr<Connection> own(handed);
      Conversation(&context_).ServeToTheEnd(own.get());
    });
    if (runs) {
      connection.release();  // the thread's
    } else {
      Refuse(&context_, std::move(connection->session),
             absl::StrCat("the server has reached its limit of ", context_.options.threads_max,
                          " threads, or can start no more; try again"));
    }
  }
  void Drain() override { context_.phase.Drain(); }
  void Stop() override {
    context_.phase.Stop();
    threads_.Join();
  }
  size_t QueueDepth() const override { return 0; }

 private:
  Context context_;
  ThreadGroup threads_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<session::Lane>> MakeThreadPerConnection(const Options& options) {
  return std::make_unique<ThreadPerConnection>(options);
}

}  // namespace objmapper::models
