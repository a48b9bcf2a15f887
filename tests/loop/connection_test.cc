// A connection's life on a loop: what it brings along, what it is late with, and how it leaves.
#include "loop/connection.h"

#include <string>

#include "tests/loop/loop_fixture.h"

namespace objmapper::loop {
namespace {

using protocol::CloseReason;
using session::RequestBytes;

constexpr absl::Duration kSoon = absl::Milliseconds(50);

class ConnectionTest : public LoopTest {
 protected:
  static std::string Copy(absl::string_view uri, uint32_t id = 0) {
    return RequestBytes(Dialect::kV2, {.mode = Mode::kCopy, .uri = uri, .id = id});
  }
};

TEST_P(ConnectionTest, ServesWhatASessionBrings) {
  folder_.Write("a", "what a holds");
  Start();
  ClientEnd client = Connect(Dialect::kV2, protocol::kAllCapabilities, Copy("a", 1) + Copy("a", 2));
  ExpectBody(&client, 1, "what a holds");
  ExpectBody(&client, 2, "what a holds");
}

// A request in single bytes is one request; the same of many in one piece.
TEST_P(ConnectionTest, PiecesAreOfNoConsequence) {
  folder_.Write("a", "what a holds");
  Start();
  ClientEnd client = Connect(Dialect::kV2);
  for (const char byte : Copy("a", 1)) client.Send(std::string(1, byte));
  ExpectBody(&client, 1, "what a holds");
  std::string many;
  for (uint32_t id = 2; id < 200; ++id) many += Copy("a", id);
  client.Send(many);
  for (uint32_t id = 2; id < 200; ++id) ExpectBody(&client, id, "what a holds");
}

// What is another lane's goes there with all that is behind it, once what was before is answered.
TEST_P(ConnectionTest, MovesWithItsUnreadBytes) {
  folder_.Write("a", "what a holds");
  Start();
  ClientEnd client = Connect(Dialect::kV1);
  const auto ask = [](Mode mode) { return RequestBytes(Dialect::kV1, {.mode = mode, .uri = "a"}); };
  const std::string behind = ask(Mode::kFdPass) + ask(Mode::kCopy);
  client.Send(ask(Mode::kCopy) + ask(Mode::kCopy) + behind);
  ExpectBody(&client, 0, "what a holds");
  ExpectBody(&client, 0, "what a holds");
  const auto session = switchboard_.AwaitRouted();
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->unread, behind);
  EXPECT_EQ(session->answered, 2u);
  EXPECT_EQ(loop_->load(), 0u);
}

TEST_P(ConnectionTest, ThePeerHasSaidAll) {
  folder_.Write("a", "what a holds");
  Start();
  ClientEnd client = Connect(Dialect::kV2);
  client.Send(Copy("a", 1) + Copy("missing", 2));
  client.HalfClose();
  ExpectBody(&client, 1, "what a holds");
  EXPECT_TRUE(client.Next().Refuses(Status::kNotFound));
  ExpectRetired(&client);
}

TEST_P(ConnectionTest, ThePeerStopsInsideARequest) {
  Start();
  ClientEnd client = Connect(Dialect::kV2);
  client.Send(Copy("a", 1).substr(0, 5));
  client.HalfClose();
  EXPECT_TRUE(client.Next().Refuses(Status::kProtocolError));
  EXPECT_TRUE(client.Next().Closes(CloseReason::kProtocolError));
  ExpectRetired(&client);
}

// Whoever goes while megabytes are owed leaves nothing behind (the fixture looks).
TEST_P(ConnectionTest, ThePeerGoesInTheMidstOfABody) {
  folder_.Write("large", std::string(8'000'000, 'x'));
  Start();
  ClientEnd client = Connect(Dialect::kV2);
  client.Send(Copy("large", 1) + Copy("large", 2));
  EXPECT_EQ(client.Next().content_length, 8'000'000u);
  client.Close();
  EXPECT_TRUE(net::Eventually([this] { return loop_->load() == 0; }));
}

TEST_P(ConnectionTest, SaysNothingForTooLong) {
  limits_.idle_timeout = kSoon;
  Start();
  ClientEnd client = Connect(Dialect::kV2);
  EXPECT_TRUE(client.Next().Closes(CloseReason::kIdleTimeout));
  ExpectRetired(&client);
  EXPECT_EQ(counters_.timed_out, 1u);
}

// Half a request has its time; a byte now and then does not prolong it.
TEST_P(ConnectionTest, SaysHalfARequestForTooLong) {
  limits_.request_timeout = kSoon;
  Start();
  ClientEnd client = Connect(Dialect::kV2);
  client.Send(Copy("a", 1).substr(0, 5));
  EXPECT_FALSE(client.Next().ended());
  EXPECT_TRUE(net::Eventually([this] { return loop_->load() == 0; }));
  EXPECT_EQ(counters_.timed_out, 1u);
}

// Who takes nothing is closed, and its object is let go of.
TEST_P(ConnectionTest, DoesNotReadItsAnswer) {
  limits_.request_timeout = kSoon;
  folder_.Write("large", std::string(8'000'000, 'x'));
  Start();
  ClientEnd client = Connect(Dialect::kV2);
  client.Send(Copy("large", 1));
  EXPECT_TRUE(net::Eventually([this] { return loop_->load() == 0; }));
  EXPECT_EQ(counters_.timed_out, 1u);
}

TEST_P(ConnectionTest, DrainsWithAWord) {
  folder_.Write("a", "what a holds");
  Start();
  ClientEnd idle = Connect(Dialect::kV2);
  ClientEnd busy = Connect(Dialect::kV2);
  busy.Send(Copy("a", 1));
  ExpectBody(&busy, 1, "what a holds");
  busy.Send(Copy("a", 2));
  loop_->Drain();
  EXPECT_TRUE(idle.Next().Closes(CloseReason::kShuttingDown));
  ExpectBody(&busy, 2, "what a holds");
  EXPECT_TRUE(busy.Next().Closes(CloseReason::kShuttingDown));
  EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
  EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Engines, ConnectionTest, testing::ValuesIn(kEngineKinds), NameOf);

}  // namespace
}  // namespace objmapper::loop
