// A thread that serves until it is stopped: its name, its mail, its phase and its pulse.
//
//   ServingThread<std::unique_ptr<Session>> thread_;     // the last member of what it serves
//   epoll_.Add(thread_.event_fd(), ...);
//   thread_.Start("fdpass/0", [this] { Run(); });
//   thread_.Put(std::move(session));                     // any thread
//
//   void Run() {
//     while (true) {
//       ...                                              // wait; when event_fd() is readable:
//       for (auto& letter : thread_.TakeAll()) ...
//       const ServingPhase asked = thread_.Beat();       // once each round
//       if (asked == ServingPhase::kStopping) return;
//       if (asked == ServingPhase::kDraining && thread_.Enter(asked)) ...   // once
//     }
//   }
//
// Invariant: a phase is only ever followed by a later one.
#pragma once

#include <glog/logging.h>
#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "net/mailbox.h"

namespace objmapper::net {

enum class ServingPhase : uint8_t { kServing, kDraining, kStopping };

template <typename Letter>
class ServingThread {
 public:
  ~ServingThread() { CHECK(!thread_.joinable()) << "Stop() first"; }

  // ---- Any thread ----

  // Once. name: at most 15 bytes are seen (pthread_setname_np(3)).
  template <typename Run>
  void Start(std::string name, Run run) {
    thread_ = std::thread([name = std::move(name), run = std::move(run)] {
      pthread_setname_np(pthread_self(), name.c_str());
      run();
    });
  }
  // Waits for the thread, if it was started; letters that it has not taken are destroyed.
  void Stop() {
    asked_.store(ServingPhase::kStopping);
    mailbox_.Wake();
    if (thread_.joinable()) thread_.join();
    mailbox_.TakeAll();
  }
  // Does not wait. No effect after Stop().
  void Drain() {
    ServingPhase serving = ServingPhase::kServing;
    asked_.compare_exchange_strong(serving, ServingPhase::kDraining);
    mailbox_.Wake();
  }
  void Put(Letter letter) { mailbox_.Put(std::move(letter)); }
  // Makes the thread go round once, to look at something else than its mail.
  void Wake() { mailbox_.Wake(); }
  size_t queue_depth() const { return mailbox_.size(); }
  // For a watchdog: whether the thread has gone round since it was asked to.
  void AskPulse() {
    pulse_asked_.fetch_add(1, std::memory_order_relaxed);
    mailbox_.Wake();
  }
  bool HasPulse() const {
    return pulse_.load(std::memory_order_relaxed) == pulse_asked_.load(std::memory_order_relaxed);
  }
  // For pthread_kill(3), between Start() and Stop().
  pthread_t native_handle() { return thread_.native_handle(); }

  // ---- The thread itself ----

  // Readable when there may be mail, or Beat() something new to say.
  int event_fd() const { return mailbox_.event_fd(); }
  // All that was put so far, in order; makes event_fd() unreadable.
  std::vector<Letter> TakeAll() { return mailbox_.TakeAll(); }
  // Once each round. Shows that the thread goes round, and returns the phase it is asked to be in.
  ServingPhase Beat() {
    const uint64_t pulse = pulse_asked_.load(std::memory_order_relaxed);
    if (pulse_.load(std::memory_order_relaxed) != pulse)
      pulse_.store(pulse, std::memory_order_relaxed);
    return asked_.load(std::memory_order_acquire);
  }
  // The thread is in `phase` from now on. False: it was already.
  bool Enter(ServingPhase phase) { return std::exchange(phase_, phase) != phase; }
  // The one entered last.
  ServingPhase phase() const { return phase_; }

 private:
  Mailbox<Letter> mailbox_;
  std::atomic<uint64_t> pulse_asked_{0}, pulse_{0};
  std::atomic<ServingPhase> asked_{ServingPhase::kServing};
  ServingPhase phase_ = ServingPhase::kServing;  // the thread's own
  std::thread thread_;
};

}  // namespace objmapper::net
