// std::mutex with clang's thread-safety annotations (clang's documentation, "Thread Safety
// Analysis"). absl::Mutex is not used: Debian's abseil is built without ThreadSanitizer, which then
// reports races that are none.
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define OBJMAPPER_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define OBJMAPPER_THREAD_ANNOTATION(x)
#endif

// The names are those of clang's documentation; abseil defines the same with an ABSL_ prefix.
#ifndef GUARDED_BY
#define GUARDED_BY(mutex) OBJMAPPER_THREAD_ANNOTATION(guarded_by(mutex))
#define EXCLUSIVE_LOCKS_REQUIRED(...) \
  OBJMAPPER_THREAD_ANNOTATION(exclusive_locks_required(__VA_ARGS__))
#endif

namespace objmapper::net {

class OBJMAPPER_THREAD_ANNOTATION(lockable) Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  // BasicLockable's names, which std::condition_variable_any wants.
  void lock() OBJMAPPER_THREAD_ANNOTATION(exclusive_lock_function()) { mutex_.lock(); }
  void unlock() OBJMAPPER_THREAD_ANNOTATION(unlock_function()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class OBJMAPPER_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) OBJMAPPER_THREAD_ANNOTATION(exclusive_lock_function(mutex))
      : mutex_(mutex) {
    mutex_->lock();
  }
  ~MutexLock() OBJMAPPER_THREAD_ANNOTATION(unlock_function()) { mutex_->unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mutex_;
};

}  // namespace objmapper::net
