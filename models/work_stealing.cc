// work_stealing: a queue for each worker, and idle workers take from the others'.
//
// What it is. An epoll thread puts a ready connection into the deque of the worker that served it
// last. A worker takes from its own deque; when that is empty, it steals from the top of another's,
// and the connection is its own from then on.
//
// Where it wins. Uneven work: a worker that is busy with something long loses what waits behind it
// to those that are idle, and what is even stays where its caches are warm.
//
// Where it loses. As accept_pool does: each request is handed from the epoll thread to a worker,
// which must be woken. Stealing balances work; it does not make it cheaper, and a request that is
// served in microseconds is over before anybody could steal it.
//
// A mutex for each deque, rather than Chase and Lev's lock-free one: it is taken twice per request,
// mostly by one thread, in some 20 ns, beside a wake-up of 20 µs and more.
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "models/makers.h"
#include "models/pool.h"
#include "net/mutex.h"

namespace objmapper::models {
namespace {

constexpr char kName[] = "model/steal";

class WorkStealing : public Pool {
 public:
  explicit WorkStealing(const Options& options)
      : Pool(options, kName, [this] { Work(NextHome()); }),
        deques_(static_cast<size_t>(options.pool_size)) {
    for (size_t i = 0; i < deques_.size(); ++i) AddThread(kName, [this, i] { Work(i); });
    parking_.Start();
  }

  void Adopt(std::unique_ptr<session::Session> session) override {
    auto connection = std::make_unique<Connection>(std::move(session));
    connection->home = NextHome();
    parking_.Adopt(std::move(connection));
  }
  void Stop() override {
    Pool::Stop();
    for (Deque& deque : deques_) {
      net::MutexLock lock(&deque.mutex);
      deque.ready.clear();
    }
  }
  size_t QueueDepth() const override {
    net::MutexLock lock(&mutex_);
    return unclaimed_;
  }

 private:
  // On a cache line of its own, so that workers who do not steal do not meet.
  struct alignas(64) Deque {
    net::Mutex mutex;
    std::deque<std::unique_ptr<Connection>> ready GUARDED_BY(mutex);
  };

  size_t NextHome() { return next_home_.fetch_add(1, std::memory_order_relaxed) % deques_.size(); }

  void Push(std::unique_ptr<Connection> connection) override {
    Deque& home = deques_[connection->home];
    {
      net::MutexLock lock(&home.mutex);
      home.ready.push_back(std::move(connection));
    }
    // Counted after it is in: whoever claims it will find one.
    net::MutexLock lock(&mutex_);
    ++unclaimed_;
    pushed_.notify_one();
  }
  void PutBack(std::unique_ptr<Connection> connection) override { Push(std::move(connection)); }
  void CloseQueues() override {
    net::MutexLock lock(&mutex_);  // nobody is between looking at the phase and going to sleep
    pushed_.notify_all();
  }

  void Work(size_t self) {
    const storage::SlowOpens::Watched watched(&context_.options.tree->slow_opens());
    Conversation conversation(&context_);
    while (AwaitWork()) {
      std::unique_ptr<Connection> connection = TakeOrSteal(self);
      connection->home = self;
      const Next next = conversation.Serve(connection.get());
      GoOn(next, std::move(connection));
    }
  }

  // Waits until some deque holds a connection for the caller. False: the model stops.
  bool AwaitWork() {
    net::MutexLock lock(&mutex_);
    while (unclaimed_ == 0 && !context_.phase.stopping()) pushed_.wait(mutex_);
    if (context_.phase.stopping()) return false;
    --unclaimed_;
    return true;
  }

  // That connection: the caller's own oldest, else another's.
  std::unique_ptr<Connection> TakeOrSteal(size_t self) {
    // One that this worker has claimed is in some deque, but a thief may be a step ahead of it
    // there: then what that one has claimed is still to be found.
    for (size_t i = self;; ++i) {
      if (auto connection = TakeTop(&deques_[i % deques_.size()])) return connection;
    }
  }

  // The oldest, for the owner too: the youngest would have warmer caches, but under load the oldest
  // would wait for ever.
  static std::unique_ptr<Connection> TakeTop(Deque* deque) {
    net::MutexLock lock(&deque->mutex);
    if (deque->ready.empty()) return nullptr;
    std::unique_ptr<Connection> top = std::move(deque->ready.front());
    deque->ready.pop_front();
    return top;
  }

  std::vector<Deque> deques_;
  std::atomic<size_t> next_home_{0};
  // Connections in all deques that no worker has come for yet.
  mutable net::Mutex mutex_;
  std::condition_variable_any pushed_;
  size_t unclaimed_ GUARDED_BY(mutex_) = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<session::Lane>> MakeWorkStealing(const Options& options) {
  return std::make_unique<WorkStealing>(options);
}

}  // namespace objmapper::models
