// What a worker answers, on a socket of a test: descriptors, order, errors, limits, time-outs.
#include "fdpass/worker.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "net/scm_rights.h"
#include "tests/fdpass/worker_fixture.h"

namespace objmapper::fdpass {
namespace {

using session::ServerMessage;

// An old client reads 11 bytes with read(2), which would lose a descriptor on them, and then one
// byte with recvmsg(2), which brings it.
TEST_P(WorkerTest, V1DescriptorRidesOnItsOwnByte) {
  WriteObjects();
  Start();
  ClientEnd client = Connect(Dialect::kV1);
  client.Send(RequestBytes(Dialect::kV1, {.mode = Mode::kFdPass, .uri = "3"}));
  char header[protocol::kV1ResponseHeaderBytes];
  ASSERT_EQ(recv(client.fd(), header, sizeof(header), MSG_WAITALL),
            static_cast<ssize_t>(sizeof(header)));
  EXPECT_EQ(std::string(header, sizeof(header)), std::string(sizeof(header), '\0'));
  char x;
  std::vector<net::UniqueFd> fds;
  const auto got = net::RecvWithFds(client.fd(), absl::MakeSpan(&x, 1), 1, &fds);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->bytes, 1u);
  EXPECT_EQ(x, 'X');
  ASSERT_EQ(fds.size(), 1u);
  EXPECT_EQ(ContentOf(fds[0]), Content(3));
}

class SpeechTest : public WorkerTestWith<Speech> {
 protected:
  Dialect dialect() const { return what().dialect; }
  bool in_header() const { return what().in_header(); }
  ClientEnd Connect() { return WorkerTestOn::Connect(dialect(), what().capabilities); }
};

// One question, one answer, again and again.
TEST_P(SpeechTest, OneByOne) {
  WriteObjects();
  Start();
  ClientEnd client = Connect();
  for (int i = 0; i < 20; ++i) {
    client.Send(RequestBytes(
        dialect(), {.mode = Mode::kFdPass, .uri = Uri(i), .id = static_cast<uint32_t>(i)}));
    ExpectAnswer(&client, i, in_header());
  }
  EXPECT_EQ(client.fds_waiting(), 0u);
}

// Many requests in one piece are answered in order, each with the descriptor of its own object.
TEST_P(SpeechTest, ManyInOnePiece) {
  constexpr int kCount = 300;
  WriteObjects();
  Start();
  ClientEnd client = Connect();
  client.Send(Requests(dialect(), kCount));
  for (int i = 0; i < kCount; ++i) ExpectAnswer(&client, i, in_header());
  EXPECT_EQ(client.fds_waiting(), 0u);
  EXPECT_TRUE(net::Eventually([this] { return worker_->counters().requests == kCount; }));
  EXPECT_EQ(worker_->counters().errors, 0u);
}

// However requests are cut into reads.
TEST_P(SpeechTest, ByteByByte) {
  WriteObjects();
  Start();
  ClientEnd client = Connect();
  for (const char byte : Requests(dialect(), 5)) {
    client.Send(absl::string_view(&byte, 1));
    usleep(500);
  }
  for (int i = 0; i < 5; ++i) ExpectAnswer(&client, i, in_header());
}

// Answers without descriptors keep their places among those with one: the k-th descriptor belongs
// to the k-th OK.
TEST_P(SpeechTest, ErrorsKeepTheirPlaces) {
  WriteObjects();
  Start();
  ClientEnd client = Connect();
  std::string requests;
  for (uint32_t i = 0; i < 30; ++i) {
    const std::string uri = i % 3 == 0 ? "absent" : Uri(i);
    const Mode mode = i % 3 == 2 ? Mode::kStat : Mode::kFdPass;
    requests += RequestBytes(dialect(), {.mode = mode, .uri = uri, .id = i});
  }
  client.Send(requests);
  for (int i = 0; i < 30; ++i) {
    if (i % 3 == 1) {
      ExpectAnswer(&client, i, in_header());
      continue;
    }
    const ServerMessage answer = client.Next();
    if (i % 3 == 0) {
      EXPECT_TRUE(answer.Refuses(Status::kNotFound)) << i;
    } else {
      EXPECT_EQ(answer.metadata.size, Content(i).size()) << i;
    }
  }
  EXPECT_EQ(worker_->counters().errors, 10u);
}

INSTANTIATE_TEST_SUITE_P(Speeches, SpeechTest,
                         testing::Combine(testing::ValuesIn(kEngines),
                                          testing::ValuesIn(kSpeeches)),
                         [](const auto& info) {
                           return NameOf(std::get<0>(info.param)) + std::get<1>(info.param).name;
                         });

// With FD_IN_HEADER a message carries one descriptor, on the first byte of its answer.
TEST_P(WorkerTest, InHeaderOneDescriptorAMessage) {
  WriteObjects();
  Start();
  ClientEnd client = Connect(Dialect::kV2, kInHeader);
  client.Send(Requests(Dialect::kV2, 3));
  for (int i = 0; i < 3; ++i) {
    char bytes[1000];
    std::vector<net::UniqueFd> fds;
    const auto got = net::RecvWithFds(client.fd(), absl::MakeSpan(bytes), 10, &fds);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->bytes, protocol::kV2ResponseHeaderBytes);
    ASSERT_EQ(fds.size(), 1u);
    EXPECT_EQ(ContentOf(fds[0]), Content(i));
  }
}

