// Both engines under one fixture, and a channel that writes down what it is told.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "loop/engine.h"
#include "loop/epoll_engine.h"
#include "loop/uring_engine.h"
#include "net/clock.h"
#include "net/event_fd.h"
#include "tests/net/socket_pair.h"

namespace objmapper::loop {

enum class EngineName { kUring, kEpoll };
enum class Transport { kUnix, kTcp };

// A socket, its peer, and what the engine told of it.
class Recorder : public Channel {
 public:
  explicit Recorder(net::SocketPair pair_in, Transport transport, bool may_bring_fds = false)
      : Channel(pair_in.ours.get(), transport == Transport::kUnix, may_bring_fds),
        pair(std::move(pair_in)) {}

  void OnFdsWait(size_t bytes) override {
    EXPECT_FALSE(detached || end.has_value());
    fds_wait.push_back(bytes);
  }
  void OnReceived(absl::string_view bytes, bool fds_refused) override {
    EXPECT_FALSE(detached || end.has_value());
    EXPECT_FALSE(bytes.empty());
    received.append(bytes.data(), bytes.size());
    if (fds_refused) refused.push_back(received.size());
    if (on_received) on_received();
  }
  void OnReceiveEnd(int error) override {
    EXPECT_FALSE(detached || end.has_value()) << "an end comes once";
    end = error;
    if (on_end) on_end();
  }
  void OnSent(ssize_t result) override {
    EXPECT_FALSE(detached);
    sent.push_back(result);
    if (on_sent) on_sent(result);
  }
  void OnWritable() override {
    EXPECT_FALSE(detached);
    ++writable;
    if (on_writable) on_writable();
  }
  void OnDetached() override {
    EXPECT_FALSE(detached) << "an end comes once";
    detached = true;
    if (on_detached) on_detached();
  }

  net::SocketPair pair;
  std::string received;
  std::vector<size_t> refused;   // how much had been received when descriptors had come
  std::vector<size_t> fds_wait;  // how many bytes, each time
  std::optional<int> end;
  std::vector<ssize_t> sent;
  int writable = 0;
  bool detached = false;
  // What the handlers do besides.
  std::function<void()> on_received, on_end, on_writable, on_detached;
  std::function<void(ssize_t)> on_sent;
};

class EngineTestBase : public testing::Test {
 protected:
  void MakeEngine(EngineName name) {
    if (name == EngineName::kUring) {
      absl::StatusOr<std::unique_ptr<UringEngine>> uring = UringEngine::Create(event_.fd());
      if (!uring.ok()) GTEST_SKIP() << "no io_uring here: " << uring.status();
      engine_ = *std::move(uring);
      EXPECT_STREQ(engine_->name(), "uring");
    } else {
      engine_ = std::make_unique<EpollEngine>(event_.fd(), [this](std::function<void()> work) {
        elsewhere_.emplace_back(std::move(work));
      });
      EXPECT_STREQ(engine_->name(), "epoll");
    }
  }
  // The engine outlives what runs elsewhere, and channels outlive the engine.
  void TearDown() override {
    for (std::thread& thread : elsewhere_) thread.join();
    engine_.reset();
  }

  Recorder* NewChannel(Transport transport, bool may_bring_fds = false) {
    channels_.push_back(std::make_unique<Recorder>(
        transport == Transport::kUnix ? net::SocketPair::Unix() : net::SocketPair::Tcp(), transport,
        may_bring_fds));
    EXPECT_EQ(engine_->Attach(channels_.back().get()), 0);
    return channels_.back().get();
  }

  bool Wait(int64_t timeout_ns) {
    int64_t now_ns = 0;
    const bool event_seen = engine_->Wait(timeout_ns, &now_ns);
    EXPECT_GT(now_ns, 0);
    return event_seen;
  }
  // Waits until `condition()` is true; false after 20 s.
  template <typename Condition>
  bool Until(Condition condition) {
    const int64_t give_up_ns = net::NowNs() + 20'000'000'000;
    while (!condition() && net::NowNs() < give_up_ns) Wait(10'000'000);
    return condition();
  }
  // Gives what should not come some time to come.
  void WaitAWhile() {
    for (int i = 0; i < 5; ++i) Wait(5'000'000);
  }

  net::EventFd event_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::thread> elsewhere_;
  std::vector<std::unique_ptr<Recorder>> channels_;
};

struct Setting {
  EngineName engine;
  Transport transport;
  bool nonblocking;  // the socket's mode, which is to make no difference
};

inline std::string NameOf(EngineName engine) {
  return engine == EngineName::kUring ? "Uring" : "Epoll";
}

// One channel on one engine.
class EngineTest : public EngineTestBase, public testing::WithParamInterface<Setting> {
 protected:
  void SetUp() override {
    MakeEngine(GetParam().engine);
    if (engine_ != nullptr) channel_ = NewChannel();
  }
  bool is_unix() const { return GetParam().transport == Transport::kUnix; }
  Recorder* NewChannel() {
    Recorder* const channel = EngineTestBase::NewChannel(GetParam().transport);
    if (GetParam().nonblocking) {
      EXPECT_EQ(fcntl(channel->socket(), F_SETFL, O_NONBLOCK), 0);
    }
    return channel;
  }
  int peer() const { return channel_->pair.peer.get(); }
  // Breaks the connection at the peer's end.
  void BreakPeer() {
    if (is_unix()) {
      channel_->pair.peer.Reset();
    } else {
      net::Reset(&channel_->pair.peer);
    }
  }

  Recorder* channel_ = nullptr;
};

inline std::vector<Setting> AllSettings() {
  std::vector<Setting> all;
  for (const EngineName engine : {EngineName::kUring, EngineName::kEpoll}) {
    for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
      for (const bool nonblocking : {false, true}) all.push_back({engine, transport, nonblocking});
    }
  }
  return all;
}

inline std::string NameOf(const Setting& setting) {
  return NameOf(setting.engine) + (setting.transport == Transport::kUnix ? "Unix" : "Tcp") +
         (setting.nonblocking ? "NonBlocking" : "");
}

#define INSTANTIATE_ENGINE_TESTS()                                                \
  INSTANTIATE_TEST_SUITE_P(Engines, EngineTest, testing::ValuesIn(AllSettings()), \
                           [](const auto& info) { return NameOf(info.param); })

}  // namespace objmapper::loop
