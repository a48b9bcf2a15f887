// The thread that answers datagrams.
//
//   UdpListener udp(objects, &limits, &board);
//   udp.Bind(address, /*shared=*/false);   // once for each address
//   udp.Start();
//   ...
//   udp.Drain();                           // what has arrived is still answered
//   while (!udp.drained()) ...
//
// A datagram is a conversation of its own: there is no session and no lane. The thread takes what
// has come in batches (recvmmsg(2)), answers from the kernel's caches, and sends in batches
// (sendmmsg(2)); it waits for nothing else. What would wait for the disk goes to a few threads that
// may, at most kColdMax at once; beyond that the answer is UNAVAILABLE. An answer that the kernel
// does not take is dropped, as the network might have, and counted: the client asks again.
//
// Answers go to who is named as the sender and to nobody else, at most one for each datagram. But a
// sender's address can be forged, so that a short question makes the server send a longer answer to
// somebody who has not asked: hence
// --udp_max_payload is small unless the operator raises it, and this is for trusted networks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "copypath/blocking_pool.h"
#include "net/address.h"
#include "net/counter.h"
#include "net/epoll.h"
#include "net/serving_thread.h"
#include "net/udp.h"
#include "server/udp/datagram.h"
#include "server/udp/reply.h"
#include "session/access.h"
#include "session/session.h"
#include "session/tally.h"

namespace objmapper::server::udp {

// Written by the thread, read by any.
struct UdpCounters {
  net::Counter received;   // datagrams
  net::Counter dropped;    // of those: not a request
  net::Counter answered;   // datagrams given to the kernel
  net::Counter too_large;  // of those: TOO_LARGE
  net::Counter errors;     // answers that the kernel did not take, and failures to receive
  net::Counter cold;       // requests that had to wait for the disk
  net::Counter bytes_in;   // of datagrams, without their headers
  net::Counter bytes_out;
};

class UdpListener {
 public:
  // limits: `access` and `log_requests` count here. All of it outlives the listener.
  UdpListener(const Objects& objects, const session::SessionLimits* limits,
              session::TallyBoard* board);

  // Errors as net::BindUdp(). Before Start().
  absl::Status Bind(const net::Address& address, bool shared);
  void Start();

  // Answers what has arrived by now, then closes the sockets. Any thread; does not wait.
  void Drain() { thread_.Drain(); }
  bool drained() const { return drained_.load(std::memory_order_acquire); }
  // Ends the threads, whatever they have. Once, before destruction.
  void Stop();

  // As session::Lane has it.
  void AskPulse() {
    if (!drained()) thread_.AskPulse();
  }
  // a thread that has ended owes none
  bool HasPulse() const { return drained() || thread_.HasPulse(); }

  // "udp://127.0.0.1:7071", as bound.
  const std::vector<std::string>& urls() const { return urls_; }
  const UdpCounters& counters() const { return counters_; }
  // Requests that wait for the disk now. Any thread.
  size_t cold_waiting() const { return cold_waiting_.load(std::memory_order_relaxed); }

 private:
  // A request on its way to the disk and back.
  struct Cold {
    std::string datagram;  // request.uri points into it
    protocol::Request request;
    Reply reply;
    Outgoing answer;
  };

  void Run();
  // Takes and answers what `socket` has, one batch. Returns how many datagrams that was.
  size_t ReadBatch(int socket);
  void Take(int socket, const Incoming& incoming);
  void TakeCold(int socket, const Incoming& incoming, const protocol::Request& request);
  void FindCold(const std::shared_ptr<Cold>& cold);
  void ReadMail();
  // Queues the answer, and sends if the queue is full.
  void Answer(const protocol::Request& request, Reply reply, Outgoing out);
  void Flush();
  void AnswerTheRest();

  const Objects objects_;
  const session::SessionLimits* const limits_;
  session::TallyBoard* const board_;
  std::vector<net::UniqueFd> sockets_;
  std::vector<std::string> urls_;
  net::Epoll epoll_;
  std::atomic<bool> drained_{false};
  std::atomic<size_t> cold_waiting_{0};
  UdpCounters counters_;

  // The thread's.
  int64_t now_ns_ = 0;
  Receiver receiver_;
  std::vector<Outgoing> outgoing_;
  std::unique_ptr<session::Standing> standing_;  // of all senders: nothing is known of any
  std::unique_ptr<session::TallyLease> tally_;

  copypath::BlockingPool pool_;
  net::ServingThread<std::shared_ptr<Cold>> thread_;
};

}  // namespace objmapper::server::udp
