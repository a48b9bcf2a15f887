// Detached threads and their count: a group is destroyed only when every thread has signed off. And
// those that stand in for a pool's for as long as some of these wait for a slow open.
#include <glog/logging.h>
#include <pthread.h>

#include "models/context.h"

namespace objmapper::models {

struct ThreadGroup::Start {
  ThreadGroup* group;
  const char* name;
  std::function<void()> work;
};

ThreadGroup::~ThreadGroup() {
  net::MutexLock lock(&mutex_);
  CHECK_EQ(running_, 0u) << "Join() first";
}

bool ThreadGroup::TryRun(const char* name, std::function<void()> work) {
  {
    net::MutexLock lock(&mutex_);
    if (closed_ || running_ >= threads_max_) return false;
    ++running_;
  }
  auto start = std::make_unique<Start>(Start{this, name, std::move(work)});
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  // std::thread would throw where this returns EAGAIN.
  const int error = pthread_create(&thread, &attributes, Main, start.get());
  pthread_attr_destroy(&attributes);
  if (error == 0) {
    start.release();  // Main's
    return true;
  }
  net::MutexLock lock(&mutex_);
  --running_;
  ended_.notify_all();
  return false;
}

void* ThreadGroup::Main(void* argument) {
  std::unique_ptr<Start> start(static_cast<Start*>(argument));
  ThreadGroup* const group = start->group;
  pthread_setname_np(pthread_self(), start->name);
  start->work();
  start.reset();  // what the work holds goes before the group may
  net::MutexLock lock(&group->mutex_);
  --group->running_;
  group->ended_.notify_all();
  return nullptr;
}

bool ThreadGroup::WaitForPlace() {
  net::MutexLock lock(&mutex_);
  while (!closed_ && running_ >= threads_max_) ended_.wait(mutex_);
  return !closed_;
}

void ThreadGroup::Close() {
  net::MutexLock lock(&mutex_);
  closed_ = true;
  ended_.notify_all();
}

void ThreadGroup::Join() {
  net::MutexLock lock(&mutex_);
  while (running_ > 0) ended_.wait(mutex_);
}

StandIns::Waiting::Waiting(StandIns* stand_ins) : stand_ins_(stand_ins) {
  {
    const net::MutexLock lock(&stand_ins_->mutex_);
    if (++stand_ins_->waiting_ <= stand_ins_->started_) return;
    ++stand_ins_->started_;
  }
  if (stand_ins_->threads_.TryRun(stand_ins_->name_, stand_ins_->work_)) return;
  const net::MutexLock lock(&stand_ins_->mutex_);
  --stand_ins_->started_;
}

StandIns::Waiting::~Waiting() {
  const net::MutexLock lock(&stand_ins_->mutex_);
  --stand_ins_->waiting_;
}

}  // namespace objmapper::models
