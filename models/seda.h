// seda: a staged, event-driven architecture: parse → lookup → send, each with its own queue and
// pool.
//
// What it is. An epoll thread queues ready connections for the parse stage, which receives and
// parses; the lookup stage finds and opens the objects; the send stage sends and gives the
// connection back. Each stage has pool_size threads and a queue of bounded length; a full queue
// holds up the stage before it. A turn travels as one event with its connection, so the answers of
// a connection keep their order although stages work on many connections at once. (M. Welsh, D.
// Culler, E. Brewer: SEDA, SOSP 2001.)
//
// Where it wins. Overload that can be seen and steered: each stage's queue tells what is short, and
// a slow disk keeps only lookup threads busy, a slow client only send threads.
//
// Where it loses. Four hand-overs per turn, each of which may wake a thread on another core: the
// dearest way to serve a request of a few microseconds. What is looked up but not sent holds its
// descriptors open in a queue.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "models/bounded_queue.h"
#include "models/context.h"
#include "models/lookup.h"
#include "models/parking.h"
#include "models/turn.h"
#include "session/lane.h"

namespace objmapper::models {

class Seda : public session::Lane {
 public:
  explicit Seda(const Options& options);

  void Adopt(std::unique_ptr<session::Session> session) override;
  void Drain() override;
  void Stop() override;
  size_t QueueDepth() const override {
    return to_parse_.size() + to_look_up_.size() + to_send_.size();
  }

 private:
  // One turn of a connection on its way through the stages.
  struct Event {
    std::unique_ptr<Connection> connection;
    Turn turn;
    std::vector<Found> found;  // for each of its requests
  };

  void Parse();
  void Lookup();
  void Send();

  Context context_;
  BoundedQueue<std::unique_ptr<Connection>> to_parse_;
  BoundedQueue<std::unique_ptr<Event>> to_look_up_;
  BoundedQueue<std::unique_ptr<Event>> to_send_;
  StandIns stand_ins_;
  Parking parking_;
  std::vector<std::thread> threads_;
};

}  // namespace objmapper::models
