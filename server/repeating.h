// A thread that does the same again and again, with a pause between.
//
//   Repeating sampler("admin/sampler", absl::Seconds(1), [this] { Sample(); });
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "net/mutex.h"

namespace objmapper::server {

class Repeating {
 public:
  // Does `work` at once. name: of 15 characters at most. waits: whether the destructor waits for
  // the work that is being done; where that may never end it does not, and `work` keeps what it
  // needs.
  Repeating(const char* name, absl::Duration pause, std::function<void()> work, bool waits = true)
      : state_(std::make_shared<State>()),
        thread_([name, pause, work = std::move(work), state = state_] {
          pthread_setname_np(pthread_self(), name);
          while (true) {
            work();
            const net::MutexLock lock(&state->mutex);
            if (!state->over) state->woken.wait_for(state->mutex, absl::ToChronoNanoseconds(pause));
            if (state->over) return;
          }
        }) {
    if (!waits) thread_.detach();
  }
  ~Repeating() {
    {
      const net::MutexLock lock(&state_->mutex);
      state_->over = true;
    }
    state_->woken.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  // Ends the pause. Any thread.
  void Now() { state_->woken.notify_all(); }

 private:
  struct State {
    net::Mutex mutex;
    std::condition_variable_any woken;
    bool over GUARDED_BY(mutex) = false;
  };
  const std::shared_ptr<State> state_;  // the thread's too, which may outlive this object
  std::thread thread_;
};

}  // namespace objmapper::server
