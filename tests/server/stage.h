// A simulated source of readiness and of time, under the event loops of a server in this process.
//
//   Stage& stage = Stage::Get();
//   ... Server::Start(config) ...
//   stage.Raise();
//   server->WithoutPulse(); // wakes the loops once
//   stage.AwaitActors({"router", "fdpass/0", "copypath/0"});   // each stands at the door of its
//   wait if (stage.Ready("router")) stage.Turn("router");            // one turn of its loop, and
//   back to the door stage.PassTime(absl::Minutes(1));                           // nobody waited
//   stage.Lower();                                              // all run freely, to be stopped
//   and joined stage.RestoreTime();
//
// How it works: this file's .cc defines epoll_wait(2), liburing's two ways to wait, and
// clock_gettime(2), which the program's come before the libraries'. A thread that comes to wait for
// events is held there until the test lets it go on: then it gets what the kernel has ready, and
// nothing else runs before it is back. So of all the orders in which the threads of a server could
// run, the one that the test has chosen is run, each time alike; the code under test is not changed
// in anything. Sockets, event descriptors and rings are the kernel's: between the ends of a Unix
// socket nothing is on the way, so what one has written is ready for the other.
//
// What it cannot order: threads that wait in other ways (splice threads). It lets them come to rest
// after each turn, so that what they had to do has been done. Whether they get something to do can
// depend on the machine: openat2(RESOLVE_CACHED) fails when somebody renames something anywhere,
// and the object is then opened by one of them.
//
// The idea is that of systematic concurrency testing: Godefroid, "Model Checking for Programming
// Languages using VeriSoft" (POPL 1997); Musuvathi et al., "Finding and Reproducing Heisenbugs in
// Concurrent Programs" (OSDI 2008).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"

namespace objmapper::server {

// One thread, the test's, calls it.
class Stage {
 public:
  static Stage& Get();

  // From now on a thread that waits for events becomes an actor, by its name. Time stands still.
  void Raise();
  // Until all of these wait.
  void AwaitActors(const std::vector<std::string>& names);
  // Whether the actor would return from its wait: something is ready, or its time has come.
  bool Ready(const std::string& name);
  // Lets a ready actor make one turn.
  void Turn(const std::string& name);
  void PassTime(absl::Duration time);
  // Until the `count` threads whose names begin so sleep. They are found once after Raise(); those
  // that have just begun are waited for.
  void AwaitRest(const std::string& prefix, size_t count);
  void Lower();
  // The machine's own time again; when no thread is left that has seen another.
  void RestoreTime();

  // ---- For the functions that stand in for the system's ----

  // Holds the calling thread until its turn. False: it is no actor, and waits in the usual way.
  // timeout_ns: negative: for ever. ready: whether the kernel has something; called by the test's
  // thread.
  bool Hold(int64_t timeout_ns, absl::FunctionRef<bool()> ready);

 private:
  struct Actor {
    const absl::FunctionRef<bool()>* ready = nullptr;  // while it is held
    int64_t until_ns = 0;                              // when its wait would be over; kNever
    bool go = false;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Actor> actors_;
  std::vector<int> others_;  // /proc/self/task/<tid>/stat of AwaitRest()'s threads
  bool up_ = false;
  int64_t frozen_ns_ = 0;  // what actors and the test see, while it is up
  int64_t ahead_ns_ = 0;   // how far time has been moved
};

}  // namespace objmapper::server
