// SIGINT (Ctrl-C) and SIGTERM while many objects are under way: something is said before the
// program ends as whoever sent the signal expects it to, by that signal.
//
//   Interruption interruption([&] { board.SayWhatWasDone(); });   // before any thread is started
//   ...
//
// One signal that is ignored, as by nohup or in a shell's background, stays so.
#pragma once

#include <functional>
#include <thread>

#include "net/event_fd.h"
#include "net/unique_fd.h"

namespace objmapper::tools {

// While it lives, the thread that made it, and those that this thread starts, do not get the two
// signals. In a program of which no other thread gets them.
class Interruption {
 public:
  // say: called once, on another thread, when one of them comes; the program ends when it returns,
  // whatever the others do.
  explicit Interruption(std::function<void()> say);
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

 private:
  void Wait(const std::function<void()>& say);

  net::UniqueFd signals_;  // signalfd(2)
  net::EventFd over_;
  std::thread thread_;
};

}  // namespace objmapper::tools
