#include "fdpass/lane.h"

#include <glog/logging.h>
#include <pthread.h>

#include <chrono>

#include "net/clock.h"

namespace objmapper::fdpass {
namespace {
constexpr std::chrono::milliseconds kWatchEvery{100};
}  // namespace

FdPassLane::FdPassLane(const Worker::Options& options, int workers) {
  CHECK_GE(workers, 1);
  for (int i = 0; i < workers; ++i) {
    workers_.push_back(std::make_unique<Worker>(options));
    workers_.back()->Start(i);
  }
  watcher_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "fdpass/watch");
    Watch();
  });
}

void FdPassLane::Watch() {
  net::MutexLock lock(&mutex_);
  while (!stopping_) {
    stop_.wait_for(mutex_, kWatchEvery);
    const int64_t hanging_since = net::NowNs() - std::chrono::nanoseconds(kWatchEvery).count();
    for (const auto& worker : workers_) {
      const int64_t busy_since = worker->busy_since_ns();
      if (busy_since != 0 && busy_since < hanging_since) worker->Interrupt();
    }
  }
}

void FdPassLane::Adopt(std::unique_ptr<session::Session> session) {
  least_loaded_.Of<Worker>(workers_)->Adopt(std::move(session));
}

void FdPassLane::Drain() {
  for (const auto& worker : workers_) worker->Drain();
}

void FdPassLane::AskPulse() { session::AskPulseOfAll(workers_); }

std::string FdPassLane::WithoutPulse() const {
  return session::FirstWithoutPulse(workers_, "fdpass");
}

size_t FdPassLane::QueueDepth() const { return session::QueueDepthOfAll(workers_); }

void FdPassLane::Stop() {
  {
    net::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  if (watcher_.joinable()) watcher_.join();
  for (const auto& worker : workers_) worker->Stop();
}

}  // namespace objmapper::fdpass
