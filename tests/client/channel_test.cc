// How a connection begins and how it breaks, seen through Client.
#include "client/channel.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/client.h"
#include "client/error.h"
#include "protocol/objm/encode.h"
#include "tests/client/fake_server.h"
#include "tests/net/open_fds.h"

namespace objmapper::client {
namespace {

using protocol::MetadataType;
using protocol::MetadataWriter;
using Offer = protocol::RequestParser::Offer;

constexpr absl::Duration kShort = absl::Milliseconds(50);

std::string HelloAck(uint16_t capabilities, uint16_t max_pipeline) {
  char out[protocol::kHelloAckBytes];
  return std::string(out, protocol::EncodeHelloAck(capabilities, max_pipeline, 1, out));
}

class ChannelTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(net::OpenFds(), before_); }

 private:
  const ptrdiff_t before_ = net::OpenFds();
};

// ---- The handshake ----

// Both sides get what both offer, and the smaller pipeline; 0 means the server's.
TEST_F(ChannelTest, AgreesOnTheIntersection) {
  const struct {
    uint16_t ours, theirs;
    uint16_t our_pipeline, their_pipeline;
    uint16_t agreed;
    size_t window;
  } cases[] = {
      {protocol::kAllCapabilities, protocol::kAllCapabilities, 0, 64, protocol::kAllCapabilities,
       64},
      {protocol::kAllCapabilities, protocol::kPipelining, 8, 64, protocol::kPipelining, 8},
      {protocol::kPipelining | protocol::kRange, protocol::kAllCapabilities, 200, 64,
       protocol::kPipelining | protocol::kRange, 64},
      {protocol::kFdBatch, protocol::kAllCapabilities, 0, 64,
       protocol::kFdBatch | protocol::kFdInHeader, 1},
      {0, 0, 0, 64, 0, 1},
  };
  for (const auto& c : cases) {
    FakeServer server(
        [](Peer& peer) {
          const Asked asked = peer.ReadRequest();
          peer.Send(Ok(asked.id, 0));
          peer.AwaitEnd();
        },
        Offer{c.theirs, c.their_pipeline});
    Options options;
    options.capabilities = c.ours;
    options.max_pipeline = c.our_pipeline;
    absl::StatusOr<Client> client = Client::Connect(server.url(), options);
    ASSERT_TRUE(client.ok()) << client.status();
    EXPECT_EQ(client->capabilities(), c.agreed);
    EXPECT_EQ(client->max_pipeline(), c.window);
    EXPECT_EQ(client->parallelism(), 4);
    EXPECT_TRUE(client->Ping().ok());
  }
}

