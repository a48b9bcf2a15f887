// What a worker does for a peer that does not read its answers, and what it does not do to the
// others meanwhile.
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "fdpass/worker.h"
#include "tests/fdpass/worker_fixture.h"

namespace objmapper::fdpass {
namespace {

using session::ServerMessage;
using Kind = ServerMessage::Kind;

constexpr int kSmall = 4096;  // bytes of a send buffer

class FullSocketTest : public WorkerTestWith<Speech> {
 protected:
  // More answers than the socket takes.
  static constexpr int kCount = 1000;

  void SetUp() override {
    WriteObjects();
    Start();
  }
  Dialect dialect() const { return what().dialect; }
  bool in_header() const { return what().in_header(); }

  ClientEnd Connect() { return WorkerTestOn::Connect(dialect(), what().capabilities, kSmall); }
  // Asks for kCount objects, says `last`, and reads nothing.
  ClientEnd ConnectAndAsk(absl::string_view last = "") {
    ClientEnd client = Connect();
    client.Send(absl::StrCat(Requests(dialect(), kCount), last));
    EXPECT_TRUE(net::Eventually([this] { return worker_->counters().blocked > 0; }));
    return client;
  }
  void ExpectAllAnswers(ClientEnd* client) {
    for (int i = 0; i < kCount && !HasFailure(); ++i) ExpectAnswer(client, i, in_header());
  }
};

// A peer that does not read holds up nobody else, and no open objects wait with it; when it reads,
// it gets every answer, in order.
TEST_P(FullSocketTest, HoldsUpItselfAlone) {
  ClientEnd other = WorkerTestOn::Connect(Dialect::kV1);
  ClientEnd slow = Connect();
  const ptrdiff_t before = net::OpenFds();
  slow.Send(Requests(dialect(), kCount));
  EXPECT_TRUE(net::Eventually([this] { return worker_->counters().blocked > 0; }));
  for (int i = 0; i < 50; ++i) {
    other.Send(RequestBytes(Dialect::kV1, {.mode = Mode::kStat, .uri = Uri(i)}));
    EXPECT_EQ(other.Next().metadata.size, Content(i).size());
  }
  // All that the worker has open besides: the one whose header has gone and whose 'X' has not.
  const ptrdiff_t waiting = net::OpenFds() - before;
  EXPECT_LE(waiting, in_header() ? 0 : 1);
  ExpectAllAnswers(&slow);
  EXPECT_EQ(slow.fds_waiting(), 0u);
}

// A CLOSE behind the requests is acknowledged after their answers.
TEST_P(FullSocketTest, CloseWaitsForTheAnswers) {
  if (dialect() == Dialect::kV1) return;  // V1 has no CLOSE
  char close[protocol::kCloseBytes];
  protocol::EncodeClose(protocol::CloseReason::kNormal, close);
  ClientEnd client = ConnectAndAsk(absl::string_view(close, sizeof(close)));
  ExpectAllAnswers(&client);
  EXPECT_EQ(client.Next().kind, Kind::kCloseAck);
  EXPECT_TRUE(client.AtEnd());
  EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
}

// Nonsense behind the requests is answered after them.
TEST_P(FullSocketTest, FatalWaitsForTheAnswers) {
  if (dialect() == Dialect::kV1) return;  // after a V1 request every byte may be a mode
  ClientEnd client = ConnectAndAsk("\x7f");
  ExpectAllAnswers(&client);
  EXPECT_TRUE(client.Next().Refuses(Status::kProtocolError));
  EXPECT_TRUE(client.Next().Closes(protocol::CloseReason::kProtocolError));
  EXPECT_TRUE(client.AtEnd());
  EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
}

// A peer that has said all it had to say still gets its answers.
TEST_P(FullSocketTest, HalfClosedPeerGetsItsAnswers) {
  ClientEnd client = ConnectAndAsk();
  client.HalfClose();
  ExpectAllAnswers(&client);
  EXPECT_TRUE(client.AtEnd());
  EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
}

// A request for another lane waits until what is owed here has gone; then the connection moves with
// it.
TEST_P(FullSocketTest, MovesAfterTheAnswers) {
  const std::string copy = RequestBytes(dialect(), {.mode = Mode::kCopy, .uri = "1", .id = 99999});
  ClientEnd client = ConnectAndAsk(copy);
  ExpectAllAnswers(&client);
  const auto session = switchboard_.AwaitRouted();
  ASSERT_NE(session, nullptr);
  // Most of the connection's requests were read together with it.
  EXPECT_EQ(session->unread + net::ReadReady(session->fd()), copy);
  EXPECT_EQ(session->answered, static_cast<uint64_t>(kCount));
}

// Draining waits for a peer that is owed answers.
TEST_P(FullSocketTest, DrainWaitsForTheAnswers) {
  ClientEnd client = ConnectAndAsk();
  worker_->Drain();
  ExpectAllAnswers(&client);
  if (dialect() == Dialect::kV2) {
    EXPECT_TRUE(client.Next().Closes(protocol::CloseReason::kShuttingDown));
  }
  EXPECT_TRUE(client.AtEnd());
  EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
}

// A peer that vanishes with its answers unread is forgotten.
TEST_P(FullSocketTest, AVanishedPeerIsForgotten) {
  ClientEnd client = ConnectAndAsk();
  EXPECT_EQ(worker_->load(), 1u);
  client.Close();
  EXPECT_TRUE(net::Eventually([this] { return worker_->load() == 0 && counters_.open == 0; }));
}

// Stopping closes a blocked peer as it is.
TEST_P(FullSocketTest, StopClosesIt) {
  ClientEnd client = ConnectAndAsk();
  worker_->Stop();
  EXPECT_EQ(counters_.open, 0u);
}

INSTANTIATE_TEST_SUITE_P(Speeches, FullSocketTest,
                         testing::Combine(testing::ValuesIn(kEngines),
                                          testing::ValuesIn(kSpeeches)),
                         [](const auto& info) {
                           return NameOf(std::get<0>(info.param)) + std::get<1>(info.param).name;
                         });

// Who does not read for too long is closed; others do not notice.
TEST_P(WorkerTest, NotReadingTimesOut) {
  limits_.request_timeout = absl::Milliseconds(100);
  WriteObjects();
  Start();
  ClientEnd other = Connect(Dialect::kV1);
  ClientEnd slow = Connect(Dialect::kV1, 0, kSmall);
  slow.Send(Requests(Dialect::kV1, 1000));
  EXPECT_TRUE(net::Eventually([this] { return counters_.open == 1; }));
  EXPECT_EQ(counters_.timed_out, 1u);
  other.Send(RequestBytes(Dialect::kV1, {.mode = Mode::kStat, .uri = "1"}));
  EXPECT_EQ(other.Next().status, Status::kOk);
}

// A peer that was slow once and has read everything since owes nothing and is owed nothing: it may
// be idle as long as any other.
TEST_P(WorkerTest, OnceSlowIsNotLateForEver) {
  limits_.request_timeout = absl::Seconds(2);
  WriteObjects();
  Start();
  net::SocketPair pair = net::SocketPair::Unix();
  // The socket has room for one message more: the header's, not that of its 'X'.
  while (send(pair.ours.get(), "f", 1, MSG_DONTWAIT) == 1) {
  }
  EXPECT_EQ(net::ReadBytes(pair.peer.get(), 1), "f");
  worker_->Adopt(MakeSession(std::move(pair.ours), session::Transport::kUnix, &limits_, &counters_,
                             Dialect::kV1));
  net::SendAll(pair.peer.get(), RequestBytes(Dialect::kV1, {.mode = Mode::kFdPass, .uri = "1"}));
  EXPECT_TRUE(net::Eventually([this] { return worker_->counters().blocked == 1; }));
  EXPECT_EQ(worker_->counters().messages, 1u) << "the header";

  ClientEnd client(std::move(pair.peer), Dialect::kV1);
  std::string byte;
  while ((byte = client.Body(1)) == "f") {
  }
  EXPECT_EQ(byte + client.Body(protocol::kV1ResponseHeaderBytes - 1),
            std::string(protocol::kV1ResponseHeaderBytes, '\0'));
  EXPECT_EQ(client.Body(1), "X");
  EXPECT_EQ(ContentOf(client.TakeFd()), Content(1));
  usleep(2'500'000);  // longer than the time it had to read its answers
  client.Send(RequestBytes(Dialect::kV1, {.mode = Mode::kStat, .uri = "1"}));
  const ServerMessage answer = client.Next();
  EXPECT_EQ(answer.status, Status::kOk) << answer.metadata.error.value_or("");
  EXPECT_EQ(counters_.timed_out, 0u);
}

INSTANTIATE_TEST_SUITE_P(Kernels, WorkerTest, testing::ValuesIn(kEngines),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace objmapper::fdpass
