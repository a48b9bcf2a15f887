// What the models share that have workers and queues: a connection is parked until it is ready,
// then waits in a queue for a worker, is served for a turn, and is parked again.
//
// A model says which queues there are, and what its threads do with them.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "models/context.h"
#include "models/conversation.h"
#include "models/parking.h"
#include "session/lane.h"

namespace objmapper::models {

class Pool : public session::Lane {
 public:
  void Adopt(std::unique_ptr<session::Session> session) override {
    parking_.Adopt(std::make_unique<Connection>(std::move(session)));
  }
  void Drain() override;
  void Stop() override;

 protected:
  // name, work: of those threads that may wait for a file that takes long to open (StandIns).
  Pool(const Options& options, const char* name, std::function<void()> work);

  // A thread that Stop() waits for. name: of 15 characters at most.
  void AddThread(const char* name, std::function<void()> work);
  // Does what the turn of `connection` came to.
  void GoOn(Next next, std::unique_ptr<Connection> connection);

  // Queues a connection that is ready, on the parking thread; may wait for room.
  virtual void Push(std::unique_ptr<Connection> connection) = 0;
  // The same by a worker, which must not wait for room that it makes itself.
  virtual void PutBack(std::unique_ptr<Connection> connection) = 0;
  // Lets all go who wait for a queue, now and later.
  virtual void CloseQueues() = 0;

  Context context_;
  StandIns stand_ins_;
  Parking parking_;  // to be started once there are queues and threads

 private:
  std::vector<std::thread> threads_;
};

}  // namespace objmapper::models
