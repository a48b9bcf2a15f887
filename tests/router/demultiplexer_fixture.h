// A Demultiplexer on a Unix and a TCP socket of its own, with lanes that only collect.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/address.h"
#include "net/dial.h"
#include "net/listener.h"
#include "net/mutex.h"
#include "router/demultiplexer.h"
#include "session/lane.h"
#include "tests/net/eventually.h"
#include "tests/net/open_fds.h"
#include "tests/net/short_folder.h"
#include "tests/session/client_end.h"

namespace objmapper::router {

// Keeps the sessions that it adopts until a test takes them.
class CollectingLane : public session::Lane {
 public:
  void Adopt(std::unique_ptr<session::Session> session) override {
    net::MutexLock wait_for_the_gate(&gate_);
    net::MutexLock lock(&mutex_);
    sessions_.push_back(std::move(session));
  }
  void Drain() override {}
  void Stop() override {}
  size_t QueueDepth() const override { return 0; }

  // The one that came first; null, and a failure, when none comes.
  std::unique_ptr<session::Session> Await() {
    EXPECT_TRUE(net::Eventually([this] { return size() > 0; })) << "no session came to this lane";
    net::MutexLock lock(&mutex_);
    if (sessions_.empty()) return nullptr;
    std::unique_ptr<session::Session> first = std::move(sessions_.front());
    sessions_.erase(sessions_.begin());
    return first;
  }
  size_t size() {
    net::MutexLock lock(&mutex_);
    return sessions_.size();
  }
  // While somebody holds it, whoever calls Adopt() waits: so does the router's thread.
  net::Mutex& gate() { return gate_; }

 private:
  net::Mutex gate_;
  net::Mutex mutex_;
  std::vector<std::unique_ptr<session::Session>> sessions_ GUARDED_BY(mutex_);
};

class DemultiplexerTest : public testing::Test {
 protected:
  DemultiplexerTest() {
    unix_.path = folder_.Path("socket");
    tcp_.kind = net::Address::Kind::kTcp;
    tcp_.host = "127.0.0.1";
  }
  // No test leaves a descriptor, a place among the connections or a socket file behind.
  ~DemultiplexerTest() override {
    if (demultiplexer_ != nullptr) demultiplexer_->Stop();
    demultiplexer_.reset();
    EXPECT_EQ(fdpass_.size() + copypath_.size(), 0u) << "sessions that the test did not expect";
    EXPECT_EQ(counters_.open, 0u);
    EXPECT_EQ(net::OpenFds(), open_fds_);
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  }

  // Listens and begins. Set `limits_` before.
  void Start(uint64_t connections_max = 1000, bool with_fdpass = true) {
    Demultiplexer::Options options;
    for (net::Address* address : {&unix_, &tcp_}) {
      absl::StatusOr<net::Listener> listener = net::Listener::Open(*address);
      ASSERT_TRUE(listener.ok()) << listener.status();
      *address = listener->address();
      options.listeners.push_back(*std::move(listener));
    }
    options.limits = &limits_;
    options.counters = &counters_;
    options.admission.connections_max = connections_max;
    demultiplexer_ = std::make_unique<Demultiplexer>(std::move(options));
    demultiplexer_->Start(with_fdpass ? &fdpass_ : nullptr, &copypath_);
  }

  net::UniqueFd Connect(session::Transport transport = session::Transport::kUnix) {
    absl::StatusOr<net::UniqueFd> socket =
        net::Dial(transport == session::Transport::kUnix ? unix_ : tcp_, absl::Seconds(20));
    EXPECT_TRUE(socket.ok()) << socket.status();
    if (!socket.ok()) return net::UniqueFd();
    const timeval patience{20, 0};
    EXPECT_EQ(setsockopt(socket->get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    return *std::move(socket);
  }
  session::ClientEnd Client(protocol::Dialect dialect,
                            session::Transport transport = session::Transport::kUnix) {
    return session::ClientEnd(Connect(transport), dialect);
  }
  // A client that has said HELLO and read the answer.
  session::ClientEnd V2Client(session::Transport transport = session::Transport::kUnix) {
    session::ClientEnd client = Client(protocol::Dialect::kV2, transport);
    client.Send(session::HelloBytes(protocol::kAllCapabilities, 0));
    EXPECT_EQ(client.Next().kind, session::ServerMessage::Kind::kHelloAck);
    return client;
  }

  bool NobodyLeft() {
    return net::Eventually([this] { return counters_.open == 0; });
  }

  const net::ShortFolder folder_;
  net::Address unix_, tcp_;  // as bound, once Start() has returned
  const ptrdiff_t open_fds_ = net::OpenFds();
  session::SessionLimits limits_;
  session::ConnectionCounters counters_;
  CollectingLane fdpass_, copypath_;
  std::unique_ptr<Demultiplexer> demultiplexer_;
};

}  // namespace objmapper::router