// With FD_BATCH a message carries as many descriptors as the kernel takes, and the rest of a burst
// follows in another.
TEST_P(WorkerTest, BatchesOf253) {
  constexpr int kCount = net::kFdsPerMessageMax + 47;
  WriteObjects();
  Start();
  ClientEnd client = Connect(Dialect::kV2, kBatch);
  client.Send(Requests(Dialect::kV2, kCount));  // less than one receive takes
  ExpectAnswer(&client, 0, /*in_header=*/true);
  EXPECT_EQ(client.fds_waiting(), net::kFdsPerMessageMax - 1);
  for (int i = 1; i < kCount; ++i) ExpectAnswer(&client, i, /*in_header=*/true);
  EXPECT_TRUE(net::Eventually([this] { return worker_->counters().requests == kCount; }));
  EXPECT_EQ(worker_->counters().messages, 2u);
}

// A range of an object is granted as metadata, with the descriptor of the whole; one past the end
// is refused.
TEST_P(WorkerTest, Ranges) {
  folder_.Write("ten", "0123456789");
  Start();
  ClientEnd client = Connect(Dialect::kV2, kInHeader);
  client.Send(RequestBytes(Dialect::kV2, {.mode = Mode::kFdPass,
                                          .uri = "ten",
                                          .id = 1,
                                          .flags = protocol::kFlagRange,
                                          .offset = 4,
                                          .length = 100}));
  const ServerMessage granted = client.Next();
  EXPECT_EQ(granted.status, Status::kOk);
  EXPECT_EQ(granted.content_length, 6u);
  ASSERT_TRUE(granted.metadata.range.has_value());
  EXPECT_EQ(granted.metadata.range->offset, 4u);
  EXPECT_EQ(granted.metadata.range->length, 6u);
  EXPECT_EQ(ContentOf(client.TakeFd()), "0123456789");

  client.Send(RequestBytes(
      Dialect::kV2,
      {.mode = Mode::kFdPass, .uri = "ten", .id = 2, .flags = protocol::kFlagRange, .offset = 11}));
  EXPECT_TRUE(client.Next().Refuses(Status::kRangeNotSatisfiable));
  EXPECT_EQ(client.fds_waiting(), 0u);
}

