// Descriptors that a loop passes itself, as a model's does, with the files that it opens for them.
#include "loop/passer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "net/retry_after.h"
#include "tests/loop/loop_fixture.h"
#include "tests/net/eventually.h"
#include "tests/storage/fake_remote.h"

namespace objmapper::loop {
namespace {

using session::RequestBytes;

constexpr uint16_t kInHeader = protocol::kPipelining | protocol::kFdInHeader;

class PasserTest : public LoopTest {
 protected:
  PasserTest() {
    options_.lane = std::nullopt;
    options_.in_place = true;
    for (int i = 0; i < 10; ++i) folder_.Write(absl::StrCat(i), Content(i));
  }
  static std::string Content(int i) { return absl::StrCat("object ", i % 10); }
  static std::string Ask(Dialect dialect, int i, Mode mode = Mode::kFdPass) {
    return RequestBytes(
        dialect, {.mode = mode, .uri = absl::StrCat(i % 10), .id = static_cast<uint32_t>(i)});
  }
  static void ExpectFd(ClientEnd* client, int i, bool in_header) {
    const ServerMessage answer = client->Next();
    ASSERT_EQ(answer.status, Status::kOk) << answer.metadata.error.value_or("");
    EXPECT_EQ(answer.content_length, in_header ? Content(i).size() : 0u);
    EXPECT_TRUE(in_header || client->Body(1) == "X");
    const net::UniqueFd fd = client->TakeFd();
    ASSERT_TRUE(fd.valid()) << "answer " << i;
    char bytes[64];
    const ssize_t got = pread(fd.get(), bytes, sizeof(bytes), 0);
    EXPECT_EQ(absl::string_view(bytes, got < 0 ? 0 : static_cast<size_t>(got)), Content(i));
  }
};

TEST_P(PasserTest, InEverySpeech) {
  Start();
  const struct {
    Dialect dialect;
    uint16_t capabilities;
  } kSpeeches[] = {{Dialect::kV1, 0},
                   {Dialect::kV2, protocol::kPipelining},
                   {Dialect::kV2, kInHeader},
                   {Dialect::kV2, kInHeader | protocol::kFdBatch}};
  for (const auto& speech : kSpeeches) {
    SCOPED_TRACE(speech.capabilities);
    ClientEnd client = Connect(speech.dialect, speech.capabilities);
    std::string requests;
    for (int i = 0; i < 300; ++i) requests += Ask(speech.dialect, i);
    client.Send(requests);
    for (int i = 0; i < 300; ++i)
      ExpectFd(&client, i, (speech.capabilities & protocol::kFdInHeader) != 0);
  }
}

// Descriptors and bytes of one connection keep their order.
TEST_P(PasserTest, BetweenBodies) {
  Start();
  ClientEnd client = Connect(Dialect::kV2, kInHeader | protocol::kFdBatch);
  std::string requests;
  for (int i = 0; i < 60; ++i)
    requests += Ask(Dialect::kV2, i, i % 3 == 0 ? Mode::kCopy : Mode::kFdPass);
  client.Send(requests);
  for (int i = 0; i < 60; ++i) {
    if (i % 3 == 0) {
      ExpectBody(&client, static_cast<uint32_t>(i), Content(i));
    } else {
      ExpectFd(&client, i, /*in_header=*/true);
    }
  }
}

// Who does not read holds no descriptor of ours but those that are in its socket; what it asked for
// comes when it reads.
TEST_P(PasserTest, AFullSocket) {
  Start();
  ClientEnd client = Connect(Dialect::kV2, kInHeader);
  constexpr int kCount = 900;
  std::string requests;
  for (int i = 0; i < kCount; ++i) requests += Ask(Dialect::kV2, i);
  client.Send(requests);
  ClientEnd other = Connect(Dialect::kV2, kInHeader);
  other.Send(Ask(Dialect::kV2, 7));
  ExpectFd(&other, 7, /*in_header=*/true);
  for (int i = 0; i < kCount; ++i) ExpectFd(&client, i, /*in_header=*/true);
}

TEST_P(PasserTest, APeerThatGoes) {
  Start();
  ClientEnd client = Connect(Dialect::kV2, kInHeader | protocol::kFdBatch);
  std::string requests;
  for (int i = 0; i < 900; ++i) requests += Ask(Dialect::kV2, i);
  client.Send(requests);
  ExpectFd(&client, 0, /*in_header=*/true);
  client.Close();
  EXPECT_TRUE(net::Eventually([this] { return loop_->load() == 0; }));
}

TEST_P(PasserTest, WhatIsNotThere) {
  Start();
  ClientEnd client = Connect(Dialect::kV2, kInHeader | protocol::kFdBatch);
  client.Send(Ask(Dialect::kV2, 1) +
              RequestBytes(Dialect::kV2, {.mode = Mode::kFdPass, .uri = "missing", .id = 2}) +
              Ask(Dialect::kV2, 3));
  ExpectFd(&client, 1, /*in_header=*/true);
  EXPECT_TRUE(client.Next().Refuses(Status::kNotFound));
  ExpectFd(&client, 3, /*in_header=*/true);
}

// What is elsewhere is brought, for descriptors as for bytes; why it does not come is said, and is
// never NOT_FOUND.
TEST_P(PasserTest, BringsWhatIsElsewhere) {
  ASSERT_EQ(mkdir(folder_.Path("far").c_str(), 0755), 0);
  storage::FakeRemote remote(folder_.path());
  Start();
  tree_->SetRemote(&remote);
  for (const Mode mode : {Mode::kFdPass, Mode::kCopy}) {
    SCOPED_TRACE(static_cast<int>(mode));
    ClientEnd client = Connect(Dialect::kV2, kInHeader);
    const auto ask = [&](absl::string_view uri, uint32_t id) {
      client.Send(RequestBytes(Dialect::kV2, {.mode = mode, .uri = uri, .id = id}));
      EXPECT_TRUE(net::Eventually([&] { return !remote.Asked().empty(); }));
    };
    const std::string name = absl::StrCat("far/", static_cast<int>(mode));
    ask(name, 1);
    remote.Brought(name, "content");
    const ServerMessage answer = client.Next();
    EXPECT_EQ(answer.status, Status::kOk) << answer.metadata.error.value_or("");
    EXPECT_EQ(answer.content_length, 7u);
    if (mode == Mode::kCopy) {
      EXPECT_EQ(client.Body(7), "content");
    } else {
      EXPECT_TRUE(client.TakeFd().valid());
    }
    ask("far/trouble", 2);
    remote.End("far/trouble", absl::ResourceExhaustedError("the origin is out of order"));
    const ServerMessage trouble = client.Next();
    EXPECT_TRUE(trouble.Refuses(Status::kUnavailable));
    EXPECT_EQ(trouble.metadata.error, "the origin is out of order");
    ask("far/absent", 3);
    remote.End("far/absent", absl::NotFoundError("nor there"));
    EXPECT_TRUE(client.Next().Refuses(Status::kNotFound));
  }
}

// What is here is not handed out before it has been compared with what is there, whatever is asked
// for; if that cannot be done, it is not handed out at all.
TEST_P(PasserTest, ChecksWhatIsHere) {
  ASSERT_EQ(mkdir(folder_.Path("far").c_str(), 0755), 0);
  storage::FakeRemote remote(folder_.path());
  Start();
  tree_->SetRemote(&remote);
  uint32_t id = 0;
  for (const Mode mode : {Mode::kFdPass, Mode::kCopy, Mode::kStat}) {
    SCOPED_TRACE(static_cast<int>(mode));
    ClientEnd client = Connect(Dialect::kV2, kInHeader);
    const std::string name = absl::StrCat("far/", static_cast<int>(mode));
    folder_.Write(name, "old");
    const auto ask = [&] {
      client.Send(RequestBytes(Dialect::kV2, {.mode = mode, .uri = name, .id = ++id}));
    };
    const auto expect = [&](absl::string_view content) {
      const ServerMessage answer = client.Next();
      ASSERT_EQ(answer.status, Status::kOk) << answer.metadata.error.value_or("");
      if (mode == Mode::kStat) {
        EXPECT_EQ(answer.metadata.size, content.size());
      } else if (mode == Mode::kCopy) {
        EXPECT_EQ(client.Body(content.size()), content);
      } else {
        EXPECT_EQ(answer.content_length, content.size());
        EXPECT_TRUE(client.TakeFd().valid());
      }
    };
    const auto is_asked = [&] { return net::Eventually([&] { return !remote.Asked().empty(); }); };
    for (int i = 0; i < 2; ++i) {
      ask();
      expect("old");
    }
    remote.SetDue(name, true);
    ask();
    ASSERT_TRUE(is_asked());
    tree_->NoteChange();  // as by whoever puts it there
    remote.Brought(name, "another");
    expect("another");
    ask();
    ASSERT_TRUE(is_asked());
    remote.End(name, net::WithRetryAfter(absl::ResourceExhaustedError("the origin is out of order"),
                                         absl::Milliseconds(4321)));
    const ServerMessage trouble = client.Next();
    EXPECT_TRUE(trouble.Refuses(Status::kUnavailable));
    EXPECT_EQ(trouble.metadata.error, "the origin is out of order");
    EXPECT_EQ(trouble.metadata.retry_after_ms, 4321u);
    remote.SetDue(name, false);
    ask();
    expect("another");
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, PasserTest, testing::ValuesIn(kEngineKinds), NameOf);

}  // namespace
}  // namespace objmapper::loop
