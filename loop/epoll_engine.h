// The engine on epoll(7): for machines where io_uring is refused. Page-ins and writes run on the
// blocking pool.
#pragma once

#include <functional>
#include <vector>

#include "loop/engine.h"
#include "net/epoll.h"
#include "net/event_fd.h"
#include "net/mutex.h"

namespace objmapper::loop {

class EpollEngine : public Engine {
 public:
  // Runs a function on some other thread, soon; used for writes.
  using RunElsewhere = std::function<void(std::function<void()>)>;

  // `event_fd`: readable when the loop has something else to do; borrowed. The engine must outlive
  // every function it has given to `run_elsewhere`.
  EpollEngine(int event_fd, RunElsewhere run_elsewhere);

  const char* name() const override { return "epoll"; }
  int Attach(Channel* channel) override;
  void StartReceiving(Channel* channel) override;
  void StopReceiving(Channel* channel) override;
  void Send(Channel* channel, absl::Span<iovec> pieces, absl::Span<const int> fds) override;
  void AwaitWritable(Channel* channel) override;
  void Detach(Channel* channel) override;
  void BeginWrite(Write* write, int fd, const char* data, size_t bytes, uint64_t offset) override;
  bool Wait(int64_t timeout_ns, int64_t* now_ns) override;

 private:
  // What has been written elsewhere, to be told of.
  struct Done {
    Write* write;
    ssize_t result;
  };

  void TrySend(Channel* channel);
  void Receive(Channel* channel);
  void Watch(Channel* channel);
  void Queue(Channel* channel);
  void TellEndings();
  void TellDone();
  void AddDone(const Done& done);  // any thread

  const int event_fd_;
  const RunElsewhere run_elsewhere_;
  net::Epoll epoll_;
  net::EventFd done_event_;
  net::Mutex mutex_;
  std::vector<Done> done_ GUARDED_BY(mutex_);
  std::vector<Channel*> endings_;  // channels with a send or a detach to tell of
  std::vector<char> scratch_;      // what one receive brings
  std::vector<char> control_;      // what one send says of descriptors
};

}  // namespace objmapper::loop
