// thread_pool: a fixed number of workers, each of which keeps a connection until it closes.
//
// What it is. Connections wait in a queue; a worker takes the oldest and serves it to its end, also
// through the time in which its client asks nothing. When the queue is full, a connection is told
// UNAVAILABLE and closed.
//
// Where it wins. Short connections with few requests each: no thread is created, nothing is handed
// over per request, and the number of threads is what the machine can use.
//
// Where it loses. Persistent connections. With pool_size of them open, the next waits until one
// closes, however idle they are: its latency is the others' lifetime, and the timeouts that hold
// for a silent client do not help it. Only --idle_timeout and --requests_per_conn free a worker.
#include <pthread.h>

#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "models/bounded_queue.h"
#include "models/conversation.h"
#include "models/makers.h"

namespace objmapper::models {
namespace {

constexpr char kName[] = "model/pool";

class ThreadPool : public session::Lane {
 public:
  explicit ThreadPool(const Options& options)
      : context_(options), queue_(options.queue_depth_max), stand_ins_(kName, [this] { Work(); }) {
    context_.stand_ins = &stand_ins_;
    for (int i = 0; i < options.pool_size; ++i) workers_.emplace_back([this] { Work(); });
  }

  void Adopt(std::unique_ptr<session::Session> session) override {
    if (!queue_.TryPush(&session)) {
      Refuse(&context_, std::move(session), "the queue of connections is full; try again");
    }
  }
  void Drain() override { context_.phase.Drain(); }
  void Stop() override {
    context_.phase.Stop();
    stand_ins_.Close();
    queue_.Close();
    for (std::thread& worker : workers_) worker.join();
    stand_ins_.Join();
  }
  size_t QueueDepth() const override { return queue_.size(); }

 private:
  void Work() {
    pthread_setname_np(pthread_self(), kName);
    const storage::SlowOpens::Watched watched(&context_.options.tree->slow_opens());
    Conversation conversation(&context_);
    while (std::optional<std::unique_ptr<session::Session>> session = queue_.Pop()) {
      Connection connection(*std::move(session));
      connection.ready_ns = connection.session->handed_ns;
      conversation.ServeToTheEnd(&connection);
    }
  }

  Context context_;
  BoundedQueue<std::unique_ptr<session::Session>> queue_;
  StandIns stand_ins_;
  std::vector<std::thread> workers_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<session::Lane>> MakeThreadPool(const Options& options) {
  return std::make_unique<ThreadPool>(options);
}

}  // namespace objmapper::models
