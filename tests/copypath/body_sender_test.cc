// Objects and the ways of their bytes, on a real tree and real sockets: what a loop asks for, with
// the loop's part played by the test.
#include "copypath/body_sender.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/copypath/body_sender_fixture.h"
#include "tests/copypath/pattern.h"

namespace objmapper::copypath {
namespace {

using Composed = BodySender::Composed;
using Step = BodySender::Step;

// The same name is the same object while it is believed, another one once it was forgotten, and an
// error where there is none.
TEST_F(BodySenderTest, ObjectsAreFoundAgain) {
  scratch_.Write("a", "small");
  const ObjectRef first = Find("a");
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->small());
  EXPECT_EQ(Find("a").get(), first.get());
  EXPECT_EQ(objects_->counters().misses, 1u);
  EXPECT_EQ(objects_->counters().hits, 1u);
  objects_->Forget(first.get());
  EXPECT_NE(Find("a").get(), first.get());
  // Of a name that the kernel's caches do not know the pool learns it, the second time they do.
  const ObjectRef none = Find("none");
  ASSERT_TRUE(none);
  EXPECT_EQ(none->error().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(objects_->Lookup("none", now_ns_).status().code(), absl::StatusCode::kNotFound);
}

// One that is opened apart is loaded by the pool, tells who waits, and is in no cache.
TEST_F(BodySenderTest, OneOpenedApartIsNobodyElses) {
  scratch_.Write("a", "small");
  const ObjectRef apart = objects_->OpenApart("a");
  EXPECT_EQ(apart->state(), CachedObject::State::kLoading);
  EXPECT_TRUE(objects_->working());
  apart->Await(this);
  apart->Await(this);
  ASSERT_TRUE(TakeOne());
  EXPECT_EQ(told_, 1);
  EXPECT_FALSE(objects_->working());
  EXPECT_EQ(apart->state(), CachedObject::State::kReady);
  EXPECT_NE(Find("a").get(), apart.get());
}

// A small object goes whole, from its copy.
TEST_F(BodySenderTest, SmallObjectsAreGathered) {
  scratch_.Write("a", "small");
  const ObjectRef object = Find("a");
  const protocol::Request request = Get(protocol::Mode::kCopy);
  EXPECT_TRUE(sender_->IsReady(request, object.get(), now_ns_));
  EXPECT_EQ(sender_->Compose(protocol::Dialect::kV2, request, object, &out_, now_ns_),
            Composed::kGathered);
  EXPECT_FALSE(sender_->busy());
  EXPECT_EQ(out_.answers(), 1u);
  EXPECT_GT(out_.bytes(), 5u);
}

// Moved or from a mapping, over both kinds of sockets: the peer gets the object's bytes, once.
TEST_F(BodySenderTest, LargeBodiesArriveWhole) {
  const std::string content = Pattern(3 * 1024 * 1024 + 17, 7);
  scratch_.Write("large", content);
  for (const bool unix_socket : {true, false}) {
    for (const uint64_t bytes_min : {uint64_t{16 * 1024}, uint64_t{1} << 40}) {
      options_.sendfile_bytes_min = bytes_min;
      Connect(unix_socket ? net::SocketPair::Unix() : net::SocketPair::Tcp(), unix_socket);
      const ObjectRef object = Find("large");
      const protocol::Request request = Get(protocol::Mode::kCopy);
      while (!sender_->IsReady(request, object.get(), now_ns_)) ASSERT_TRUE(TakeOne());
      ASSERT_EQ(sender_->Compose(protocol::Dialect::kV2, request, object, &out_, now_ns_),
                Composed::kGathered);
      ASSERT_TRUE(sender_->busy());
      EXPECT_EQ(sender_->moves(), unix_socket && bytes_min < content.size());
      std::string read;
      const Step last = SendAll(&read, content.size());
      EXPECT_EQ(last, sender_->moves() ? Step::kMoved : Step::kGathered);
      sender_->mover().End();
      if (read.size() < content.size())
        read += net::ReadBytes(pair_.peer.get(), content.size() - read.size());
      EXPECT_TRUE(read == content) << read.size();
      out_.Clear();
    }
  }
}

// An object that is cut while it is sent breaks its body off; one that was changed before its body
// begins is to be looked up again.
TEST_F(BodySenderTest, WhatChangesIsNotMadeUp) {
  scratch_.Write("large", Pattern(1024 * 1024, 1));
  const protocol::Request request = Get(protocol::Mode::kCopy);
  ObjectRef object = Find("large");
  while (!sender_->IsReady(request, object.get(), now_ns_)) ASSERT_TRUE(TakeOne());
  ASSERT_EQ(sender_->Compose(protocol::Dialect::kV2, request, object, &out_, now_ns_),
            Composed::kGathered);
  ASSERT_EQ(sender_->Continue(&out_, now_ns_), Step::kFull);
  scratch_.Write("large", "cut");
  EXPECT_EQ(sender_->Continue(&out_, now_ns_), Step::kBroken);
  EXPECT_NE(sender_->why(), "");

  Connect(net::SocketPair::Unix(), /*unix_socket=*/true);
  scratch_.Write("other", Pattern(1024 * 1024, 2));
  object = Find("other");
  scratch_.Write("other", Pattern(1024 * 1024 + 1, 3));
  EXPECT_EQ(sender_->Compose(protocol::Dialect::kV2, request, object, &out_, ++now_ns_),
            Composed::kChanged);
}

// A range past the end is an error, and that is the whole answer.
TEST_F(BodySenderTest, ARangePastTheEndIsAnError) {
  scratch_.Write("large", Pattern(1024 * 1024, 1));
  protocol::Request request = Get(protocol::Mode::kCopy);
  request.flags = protocol::kFlagRange;
  request.offset = 2 * 1024 * 1024;
  const ObjectRef object = Find("large");
  EXPECT_TRUE(sender_->IsReady(request, object.get(), now_ns_));
  EXPECT_EQ(sender_->Compose(protocol::Dialect::kV2, request, object, &out_, now_ns_),
            Composed::kGathered);
  EXPECT_FALSE(sender_->busy());
  ASSERT_EQ(out_.answers(), 1u);
  EXPECT_EQ(out_.receipts()[0].status, protocol::Status::kRangeNotSatisfiable);
}

// A body whose reader has gone says so.
TEST_F(BodySenderTest, APeerThatHasGoneIsTold) {
  scratch_.Write("large", Pattern(1024 * 1024, 1));
  const protocol::Request request = Get(protocol::Mode::kCopy);
  const ObjectRef object = Find("large");
  while (!sender_->IsReady(request, object.get(), now_ns_)) ASSERT_TRUE(TakeOne());
  ASSERT_EQ(sender_->Compose(protocol::Dialect::kV2, request, object, &out_, now_ns_),
            Composed::kGathered);
  pair_.peer.Reset();
  EXPECT_EQ(sender_->Continue(&out_, now_ns_), Step::kGone);
}

}  // namespace
}  // namespace objmapper::copypath
