// Bodies of objects that are on their way here: what is readable goes, what is not is waited for,
// and what will not come breaks the body off.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "protocol/http/ask.h"
#include "tests/copypath/body_sender_fixture.h"
#include "tests/copypath/pattern.h"
#include "tests/storage/fake_filling.h"
#include "tests/storage/fake_remote.h"

namespace objmapper::copypath {
namespace {

using Composed = BodySender::Composed;
using Step = BodySender::Step;
using Parts = std::vector<std::pair<uint64_t, uint64_t>>;
using protocol::Dialect;
using protocol::Mode;

constexpr size_t kBytes = 1'000'000;

class BodyBehindTest : public BodySenderTest {
 protected:
  void SetUp() override {
    BodySenderTest::SetUp();
    ASSERT_EQ(mkdir(scratch_.PathOf("far").c_str(), 0755), 0);
    tree_->SetRemote(&remote_);
    remote_.Show("far/a", filling_);
  }
  // Nobody waits any more.
  void TearDown() override {
    filling_->End(absl::ResourceExhaustedError("the test is over"));
    while (objects_->working() && TakeOne()) {
    }
    BodySenderTest::TearDown();
  }
  static protocol::Request Range(uint64_t offset, uint64_t length) {
    protocol::Request request;
    request.mode = Mode::kCopy;
    request.flags = protocol::kFlagRange;
    request.offset = offset;
    request.length = length;
    return request;
  }
  static protocol::Request HttpGet(absl::string_view name, absl::string_view value) {
    auto conditions = std::make_shared<protocol::http::Ask::Conditions>();
    conditions->fields.push_back({name, value});
    auto ask = std::make_shared<protocol::http::Ask>();
    ask->method = protocol::http::Ask::Method::kGet;
    ask->path = "far/a";
    ask->conditions = std::move(conditions);
    protocol::Request request;
    request.mode = Mode::kCopy;
    request.http = std::move(ask);
    return request;
  }
  // The answer's beginning, which is sent.
  std::string Begin(Dialect dialect, const protocol::Request& request, const ObjectRef& object) {
    EXPECT_TRUE(sender_->IsReady(request, object.get(), now_ns_));
    EXPECT_EQ(sender_->Compose(dialect, request, object, &out_, now_ns_), Composed::kGathered);
    return TakeGathered(&out_);
  }
  // What of the body can go now, which is sent; what came of the last step.
  std::string GoOn(Step* last) {
    std::string read;
    while (sender_->busy()) {
      *last = sender_->Continue(&out_, now_ns_);
      if (out_.empty()) break;
      read += TakeGathered(&out_);
    }
    return read;
  }

