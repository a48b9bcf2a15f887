// Operations on a loop: bodies in pieces, refused ones, cut ones, and what is asked behind them.
#include "loop/operation.h"

#include <dirent.h>

#include <string>

#include "tests/loop/loop_fixture.h"

namespace objmapper::loop {
namespace {

using session::RequestBytes;

class OperationTest : public LoopTest {
 protected:
  static std::string Put(absl::string_view uri, uint32_t id, uint64_t bytes) {
    return RequestBytes(Dialect::kV2,
                        {.mode = Mode::kPut, .uri = uri, .id = id, .body_length = bytes});
  }
  static std::string Ask(Mode mode, absl::string_view uri, uint32_t id) {
    return RequestBytes(Dialect::kV2, {.mode = mode, .uri = uri, .id = id});
  }
  static void ExpectDone(ClientEnd* client, uint32_t id) {
    const ServerMessage answer = client->Next();
    EXPECT_EQ(answer.id, id);
    EXPECT_EQ(answer.status, Status::kOk) << answer.metadata.error.value_or("");
  }
  size_t Names() const {
    size_t names = 0;
    DIR* const folder = opendir(folder_.path().c_str());
    while (readdir(folder) != nullptr) ++names;
    closedir(folder);
    return names - 2;  // "." and ".."
  }
};

// Each is answered before what is behind it is begun: who puts and gets, gets what was put.
TEST_P(OperationTest, OneAfterTheOther) {
  Start();
  ClientEnd client = Connect(Dialect::kV2);
  client.Send(Put("a", 1, 5) + "first" + Ask(Mode::kCopy, "a", 2) + Put("a", 3, 6) + "second" +
              Ask(Mode::kCopy, "a", 4) + Ask(Mode::kDelete, "a", 5) + Ask(Mode::kCopy, "a", 6));
  ExpectDone(&client, 1);
  ExpectBody(&client, 2, "first");
  ExpectDone(&client, 3);
  ExpectBody(&client, 4, "second");
  ExpectDone(&client, 5);
  EXPECT_TRUE(client.Next().Refuses(Status::kNotFound));
}

TEST_P(OperationTest, ABodyInPieces) {
  Start();
  ClientEnd client = Connect(Dialect::kV2);
  std::string body;
  for (int i = 0; i < 3'000'000; ++i) body += static_cast<char>(i * 7 + i / 251);
  client.Send(Put("large", 1, body.size()));
  for (size_t at = 0, piece = 1; at < body.size(); at += piece, piece = piece * 3 + 1)
    client.Send(body.substr(at, piece));
  client.Send(Ask(Mode::kCopy, "large", 2));
  ExpectDone(&client, 1);
  ExpectBody(&client, 2, body);
  EXPECT_EQ(Names(), 1u);
}

// The body of what is refused is read to its end, and dropped; what is behind it is answered.
TEST_P(OperationTest, ARefusedBody) {
  folder_.Write("a", "what a holds");
  Start();
  ClientEnd client = Connect(Dialect::kV2);
  client.Send(Put("a/below", 1, 1'000'000) + std::string(1'000'000, 'x') +
              Ask(Mode::kCopy, "a", 2));
  EXPECT_TRUE(client.Next().Refuses(Status::kConflict));
  ExpectBody(&client, 2, "what a holds");
  EXPECT_EQ(Names(), 1u);
}

TEST_P(OperationTest, ACutBody) {
  folder_.Write("a", "what a holds");
  Start();
  for (const bool says_all : {false, true}) {
    ClientEnd client = Connect(Dialect::kV2);
    client.Send(Put("a", 1, 1'000'000) + std::string(500'000, 'x'));
    if (says_all) {
      client.HalfClose();
      EXPECT_TRUE(client.Next().Refuses(Status::kProtocolError));
    } else {
      client.Close();
    }
    EXPECT_TRUE(net::Eventually([this] { return loop_->load() == 0; }));
  }
  ClientEnd client = Connect(Dialect::kV2);
  client.Send(Ask(Mode::kCopy, "a", 1));
  ExpectBody(&client, 1, "what a holds");
  EXPECT_EQ(Names(), 1u);
}

// A body that stops coming has its time, and leaves nothing.
TEST_P(OperationTest, ABodyThatStops) {
  limits_.request_timeout = absl::Milliseconds(50);
  Start();
  ClientEnd client = Connect(Dialect::kV2);
  client.Send(Put("a", 1, 1'000'000) + std::string(1000, 'x'));
  EXPECT_TRUE(client.Next().Refuses(Status::kTimeout));
  EXPECT_TRUE(net::Eventually([this] { return loop_->load() == 0; }));
  EXPECT_EQ(Names(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Engines, OperationTest, testing::ValuesIn(kEngineKinds), NameOf);

}  // namespace
}  // namespace objmapper::loop
