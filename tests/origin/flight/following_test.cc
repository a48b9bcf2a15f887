// Those who read an object while it comes, all of it or a part: each byte leaves the origin once,
// whoever reads it, and nobody has a whole body that is not the origin's.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/origin/flight/flights_fixture.h"

namespace objmapper::origin {
namespace {

using storage::Filling;
using storage::Wanted;
using testing::Fault;

class FollowingTest : public FlightsTest {
 protected:
  using Followed = absl::StatusOr<std::shared_ptr<Filling>>;

  // Asks for it, and waits until it is known what comes.
  Followed Follow(absl::string_view uri, const Wanted& wanted = {}) {
    const auto known = std::make_shared<std::promise<Followed>>();
    flights_->Follow(uri, wanted,
                     [known](Followed filling) { known->set_value(std::move(filling)); });
    return known->get_future().get();
  }
  // The same, where something is to come.
  std::shared_ptr<Filling> MustFollow(absl::string_view uri, const Wanted& wanted = {}) {
    const Followed filling = Follow(uri, wanted);
    EXPECT_TRUE(filling.ok()) << filling.status();
    EXPECT_TRUE(!filling.ok() || *filling != nullptr) << "it is here";
    return filling.value_or(nullptr);
  }
  struct Came {
    std::string bytes;
    absl::Status status;  // OK: all of them
  };
  // Reads [begin, end) as it comes.
  static Came Read(Filling* filling, uint64_t begin = 0, uint64_t end = UINT64_MAX) {
    end = std::min(end, filling->description().size);
    filling->Want(begin, end);
    Came came;
    while (begin < end) {
      const std::optional<absl::Status> ended = filling->ended();
      if (ended.has_value() && !ended->ok()) {
        came.status = *ended;
        return came;
      }
      const uint64_t bytes = std::min(filling->ReadableFrom(begin), end - begin);
      if (bytes == 0) {
        const auto more = std::make_shared<std::promise<void>>();
        filling->Await(begin, [more] { more->set_value(); });
        more->get_future().wait();
        continue;
      }
      std::string piece(bytes, '\0');
      EXPECT_EQ(pread(filling->fd(), piece.data(), bytes, static_cast<off_t>(begin)),
                static_cast<ssize_t>(bytes));
      came.bytes += piece;
      begin += bytes;
    }
    return came;
  }
  void ExpectRead(Filling* filling, absl::string_view content, uint64_t begin = 0,
                  uint64_t end = UINT64_MAX) {
    ASSERT_NE(filling, nullptr);
    const Came came = Read(filling, begin, end);
    EXPECT_TRUE(came.status.ok()) << came.status;
    EXPECT_TRUE(came.bytes == content.substr(begin, end - begin)) << came.bytes.size();
  }
  // Of objects, that have left the origin.
  uint64_t Sent() const {
    uint64_t bytes = 0;
    for (const auto& one : origin_.asked()) bytes += one.status < 300 ? one.bytes : 0;
    return bytes;
  }
  // Nobody reads and nothing comes any more.
  void AwaitRest() {
    EXPECT_TRUE(net::Eventually([this] { return flights_->Read().under_way == 0; }));
  }
};

// A hundred readers, one fetch.
TEST_F(FollowingTest, EachByteOnce) {
  const std::string content = Content(20 * kPart + 5);
  origin_.Put("base/a", content, "\"v1\"");
  std::vector<std::thread> readers;
  for (int i = 0; i < 100; ++i) {
    readers.emplace_back([this, &content] {
      const Followed filling = Follow("far/a");
      ASSERT_TRUE(filling.ok()) << filling.status();
      // Who comes late finds it here.
      if (*filling == nullptr) {
        EXPECT_TRUE(Here("far/a") == content);
        return;
      }
      EXPECT_EQ((*filling)->description().size, content.size());
      EXPECT_EQ((*filling)->description().etag, "v1");
      ExpectRead(filling->get(), content);
    });
  }
  for (std::thread& reader : readers) reader.join();
  AwaitRest();
  EXPECT_TRUE(Here("far/a") == content);
  EXPECT_EQ(origin_.bytes_sent(), content.size());
}

// Nor does it leave once more for who has missed it a moment before it was here.
TEST_F(FollowingTest, WhatIsHereStays) {
  const std::string content = Content(3 * kPart);
  origin_.Put("base/a", content);
  EXPECT_TRUE(Bring("far/a").ok());
  const Followed filling = Follow("far/a", {0, 1});
  ASSERT_TRUE(filling.ok()) << filling.status();
  EXPECT_EQ(*filling, nullptr);
  EXPECT_TRUE(Bring("far/a").ok());
  EXPECT_EQ(origin_.bytes_sent(), content.size());
}

// What has come is read while the rest has not; not the last block, also when it has come.
TEST_F(FollowingTest, FromItsFirstBytes) {
  const std::string content = Content(6 * kPart);
  origin_.Put("base/a", content);
  Gate gate;
  // Of the third part's bytes none but a few.
  origin_.Misbehave("base/a", 3, Fault::Does(100, [&] { gate.Pass(); }));
  SetOrigins("", kSizes, /*parallel=*/1);
  const std::shared_ptr<Filling> filling = MustFollow("far/a");
  ASSERT_NE(filling, nullptr);
  EXPECT_TRUE(Read(filling.get(), 0, 2 * kPart).bytes == content.substr(0, 2 * kPart));
  EXPECT_EQ(filling->ended(), std::nullopt);
  EXPECT_LT(filling->ReadableFrom(0), 3 * kPart);
  EXPECT_FALSE(tree_->OpenObject("far/a", storage::Wait::kMayBlock).ok()) << "it is not here";
  gate.Open();
  ExpectRead(filling.get(), content, 2 * kPart);
  EXPECT_EQ(filling->ended(), absl::OkStatus());
  AwaitRest();
  EXPECT_TRUE(Here("far/a") == content);
}

// One that is not what its origin says: each reader's body is cut, and nothing is kept.
TEST_F(FollowingTest, AWholeThatFailsItsCheckIsCut) {
  const std::string content = Content(5 * kPart);
  origin_.Put("base/a", content);
  origin_.Misbehave("base/a", 0, Fault::Says("x-amz-checksum-crc32c", "AAAAAA=="));
  SetOrigins("", "part=8M block=64K");
  const std::shared_ptr<Filling> filling = MustFollow("far/a");
  ASSERT_NE(filling, nullptr);
  const Came came = Read(filling.get());
  EXPECT_TRUE(absl::IsDataLoss(came.status)) << came.status;
  EXPECT_LE(came.bytes.size(), 4 * kPart);
  EXPECT_TRUE(content.substr(0, came.bytes.size()) == came.bytes);
  AwaitRest();
  EXPECT_TRUE(absl::StrContains(Here("far/a"), "NOT_FOUND"));
  // Nor has a part of it been left.
  EXPECT_TRUE(absl::IsNotFound(PartialObject::Resume(options_, "far/a").status()));
  // Who wants a part of one that comes in one piece has no byte of it.
  origin_.Put("base/b", content.substr(0, 1000));
  origin_.Misbehave("base/b", 0, Fault::Says("x-amz-checksum-crc32c", "AAAAAA=="));
  const Came part = Read(MustFollow("far/b", {0, 10}).get(), 0, 10);
  EXPECT_TRUE(absl::IsDataLoss(part.status)) << part.status;
  EXPECT_EQ(part.bytes, "");
}

// A range moves the blocks that it touches, and no others; what is here is not fetched again, nor
// by another process.
TEST_F(FollowingTest, ARangeMovesItsBlocks) {
  const std::string content = Content(64 * kPart + 9);
  origin_.Put("base/a", content);
  const Wanted wanted{20 * kPart + 5, 21 * kPart + 7};
  ExpectRead(MustFollow("far/a", wanted).get(), content, wanted.begin, wanted.end);
  AwaitRest();
  EXPECT_EQ(origin_.bytes_sent(), 2 * kPart);
  EXPECT_EQ(flights_->Read().left, 1u);
  EXPECT_FALSE(tree_->OpenObject("far/a", storage::Wait::kMayBlock).ok()) << "it is not here";

  for (int i = 0; i < 2; ++i) {
    // A byte says that it is still this version.
    const uint64_t before = origin_.bytes_sent();
    ExpectRead(MustFollow("far/a", wanted).get(), content, wanted.begin, wanted.end);
    AwaitRest();
    EXPECT_LE(origin_.bytes_sent() - before, 1u);
    Restart();
  }
  // Then its end, and the whole.
  uint64_t before = origin_.bytes_sent();
  ExpectRead(MustFollow("far/a", {64 * kPart, UINT64_MAX}).get(), content, 64 * kPart);
  AwaitRest();
  EXPECT_EQ(origin_.bytes_sent() - before, 9u);
  before = origin_.bytes_sent();
  EXPECT_TRUE(Bring("far/a").ok());
  EXPECT_TRUE(Here("far/a") == content);
  EXPECT_EQ(origin_.bytes_sent() - before, content.size() - 2 * kPart - 9);
}

// What is left of a version that there is no more is of no use.
TEST_F(FollowingTest, LeftBlocksOfAnotherVersion) {
  const std::string old_one = Content(10 * kPart, 1), new_one = Content(9 * kPart, 2);
  origin_.Put("base/a", old_one);
  ExpectRead(MustFollow("far/a", {0, 10}).get(), old_one, 0, 10);
  AwaitRest();
  origin_.Put("base/a", new_one);
  ExpectRead(MustFollow("far/a", {0, 10}).get(), new_one, 0, 10);
  ExpectRead(MustFollow("far/a").get(), new_one);
  AwaitRest();
  EXPECT_TRUE(Here("far/a") == new_one);
}

// Blocks that make the whole in the end are an object, whoever has wanted which.
TEST_F(FollowingTest, AllBlocksAreAnObject) {
  const std::string content = Content(4 * kPart);
  origin_.Put("base/a", content);
  for (const uint64_t block : {3, 1, 0, 2}) {
    const Wanted wanted{block * kPart, (block + 1) * kPart};
    ExpectRead(MustFollow("far/a", wanted).get(), content, wanted.begin, wanted.end);
    AwaitRest();
  }
  EXPECT_EQ(origin_.bytes_sent(), content.size());
  EXPECT_TRUE(Here("far/a") == content);
}

// What it is may be asked for alone; a part of it later, whose place depends on its size.
TEST_F(FollowingTest, WhatItIs) {
  const std::string content = Content(10 * kPart);
  origin_.Put("base/a", content, "\"v7\"");
  const std::shared_ptr<Filling> filling = MustFollow("far/a", Wanted::Nothing());
  ASSERT_NE(filling, nullptr);
  EXPECT_EQ(filling->description().size, content.size());
  EXPECT_EQ(filling->description().etag, "v7");
  ExpectRead(filling.get(), content, content.size() - 5);
  EXPECT_TRUE(net::Eventually([this] { return origin_.bytes_sent() == 1 + kPart; }));
  // One of which there is nothing.
  origin_.Put("base/empty", "");
  const Followed empty = Follow("far/empty", Wanted::Nothing());
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_TRUE(*empty == nullptr || (*empty)->description().size == 0);
}

TEST_F(FollowingTest, BeyondItsEnd) {
  const std::string content = Content(3 * kPart);
  origin_.Put("base/a", content);
  for (const uint64_t begin : {3 * kPart, 100 * kPart, UINT64_MAX - 1}) {
    const std::shared_ptr<Filling> filling = MustFollow("far/a", {begin, UINT64_MAX});
    ASSERT_NE(filling, nullptr);
    EXPECT_EQ(filling->description().size, content.size());
    EXPECT_EQ(filling->ReadableFrom(begin), 0u);
  }
  EXPECT_LE(Sent(), 3u);
  origin_.Put("base/empty", "");
  const Followed empty = Follow("far/empty", {5 * kPart, UINT64_MAX});
  EXPECT_TRUE(empty.ok()) << empty.status();
}

// Whoever wants the whole extends the flight; whoever wants a part of it does not wait for the
// rest.
TEST_F(FollowingTest, WaitersJoinByBlock) {
  const std::string content = Content(10 * kPart);
  origin_.Put("base/a", content);
  Gate gate;
  origin_.Misbehave("base/a", 2, Fault::Does(0, [&] { gate.Pass(); }));
  SetOrigins("", kSizes, /*parallel=*/1);
  const std::shared_ptr<Filling> part = MustFollow("far/a", {0, 1});
  ExpectRead(part.get(), content, 0, kPart);
  std::promise<absl::Status> whole;
  flights_->Bring("far/a", [&](absl::Status status) { whole.set_value(status); });
  EXPECT_TRUE(net::Eventually([&] { return origin_.asked("base/a").size() == 2; }));
  part->Want(7 * kPart, 7 * kPart + 1);
  const std::shared_ptr<Filling> late = MustFollow("far/a", {5 * kPart, 5 * kPart + 1});
  gate.Open();
  EXPECT_TRUE(whole.get_future().get().ok());
  ExpectRead(late.get(), content, 5 * kPart, 6 * kPart);
  std::vector<std::string> asked;
  for (const auto& one : origin_.asked("base/a")) asked.push_back(one.Header("range"));
  ASSERT_EQ(asked.size(), 10u);
  EXPECT_EQ(asked[2], absl::StrCat("bytes=", 5 * kPart, "-", 6 * kPart - 1));
  EXPECT_EQ(asked[3], absl::StrCat("bytes=", 7 * kPart, "-", 8 * kPart - 1));
  EXPECT_EQ(asked[4], absl::StrCat("bytes=", 2 * kPart, "-", 3 * kPart - 1));
  EXPECT_EQ(origin_.bytes_sent(), content.size());
}

// A reader who goes stops nothing; one who does not read holds nothing up.
TEST_F(FollowingTest, DependsOnNoReader) {
  const std::string content = Content(10 * kPart);
  origin_.Put("base/a", content);
  Gate gate;
  origin_.Misbehave("base/a", 2, Fault::Does(0, [&] { gate.Pass(); }));
  const std::shared_ptr<Filling> idle = MustFollow("far/a");
  MustFollow("far/a").reset();
  gate.Open();
  EXPECT_TRUE(Bring("far/a").ok());
  EXPECT_EQ(flights_->Read().begun, 1u);
  ExpectRead(idle.get(), content);
  origin_.Put("base/b", content);
  MustFollow("far/b").reset();
  EXPECT_TRUE(net::Eventually([&] { return flights_->Read().brought == 2; }));
  EXPECT_TRUE(Here("far/b") == content);
}

// Who reads a version that is replaced in the midst of it gets no byte of the other one.
TEST_F(FollowingTest, NeverMixesVersions) {
  const std::string old_one = Content(8 * kPart, 1), new_one = Content(7 * kPart, 2);
  origin_.Put("base/a", old_one);
  origin_.Misbehave("base/a", 3, Fault::Does(100, [&] { origin_.Put("base/a", new_one); }));
  SetOrigins("", kSizes, /*parallel=*/1);
  const Came came = Read(MustFollow("far/a").get());
  EXPECT_TRUE(absl::IsAborted(came.status)) << came.status;
  EXPECT_LT(came.bytes.size(), old_one.size());
  EXPECT_TRUE(absl::StartsWith(old_one, came.bytes));
  const Followed again = Follow("far/a");
  ASSERT_TRUE(again.ok()) << again.status();
  if (*again != nullptr) ExpectRead(again->get(), new_one);
  AwaitRest();
  EXPECT_TRUE(Here("far/a") == new_one);
}

// Trouble comes to those who read; before it is known what comes, as a reason.
TEST_F(FollowingTest, Trouble) {
  const std::string content = Content(8 * kPart);
  origin_.Put("base/a", content);
  for (int nth = 3; nth <= 40; ++nth) origin_.Misbehave("base/a", nth, Fault::Error(500));
  const Came came = Read(MustFollow("far/a").get());
  EXPECT_TRUE(absl::IsResourceExhausted(came.status)) << came.status;
  EXPECT_TRUE(absl::StartsWith(content, came.bytes));
  origin_.Put("base/b", content);
  origin_.Misbehave("base/b", 0, Fault::Error(403, "AccessDenied"));
  EXPECT_TRUE(absl::IsPermissionDenied(Follow("far/b").status()));
  EXPECT_TRUE(absl::IsNotFound(Follow("far/none").status()));
  EXPECT_TRUE(absl::IsNotFound(Follow("near/none").status()));
}

// Versions that cannot be told apart are fetched whole, whatever is wanted of them.
TEST_F(FollowingTest, InOnePiece) {
  const std::string content = Content(8 * kPart);
  origin_.Put("base/weak", content, "W/\"v1\"");
  ExpectRead(MustFollow("far/weak", {3 * kPart, 3 * kPart + 10}).get(), content, 3 * kPart,
             3 * kPart + 10);
  AwaitRest();
  EXPECT_TRUE(Here("far/weak") == content);
  origin_.Put("base/whole", content);
  origin_.Misbehave("base/whole", 0, Fault::IgnoresRange());
  ExpectRead(MustFollow("far/whole", {3 * kPart, 3 * kPart + 10}).get(), content, 3 * kPart,
             3 * kPart + 10);
  AwaitRest();
  EXPECT_TRUE(Here("far/whole") == content);
  EXPECT_EQ(origin_.asked("base/whole").size(), 1u);
}

// Who asks long after the origin has said which version it has makes it say so again.
TEST_F(FollowingTest, OldNewsIsAskedForAgain) {
  SetOrigins("revalidate=60s");
  const std::string content = Content(8 * kPart);
  origin_.Put("base/a", content);
  const std::shared_ptr<Filling> first = MustFollow("far/a", {0, 1});
  ExpectRead(first.get(), content, 0, 1);
  now_s_ += 60;
  EXPECT_NE(MustFollow("far/a", {0, 1}), nullptr);
  EXPECT_EQ(origin_.asked("base/a").size(), 1u);
  now_s_ += 1;
  EXPECT_NE(MustFollow("far/a", {0, 1}), nullptr);
  EXPECT_EQ(origin_.asked("base/a").size(), 2u);
  EXPECT_EQ(flights_->Read().begun, 1u);
  now_s_ += 61;
  const std::string new_one = Content(6 * kPart, 2);
  origin_.Put("base/a", new_one);
  ExpectRead(MustFollow("far/a", {0, 1}).get(), new_one, 0, 1);
  EXPECT_TRUE(absl::IsAborted(*first->ended()));
}

// All readers are told when the server stops.
TEST_F(FollowingTest, StopTellsReaders) {
  const std::string content = Content(8 * kPart);
  origin_.Put("base/a", content);
  origin_.Misbehave("base/a", 3, Fault::SilentAt(10));
  const std::shared_ptr<Filling> reader = MustFollow("far/a");
  std::thread stops([this] { flights_->Stop(); });
  EXPECT_TRUE(absl::IsResourceExhausted(Read(reader.get()).status));
  stops.join();
  EXPECT_TRUE(absl::IsResourceExhausted(Follow("far/a").status()));
}

}  // namespace
}  // namespace objmapper::origin
