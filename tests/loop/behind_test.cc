// Objects that are on their way here, sent by a loop as they come.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/loop/loop_fixture.h"
#include "tests/net/eventually.h"
#include "tests/storage/fake_filling.h"
#include "tests/storage/fake_remote.h"

namespace objmapper::loop {
namespace {

using session::RequestBytes;
using storage::FakeFilling;

constexpr size_t kBytes = 3'000'000;

class BehindTest : public LoopTest {
 protected:
  void Begin() {
    ASSERT_EQ(mkdir(folder_.Path("far").c_str(), 0755), 0);
    Start();
    tree_->SetRemote(&remote_);
    remote_.Show("far/a", filling_);
  }
  static std::string Ask(absl::string_view uri, uint32_t id, Mode mode = Mode::kCopy,
                         uint8_t flags = 0) {
    return RequestBytes(Dialect::kV2, {.mode = mode, .uri = uri, .id = id, .flags = flags});
  }
  // Until the loop has asked for it.
  void AwaitAsked(size_t times = 1) {
    EXPECT_TRUE(net::Eventually([&] { return filling_->wanted().size() >= times; }));
  }

  const std::string content_ = std::string(kBytes / 2, 'a') + std::string(kBytes / 2, 'b');
  const std::shared_ptr<FakeFilling> filling_ = std::make_shared<FakeFilling>(content_);
  storage::FakeRemote remote_{folder_.path()};
};

// From its first bytes to its last, in each mode that sends bytes.
TEST_P(BehindTest, GoesAsItComes) {
  Begin();
  for (const Mode mode : {Mode::kCopy, Mode::kSplice}) {
    SCOPED_TRACE(static_cast<int>(mode));
    const std::string name = absl::StrCat("far/", static_cast<int>(mode));
    const auto filling = std::make_shared<FakeFilling>(content_);
    remote_.Show(name, filling);
    ClientEnd client = Connect(Dialect::kV2);
    client.Send(Ask(name, 7, mode));
    EXPECT_TRUE(net::Eventually([&] { return filling->awaiting() == 1; }));
    filling->Show(0, 1000);
    const ServerMessage answer = client.Next();
    EXPECT_EQ(answer.status, Status::kOk);
    EXPECT_EQ(answer.id, 7u);
    EXPECT_EQ(answer.content_length, kBytes);
    EXPECT_TRUE(client.Body(1000) == content_.substr(0, 1000));
    constexpr size_t kStep = 499'000;
    size_t at = 1000;
    for (; at + kStep < kBytes; at += kStep) {
      filling->Show(0, at + kStep);
      EXPECT_TRUE(client.Body(kStep) == content_.substr(at, kStep));
    }
    filling->End(absl::OkStatus());
    EXPECT_TRUE(client.Body(kBytes - at) == content_.substr(at));
    // The connection goes on.
    client.Send(Ask(name, 8, mode));
    ExpectBody(&client, 8, content_);
  }
}

// What fails in the middle is visibly cut.
TEST_P(BehindTest, WhatFailsIsCut) {
  Begin();
  ClientEnd client = Connect(Dialect::kV2);
  client.Send(Ask("far/a", 1));
  filling_->Show(0, kBytes - 1);
  EXPECT_EQ(client.Next().content_length, kBytes);
  EXPECT_EQ(client.Body(kBytes - 1).size(), kBytes - 1);
  filling_->End(absl::DataLossError("its checksum is not the origin's"));
  EXPECT_EQ(client.Body(1), "");
  EXPECT_TRUE(net::Eventually([this] { return loop_->load() == 0; }));
}

// What fails before its first byte is an error, and the connection goes on; another version that
// has come instead is what is sent.
TEST_P(BehindTest, WhatFailsEarly) {
  Begin();
  ClientEnd client = Connect(Dialect::kV2);
  client.Send(Ask("far/a", 1));
  AwaitAsked();
  filling_->End(absl::ResourceExhaustedError("the origin is out of order"));
  const ServerMessage trouble = client.Next();
  EXPECT_TRUE(trouble.Refuses(Status::kUnavailable));
  EXPECT_EQ(trouble.metadata.error, "the origin is out of order");

  const auto old_one = std::make_shared<FakeFilling>(content_);
  const auto new_one = std::make_shared<FakeFilling>("the new version");
  remote_.Show("far/b", old_one);
  client.Send(Ask("far/b", 2));
  EXPECT_TRUE(net::Eventually([&] { return old_one->awaiting() == 1; }));
  remote_.Show("far/b", new_one);
  new_one->End(absl::OkStatus());
  old_one->End(absl::AbortedError("it has changed"));
  ExpectBody(&client, 2, "the new version");
}

// Others on the connection overtake it where they may, and others on the loop do.
TEST_P(BehindTest, HoldsNobodyUp) {
  folder_.Write("near", "what near holds");
  Begin();
  ClientEnd client = Connect(Dialect::kV2);
  ClientEnd other = Connect(Dialect::kV2);
  client.Send(Ask("far/a", 1));
  AwaitAsked();
  client.Send(Ask("near", 2));
  ExpectBody(&client, 2, "what near holds");
  other.Send(Ask("near", 3));
  ExpectBody(&other, 3, "what near holds");
  filling_->End(absl::OkStatus());
  ExpectBody(&client, 1, content_);
}

// Who waits for the origin is not late, however late others are.
TEST_P(BehindTest, WaitingIsNotLate) {
  limits_.request_timeout = absl::Milliseconds(50);
  Begin();
  // So short that its rest is in the socket at once: nobody has to read in time.
  const auto filling = std::make_shared<FakeFilling>("a few bytes");
  remote_.Show("far/b", filling);
  ClientEnd client = Connect(Dialect::kV2);
  client.Send(Ask("far/b", 1));
  filling->Show(0, 5);
  EXPECT_EQ(client.Next().content_length, 11u);
  EXPECT_EQ(client.Body(5), "a few");
  for (int i = 0; i < 3; ++i) {
    ClientEnd late = Connect(Dialect::kV2);
    late.Send(Ask("far/a", 2).substr(0, 5));
    EXPECT_TRUE(
        net::Eventually([&] { return counters_.timed_out == static_cast<uint64_t>(i + 1); }));
  }
  filling->End(absl::OkStatus());
  EXPECT_EQ(client.Body(6), " bytes");
}

// STAT is told as soon as it is known what comes, and has nothing fetched.
TEST_P(BehindTest, StatHasNothingFetched) {
  Begin();
  ClientEnd client = Connect(Dialect::kV2);
  client.Send(Ask("far/a", 1, Mode::kStat));
  const ServerMessage stat = client.Next();
  EXPECT_EQ(stat.status, Status::kOk);
  EXPECT_EQ(stat.metadata.size, kBytes);
  EXPECT_EQ(stat.metadata.etag, "v1");
  EXPECT_TRUE(filling_->wanted().empty());
  ASSERT_EQ(remote_.Followed().size(), 1u);
  EXPECT_EQ(remote_.Followed()[0].end, 0u);
}

// A reader that goes while it waits leaves nothing behind (the fixture looks); the others go on.
TEST_P(BehindTest, AReaderThatGoes) {
  Begin();
  ClientEnd goes = Connect(Dialect::kV2);
  ClientEnd stays = Connect(Dialect::kV2);
  goes.Send(Ask("far/a", 1));
  stays.Send(Ask("far/a", 2));
  filling_->Show(0, 1000);
  EXPECT_EQ(goes.Next().content_length, kBytes);
  EXPECT_EQ(stays.Next().content_length, kBytes);
  goes.Close();
  // It might only have said all that it will: what is sent next tells.
  filling_->End(absl::OkStatus());
  EXPECT_TRUE(net::Eventually([this] { return loop_->load() == 1; }));
  EXPECT_TRUE(stays.Body(kBytes) == content_);
}

// A descriptor of what others are reading while it comes is passed when it is here whole.
TEST_P(BehindTest, ADescriptorWaitsForAll) {
  options_.lane = std::nullopt;
  options_.in_place = true;
  Begin();
  ClientEnd client = Connect(Dialect::kV2, protocol::kFreeCapabilities | protocol::kFdInHeader);
  client.Send(Ask("far/a", 1));
  filling_->Show(0, 1000);
  EXPECT_EQ(client.Next().content_length, kBytes);
  ClientEnd other = Connect(Dialect::kV2, protocol::kFreeCapabilities | protocol::kFdInHeader);
  other.Send(Ask("far/a", 2, Mode::kFdPass));
  EXPECT_TRUE(net::Eventually([&] { return !remote_.Asked().empty(); }));
  filling_->End(absl::OkStatus());
  EXPECT_TRUE(client.Body(kBytes) == content_);
  remote_.Brought("far/a", content_);
  const ServerMessage answer = other.Next();
  EXPECT_EQ(answer.status, Status::kOk) << answer.metadata.error.value_or("");
  EXPECT_EQ(answer.content_length, kBytes);
  EXPECT_TRUE(other.TakeFd().valid());
}

INSTANTIATE_TEST_SUITE_P(Engines, BehindTest, testing::ValuesIn(kEngineKinds), NameOf);

}  // namespace
}  // namespace objmapper::loop
