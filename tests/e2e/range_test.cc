// Ranges: a part of an object, or for FDPASS the whole object and which part was meant.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/unique_fd.h"
#include "tests/copypath/eviction.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

constexpr uint64_t kBytes = 200000;  // three pipes full and a bit
constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

const std::string& Object() {
  static const std::string contents = [] {
    const std::string made = Pattern(77, kBytes);
    SharedTree().Add("ranged", made);
    SharedTree().Add("empty", "");
    return made;
  }();
  return contents;
}

struct Range {
  uint64_t offset;
  uint64_t length;   // as asked; 0 is "to the end"
  uint64_t granted;  // bytes
};
constexpr Range kSatisfiable[] = {
    {0, 0, kBytes},
    {0, 1, 1},
    {0, kBytes, kBytes},
    {1, 65536, 65536},
    {4095, 2, 2},
    {70000, 100000, 100000},
    {kBytes - 1, 0, 1},
    {kBytes - 1, 1, 1},
    {100000, 0, 100000},
    {kBytes - 10, 11, 10},  // clipped
    {0, kBytes + 1, kBytes},
    {1, kMost, kBytes - 1},  // offset + length does not fit in 64 bits
    {kBytes, 0, 0},
    {kBytes, 1, 0},  // the end is not past the end: an empty part
};

class RangeTest : public SetupTest {
 protected:
  void SetUp() override {
    SetupTest::SetUp();
    Object();
  }

  static void ExpectGranted(const Answer& answer, const Range& range) {
    ASSERT_TRUE(answer.Has(kRangeEntry));
    const std::string& granted = answer.metadata.at(kRangeEntry);
    ASSERT_EQ(granted.size(), 16u);
    EXPECT_EQ(BigEndian(granted.substr(0, 8)), range.offset);
    EXPECT_EQ(BigEndian(granted.substr(8)), range.granted);
  }
};

// An answer to a range holds exactly the bytes asked for, clipped at the end of the object; SIZE
// still tells the whole.
TEST_P(RangeTest, BytesAreThePartAskedFor) {
  RawClient client = Client();
  for (const char mode : {kCopy, kSplice}) {
    for (const Range& range : kSatisfiable) {
      SCOPED_TRACE(testing::Message() << mode << " " << range.offset << "+" << range.length);
      const Answer answer = client.Get({.mode = mode,
                                        .uri = "ranged",
                                        .flags = kWithRange,
                                        .offset = range.offset,
                                        .length = range.length});
      ASSERT_TRUE(answer.ok()) << answer.status;
      EXPECT_EQ(answer.content_length, range.granted);
      EXPECT_TRUE(answer.body == Object().substr(range.offset, range.granted));
      ASSERT_TRUE(answer.Has(kSizeEntry));
      EXPECT_EQ(answer.Number(kSizeEntry), kBytes);
      ExpectGranted(answer, range);
    }
  }
}

