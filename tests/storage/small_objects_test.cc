// Copies of small objects are used while they are valid, and no longer.
#include "storage/tree/small_objects.h"

#include <stdio.h>
#include <unistd.h>

#include <string>

#include "storage/tree/load.h"
#include "tests/copypath/eviction.h"
#include "tests/copypath/pattern.h"
#include "tests/storage/tree_fixture.h"

namespace objmapper::storage {
namespace {

constexpr int64_t kValidNs = 1'000'000'000;

// Time is what the test says it is: `now_` in nanoseconds.
class SmallObjectsTest : public TreeTest {
 protected:
  void SetUp() override {
    TreeTest::SetUp();
    small_.emplace(&*tree_, 8, absl::Nanoseconds(kValidNs));
  }

  // The bytes that are found; "-" when nothing is.
  std::string Found(absl::string_view uri) {
    const SmallObject* object = small_->Find(uri, now_);
    return object == nullptr ? "-" : std::string(object->bytes.get(), object->info.size);
  }
  void Replace(absl::string_view uri, absl::string_view content) {
    scratch_.Write("next", content);
    ASSERT_EQ(rename(scratch_.PathOf("next").c_str(), scratch_.PathOf(uri).c_str()), 0);
  }

  std::optional<SmallObjects> small_;
  int64_t now_ = 1;
};

// Objects up to the bound are found, each with its own bytes, as often as they are asked for; no
// descriptor is kept for them.
TEST_F(SmallObjectsTest, FindsWhatIsSmall) {
  scratch_.MakeDirectory("a");
  const ptrdiff_t before = net::OpenFds();
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{4096}, kSnapshotBytesMax}) {
    const std::string content = copypath::Pattern(bytes, 1);
    scratch_.Write("a/object", content);
    scratch_.Write("top", content);
    now_ += 2 * kValidNs;
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(Found("a/object") == content) << bytes;
      EXPECT_TRUE(Found("top") == content) << bytes;
    }
  }
  EXPECT_EQ(net::OpenFds(), before);
}

// What is larger, absent or no object is somebody else's to answer.
TEST_F(SmallObjectsTest, LeavesTheRestToOthers) {
  scratch_.Write("large", copypath::Pattern(kSnapshotBytesMax + 1, 1));
  scratch_.MakeDirectory("folder");
  scratch_.Link("out", scratch_.outside() + "/secret");
  for (const char* uri : {"large", "absent", "folder", "out", "../outside/secret", ""}) {
    for (int i = 0; i < 2; ++i) EXPECT_EQ(Found(uri), "-") << uri;
  }
}

// An object out of the page cache is not waited for; once others have read it, it is found.
TEST_F(SmallObjectsTest, ColdIsNotWaitedFor) {
  const std::string content = copypath::Pattern(8000, 1);
  scratch_.Write("object", content);
  bool refused = false;
  // The asking makes the kernel read ahead, and a fast disk may have the bytes before it is done.
  for (int attempt = 0; attempt < 50 && !refused; ++attempt) {
    if (!copypath::Evict(scratch_.PathOf("object"))) GTEST_SKIP() << "this file system keeps pages";
    small_.emplace(&*tree_, 8, absl::Nanoseconds(kValidNs));
    const std::string cold = Found("object");
    refused = cold == "-";
    EXPECT_TRUE(refused || cold == content);
    ExpectContent("object", content);
    EXPECT_TRUE(Found("object") == content);
  }
  if (!refused) GTEST_SKIP() << "this disk is never waited for";
}

// A copy is believed for `valid`, and no longer: then what has been replaced, rewritten, deleted or
// has grown large is seen, and what has not changed is still found.
TEST_F(SmallObjectsTest, SeesChangesInTime) {
  scratch_.Write("object", "first");
  scratch_.Write("same", "same");
  EXPECT_EQ(Found("object"), "first");
  EXPECT_EQ(Found("same"), "same");
  Replace("object", "second");
  now_ += kValidNs;  // the last moment
  EXPECT_EQ(Found("object"), "first");
  now_ += 1;
  EXPECT_EQ(Found("object"), "second");
  EXPECT_EQ(Found("same"), "same");
  Replace("object", "");
  now_ += kValidNs + 1;
  EXPECT_EQ(Found("object"), "");
  Replace("object", copypath::Pattern(kSnapshotBytesMax + 1, 1));
  now_ += kValidNs + 1;
  EXPECT_EQ(Found("object"), "-");
  Replace("object", "small again");
  EXPECT_EQ(Found("object"), "small again");  // what is not found is not remembered
  ASSERT_EQ(unlink(scratch_.PathOf("object").c_str()), 0);
  now_ += kValidNs + 1;
  EXPECT_EQ(Found("object"), "-");
}

// No more are kept than may be. A copy that is still kept shows: it is believed, though its object
// has changed.
TEST_F(SmallObjectsTest, KeepsNoMoreThanItMay) {
  small_.emplace(&*tree_, 3, absl::Nanoseconds(kValidNs));
  for (int i = 0; i < 10; ++i) scratch_.Write(std::to_string(i), "old");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Found(std::to_string(i)), "old");
  EXPECT_EQ(Found("9"), "old");
  int kept = 0;
  for (int i = 0; i < 10; ++i) Replace(std::to_string(i), "new");
  // Asking for one that is not kept may make another go, so this counts no more than were kept.
  for (int i = 9; i >= 0; --i) {
    const std::string found = Found(std::to_string(i));
    EXPECT_TRUE(found == "old" || found == "new") << found;
    if (found == "old") ++kept;
  }
  EXPECT_GE(kept, 1);  // the last that was asked for
  EXPECT_LE(kept, 3);
}

// With room for none nothing is found.
TEST_F(SmallObjectsTest, RoomForNone) {
  scratch_.Write("object", "content");
  small_.emplace(&*tree_, 0, absl::Nanoseconds(kValidNs));
  EXPECT_EQ(Found("object"), "-");
}

}  // namespace
}  // namespace objmapper::storage
