// accept_pool: one thread watches all connections and queues those that are ready for the workers.
//
// What it is. The classic: an epoll thread, a queue with a condition variable, a fixed number of
// workers. A worker takes a ready connection, answers what has arrived, and gives it back to the
// set. When the queue is full, the epoll thread waits, and requests wait in their sockets.
//
// Where it wins. Any number of connections on a fixed number of threads, and fairness: one queue,
// oldest first. A request that takes long holds one worker, not those behind it in some other
// queue.
//
// Where it loses. Each request crosses threads: the epoll thread wakes, then a worker does, and
// under load all of them meet at one lock. The two wake-ups cost more than a short request's work.
//
// A connection is in exactly one of them: the set, the queue, a worker's hands.
#include <memory>
#include <optional>
#include <utility>

#include "models/bounded_queue.h"
#include "models/makers.h"
#include "models/pool.h"

namespace objmapper::models {
namespace {

constexpr char kName[] = "model/accept";

class AcceptPool : public Pool {
 public:
  explicit AcceptPool(const Options& options)
      : Pool(options, kName, [this] { Work(); }), ready_(options.queue_depth_max) {
    for (int i = 0; i < options.pool_size; ++i) AddThread(kName, [this] { Work(); });
    parking_.Start();
  }

  size_t QueueDepth() const override { return ready_.size(); }

 private:
  void Push(std::unique_ptr<Connection> connection) override { ready_.Push(std::move(connection)); }
  void PutBack(std::unique_ptr<Connection> connection) override {
    ready_.PutBack(std::move(connection));
  }
  void CloseQueues() override { ready_.Close(); }

  void Work() {
    const storage::SlowOpens::Watched watched(&context_.options.tree->slow_opens());
    Conversation conversation(&context_);
    while (std::optional<std::unique_ptr<Connection>> connection = ready_.Pop()) {
      const Next next = conversation.Serve(connection->get());
      GoOn(next, *std::move(connection));
    }
  }

  BoundedQueue<std::unique_ptr<Connection>> ready_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<session::Lane>> MakeAcceptPool(const Options& options) {
  return std::make_unique<AcceptPool>(options);
}

}  // namespace objmapper::models