// Short parts of large objects, more of them than are kept open and some not in the page cache, all
// asked for at once: each is what it should be, on whichever side of a window it lies.
TEST_P(RangeTest, ShortPartsOfManyObjects) {
  constexpr size_t kLarge = 2 * 1024 * 1024 + 300'000;  // a window and a part
  constexpr int kObjects = 24;
  std::vector<std::string> contents;
  for (int i = 0; i < kObjects; ++i) {
    contents.push_back(Pattern(i, kLarge));
    SharedTree().AddOnce(absl::StrCat("large", i), contents.back());
    if (i % 3 == 0) copypath::Evict(SharedTree().Path(absl::StrCat("large", i)));
  }
  RawClient client = Client();
  for (const uint64_t offset :
       {uint64_t{0}, uint64_t{4095}, uint64_t{2 * 1024 * 1024 - 1000}, uint64_t{kLarge - 20'000}}) {
    for (const uint64_t length :
         {uint64_t{1}, uint64_t{5000}, uint64_t{65'535}, uint64_t{65'536}}) {
      SCOPED_TRACE(testing::Message() << offset << "+" << length);
      std::vector<Question> questions;
      for (int i = 0; i < kObjects; ++i) {
        questions.push_back({.mode = i % 5 == 4 ? kSplice : kCopy,
                             .uri = absl::StrCat("large", i),
                             .flags = kWithRange,
                             .offset = offset,
                             .length = length});
      }
      const std::vector<uint32_t> ids = client.AskAll(questions);
      for (int n = 0; n < kObjects; ++n) {
        const Answer answer = client.Next();
        ASSERT_TRUE(answer.ok()) << answer.status;
        const auto at = std::find(ids.begin(), ids.end(), answer.id) - ids.begin();
        ASSERT_LT(at, kObjects);
        EXPECT_TRUE(answer.body == contents[at].substr(offset, length)) << "large" << at;
      }
    }
  }
}

// A part of an object that is rewritten in place while it is asked for, over and over, is of one
// version, or is refused and can be asked for again: the connection goes on.
TEST_P(RangeTest, ShortPartsOfWhatIsRewritten) {
  const std::string a(kBytes, 'a'), b(kBytes, 'b');
  SharedTree().Add("rewritten", a);
  RawClient client = Client();
  const net::UniqueFd file(open(SharedTree().Path("rewritten").c_str(), O_WRONLY | O_CLOEXEC));
  for (int i = 0; i < 60; ++i) {
    const std::string& now = i % 2 == 0 ? a : b;
    ASSERT_EQ(pwrite(file.get(), now.data(), now.size(), 0), static_cast<ssize_t>(now.size()));
    const Answer answer = client.Get({.mode = kCopy,
                                      .uri = "rewritten",
                                      .flags = kWithRange,
                                      .offset = 100'000,
                                      .length = 30'000});
    ASSERT_TRUE(answer.ok()) << answer.status;
    EXPECT_TRUE(answer.body == now.substr(0, 30'000)) << i;
  }
  // Cut to less than the part: what is left of it, as of any object of that size.
  ASSERT_EQ(ftruncate(file.get(), 110'000), 0);
  const Answer cut = client.Get({.mode = kCopy,
                                 .uri = "rewritten",
                                 .flags = kWithRange,
                                 .offset = 100'000,
                                 .length = 30'000});
  ASSERT_TRUE(cut.ok()) << cut.status;
  EXPECT_EQ(cut.body.size(), 10'000u);
  EXPECT_EQ(cut.Number(kSizeEntry), 110'000u);
}

// A descriptor is always the whole object; the range as granted comes back beside it.
TEST_P(RangeTest, DescriptorIsTheWholeWithTheRangeBeside) {
  if (!GetParam().is_unix()) GTEST_SKIP() << "descriptors travel over Unix sockets alone";
  RawClient client = Client();
  for (const Range& range : kSatisfiable) {
    SCOPED_TRACE(testing::Message() << range.offset << "+" << range.length);
    const Answer answer = client.Get({.mode = kFdPass,
                                      .uri = "ranged",
                                      .flags = kWithRange,
                                      .offset = range.offset,
                                      .length = range.length});
    ASSERT_TRUE(answer.ok()) << answer.status;
    ExpectGranted(answer, range);
    EXPECT_TRUE(Contents(answer.fd.get()) == Object());
    if (GetParam().dialect == Dialect::kV2FdBatch) {
      EXPECT_EQ(answer.content_length, range.granted);
    }
  }
}

// Past the end there is nothing to send: an error in every mode, and the connection goes on.
TEST_P(RangeTest, PastTheEndIsNotSatisfiable) {
  RawClient client = Client();
  for (const char mode : {kFdPass, kCopy, kSplice}) {
    if (mode == kFdPass && !GetParam().is_unix()) continue;
    for (const uint64_t offset : {kBytes + 1, kMost}) {
      for (const uint64_t length : {uint64_t{0}, uint64_t{1}, kMost}) {
        SCOPED_TRACE(testing::Message() << mode << " " << offset << "+" << length);
        ExpectRefused(client.Get({.mode = mode,
                                  .uri = "ranged",
                                  .flags = kWithRange,
                                  .offset = offset,
                                  .length = length}),
                      Status::kRangeNotSatisfiable);
      }
    }
  }
  EXPECT_TRUE(client.Get({.mode = kCopy, .uri = "ranged"}).body == Object());
}

// "All of it" is a part of an empty object, too.
TEST_P(RangeTest, FromZeroOfAnEmptyObjectIsEmpty) {
  RawClient client = Client();
  for (const char mode : {kCopy, kSplice}) {
    const Answer answer = client.Get({.mode = mode, .uri = "empty", .flags = kWithRange});
    EXPECT_TRUE(answer.ok()) << answer.status;
    EXPECT_EQ(answer.content_length, 0u);
  }
}

// A missing object is missing, whatever part of it is asked for.
TEST_P(RangeTest, OfAMissingObjectIsNotFound) {
  ExpectRefused(Client().Get({.mode = kCopy, .uri = "missing", .flags = kWithRange, .offset = 5}),
                Status::kNotFound);
}

// The flag is refused from a client that did not negotiate it, and its 16 bytes are still taken
// off the stream: the next request is understood.
TEST_P(RangeTest, NeedsTheCapability) {
  RawClient client = RawClient::V2(Connect(Server(), GetParam().transport), kPipelining);
  EXPECT_EQ(client.capabilities() & kRange, 0);
  ExpectRefused(client.Get({.mode = kCopy, .uri = "ranged", .flags = kWithRange}),
                Status::kCapabilityError);
  EXPECT_TRUE(client.Get({.mode = kCopy, .uri = "ranged"}).body == Object());
}

INSTANTIATE_TEST_SUITE_P(All, RangeTest,
                         testing::ValuesIn(Setups({Transport::kUnix, Transport::kTcp},
                                                  {Dialect::kV2, Dialect::kV2FdBatch})),
                         SetupName);

}  // namespace
}  // namespace objmapper::e2e
