// Objects that are replaced and deleted while they come: what is here is all of one version, and
// its ETag, which is its MD5 sum, says of which.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/net/eventually.h"
#include "tests/origin/ceph/ceph_fixture.h"

namespace objmapper::origin::testing {
namespace {

class VersionsTest : public CephTest {
 protected:
  size_t CountOf(absl::string_view key, int status) {
    const std::vector<RadosGw::Asked> asked = gateway_->asked(bucket_->PathOf(key));
    return static_cast<size_t>(std::count_if(
        asked.begin(), asked.end(), [&](const auto& one) { return one.status == status; }));
  }
  // Calls `change` before the nth piece of work from now on, on whichever thread has it.
  void Before(int nth, std::function<void()> change) {
    works_ = 0;
    before_work_ = [nth, change = std::move(change)](int number) {
      if (number == nth) change();
    };
  }
};

// Replaced at any moment of a fetch: what comes is the new version, or the old one if all of it had
// been asked for before; a part of another version is refused by S3 itself (412).
TEST_F(VersionsTest, ReplacedInMidFetch) {
  SetOrigins("parallel=2 part=64K block=64K");
  size_t refused = 0;
  for (const int nth : {1, 2, 3, 5, 8, 13, 21, 34}) {
    SCOPED_TRACE(nth);
    const std::string key = absl::StrCat("replaced ", nth);
    const std::string old_one = Pattern(20 * kPart + 5, 1), new_one = Pattern(15 * kPart, 2);
    bucket_->Put(key, old_one);
    Before(nth, [&] { bucket_->Put(key, new_one); });
    const absl::Status brought = Bring(key);
    ASSERT_TRUE(brought.ok()) << brought;
    const std::string content = Here(key);
    // A piece of work asks for two parts at most.
    EXPECT_TRUE(content == new_one || (content == old_one && 1 + 2 * nth > 20));
    EXPECT_EQ(MarkOf(key).value().etag, Md5Etag(content));
    refused += CountOf(key, 412);
  }
  EXPECT_GT(refused, 0u);
}

// Parts so large that S3 keeps each in several pieces, and replaces those while it sends them.
TEST_F(VersionsTest, LargePartsAreOfOneVersion) {
  SetOrigins("parallel=3 part=8M block=8M");
  const std::string old_one = Pattern(40 << 20, 1), new_one = Pattern((40 << 20) - 77, 2);
  for (const int nth : {2, 20, 60}) {
    SCOPED_TRACE(nth);
    const std::string key = absl::StrCat("large ", nth);
    bucket_->Put(key, old_one);
    Before(nth, [&] { bucket_->Put(key, new_one); });
    const absl::Status brought = Bring(key);
    ASSERT_TRUE(brought.ok()) << brought;
    const std::string content = Here(key);
    EXPECT_TRUE(content == new_one || (content == old_one && nth > 2));
    EXPECT_EQ(MarkOf(key).value().etag, Md5Etag(content));
  }
}

// Deleted: then there is none, and nothing of it stays.
TEST_F(VersionsTest, DeletedInMidFetch) {
  SetOrigins("parallel=2 part=64K block=64K");
  for (const int nth : {1, 3, 5, 8}) {
    SCOPED_TRACE(nth);
    const std::string key = absl::StrCat("deleted ", nth);
    bucket_->Put(key, Pattern(20 * kPart + 5, 1));
    Before(nth, [&] { bucket_->Delete(key); });
    const absl::Status status = Bring(key);
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
    EXPECT_FALSE(Open(key).ok());
  }
}

// One that is replaced again and again by somebody who does not care who reads: each fetch brings
// one version whole, or says that it does not stay the same.
TEST_F(VersionsTest, ReplacedAllTheTime) {
  SetOrigins("parallel=4 part=64K block=64K");
  constexpr int kRounds = 20;
  std::vector<std::string> versions;
  for (uint32_t i = 0; i < 5; ++i) versions.push_back(Pattern(12 * kPart + 1000 * i, i));
  bucket_->Put("busy", versions[0]);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (size_t i = 1; !stop; ++i) bucket_->Put("busy", versions[i % versions.size()]);
  });
  for (int round = 0; round < kRounds; ++round) {
    const absl::Status brought = Bring("busy");
    if (!brought.ok()) {
      EXPECT_TRUE(absl::IsResourceExhausted(brought)) << brought;
      continue;
    }
    const std::string content = Here("busy");
    EXPECT_EQ(std::count(versions.begin(), versions.end(), content), 1);
    EXPECT_EQ(MarkOf("busy").value().etag, Md5Etag(content));
    // The next one is to fetch it.
    ASSERT_EQ(unlink(scratch_.PathOf(UriOf("busy")).c_str()), 0);
  }
  stop = true;
  writer.join();
  EXPECT_GT(CountOf("busy", 412), 0u);
  // Once it stays the same it comes.
  bucket_->Put("busy", versions[3]);
  ExpectBrought("busy", versions[3]);
}

// An empty object that gets content, and one that loses all of it.
TEST_F(VersionsTest, FromNothingAndToNothing) {
  SetOrigins("parallel=2 part=64K block=64K");
  for (const int nth : {1, 2, 3}) {
    SCOPED_TRACE(nth);
    const std::string some = Pattern(3 * kPart, 3), key = absl::StrCat("fills ", nth);
    bucket_->Put(key, "");
    Before(nth, [&] { bucket_->Put(key, some); });
    ASSERT_TRUE(Bring(key).ok());
    EXPECT_TRUE(Here(key) == some || Here(key).empty());
    EXPECT_EQ(MarkOf(key).value().etag, Md5Etag(Here(key)));
  }
  for (const int nth : {1, 3, 5}) {
    SCOPED_TRACE(nth);
    const std::string some = Pattern(20 * kPart, 3), key = absl::StrCat("empties ", nth);
    bucket_->Put(key, some);
    Before(nth, [&] { bucket_->Put(key, ""); });
    ExpectBrought(key, "");
    EXPECT_EQ(MarkOf(key).value().etag, Md5Etag(""));
  }
}

}  // namespace
}  // namespace objmapper::origin::testing
