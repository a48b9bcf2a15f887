// What has the sending side of a socket, and who waits for its peer.
#include "loop/outlet.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>

#include "tests/loop/engine_fixture.h"

namespace objmapper::loop {
namespace {

class OutletTest : public EngineTestBase, public testing::WithParamInterface<EngineName> {
 protected:
  void SetUp() override {
    MakeEngine(GetParam());
    if (engine_ == nullptr) return;
    channel_ = NewChannel(Transport::kUnix);
    outlet_.emplace(channel_, engine_.get());
  }
  void TearDown() override {
    outlet_.reset();
    if (engine_ == nullptr) return;
    shutdown(channel_->socket(), SHUT_RDWR);
    engine_->Detach(channel_);
    EXPECT_TRUE(Until([this] { return channel_->detached; }));
    EngineTestBase::TearDown();
  }

  Recorder* channel_ = nullptr;
  std::optional<Outlet> outlet_;
};

TEST_P(OutletTest, IsSomebodysUntilItIsFree) {
  EXPECT_TRUE(outlet_->free());
  std::string word = "word";
  iovec piece{word.data(), word.size()};
  outlet_->Send({&piece, 1});
  EXPECT_FALSE(outlet_->free());
  EXPECT_TRUE(outlet_->stalled());
  EXPECT_FALSE(outlet_->transfers() || outlet_->awaits_room());
  ASSERT_TRUE(Until([this] { return !channel_->sent.empty(); }));
  EXPECT_EQ(channel_->sent[0], 4);
  EXPECT_FALSE(outlet_->free()) << "whoever began says when it ended";
  outlet_->Free();
  EXPECT_TRUE(outlet_->free());
  EXPECT_FALSE(outlet_->stalled());
  EXPECT_EQ(net::ReadBytes(channel_->pair.peer.get(), 4), "word");
}

// A splice thread's transfer has a deadline of its own: nobody else waits for the peer.
TEST_P(OutletTest, ATransferIsNotStalled) {
  outlet_->LendToTransfer();
  EXPECT_TRUE(outlet_->transfers());
  EXPECT_FALSE(outlet_->free() || outlet_->stalled());
  outlet_->Free();
  outlet_->Hold();
  EXPECT_TRUE(outlet_->stalled());
  EXPECT_FALSE(outlet_->transfers());
}

// While a socket is full, what its peer takes can be seen, though it is not so much that there is
// room; and that there is room is told.
TEST_P(OutletTest, AFullSocket) {
  const std::string fill(100'000, 'x');
  while (send(channel_->socket(), fill.data(), fill.size(), MSG_DONTWAIT) > 0) {
  }
  outlet_->AwaitRoom();
  EXPECT_TRUE(outlet_->awaits_room() && outlet_->stalled());
  WaitAWhile();
  EXPECT_EQ(channel_->writable, 0);
  EXPECT_FALSE(outlet_->Shrank());
  net::ReadBytes(channel_->pair.peer.get(), fill.size());
  EXPECT_TRUE(outlet_->Shrank());
  EXPECT_FALSE(outlet_->Shrank()) << "since the last look";
  char bytes[65536];
  while (recv(channel_->pair.peer.get(), bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
  }
  EXPECT_TRUE(Until([this] { return channel_->writable == 1; }));
}

INSTANTIATE_TEST_SUITE_P(Engines, OutletTest,
                         testing::Values(EngineName::kUring, EngineName::kEpoll),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace objmapper::loop