  storage::FakeRemote remote_{scratch_.path()};
  const std::string content_ = Pattern(kBytes, 1);
  const std::shared_ptr<storage::FakeFilling> filling_ =
      std::make_shared<storage::FakeFilling>(content_);
};

// As it comes, to whoever waits for it; the end when it is known to be good.
TEST_F(BodyBehindTest, GoesAsItComes) {
  const protocol::Request request = Get(Mode::kCopy);
  const ObjectRef object = Find("far/a");
  ASSERT_EQ(object->state(), CachedObject::State::kReady);
  EXPECT_EQ(object->size(), kBytes);
  EXPECT_FALSE(sender_->IsReady(request, object.get(), now_ns_)) << "nothing of it is here";
  EXPECT_EQ(filling_->wanted(), (Parts{{0, kBytes}}));
  EXPECT_EQ(told_, 0);
  filling_->Show(0, 300'000);
  ASSERT_TRUE(TakeOne());
  EXPECT_EQ(told_, 1);
  EXPECT_FALSE(Begin(Dialect::kV2, request, object).empty());
  EXPECT_FALSE(sender_->moves());
  Step last;
  std::string read = GoOn(&last);
  EXPECT_EQ(last, Step::kStop);
  EXPECT_TRUE(read == content_.substr(0, 300'000));
  // All that there is, but for the last block.
  filling_->Show(0, kBytes - 1);
  ASSERT_TRUE(TakeOne());
  EXPECT_EQ(told_, 2);
  read += GoOn(&last);
  EXPECT_EQ(last, Step::kStop);
  EXPECT_EQ(read.size(), kBytes - 1);
  EXPECT_TRUE(sender_->busy());
  filling_->End(absl::OkStatus());
  ASSERT_TRUE(TakeOne());
  EXPECT_EQ(sender_->Continue(&out_, now_ns_), Step::kGathered);
  EXPECT_EQ(out_.answers(), 1u);
  EXPECT_FALSE(sender_->busy());
  EXPECT_TRUE(read + TakeGathered(&out_) == content_);
}

// SPLICE of what is not here is read as COPY is: its pages may be a hole.
TEST_F(BodyBehindTest, SpliceIsRead) {
  filling_->Show(0, kBytes);
  const protocol::Request request = Get(Mode::kSplice);
  const ObjectRef object = Find("far/a");
  EXPECT_FALSE(sender_->NeedsThread(request, object.get(), now_ns_));
  Begin(Dialect::kV2, request, object);
  Step last;
  EXPECT_TRUE(GoOn(&last) == content_);
  EXPECT_FALSE(sender_->busy());
}

// What fails in the middle is cut, and says why; what has failed before its first byte is an error,
// or where another version has come is looked up again.
TEST_F(BodyBehindTest, WhatFails) {
  const protocol::Request request = Get(Mode::kCopy);
  filling_->Show(0, 1000);
  const ObjectRef object = Find("far/a");
  Begin(Dialect::kV2, request, object);
  Step last;
  EXPECT_EQ(GoOn(&last).size(), 1000u);
  EXPECT_EQ(last, Step::kStop);
  filling_->End(absl::DataLossError("its checksum is not the origin's"));
  EXPECT_EQ(sender_->Continue(&out_, now_ns_), Step::kBroken);
  EXPECT_EQ(sender_->why(), "its checksum is not the origin's");
  EXPECT_TRUE(out_.empty());

  Connect(net::SocketPair::Unix(), /*unix_socket=*/true);
  EXPECT_TRUE(sender_->IsReady(request, object.get(), now_ns_));
  EXPECT_EQ(sender_->Compose(Dialect::kV2, request, object, &out_, now_ns_), Composed::kGathered);
  ASSERT_EQ(out_.answers(), 1u);
  EXPECT_EQ(out_.receipts()[0].status, protocol::Status::kStorageError);
  EXPECT_TRUE(absl::StrContains(TakeGathered(&out_), "its checksum"));
  EXPECT_FALSE(sender_->busy());

  const auto replaced = std::make_shared<storage::FakeFilling>(content_);
  remote_.Show("far/b", replaced);
  const ObjectRef other = Find("far/b");
  EXPECT_FALSE(sender_->IsReady(request, other.get(), now_ns_));
  replaced->End(absl::AbortedError("it has changed"));
  EXPECT_TRUE(sender_->IsReady(request, other.get(), now_ns_));
  EXPECT_EQ(sender_->Compose(Dialect::kV2, request, other, &out_, now_ns_), Composed::kChanged);
  EXPECT_TRUE(out_.empty());
}

// A range waits for its own bytes, and wants no others.
TEST_F(BodyBehindTest, Ranges) {
  const protocol::Request request = Range(500'000, 1000);
  EXPECT_EQ(WantedBy(request).begin, 500'000u);
  EXPECT_EQ(WantedBy(request).end, 501'000u);
  const ObjectRef object = Find("far/a");
  filling_->Show(0, 500'000);
  EXPECT_FALSE(sender_->IsReady(request, object.get(), now_ns_));
  EXPECT_EQ(filling_->wanted(), (Parts{{500'000, 501'000}}));
  filling_->Show(400'000, 500'999);
  ASSERT_TRUE(TakeOne());
  Begin(Dialect::kV2, request, object);
  Step last;
  EXPECT_TRUE(GoOn(&last) == content_.substr(500'000, 999));
  filling_->Show(400'000, 600'000);
  EXPECT_TRUE(GoOn(&last) == content_.substr(500'999, 1));
  EXPECT_EQ(last, Step::kGathered);
  // Past its end; that needs no bytes.
  Begin(Dialect::kV2, Range(kBytes + 1, 1), object);
  EXPECT_FALSE(sender_->busy());
}

// Several ranges: all are wanted at once, and each goes when it is here.
TEST_F(BodyBehindTest, SeveralParts) {
  const protocol::Request request = HttpGet("range", "bytes=700000-700009,10-19,-5");
  const ObjectRef object = Find("far/a");
  EXPECT_FALSE(sender_->IsReady(request, object.get(), now_ns_));
  filling_->Show(700'000, 700'010);
  ASSERT_TRUE(TakeOne());
  std::string read = Begin(Dialect::kHttp, request, object);
  EXPECT_EQ(filling_->wanted(),
            (Parts{{700'000, 700'010}, {700'000, 700'010}, {10, 20}, {kBytes - 5, kBytes}}));
  Step last;
  read += GoOn(&last);
  EXPECT_EQ(last, Step::kStop);
  EXPECT_TRUE(absl::StrContains(read, content_.substr(700'000, 10)));
  filling_->End(absl::OkStatus());
  ASSERT_TRUE(TakeOne());
  read = GoOn(&last);
  EXPECT_EQ(last, Step::kGathered);
  EXPECT_TRUE(absl::StrContains(read, content_.substr(10, 10)));
  EXPECT_TRUE(absl::StrContains(read, content_.substr(kBytes - 5)));
  EXPECT_FALSE(sender_->busy());
}

// What needs no bytes is answered before there are any, and has none fetched.
TEST_F(BodyBehindTest, WhatNeedsNoBytes) {
  const protocol::Request same = HttpGet("if-none-match", "\"v1\"");
  EXPECT_EQ(WantedBy(same).end, 0u);
  const ObjectRef object = Find("far/a");
  EXPECT_TRUE(absl::StartsWith(Begin(Dialect::kHttp, same, object), "HTTP/1.1 304 "));
  protocol::Request v2 = Get(Mode::kCopy);
  auto conditions = std::make_shared<protocol::Conditions>();
  conditions->if_none_match = "v1";
  v2.conditions = std::move(conditions);
  Begin(Dialect::kV2, v2, object);
  EXPECT_FALSE(sender_->busy());
  EXPECT_TRUE(absl::StartsWith(Begin(Dialect::kHttp, HttpGet("if-match", "\"v2\""), object),
                               "HTTP/1.1 412 "));
  EXPECT_EQ(filling_->wanted(), Parts());
  EXPECT_FALSE(sender_->IsReady(HttpGet("if-none-match", "\"v2\""), object.get(), now_ns_));
  EXPECT_EQ(filling_->wanted(), (Parts{{0, kBytes}}));
}

// However many wait for the same bytes, the flight is asked once.
TEST_F(BodyBehindTest, ManyWaitAsOne) {
  const protocol::Request request = Get(Mode::kCopy);
  const ObjectRef object = Find("far/a");
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(sender_->IsReady(request, object.get(), now_ns_));
  EXPECT_EQ(filling_->awaiting(), 1u);
  EXPECT_FALSE(sender_->IsReady(Range(5, 1), object.get(), now_ns_));
  EXPECT_EQ(filling_->awaiting(), 2u);
  filling_->Show(0, 1);
  ASSERT_TRUE(TakeOne());
  EXPECT_EQ(told_, 1);
  EXPECT_EQ(filling_->awaiting(), 1u);
}

// One that is on its way is kept for those who ask meanwhile; what has become of it is looked for
// anew, and no longer than for a sweep is it kept for nobody.
TEST_F(BodyBehindTest, KeptForItsTime) {
  const ObjectRef object = Find("far/a");
  EXPECT_EQ(Find("far/a").get(), object.get());
  EXPECT_EQ(remote_.Followed().size(), 1u);
  objects_->DropNameless();
  EXPECT_TRUE(objects_->empty());
  const ObjectRef again = Find("far/a");
  EXPECT_NE(again.get(), object.get());
  EXPECT_EQ(remote_.Followed().size(), 2u);
  // As it is when it has been published.
  scratch_.Write("far/a", content_);
  filling_->End(absl::OkStatus());
  const ObjectRef here = Find("far/a");
  EXPECT_EQ(here->filling(), nullptr);
  EXPECT_EQ(here->size(), kBytes);
}

// Nor are many, nor one that nothing is wanted of.
TEST_F(BodyBehindTest, FewAreKept) {
  // A cache that would keep them all.
  objects_.emplace(Objects::Options{&*tree_, &*pool_, &*pool_, 1000, absl::Hours(1), 16 * 1024},
                   [this](Objects::Work* work) { done_.Put(work); });
  for (int i = 0; i < 200; ++i) {
    const std::string name = absl::StrCat("far/", i);
    remote_.Show(name, filling_);
    Find(name);
    remote_.Show(name, nullptr);
  }
  EXPECT_FALSE(objects_->empty());
  EXPECT_TRUE(net::Eventually([this] { return filling_.use_count() < 80; }));
  objects_->DropNameless();
  ASSERT_TRUE(objects_->empty());
  absl::StatusOr<ObjectRef> asked = objects_->Lookup("far/a", now_ns_, storage::Wanted::Nothing());
  ASSERT_TRUE(asked.ok());
  ASSERT_TRUE(TakeOne());
  EXPECT_EQ((*asked)->size(), kBytes);
  EXPECT_TRUE(objects_->empty());
}

// A descriptor is for what is here whole.
TEST_F(BodyBehindTest, ApartIsWhole) {
  const ObjectRef apart = objects_->OpenApart("far/a");
  EXPECT_TRUE(net::Eventually([&] { return !remote_.Asked().empty(); }));
  EXPECT_EQ(apart->state(), CachedObject::State::kLoading);
  remote_.Brought("far/a", "whole");
  ASSERT_TRUE(TakeOne());
  EXPECT_EQ(apart->filling(), nullptr);
  EXPECT_EQ(apart->size(), 5u);
}

// What is foreseen of a request before anything is known of its object.
TEST(WantedByTest, WhatIsForeseen) {
  const auto of = [](absl::string_view range) {
    auto conditions = std::make_shared<protocol::http::Ask::Conditions>();
    conditions->fields.push_back({"range", range});
    auto ask = std::make_shared<protocol::http::Ask>();
    ask->method = protocol::http::Ask::Method::kGet;
    ask->conditions = std::move(conditions);
    protocol::Request request;
    request.mode = Mode::kCopy;
    request.http = std::move(ask);
    const storage::Wanted wanted = WantedBy(request);
    return std::make_pair(wanted.begin, wanted.end);
  };
  const std::pair<uint64_t, uint64_t> nothing(0, 0);
  EXPECT_EQ(of("bytes=10-19"), std::make_pair(uint64_t{10}, uint64_t{20}));
  EXPECT_EQ(of("bytes=100-"), std::make_pair(uint64_t{100}, UINT64_MAX));
  EXPECT_EQ(of("bytes=0-"), std::make_pair(uint64_t{0}, UINT64_MAX));
  EXPECT_EQ(of("bytes=30-39,10-19"), std::make_pair(uint64_t{30}, uint64_t{40}));
  EXPECT_EQ(of("bytes=-5"), nothing);
  EXPECT_EQ(of("lines=1-2"), std::make_pair(uint64_t{0}, UINT64_MAX));
  protocol::Request stat;
  stat.mode = Mode::kStat;
  EXPECT_EQ(WantedBy(stat).end, 0u);
  stat.mode = Mode::kCopy;
  EXPECT_TRUE(WantedBy(stat).all());
  stat.flags = protocol::kFlagRange;
  stat.offset = 7;
  EXPECT_EQ(WantedBy(stat).begin, 7u);
  EXPECT_EQ(WantedBy(stat).end, UINT64_MAX);
  stat.length = UINT64_MAX;
  EXPECT_EQ(WantedBy(stat).end, UINT64_MAX);
}

}  // namespace
}  // namespace objmapper::copypath