// A server that has no room says so in V1 in HELLO_ACK's place; the client repeats it.
TEST_F(ChannelTest, ErrorInPlaceOfHelloAck) {
  FakeServer full([](Peer& peer) {
    peer.ReadHello();
    peer.Send(ErrorV1(protocol::Status::kUnavailable, "1000 connections are open", 250));
  });
  absl::Status status = Client::Connect(full.url()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(SourceOf(status), ErrorSource::kServer);
  EXPECT_EQ(RetryAfter(status), absl::Milliseconds(250));
  EXPECT_TRUE(absl::StrContains(status.message(), "UNAVAILABLE: 1000 connections are open"))
      << status;
  EXPECT_TRUE(absl::StrContains(status.message(), full.url())) << status;

  FakeServer old([](Peer& peer) {
    peer.ReadHello();
    peer.Send(ErrorV1(protocol::Status::kVersionMismatch, "this server speaks V3"));
  });
  status = Client::Connect(old.url()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(WireStatusOf(status), protocol::Status::kVersionMismatch);
  EXPECT_TRUE(absl::StrContains(status.message(), "VERSION_MISMATCH: this server speaks V3"))
      << status;
}

// The refusal is read even when the server has hung up before our HELLO could be sent.
TEST_F(ChannelTest, ErrorFromAServerThatDoesNotWaitForHello) {
  FakeServer server([](Peer& peer) {
    peer.Send(ErrorV1(protocol::Status::kUnavailable, "full"));
    peer.HangUp();
  });
  const absl::Status status = Client::Connect(server.url()).status();
  EXPECT_EQ(WireStatusOf(status), protocol::Status::kUnavailable) << status;
}

class BadHelloAckTest : public ChannelTest, public testing::WithParamInterface<std::string> {};

// What is no HELLO_ACK, or grants what was not offered, is not taken for one.
TEST_P(BadHelloAckTest, IsRefused) {
  FakeServer server([](Peer& peer) {
    peer.ReadHello();
    peer.Send(GetParam());
    peer.AwaitEnd();
  });
  Options options;
  options.capabilities = protocol::kPipelining;
  const absl::Status status = Client::Connect(server.url(), options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
  EXPECT_EQ(SourceOf(status), ErrorSource::kConnection);
}

INSTANTIATE_TEST_SUITE_P(Answers, BadHelloAckTest,
                         testing::Values("HTTP/1.1 400 Bad Request\r\n",
                                         "OBJM\x03\x00\x00\x00\x00\x00",
                                         HelloAck(protocol::kPipelining | protocol::kRange, 64)));

// Bad options are found before anybody is called.
TEST_F(ChannelTest, BadOptionsAreInvalid) {
  Options no_dialect;
  no_dialect.dialect = protocol::Dialect::kUnknown;
  Options no_time;
  no_time.request_timeout = absl::ZeroDuration();
  for (const Options& options : {no_dialect, no_time}) {
    const absl::Status status = Client::Connect("unix:/nowhere", options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  }
  EXPECT_EQ(Client::Connect("nowhere").status().code(), absl::StatusCode::kInvalidArgument);
}

// Nobody there is the connection's error.
TEST_F(ChannelTest, NobodyListens) {
  const absl::Status status = Client::Connect("unix:/nowhere/objmapper.sock").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(SourceOf(status), ErrorSource::kConnection);
}

// A server that accepts and says nothing costs the timeout.
TEST_F(ChannelTest, SilentServerTimesOutTheHandshake) {
  FakeServer server([](Peer& peer) { peer.AwaitEnd(); });
  Options options;
  options.connect_timeout = kShort;
  const absl::Status status = Client::Connect(server.url(), options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_EQ(SourceOf(status), ErrorSource::kConnection);
}

// A timeout is a deadline, whatever signals come: of the answer, and of the handshake.
TEST_F(ChannelTest, SignalsDoNotProlongATimeout) {
  struct sigaction heed {
  }, before{};
  heed.sa_handler = [](int) {};  // without SA_RESTART
  ASSERT_EQ(sigaction(SIGUSR1, &heed, &before), 0);
  std::atomic<bool> over{false};
  std::thread disturber([&, client = pthread_self()] {
    for (const absl::Time end = absl::Now() + absl::Seconds(20); !over && absl::Now() < end;) {
      pthread_kill(client, SIGUSR1);
      absl::SleepFor(kShort / 5);
    }
    over = true;
  });
  FakeServer mute([](Peer& peer) { peer.AwaitEnd(); });
  FakeServer silent([](Peer& peer) {
    peer.ReadRequest();
    peer.AwaitEnd();
  });
  Options options;
  options.connect_timeout = kShort;
  EXPECT_EQ(Client::Connect(mute.url(), options).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  options.connect_timeout = absl::Seconds(20);
  options.request_timeout = kShort;
  absl::StatusOr<Client> client = Client::Connect(silent.url(), options);
  EXPECT_TRUE(client.ok()) << client.status();
  if (client.ok()) {
    EXPECT_EQ(client->Stat("a").status().code(), absl::StatusCode::kDeadlineExceeded);
  }
  EXPECT_FALSE(over) << "it was waited for until the signals ceased";
  over = true;
  disturber.join();
  sigaction(SIGUSR1, &before, nullptr);
}

// A byte now and then does not prolong the time that an answer has.
TEST_F(ChannelTest, ATrickleDoesNotProlongATimeout) {
  std::atomic<bool> over{false};
  FakeServer server([&](Peer& peer) {
    const std::string answer = Ok(peer.ReadRequest().id, 5);
    for (size_t i = 0; i + 1 < answer.size() && !over; ++i) {
      peer.Send(answer.substr(i, 1));
      absl::SleepFor(absl::Milliseconds(400));
    }
    over = true;
  });
  Options options;
  options.request_timeout = absl::Milliseconds(600);
  absl::StatusOr<Client> client = Client::Connect(server.url(), options);
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->GetBytes("a").status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(over);
  over = true;
}

// ---- Broken connections ----

struct Break {
  const char* name;
  FakeServer::Script script;  // plays after the handshake
  absl::StatusCode code;
  const char* text;  // a piece of the message, now and later
  // The script ends in silence: do not wait long for what will not come.
  absl::Duration timeout = absl::Seconds(20);
  const char* place = "";  // a piece of the first message alone
};

class BrokenTest : public ChannelTest, public testing::WithParamInterface<Break> {};

// Whatever breaks the connection, the call says what happened to which object, and later calls say
// that the client cannot be used and why.
TEST_P(BrokenTest, SaysWhyNowAndLater) {
  FakeServer server(GetParam().script);
  Options options;
  options.request_timeout = GetParam().timeout;
  options.connect_timeout = absl::Seconds(20);
  absl::StatusOr<Client> client = Client::Connect(server.url(), options);
  ASSERT_TRUE(client.ok()) << client.status();
  const absl::Status first = client->GetBytes("models/a").status();
  EXPECT_EQ(first.code(), GetParam().code) << first;
  EXPECT_EQ(SourceOf(first), ErrorSource::kConnection) << first;
  EXPECT_TRUE(absl::StrContains(first.message(), GetParam().text)) << first;
  EXPECT_TRUE(absl::StrContains(first.message(), GetParam().place)) << first;
  EXPECT_TRUE(absl::StrContains(first.message(), "OP_COPY \"models/a\"")) << first;

  const absl::Status later = client->Stat("other").status();
  EXPECT_EQ(later.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(SourceOf(later), ErrorSource::kConnection);
  EXPECT_TRUE(absl::StrContains(later.message(), "can no longer be used")) << later;
  EXPECT_TRUE(absl::StrContains(later.message(), GetParam().text)) << later;
  EXPECT_EQ(client->Close(), client->status());
}

const Break kBreaks[] = {
    {"CloseInPlaceOfAnAnswer",
     [](Peer& peer) {
       peer.ReadRequest();
       peer.Send(Close(protocol::CloseReason::kShuttingDown));
     },
     absl::StatusCode::kUnavailable, "it is shutting down (reason 3)"},
    {"CloseWhileIdle",
     [](Peer& peer) {
       peer.ReadHello();
       peer.Send(HelloAck(0, 1) + Close(protocol::CloseReason::kIdleTimeout));
     },
     absl::StatusCode::kUnavailable, "idle for too long (reason 1)"},
    {"EndWithoutAnAnswer", [](Peer& peer) { peer.ReadRequest(); }, absl::StatusCode::kUnavailable,
     "closed the connection without an answer"},
    {"EndInAHeader", [](Peer& peer) { peer.Send(Ok(peer.ReadRequest().id, 5).substr(0, 15)); },
     absl::StatusCode::kUnavailable, "in the middle of an answer"},
    {"EndInABody", [](Peer& peer) { peer.Send(Ok(peer.ReadRequest().id, 5) + "hel"); },
     absl::StatusCode::kDataLoss, "in the middle of an object's bytes", absl::Seconds(20),
     ", after 3 of 5 bytes: "},
    {"EndInALargeBody",
     [](Peer& peer) { peer.Send(Ok(peer.ReadRequest().id, 1 << 20) + std::string(700000, 'x')); },
     absl::StatusCode::kDataLoss, "in the middle of an object's bytes", absl::Seconds(20),
     ", after 700000 of 1048576 bytes: "},
    {"NoAnswer",
     [](Peer& peer) {
       peer.ReadRequest();
       peer.AwaitEnd();
     },
     absl::StatusCode::kDeadlineExceeded, "was silent for 50ms", kShort},
    {"SilenceInABody",
     [](Peer& peer) {
       // The answer comes along with HELLO_ACK: no timing decides how far the client gets.
       peer.ReadHello();
       peer.Send(HelloAck(0, 1) + Ok(1, 5) + "hel");
       peer.AwaitEnd();
     },
     absl::StatusCode::kDeadlineExceeded, "was silent for 50ms", kShort, ", after 3 of 5 bytes: "},
    {"AnotherRequestsAnswer",
     [](Peer& peer) {
       peer.Send(Ok(peer.ReadRequest().id + 1, 0));
       peer.AwaitEnd();
     },
     absl::StatusCode::kInternal, "the server answered 2"},
    {"NobodysAnswer",
     [](Peer& peer) {
       peer.ReadRequest();
       peer.Send(Error(0, protocol::Status::kProtocolError, "lost my place"));
       peer.AwaitEnd();
     },
     absl::StatusCode::kInternal, "PROTOCOL_ERROR: lost my place"},
    {"UnknownMessage",
     [](Peer& peer) {
       peer.ReadRequest();
       peer.Send("\x77garbage");
       peer.AwaitEnd();
     },
     absl::StatusCode::kInternal, "does not use this protocol"},
    {"MetadataCutShort",
     [](Peer& peer) {
       std::string answer = Ok(peer.ReadRequest().id, 0,
                               [](MetadataWriter& m) { m.AddU64(MetadataType::kSize, 1); });
       answer[18] = 9;  // SIZE of another length than 8
       peer.Send(answer);
       peer.AwaitEnd();
     },
     absl::StatusCode::kInternal, "metadata"},
};

INSTANTIATE_TEST_SUITE_P(All, BrokenTest, testing::ValuesIn(kBreaks),
                         [](const testing::TestParamInfo<Break>& info) {
                           return std::string(info.param.name);
                         });

// ---- Descriptors that break the rules ----

struct FdBreak {
  const char* name;
  Offer offer;
  FakeServer::Script script;
  const char* text;
};

class FdRulesTest : public ChannelTest, public testing::WithParamInterface<FdBreak> {};

// A server that miscounts its descriptors ends the connection before one object can pass for
// another; every descriptor is closed.
TEST_P(FdRulesTest, EndTheConnection) {
  FakeServer server(GetParam().script, GetParam().offer);
  absl::StatusOr<Client> client = Client::Connect(server.url());
  ASSERT_TRUE(client.ok()) << client.status();
  absl::Status status;
  for (int i = 0; i < 3 && client->status().ok(); ++i) status = client->GetFd("a").status();
  EXPECT_EQ(SourceOf(status), ErrorSource::kConnection) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), GetParam().text)) << status;
  EXPECT_FALSE(client->status().ok());
}

const FdBreak kFdBreaks[] = {
    {"NoneInHeader",
     {},
     [](Peer& peer) {
       peer.Send(Ok(peer.ReadRequest().id, 5));
       peer.AwaitEnd();
     },
     "answered OK without a descriptor"},
    {"NoneOnItsByte", Offer{protocol::kPipelining, 64},
     [](Peer& peer) {
       peer.Send(Ok(peer.ReadRequest().id, 0) + "X");
       peer.AwaitEnd();
     },
     "answered OK without a descriptor"},
    {"AnotherByte", Offer{protocol::kPipelining, 64},
     [](Peer& peer) {
       const net::UniqueFd file = FileWith("hello");
       peer.Send(Ok(peer.ReadRequest().id, 0));
       peer.Send("Y", {file.get()});
       peer.AwaitEnd();
     },
     "in place of the byte that carries a descriptor"},
    {"TooMany",
     {},
     [](Peer& peer) {
       const net::UniqueFd file = FileWith("hello");
       peer.Send(Ok(peer.ReadRequest().id, 5), {file.get(), file.get(), file.get()});
       peer.AwaitEnd();
     },
     "more descriptors than OK answers"},
    {"OnAnError",
     {},
     [](Peer& peer) {
       const net::UniqueFd file = FileWith("hello");
       peer.Send(Ok(peer.ReadRequest().id, 5), {file.get()});
       peer.Send(Error(peer.ReadRequest().id, protocol::Status::kNotFound, "no"), {file.get()});
       peer.AwaitEnd();
     },
     "more descriptors than OK answers"},
};

INSTANTIATE_TEST_SUITE_P(All, FdRulesTest, testing::ValuesIn(kFdBreaks),
                         [](const testing::TestParamInfo<FdBreak>& info) {
                           return std::string(info.param.name);
                         });

}  // namespace
}  // namespace objmapper::client
