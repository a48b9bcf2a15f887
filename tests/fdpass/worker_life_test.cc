// How a connection leaves a worker: moved, closed, drained, too late, stopped.
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "fdpass/worker.h"
#include "tests/fdpass/worker_fixture.h"

namespace objmapper::fdpass {
namespace {

using protocol::CloseReason;
using session::ServerMessage;
using Kind = ServerMessage::Kind;

constexpr absl::Duration kSoon = absl::Milliseconds(50);

class WorkerLifeTest : public WorkerTestWith<Dialect> {
 protected:
  Dialect dialect() const { return what(); }
  std::string Ask(Mode mode, uint32_t id) {
    return RequestBytes(dialect(), {.mode = mode, .uri = Uri(static_cast<int>(id)), .id = id});
  }
  // Reads the farewell that V2 has, and the end; the worker has given the session back.
  void ExpectFarewell(ClientEnd* client, CloseReason reason) {
    EXPECT_TRUE(dialect() == Dialect::kV1 || client->Next().Closes(reason));
    ExpectEnd(client);
  }
  void ExpectEnd(ClientEnd* client) {
    EXPECT_TRUE(client->AtEnd());
    EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
    EXPECT_EQ(worker_->load(), 0u);
  }
};

// ---- Moving ----

// Requests before one for another lane are answered here, in order; then the connection goes back
// with that request and all behind it unread.
TEST_P(WorkerLifeTest, MovesWithItsUnreadBytes) {
  WriteObjects();
  Start();
  ClientEnd client = Connect(dialect(), protocol::kFdInHeader | protocol::kPipelining);
  const std::string behind = Ask(Mode::kCopy, 3) + Ask(Mode::kFdPass, 4) + Ask(Mode::kCopy, 5);
  client.Send(Ask(Mode::kFdPass, 1) + Ask(Mode::kFdPass, 2) + behind);
  ExpectAnswer(&client, 1, dialect() == Dialect::kV2);
  ExpectAnswer(&client, 2, dialect() == Dialect::kV2);
  const auto session = switchboard_.AwaitRouted();
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->unread, behind);
  EXPECT_EQ(session->answered, 2u);
  EXPECT_EQ(session->dialect(), dialect());
  EXPECT_EQ(worker_->load(), 0u);
}

// A session that comes from another lane brings requests along: they are served without waiting for
// more to arrive.
TEST_P(WorkerLifeTest, ServesWhatASessionBrings) {
  WriteObjects();
  Start();
  net::SocketPair pair = net::SocketPair::Unix();
  auto session = MakeSession(std::move(pair.ours), session::Transport::kUnix, &limits_, &counters_,
                             dialect(), protocol::kFdInHeader);
  session->unread = Ask(Mode::kFdPass, 1) + Ask(Mode::kFdPass, 2);
  worker_->Adopt(std::move(session));
  ClientEnd client(std::move(pair.peer), dialect(), /*greeted=*/true);
  ExpectAnswer(&client, 1, dialect() == Dialect::kV2);
  ExpectAnswer(&client, 2, dialect() == Dialect::kV2);
}

// ---- Ending ----

// The end of the stream between requests ends the conversation without a word.
TEST_P(WorkerLifeTest, PeerHasSaidAll) {
  WriteObjects();
  Start();
  ClientEnd client = Connect(dialect());
  client.Send(Ask(Mode::kStat, 1));
  client.HalfClose();
  EXPECT_EQ(client.Next().status, Status::kOk);
  ExpectEnd(&client);
}

// The end of the stream inside a request is an error that can still be read.
TEST_P(WorkerLifeTest, PeerStopsInsideARequest) {
  Start();
  ClientEnd client = Connect(dialect());
  client.Send(Ask(Mode::kStat, 1).substr(0, 3));
  client.HalfClose();
  EXPECT_TRUE(client.Next().Refuses(Status::kProtocolError));
  ExpectFarewell(&client, CloseReason::kProtocolError);
}

// So is the end inside a body.
TEST_P(WorkerTest, PeerStopsInsideABody) {
  Start();
  ClientEnd client = Connect(Dialect::kV2);
  client.Send(RequestBytes(Dialect::kV2, {.mode = Mode::kPut, .uri = "a", .body_length = 10}) +
              "half");
  client.HalfClose();
  EXPECT_TRUE(client.Next().Refuses(Status::kUnsupportedOp));
  EXPECT_TRUE(client.Next().Refuses(Status::kProtocolError));
  EXPECT_TRUE(client.Next().Closes(CloseReason::kProtocolError));
  EXPECT_TRUE(client.AtEnd());
  EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
}

// A URI that is too long is answered as soon as its length is known, and ends the conversation.
TEST_P(WorkerLifeTest, TooLongUri) {
  Start();
  ClientEnd client = Connect(dialect());
  std::string request = Ask(Mode::kStat, 1);
  request[request.size() - 3] = '\x10';  // uri_length becomes 0x1001
  client.Send(request);
  EXPECT_TRUE(client.Next().Refuses(Status::kUriTooLong));
  ExpectFarewell(&client, CloseReason::kProtocolError);
}

// CLOSE is acknowledged after the answers, and ends the conversation.
TEST_P(WorkerTest, CloseIsAcknowledged) {
  WriteObjects();
  Start();
  ClientEnd client = Connect(Dialect::kV2, protocol::kFdInHeader);
  char close[protocol::kCloseBytes];
  protocol::EncodeClose(CloseReason::kNormal, close);
  client.Send(Requests(Dialect::kV2, 2) + std::string(close, sizeof(close)));
  ExpectAnswer(&client, 0, /*in_header=*/true);
  ExpectAnswer(&client, 1, /*in_header=*/true);
  const ServerMessage ack = client.Next();
  EXPECT_EQ(ack.kind, Kind::kCloseAck);
  EXPECT_EQ(ack.outstanding, 0u);
  EXPECT_TRUE(client.AtEnd());
  EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
}

// After as many answers as a connection may have it is closed, whatever else was asked.
TEST_P(WorkerLifeTest, RequestsPerConnection) {
  limits_.requests_max = 3;
  WriteObjects();
  Start();
  ClientEnd client = Connect(dialect(), protocol::kFdInHeader | protocol::kPipelining);
  client.Send(Requests(dialect(), 5));
  for (int i = 0; i < 3; ++i) ExpectAnswer(&client, i, dialect() == Dialect::kV2);
  ExpectFarewell(&client, CloseReason::kNormal);
}

// A peer that vanishes is forgotten, whatever it had begun.
TEST_P(WorkerLifeTest, PeerVanishes) {
  WriteObjects();
  Start();
  for (const std::string& begun : {std::string(), Ask(Mode::kStat, 1).substr(0, 3),
                                   Ask(Mode::kFdPass, 1), Requests(dialect(), 200)}) {
    ClientEnd client = Connect(dialect());
    client.Send(begun);
    client.Close();
    EXPECT_TRUE(net::Eventually([this] { return worker_->load() == 0; }));
  }
}

// ---- Deadlines ----

// Who asks nothing for too long is sent away.
TEST_P(WorkerLifeTest, IdleTimesOut) {
  limits_.idle_timeout = kSoon;
  Start();
  ClientEnd client = Connect(dialect());
  ExpectFarewell(&client, CloseReason::kIdleTimeout);
  EXPECT_EQ(counters_.timed_out, 1u);
}

// Half a request is not waited for long.
TEST_P(WorkerLifeTest, HalfARequestTimesOut) {
  limits_.request_timeout = kSoon;
  Start();
  ClientEnd client = Connect(dialect());
  client.Send(Ask(Mode::kStat, 1).substr(0, 3));
  EXPECT_TRUE(client.Next().Refuses(Status::kTimeout));
  ExpectFarewell(&client, CloseReason::kProtocolError);
  EXPECT_EQ(counters_.timed_out, 1u);
}

// Neither is a body that does not come.
TEST_P(WorkerTest, HalfABodyTimesOut) {
  limits_.request_timeout = kSoon;
  Start();
  ClientEnd client = Connect(Dialect::kV2);
  client.Send(RequestBytes(Dialect::kV2, {.mode = Mode::kPut, .uri = "a", .body_length = 10}));
  EXPECT_TRUE(client.Next().Refuses(Status::kUnsupportedOp));
  EXPECT_TRUE(client.Next().Refuses(Status::kTimeout));
  EXPECT_TRUE(client.Next().Closes(CloseReason::kProtocolError));
  EXPECT_TRUE(client.AtEnd());
  EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
}

// ---- Draining and stopping ----

// Draining says good-bye to who owes and is owed nothing.
TEST_P(WorkerLifeTest, DrainSaysGoodBye) {
  WriteObjects();
  Start();
  ClientEnd client = Connect(dialect());
  client.Send(Ask(Mode::kStat, 1));
  EXPECT_EQ(client.Next().status, Status::kOk);
  worker_->Drain();
  ExpectFarewell(&client, CloseReason::kShuttingDown);
}

// What has been asked is answered before, also for a session that comes only now.
TEST_P(WorkerLifeTest, DrainAnswersWhatWasAsked) {
  WriteObjects();
  Start();
  worker_->Drain();
  for (const bool unread : {false, true}) {
    net::SocketPair pair = net::SocketPair::Unix();
    auto session = MakeSession(std::move(pair.ours), session::Transport::kUnix, &limits_,
                               &counters_, dialect(), protocol::kFdInHeader);
    const std::string requests = Ask(Mode::kFdPass, 1) + Ask(Mode::kFdPass, 2);
    if (unread) {
      session->unread = requests;
    } else {
      net::SendAll(pair.peer.get(), requests);
    }
    worker_->Adopt(std::move(session));
    ClientEnd client(std::move(pair.peer), dialect(), /*greeted=*/true);
    ExpectAnswer(&client, 1, dialect() == Dialect::kV2);
    ExpectAnswer(&client, 2, dialect() == Dialect::kV2);
    ExpectFarewell(&client, CloseReason::kShuttingDown);
  }
}

// Stopping closes whoever is still here.
TEST_P(WorkerLifeTest, StopClosesEverybody) {
  Start();
  ClientEnd first = Connect(dialect());
  ClientEnd second = Connect(dialect());
  EXPECT_EQ(worker_->load(), 2u);
  worker_->Stop();
  EXPECT_TRUE(first.AtEnd());
  EXPECT_TRUE(second.AtEnd());
  EXPECT_EQ(counters_.open, 0u);
}

INSTANTIATE_TEST_SUITE_P(Dialects, WorkerLifeTest,
                         testing::Combine(testing::ValuesIn(kEngines),
                                          testing::Values(Dialect::kV1, Dialect::kV2)),
                         [](const auto& info) {
                           return NameOf(std::get<0>(info.param)) +
                                  (std::get<1>(info.param) == Dialect::kV1 ? "V1" : "V2");
                         });

INSTANTIATE_TEST_SUITE_P(Kernels, WorkerTest, testing::ValuesIn(kEngines),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace objmapper::fdpass
