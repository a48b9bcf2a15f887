// What finds no room here goes through to whoever can read it so, each by itself, within its
// window; nobody has a whole body that is not the origin's.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/retry_after.h"
#include "origin/flight/trouble.h"
#include "tests/origin/flight/flights_fixture.h"

namespace objmapper::origin {
namespace {

using storage::Filling;
using storage::PassThrough;
using storage::Wanted;

constexpr uint64_t kMib = 1 << 20;

class UncachedTest : public FlightsTest {
 protected:
  void SetUp() override {
    // Above the limit the kernel sends a signal, which the server ignores as well.
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    FlightsTest::SetUp();
  }
  void TearDown() override {
    SetRoom(before_.rlim_cur);
    FlightsTest::TearDown();
  }
  // No file may be larger from now on.
  void SetRoom(rlim_t bytes) const {
    const rlimit limit{bytes, before_.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  // As a server that starts with so much memory for what passes.
  void BeginWith(uint64_t uncached_max) {
    uncached_max_ = uncached_max;
    Restart();
  }
  absl::StatusOr<std::shared_ptr<Filling>> Follow(absl::string_view uri,
                                                  const Wanted& wanted = {}) {
    std::promise<absl::StatusOr<std::shared_ptr<Filling>>> known;
    flights_->Follow(uri, wanted, [&known](absl::StatusOr<std::shared_ptr<Filling>> filling) {
      known.set_value(std::move(filling));
    });
    return known.get_future().get();
  }
  // The same of what passes.
  std::shared_ptr<Filling> MustPass(absl::string_view uri, const Wanted& wanted = {}) {
    const auto filling = Follow(uri, wanted);
    EXPECT_TRUE(filling.ok() && *filling != nullptr && (*filling)->passes()) << filling.status();
    return filling.value_or(nullptr);
  }
  static std::unique_ptr<PassThrough> Pass(Filling* filling, uint64_t begin = 0,
                                           uint64_t end = UINT64_MAX) {
    auto through = filling->PassBy(begin, end);
    EXPECT_TRUE(through.ok()) << through.status();
    return through.ok() ? *std::move(through) : nullptr;
  }
  static void Wait(PassThrough* through) {
    std::promise<void> ready;
    EXPECT_TRUE(through->Await([&ready] { ready.set_value(); }));
    ready.get_future().wait();
    EXPECT_TRUE(through->IsReady());
  }
  struct Came {
    std::string bytes;
    absl::Status status;
  };
  // All that comes.
  static Came Read(PassThrough* through) {
    Came came;
    while (true) {
      const std::optional<absl::Status> ended = through->ended();
      const PassThrough::Piece piece = through->Take(100'000);
      if (piece.bytes > 0) {
        came.bytes.append(piece.data.get(), piece.bytes);
      } else if (ended.has_value()) {
        came.status = *ended;
        return came;
      } else {
        Wait(through);
      }
    }
  }
  void ExpectPasses(Filling* filling, absl::string_view content, uint64_t begin = 0,
                    uint64_t end = UINT64_MAX) {
    ASSERT_NE(filling, nullptr);
    const std::unique_ptr<PassThrough> through = Pass(filling, begin, end);
    ASSERT_NE(through, nullptr);
    const Came came = Read(through.get());
    EXPECT_TRUE(came.status.ok()) << came.status;
    EXPECT_TRUE(came.bytes == content.substr(begin, end - begin)) << came.bytes.size();
  }
  void ExpectAllGivenBack() {
    EXPECT_EQ(flights_->ReadUncached().open, 0u);
    EXPECT_EQ(flights_->ReadUncached().window_bytes, 0u);
  }

  rlimit before_{};
};

// What is larger than it may be here is read all the same, whole and in parts; who needs it here is
// told why it is not, without its origin being asked again and again, until there is room.
TEST_F(UncachedTest, WhatDoesNotFit) {
  const std::string content = Content(3 * kMib + 17);
  origin_.Put("base/a", content, "\"v1\"");
  SetRoom(kMib);
  {
    const std::shared_ptr<Filling> filling = MustPass("far/a");
    ASSERT_NE(filling, nullptr);
    EXPECT_EQ(filling->description().size, content.size());
    EXPECT_EQ(filling->description().etag, "v1");
    EXPECT_EQ(filling->ReadableFrom(0), 0u);
    ExpectPasses(filling.get(), content);
    ExpectPasses(filling.get(), content, 2 * kMib - 1, 2 * kMib + 1);
    ExpectPasses(filling.get(), content, content.size() - 1);
    ExpectPasses(filling.get(), content, 5, 5);
  }
  const absl::Status refused = Bring("far/a");
  EXPECT_TRUE(absl::IsResourceExhausted(refused) && IsNoRoom(refused)) << refused;
  EXPECT_GT(net::RetryAfterMs(refused), 0u);
  EXPECT_TRUE(absl::StrContains(refused.message(), "far/a")) << refused;
  const size_t asked = origin_.asked("base/a").size();
  EXPECT_FALSE(Bring("far/a").ok());
  EXPECT_EQ(origin_.asked("base/a").size(), asked);
  EXPECT_EQ(flights_->Read().no_room, 1u);
  // Nor is it fetched in vain for who can do without.
  ExpectPasses(MustPass("far/a").get(), content, 0, 10);
  EXPECT_EQ(origin_.asked("base/a")[asked].Header("range"), "bytes=0-0");
  EXPECT_EQ(flights_->Read().no_room, 1u);
  EXPECT_EQ(flights_->ReadOrigins()[0].counts.failed, 0u);
  EXPECT_EQ(Here("far/a").find("NOT_FOUND"), 0u);
  ExpectAllGivenBack();

  SetRoom(before_.rlim_cur);
  now_s_ += 60;
  ExpectBrought("a", content);
}

// An empty object may find none either.
TEST_F(UncachedTest, NothingOfIt) {
  const std::string folder = scratch_.PathOf(PartFolder());
  std::filesystem::create_directories(std::filesystem::path(folder).parent_path());
  std::ofstream(folder) << "no folder";
  origin_.Put("base/empty", "");
  const std::shared_ptr<Filling> filling = MustPass("far/empty");
  ASSERT_NE(filling, nullptr);
  EXPECT_EQ(filling->description().size, 0u);
  ExpectPasses(filling.get(), "");
}

// Each reader goes at its own speed: one that takes nothing holds nobody up, and has no more in
// memory than its window.
TEST_F(UncachedTest, ReadersDoNotWaitForEachOther) {
  BeginWith(8 * kMib);  // windows of 512 KiB
  const std::string content = Content(5 * kMib);
  origin_.Put("base/a", content);
  SetRoom(kMib);
  const std::shared_ptr<Filling> filling = MustPass("far/a");
  ASSERT_NE(filling, nullptr);
  const std::unique_ptr<PassThrough> slow = Pass(filling.get());
  ASSERT_NE(slow, nullptr);
  Wait(slow.get());
  std::vector<std::thread> readers;
  for (int i = 0; i < 7; ++i) readers.emplace_back([&] { ExpectPasses(filling.get(), content); });
  for (std::thread& reader : readers) reader.join();
  const Uncached::Counts counts = flights_->ReadUncached();
  EXPECT_EQ(counts.opened, 8u);
  EXPECT_EQ(counts.open, 1u);
  EXPECT_EQ(counts.window_bytes, 512u * 1024);
  // Nothing of the slow one's is under way: it has its window, and its origin has no connection
  // that it would hold.
  EXPECT_TRUE(net::Eventually([&] { return origin_.at_once() == 0; }));
  EXPECT_EQ(flights_->ReadUncached().bytes, 7 * content.size() + 512 * 1024);
  const Came came = Read(slow.get());
  EXPECT_TRUE(came.bytes == content) << came.status;
}

// Where others have all memory, the next one is told when to come again; what they give back is
// there for it.
TEST_F(UncachedTest, TooMany) {
  BeginWith(kMib);
  const std::string content = Content(2 * kMib);
  origin_.Put("base/a", content);
  SetRoom(kMib);
  const std::shared_ptr<Filling> filling = MustPass("far/a");
  ASSERT_NE(filling, nullptr);
  std::unique_ptr<PassThrough> one = Pass(filling.get()), other = Pass(filling.get());
  const absl::Status refused = filling->PassBy(0, kMib).status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_TRUE(absl::StrContains(refused.message(), "--origin_uncached_bytes")) << refused;
  EXPECT_GT(net::RetryAfterMs(refused), 0u);
  EXPECT_EQ(flights_->ReadUncached().refused, 1u);
  one.reset();
  ExpectPasses(filling.get(), content);
  other.reset();
  ExpectAllGivenBack();
}

// A reader that goes ends what was asked for it.
TEST_F(UncachedTest, WhoLeaves) {
  const std::string content = Content(2 * kMib);
  origin_.Put("base/a", content);
  SetRoom(kMib);
  const std::shared_ptr<Filling> filling = MustPass("far/a");
  ASSERT_NE(filling, nullptr);
  origin_.Misbehave("base/a", 1, Fault::SilentAt(300'000));
  std::unique_ptr<PassThrough> through = Pass(filling.get());
  Wait(through.get());
  while (through->Take(kMib).bytes > 0) {
  }
  bool told = false;
  EXPECT_TRUE(through->Await([&told] { told = true; }));
  EXPECT_FALSE(through->Await([] { ADD_FAILURE() << "two wait"; }));
  through.reset();
  EXPECT_TRUE(told);
  EXPECT_TRUE(net::Eventually([&] { return origin_.at_once() == 0; }));
  ExpectAllGivenBack();
}

// So does the server when it stops, and opens no more.
TEST_F(UncachedTest, WhatStops) {
  origin_.Put("base/a", Content(2 * kMib));
  SetRoom(kMib);
  const std::shared_ptr<Filling> filling = MustPass("far/a");
  ASSERT_NE(filling, nullptr);
  origin_.Misbehave("base/a", 0, Fault::SilentAt(0));
  const std::unique_ptr<PassThrough> through = Pass(filling.get());
  flights_->Stop();
  EXPECT_TRUE(absl::IsResourceExhausted(Read(through.get()).status));
  EXPECT_FALSE(filling->PassBy(0, 1).ok());
}

// The room ends while it comes: what has come is read from the disk, and the rest goes through.
TEST_F(UncachedTest, InMidFetch) {
  const std::string content = Content(40 * kPart + 3);
  origin_.Put("base/a", content);
  SetOrigins("", kSizes, /*parallel=*/1);
  origin_.Misbehave("base/a", 10, Fault::Does(0, [this] { SetRoom(8 * kPart); }));
  const auto followed = Follow("far/a");
  ASSERT_TRUE(followed.ok() && *followed != nullptr) << followed.status();
  Filling* const filling = followed->get();
  std::string bytes;
  while (!filling->passes()) {
    ASSERT_FALSE(filling->ended().has_value() && !filling->passes()) << *filling->ended();
    std::promise<void> more;
    filling->Await(content.size() - 1, [&more] { more.set_value(); });
    more.get_future().wait();
  }
  const uint64_t here = filling->ReadableFrom(0);
  EXPECT_GE(here, 8 * kPart);
  EXPECT_LT(here, content.size());
  bytes.resize(here);
  EXPECT_EQ(pread(filling->fd(), bytes.data(), here, 0), static_cast<ssize_t>(here));
  EXPECT_TRUE(bytes == content.substr(0, here));
  ExpectPasses(filling, content, here);
  EXPECT_TRUE(IsNoRoom(Bring("far/a")));
  // Who comes now is shown the same.
  ExpectPasses(MustPass("far/a").get(), content);
}

// What an earlier flight has left may be of a version that is gone: nobody is told of that one.
TEST_F(UncachedTest, WhatIsLeftOfAnotherVersion) {
  const std::string old = Content(20 * kPart, 1), now = Content(20 * kPart, 2);
  origin_.Put("base/a", old, "\"old\"");
  {
    const auto part = Follow("far/a", {0, 1});
    ASSERT_TRUE(part.ok() && *part != nullptr);
  }
  EXPECT_TRUE(net::Eventually([this] { return flights_->Read().under_way == 0; }));
  origin_.Put("base/a", now, "\"now\"");
  SetRoom(kPart);
  const std::shared_ptr<Filling> filling = MustPass("far/a");
  ASSERT_NE(filling, nullptr);
  EXPECT_EQ(filling->description().etag, "now");
  ExpectPasses(filling.get(), now);
}

// A version that is replaced has no more bytes; who asks again gets the new one.
TEST_F(UncachedTest, NeverMixed) {
  BeginWith(8 * kMib);
  const std::string old = Content(3 * kMib, 1), now = Content(3 * kMib, 2);
  origin_.Put("base/a", old);
  SetRoom(kMib);
  const std::shared_ptr<Filling> filling = MustPass("far/a");
  ASSERT_NE(filling, nullptr);
  const std::unique_ptr<PassThrough> through = Pass(filling.get());
  Wait(through.get());
  origin_.Put("base/a", now);
  const Came came = Read(through.get());
  EXPECT_TRUE(absl::IsAborted(came.status)) << came.status;
  EXPECT_LT(came.bytes.size(), old.size());
  EXPECT_TRUE(came.bytes == old.substr(0, came.bytes.size()));
  ExpectPasses(MustPass("far/a").get(), now);
}

// The origin's trouble is its own.
TEST_F(UncachedTest, Trouble) {
  origin_.Put("base/a", Content(2 * kMib));
  SetRoom(kMib);
  const std::shared_ptr<Filling> filling = MustPass("far/a");
  ASSERT_NE(filling, nullptr);
  origin_.Misbehave("base/a", 1, Fault::Error(403, "AccessDenied"));
  EXPECT_TRUE(absl::IsPermissionDenied(Read(Pass(filling.get()).get()).status));
  origin_.Misbehave("base/a", 1, Fault::IgnoresRange());
  const Came came = Read(Pass(filling.get(), 1000, 2000).get());
  EXPECT_TRUE(absl::IsResourceExhausted(came.status)) << came.status;
  EXPECT_EQ(came.bytes, "");
  origin_.Delete("base/a");
  EXPECT_TRUE(absl::IsAborted(Read(Pass(filling.get()).get()).status));
  EXPECT_TRUE(absl::IsNotFound(Follow("far/a").status()));
}

// Without a strong ETag it cannot come in parts, so it comes whole or not at all.
TEST_F(UncachedTest, WithoutAStrongEtag) {
  const std::string content = Content(2 * kMib);
  origin_.Put("base/a", content, "W/\"weak\"");
  SetRoom(kMib);
  const std::shared_ptr<Filling> filling = MustPass("far/a");
  ASSERT_NE(filling, nullptr);
  ExpectPasses(filling.get(), content);
  ExpectPasses(filling.get(), content, kMib - 5, kMib + 5);
  ExpectPasses(filling.get(), content, 0, 5);
  origin_.Put("base/a", Content(2 * kMib, 2), "W/\"other\"");
  const Came came = Read(Pass(filling.get()).get());
  EXPECT_TRUE(absl::IsAborted(came.status)) << came.status;
  EXPECT_EQ(came.bytes, "");

  origin_.Put("base/large", Content(9 * kMib), "W/\"weak\"");
  const absl::Status refused = MustPass("far/large")->PassBy(0, 1).status();
  EXPECT_TRUE(absl::StrContains(refused.message(), "strong ETag")) << refused;
}

// What is not as its origin says is not whole: the last of it is withheld.
TEST_F(UncachedTest, Checksums) {
  const std::string content = Content(2 * kMib);
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(content.data(), content.size(), digest, &size, EVP_md5(), nullptr);
  const std::string etag = absl::StrCat(
      "\"", absl::BytesToHexString({reinterpret_cast<const char*>(digest), size}), "\"");
  const absl::StatusOr<Origins> s3 =
      Origins::Parse(absl::StrCat("/far s3://bucket endpoint=http://127.0.0.1:", origin_.port(),
                                  " path_style anonymous part=64K block=64K\n"));
  ASSERT_TRUE(s3.ok()) << s3.status();
  ASSERT_TRUE(flights_->SetOrigins(*s3).ok());
  origin_.Put("bucket/right", content, etag);
  std::string wrong = content;
  wrong[kMib] ^= 1;
  origin_.Put("bucket/wrong", wrong, etag);
  SetRoom(kMib);
  ExpectPasses(MustPass("far/right").get(), content);
  const std::shared_ptr<Filling> filling = MustPass("far/wrong");
  ASSERT_NE(filling, nullptr);
  const Came came = Read(Pass(filling.get()).get());
  EXPECT_TRUE(absl::IsDataLoss(came.status)) << came.status;
  EXPECT_LT(came.bytes.size(), wrong.size());
  // Of a part nobody knows it.
  ExpectPasses(filling.get(), wrong, 5);

  // One that is told of the whole with its only part.
  origin_.Misbehave("bucket/right", 2, Fault::Says("x-amz-checksum-crc32c", "AAAAAA=="));
  const Came other = Read(Pass(MustPass("far/right").get()).get());
  EXPECT_TRUE(absl::IsDataLoss(other.status)) << other.status;
  EXPECT_LT(other.bytes.size(), content.size());
}

}  // namespace
}  // namespace objmapper::origin
