// Answers out: in which order, from where, and what they say when there is nothing to send.
#include "loop/answering.h"

#include <string>

#include "absl/strings/match.h"
#include "tests/loop/loop_fixture.h"

namespace objmapper::loop {
namespace {

using session::RequestBytes;

// As much as no socket takes at once.
constexpr size_t kLargeBytes = 8'000'000;

class AnsweringTest : public LoopTest {
 protected:
  static std::string Ask(absl::string_view uri, uint32_t id, uint8_t flags = 0,
                         Mode mode = Mode::kCopy) {
    return RequestBytes(Dialect::kV2, {.mode = mode, .uri = uri, .id = id, .flags = flags});
  }
  static std::string Large(char c) { return std::string(kLargeBytes, c); }
};

// Without OUT_OF_ORDER each waits for those before it, whatever it is.
TEST_P(AnsweringTest, InOrder) {
  folder_.Write("large", Large('l'));
  folder_.Write("small", "s");
  Start();
  ClientEnd client = Connect(Dialect::kV2, protocol::kPipelining);
  client.Send(Ask("large", 1) + Ask("missing", 2) + Ask("small", 3, protocol::kFlagPriority) +
              Ask("large", 4, 0, Mode::kSplice) + Ask("small", 5, 0, Mode::kStat));
  ExpectBody(&client, 1, Large('l'));
  EXPECT_TRUE(client.Next().Refuses(Status::kNotFound));
  ExpectBody(&client, 3, "s");
  ExpectBody(&client, 4, Large('l'));
  const ServerMessage stat = client.Next();
  EXPECT_EQ(stat.id, 5u);
  EXPECT_EQ(stat.metadata.size, 1u);
}

// With it, PRIORITY overtakes all that has not begun; ORDERED is overtaken by none that came later.
TEST_P(AnsweringTest, PriorityOvertakesAndOrderedWaits) {
  folder_.Write("large", Large('l'));
  folder_.Write("other", Large('o'));
  folder_.Write("small", "s");
  Start();
  ClientEnd client = Connect(Dialect::kV2);
  client.Send(Ask("small", 1) + Ask("large", 2) + Ask("other", 3));
  ExpectBody(&client, 1, "s");
  const ServerMessage begun = client.Next();  // its body fills the socket
  client.Send(Ask("small", 4, protocol::kFlagOrdered) + Ask("small", 5, protocol::kFlagPriority));
  EXPECT_EQ(client.Body(kLargeBytes).size(), kLargeBytes);
  // What has come in the meantime is looked at before the next is begun.
  std::vector<uint32_t> ids = {begun.id};
  for (int i = 0; i < 3; ++i) {
    const ServerMessage answer = client.Next();
    ids.push_back(answer.id);
    EXPECT_EQ(client.Body(answer.content_length).size(), answer.content_length);
  }
  const auto place = [&](uint32_t id) { return std::find(ids.begin(), ids.end(), id); };
  EXPECT_NE(place(5), ids.end());
  EXPECT_LT(place(5), place(4)) << "PRIORITY behind what came before it";
  EXPECT_EQ(place(4), ids.end() - 1) << "ORDERED before what it was to wait for";
}

TEST_P(AnsweringTest, Ranges) {
  const std::string large = Large('l') + "end";
  folder_.Write("large", large);
  folder_.Write("empty", "");
  Start();
  ClientEnd client = Connect(Dialect::kV2, protocol::kPipelining | protocol::kRange);
  const auto ask = [&](uint32_t id, absl::string_view uri, uint64_t offset, uint64_t length) {
    client.Send(RequestBytes(Dialect::kV2, {.mode = Mode::kCopy,
                                            .uri = uri,
                                            .id = id,
                                            .flags = protocol::kFlagRange,
                                            .offset = offset,
                                            .length = length}));
  };
  ask(1, "large", kLargeBytes - 1, 3);
  ExpectBody(&client, 1, "len");
  ask(2, "large", kLargeBytes, 0);
  ExpectBody(&client, 2, "end");
  ask(3, "large", 5, kLargeBytes);
  ExpectBody(&client, 3, large.substr(5, kLargeBytes));
  ask(4, "large", kLargeBytes + 4, 1);
  const ServerMessage past = client.Next();
  EXPECT_TRUE(past.Refuses(Status::kRangeNotSatisfiable));
  EXPECT_TRUE(absl::StrContains(past.metadata.error.value_or(""), "8000003")) << "not its size";
  ask(5, "empty", 0, 0);
  EXPECT_EQ(client.Next().id, 5u);
}

// An object that another one has replaced is that one for who asks then.
TEST_P(AnsweringTest, ReplacedObjects) {
  folder_.Write("a", "first");
  options_.cache_valid = absl::ZeroDuration();
  Start();
  ClientEnd client = Connect(Dialect::kV2);
  client.Send(Ask("a", 1));
  ExpectBody(&client, 1, "first");
  folder_.Write("new", "the second");
  ASSERT_EQ(rename((folder_.path() + "/new").c_str(), (folder_.path() + "/a").c_str()), 0);
  client.Send(Ask("a", 2));
  ExpectBody(&client, 2, "the second");
}

INSTANTIATE_TEST_SUITE_P(Engines, AnsweringTest, testing::ValuesIn(kEngineKinds), NameOf);

}  // namespace
}  // namespace objmapper::loop
