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
#include <memory>
#include <utility>
#include <vector>

#include "models/conversation.h"
#include "models/makers.h"
#include "models/parking.h"
#include "net/mutex.h"

namespace objmapper::models {
namespace {

class ThreadPerRequest : public session::Lane {
 public:
  explicit ThreadPerRequest(const Options& options)
      : context_(options),
        threads_(options.threads_max),
        parking_(&context_, [this](std::unique_ptr<Connection> c) { StartThread(std::move(c)); }) {
    parking_.Start();
  }

  void Adopt(std::unique_ptr<session::Session> session) override {
    parking_.Adopt(std::make_unique<Connection>(std::move(session)));
  }
  void Drain() override {
    context_.phase.Drain();
    parking_.Wake();
  }
  void Stop() override {
    context_.phase.Stop();
    threads_.Close();
    parking_.Stop();  // after this nobody starts a thread
    threads_.Join();
    parking_.Clear();  // what they have given back meanwhile
  }
  size_t QueueDepth() const override { return 0; }

 private:
  void StartThread(std::unique_ptr<Connection> connection) {
    if (!threads_.WaitForPlace()) return;
    const bool runs = threads_.TryRun("model/request", [this, handed = connection.get()] {
      ServeRequest(std::unique_ptr<Connection>(handed));
    });
    if (runs) {
      connection.release();  // the thread's
    } else {
      Refuse(&context_, std::move(connection->session), "the server can start no more threads");
    }
  }

  void ServeRequest(std::unique_ptr<Connection> connection) {
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

  Context context_;
  ThreadGroup threads_;
  Parking parking_;
  // Buffers of threads that have ended, for those to come: allocating them is not what is measured.
  net::Mutex mutex_;
  std::vector<std::unique_ptr<Conversation>> spare_ GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<session::Lane>> MakeThreadPerRequest(const Options& options) {
  return std::make_unique<ThreadPerRequest>(options);
}

}  // namespace objmapper::models