// Each answer's descriptor is read-only and has an offset of its own, whoever else got the object.
TEST_P(WorkerTest, DescriptorsAreReadOnlyAndTheirOwn) {
  WriteObjects();
  Start();
  ClientEnd client = Connect(Dialect::kV2, kBatch);
  const std::string ask = RequestBytes(Dialect::kV2, {.mode = Mode::kFdPass, .uri = "1"});
  client.Send(ask + ask);
  EXPECT_EQ(client.Next().status, Status::kOk);
  EXPECT_EQ(client.Next().status, Status::kOk);
  const net::UniqueFd first = client.TakeFd(), second = client.TakeFd();
  EXPECT_EQ(fcntl(first.get(), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY);
  EXPECT_EQ(write(first.get(), "x", 1), -1);
  EXPECT_EQ(lseek(first.get(), 3, SEEK_SET), 3);
  EXPECT_EQ(lseek(second.get(), 0, SEEK_CUR), 0);
}

// With shared descriptors all answers for an object name the same open file, in every dialect; one
// that replaces it is a new one.
TEST_P(WorkerTest, SharedDescriptors) {
  options_.shared_fds = 4;
  folder_.Write("a", "old");
  Start();
  ClientEnd batch = Connect(Dialect::kV2, kBatch);
  ClientEnd v1 = Connect(Dialect::kV1);
  const auto ask = [](ClientEnd* client, Dialect dialect) {
    client->Send(RequestBytes(dialect, {.mode = Mode::kFdPass, .uri = "a"}));
    EXPECT_EQ(client->Next().status, Status::kOk);
    if (dialect == Dialect::kV1) client->Body(1);
    return client->TakeFd();
  };
  const net::UniqueFd first = ask(&batch, Dialect::kV2), second = ask(&v1, Dialect::kV1);
  EXPECT_EQ(lseek(first.get(), 2, SEEK_SET), 2);
  EXPECT_EQ(lseek(second.get(), 0, SEEK_CUR), 2);
  folder_.Write("new", "new");
  ASSERT_EQ(rename(folder_.Path("new").c_str(), folder_.Path("a").c_str()), 0);
  EXPECT_EQ(ContentOf(ask(&batch, Dialect::kV2)), "new");
  EXPECT_EQ(ContentOf(first), "old");
}

// STAT tells what the file system knows, the first time and when it is remembered.
TEST_P(WorkerTest, Stat) {
  folder_.Write("a", "12345");
  struct stat truth;
  ASSERT_EQ(stat(folder_.Path("a").c_str(), &truth), 0);
  Start();
  ClientEnd client = Connect(Dialect::kV2);
  std::string etag;
  for (uint32_t id = 1; id <= 2; ++id) {
    client.Send(RequestBytes(Dialect::kV2, {.mode = Mode::kStat, .uri = "a", .id = id}));
    const ServerMessage answer = client.Next();
    EXPECT_EQ(answer.id, id);
    EXPECT_EQ(answer.status, Status::kOk);
    EXPECT_EQ(answer.content_length, 0u);
    EXPECT_EQ(answer.metadata.size, 5u);
    EXPECT_EQ(answer.metadata.mtime, static_cast<uint64_t>(truth.st_mtime));
    ASSERT_TRUE(answer.metadata.etag.has_value());
    if (id == 1) etag = *answer.metadata.etag;
    EXPECT_EQ(*answer.metadata.etag, etag);
  }
  EXPECT_EQ(index_.hits(), 1u);
  client.Send(RequestBytes(Dialect::kV2, {.mode = Mode::kStat, .uri = "absent", .id = 3}));
  EXPECT_TRUE(client.Next().Refuses(Status::kNotFound));
}

// A refused request is answered, and the one behind it and its body is served.
TEST_P(WorkerTest, RefusalsDoNotEndTheConversation) {
  WriteObjects();
  Start();
  ClientEnd client = Connect(Dialect::kV2, kBatch | protocol::kObjectOps);
  client.Send(
      RequestBytes(Dialect::kV2, {.mode = Mode::kPut, .uri = "a", .id = 1, .body_length = 9}) +
      "some body" + RequestBytes(Dialect::kV2, {.mode = Mode::kFdPass, .uri = "", .id = 2}) +
      RequestBytes(Dialect::kV2, {.mode = Mode::kFdPass, .uri = "3", .id = 3}));
  EXPECT_TRUE(client.Next().Refuses(Status::kUnsupportedOp));
  EXPECT_TRUE(client.Next().Refuses(Status::kInvalidRequest));
  ExpectAnswer(&client, 3, /*in_header=*/true);
}

// Descriptors that come with a request, where the kernel has let them through, end its connection,
// and are never held; others are served.
TEST_P(WorkerTest, RefusesDescriptors) {
  WriteObjects();
  Start();
  ClientEnd client = Connect(Dialect::kV2, kBatch);
  const std::string request = RequestBytes(Dialect::kV2, {.mode = Mode::kStat, .uri = "1"});
  client.Send(request);
  EXPECT_EQ(client.Next().status, Status::kOk);
  const ptrdiff_t before = net::OpenFds();
  for (int i = 0; i < 20; ++i) {
    const ClientEnd hostile = Connect(Dialect::kV2, kBatch);
    ASSERT_EQ(net::SendWithFds(hostile.fd(), request, {STDIN_FILENO, STDOUT_FILENO}),
              static_cast<ssize_t>(request.size()));
    char byte;
    EXPECT_LE(recv(hostile.fd(), &byte, 1, 0), 0) << "its request was answered";
  }
  client.Send(request);
  EXPECT_EQ(client.Next().status, Status::kOk);
  EXPECT_EQ(net::OpenFds(), before);
}

// PRIORITY goes first where the client takes answers out of order.
TEST_P(WorkerTest, PriorityGoesFirst) {
  WriteObjects();
  Start();
  ClientEnd client = Connect(Dialect::kV2);
  std::string requests;
  for (uint32_t id = 1; id <= 4; ++id) {
    requests +=
        RequestBytes(Dialect::kV2, {.mode = Mode::kStat,
                                    .uri = "1",
                                    .id = id,
                                    .flags = id == 3 ? protocol::kFlagPriority : uint8_t{0}});
  }
  client.Send(requests);
  std::vector<uint32_t> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(client.Next().id);
  EXPECT_EQ(ids, (std::vector<uint32_t>{3, 1, 2, 4}));
}

// Spinning instead of sleeping changes nothing that a client sees.
TEST_P(WorkerTest, BusyPollServesTheSame) {
  options_.busy_poll = absl::Microseconds(200);
  WriteObjects();
  Start();
  ClientEnd client = Connect(Dialect::kV1);
  for (int i = 0; i < 20; ++i) {
    client.Send(RequestBytes(Dialect::kV1, {.mode = Mode::kFdPass, .uri = Uri(i)}));
    ExpectAnswer(&client, i, /*in_header=*/false);
    if (i % 5 == 0) usleep(1000);  // longer than it spins
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, WorkerTest, testing::ValuesIn(kEngines),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace objmapper::fdpass
