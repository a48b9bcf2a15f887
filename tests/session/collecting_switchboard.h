// A switchboard that only collects: for tests of what owns connections.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <utility>
#include <vector>

#include "net/mutex.h"
#include "session/lane.h"
#include "session/session.h"
#include "tests/net/eventually.h"

namespace objmapper::session {

// Keeps what a lane gives back. Like the real one it lets a retired peer read to the end.
class CollectingSwitchboard : public Switchboard {
 public:
  void Route(std::unique_ptr<Session> session) override {
    net::MutexLock lock(&mutex_);
    routed_.push_back(std::move(session));
  }
  void Retire(std::unique_ptr<Session> session) override {
    shutdown(session->fd(), SHUT_WR);
    net::MutexLock lock(&mutex_);
    retired_.push_back(std::move(session));
  }

  // Null, and a failure, when none comes.
  std::unique_ptr<Session> AwaitRouted() {
    return Await([this] { return TakeFirst(&routed_); });
  }
  std::unique_ptr<Session> AwaitRetired() {
    return Await([this] { return TakeFirst(&retired_); });
  }
  // Closes those that nobody has asked for.
  void Clear() {
    net::MutexLock lock(&mutex_);
    routed_.clear();
    retired_.clear();
  }

 private:
  using Sessions = std::vector<std::unique_ptr<Session>>;

  template <typename Take>
  std::unique_ptr<Session> Await(Take take) {
    std::unique_ptr<Session> session;
    const auto taken = [&] {
      net::MutexLock lock(&mutex_);
      session = take();
      return session != nullptr;
    };
    EXPECT_TRUE(net::Eventually(taken)) << "the lane keeps its session";
    return session;
  }
  static std::unique_ptr<Session> TakeFirst(Sessions* sessions) {
    if (sessions->empty()) return nullptr;
    std::unique_ptr<Session> first = std::move(sessions->front());
    sessions->erase(sessions->begin());
    return first;
  }

  net::Mutex mutex_;
  Sessions routed_ GUARDED_BY(mutex_);
  Sessions retired_ GUARDED_BY(mutex_);
};

}  // namespace objmapper::session
