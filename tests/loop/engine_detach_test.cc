// How a channel leaves an engine, whatever is in flight.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loop/engine.h"
#include "tests/loop/engine_fixture.h"

namespace objmapper::loop {
namespace {

// A channel that does nothing is told from Wait(), not from inside Detach().
TEST_P(EngineTest, DetachesAnIdleChannel) {
  engine_->Detach(channel_);
  EXPECT_FALSE(channel_->detached);
  EXPECT_TRUE(Until([&] { return channel_->detached; }));
  WaitAWhile();  // and not twice, which the channel checks
}

// The socket is left as it was: connected, in blocking mode, with what has arrived since. Another
// channel on it, of this engine or another, goes on.
TEST_P(EngineTest, TheSocketGoesOnElsewhere) {
  engine_->StartReceiving(channel_);
  net::SendAll(peer(), "before,");
  EXPECT_TRUE(Until([&] { return channel_->received == "before,"; }));
  engine_->Detach(channel_);
  EXPECT_TRUE(Until([&] { return channel_->detached; }));
  net::SendAll(peer(), "after");
  WaitAWhile();
  EXPECT_EQ(channel_->received, "before,");

  Recorder next(std::move(channel_->pair), GetParam().transport);
  ASSERT_EQ(engine_->Attach(&next), 0);
  engine_->StartReceiving(&next);
  EXPECT_TRUE(Until([&] { return next.received == "after"; }));
  engine_->Detach(&next);
  EXPECT_TRUE(Until([&] { return next.detached; }));
}

// With a receive, a send to a full socket and perhaps a cancelled receive in flight, the caller
// shuts the socket down first; then all of it ends, and the channel may be deleted in OnDetached().
TEST_P(EngineTest, DetachesWithThingsInFlight) {
  std::string bytes(20'000'000, 'x');  // more than any socket takes
  for (const bool stop_first : {false, true}) {
    auto* channel = new Recorder(is_unix() ? net::SocketPair::Unix() : net::SocketPair::Tcp(),
                                 GetParam().transport);
    bool leaving = false;
    bool deleted = false;
    channel->on_detached = [channel, was_deleted = &deleted] {
      *was_deleted = true;
      delete channel;  // and this closure with it
    };
    iovec piece{bytes.data(), bytes.size()};
    channel->on_sent = [&, channel](ssize_t) {
      if (!leaving) engine_->Send(channel, absl::MakeSpan(&piece, 1));
    };
    ASSERT_EQ(engine_->Attach(channel), 0);
    engine_->StartReceiving(channel);
    engine_->Send(channel, absl::MakeSpan(&piece, 1));
    WaitAWhile();
    if (stop_first) engine_->StopReceiving(channel);
    leaving = true;
    shutdown(channel->socket(), SHUT_RDWR);
    engine_->Detach(channel);
    EXPECT_FALSE(deleted);
    EXPECT_TRUE(Until([&] { return deleted; }));
  }
}

// A wait for room ends with the socket.
TEST_P(EngineTest, DetachesWhileAwaitingRoom) {
  net::FillSocket(channel_->socket());
  engine_->StartReceiving(channel_);
  engine_->AwaitWritable(channel_);
  WaitAWhile();
  shutdown(channel_->socket(), SHUT_RDWR);
  engine_->Detach(channel_);
  EXPECT_TRUE(Until([&] { return channel_->detached; }));
}

// A channel may leave from any of its handlers.
TEST_P(EngineTest, DetachesFromItsHandlers) {
  const auto leave = [this](Recorder* channel) {
    return [this, channel] { engine_->Detach(channel); };
  };
  Recorder* on_received = NewChannel();
  on_received->on_received = leave(on_received);
  engine_->StartReceiving(on_received);
  net::SendAll(on_received->pair.peer.get(), "x");

  Recorder* on_end = NewChannel();
  on_end->on_end = leave(on_end);
  engine_->StartReceiving(on_end);
  ASSERT_EQ(shutdown(on_end->pair.peer.get(), SHUT_WR), 0);

  Recorder* on_writable = NewChannel();
  on_writable->on_writable = leave(on_writable);
  engine_->AwaitWritable(on_writable);

  Recorder* on_sent = NewChannel();
  on_sent->on_sent = [this, on_sent](ssize_t) { engine_->Detach(on_sent); };
  engine_->StartReceiving(on_sent);
  char bytes[] = "x";
  iovec piece{bytes, 1};
  engine_->Send(on_sent, absl::MakeSpan(&piece, 1));

  for (Recorder* channel : {on_received, on_end, on_writable, on_sent}) {
    EXPECT_TRUE(Until([&] { return channel->detached; }));
  }
}

// One channel's handler may make another leave that has something to tell at the same moment: the
// other hears that it has left, and nothing after that.
TEST_P(EngineTest, OneMakesAnotherLeave) {
  Recorder* first = NewChannel();
  Recorder* second = NewChannel();
  for (Recorder* channel : {first, second}) {
    engine_->StartReceiving(channel);
    Recorder* other = channel == first ? second : first;
    channel->on_received = [this, other, left = false]() mutable {
      if (!std::exchange(left, true) && other->received.empty()) engine_->Detach(other);
    };
  }
  Wait(0);
  net::SendAll(first->pair.peer.get(), "1");
  net::SendAll(second->pair.peer.get(), "2");
  EXPECT_TRUE(Until([&] { return first->detached || second->detached; }));
  WaitAWhile();
  EXPECT_NE(first->detached, second->detached);
}

// Many channels, all with something in flight, all leave.
TEST_P(EngineTest, ManyLeaveAtOnce) {
  std::vector<Recorder*> channels;
  std::string bytes(10'000'000, 'x');
  iovec piece{bytes.data(), bytes.size()};
  for (int i = 0; i < 50; ++i) {
    channels.push_back(NewChannel());
    engine_->StartReceiving(channels.back());
    engine_->Send(channels.back(), absl::MakeSpan(&piece, 1));
  }
  Wait(0);
  for (Recorder* channel : channels) {
    shutdown(channel->socket(), SHUT_RDWR);
    engine_->Detach(channel);
  }
  for (Recorder* channel : channels) EXPECT_TRUE(Until([&] { return channel->detached; }));
}

INSTANTIATE_ENGINE_TESTS();

}  // namespace
}  // namespace objmapper::loop
