// Ranges: a part of an object, or for FDPASS the whole object and which part was meant.
#include <gtest/gtest.h>

#include <limits>

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
