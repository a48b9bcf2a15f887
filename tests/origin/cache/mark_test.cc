// Marks on real files: read back as they were written, never taken for one where there is none.
#include "origin/cache/mark.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "net/unique_fd.h"
#include "storage/tree/attributes.h"
#include "storage/tree/tree.h"
#include "tests/storage/scratch_root.h"

namespace objmapper::origin {
namespace {

Mark AnyMark() {
  return {.uri = "models/a b%20\n\xff",
          .source = "s3://bucket/prefix/models/a b",
          .etag = "\"9b2cf535f27731c974343645a3985328-3\"",
          .last_modified_s = 1'600'000'000,
          .size = 5,
          .crc32c = 0xE3069283,
          .fetched_s = 1'700'000'000,
          .checked_s = 1'700'000'060,
          .mtime_ns = 12};
}

class MarkTest : public testing::Test {
 protected:
  void SetUp() override {
    scratch_.Write("object", "12345");
    file_.Reset(open(scratch_.PathOf("object").c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(file_.valid());
    const absl::StatusOr<storage::Tree> tree = storage::Tree::Open(scratch_.path());
    ASSERT_TRUE(tree.ok());
    if (absl::Status can = CheckMarks(*tree); !can.ok()) GTEST_SKIP() << can;
  }
  struct stat Status() const {
    struct stat status;
    EXPECT_EQ(fstat(file_.get(), &status), 0);
    return status;
  }

  const storage::ScratchRoot scratch_;
  net::UniqueFd file_;
};

// Every field comes back, whatever bytes are in it, and the text is fit for a terminal.
TEST(MarkTextTest, RoundTrips) {
  for (const Mark& mark :
       {AnyMark(), Mark{.uri = "a", .source = "http://h/a"},
        Mark{.uri = "=", .source = std::string("\0 =%", 4), .last_modified_s = -1},
        Mark{.uri = "", .source = "", .etag = "W/\"x y\"", .size = UINT64_MAX, .crc32c = 0}}) {
    const std::string text = EncodeMark(mark);
    for (const char c : text) EXPECT_TRUE(absl::ascii_isprint(c)) << text;
    EXPECT_EQ(ParseMark(text), mark) << text;
  }
}

// What is cut, garbled, of another kind or says a thing twice is no mark, so the object counts as
// the disk's own and is left alone.
TEST(MarkTextTest, IsNoneWhereItIsBroken) {
  const std::string text = EncodeMark(AnyMark());
  for (const std::string& broken :
       {std::string(), std::string("1"), std::string(" "), absl::StrCat("2", text.substr(1)),
        absl::StrCat(text, " size=5"), absl::StrCat(text, " "), absl::StrCat(text, "%"),
        absl::StrCat(text, "%g0"), text.substr(1), std::string("1 uri=a source=b mtime_ns=0"),
        std::string("1 uri=a source=b size=-1 mtime_ns=0"),
        std::string("1 uri=a source=b size=1 mtime_ns=0 crc32c=12")}) {
    EXPECT_EQ(ParseMark(broken), std::nullopt) << broken;
  }
}

// A field that a later server has added is passed over.
TEST(MarkTextTest, PassesOverWhatItDoesNotKnow) {
  EXPECT_EQ(ParseMark(absl::StrCat(EncodeMark(AnyMark()), " later=x")), AnyMark());
}

// A file without a mark is none of an origin's; with one it tells all of it, by any descriptor.
TEST_F(MarkTest, IsKeptWithItsFile) {
  EXPECT_EQ(ReadMark(file_.get()), std::nullopt);
  ASSERT_TRUE(WriteMark(file_.get(), AnyMark()).ok());
  Mark expected = AnyMark();
  expected.mtime_ns = 1'600'000'000LL * 1'000'000'000;
  EXPECT_EQ(ReadMark(file_.get()), expected);
  const net::UniqueFd path(open(scratch_.PathOf("object").c_str(), O_PATH | O_CLOEXEC));
  EXPECT_EQ(ReadMark(path.get()), expected);
  EXPECT_EQ(Status().st_mtim.tv_sec, 1'600'000'000);
  EXPECT_GE(Status().st_atim.tv_sec, time(nullptr) - 3600) << "it was not used long ago";
}

// A change that is said to be yet to come is not believed: a file from the future is never evicted.
TEST_F(MarkTest, NoTimeIsYetToCome) {
  Mark mark = AnyMark();
  mark.last_modified_s = int64_t{time(nullptr)} + 1'000'000;
  ASSERT_TRUE(WriteMark(file_.get(), mark).ok());
  EXPECT_LE(Status().st_mtim.tv_sec, time(nullptr));
}

// What somebody writes into the file, or cuts off it, shows.
TEST_F(MarkTest, TellsWhetherItsFileHasChanged) {
  ASSERT_TRUE(WriteMark(file_.get(), AnyMark()).ok());
  const std::optional<Mark> mark = ReadMark(file_.get());
  ASSERT_TRUE(mark.has_value());
  EXPECT_TRUE(IsUnchanged(file_.get(), *mark));
  ASSERT_EQ(ftruncate(file_.get(), 4), 0);
  EXPECT_FALSE(IsUnchanged(file_.get(), *mark));
  ASSERT_EQ(pwrite(file_.get(), "abcde", 5, 0), 5);
  EXPECT_FALSE(IsUnchanged(file_.get(), *mark));
}

// A check that is written down leaves the times and the etag that clients know as they were.
TEST_F(MarkTest, AnUpdateKeepsTheEtag) {
  ASSERT_TRUE(WriteMark(file_.get(), AnyMark()).ok());
  Mark mark = *ReadMark(file_.get());
  ASSERT_TRUE(storage::KeepContentEtag(file_.get(), ClientEtag(mark)));
  const net::UniqueFd reader(open(scratch_.PathOf("object").c_str(), O_RDONLY | O_CLOEXEC));
  const timespec rest = {0, 50'000'000};  // longer than attributes.h takes for one instant
  nanosleep(&rest, nullptr);
  mark.checked_s += 60;
  ASSERT_TRUE(UpdateMark(reader.get(), mark).ok());
  EXPECT_EQ(ReadMark(reader.get()), mark);
  EXPECT_TRUE(IsUnchanged(reader.get(), mark));
  const absl::StatusOr<storage::ObjectInfo> info = storage::InfoOf(reader.get(), "object");
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(storage::KnownContentEtag(reader.get(), *info), ClientEtag(mark));
  nanosleep(&rest, nullptr);
  ASSERT_TRUE(storage::SetPinned(reader.get(), true).ok());
  EXPECT_TRUE(storage::IsPinned(reader.get()));
  const absl::StatusOr<storage::ObjectInfo> pinned = storage::InfoOf(reader.get(), "object");
  EXPECT_EQ(storage::KnownContentEtag(reader.get(), *pinned), ClientEtag(mark));
}

// What does not fit beside the other attributes is refused, and nothing is left of it.
TEST_F(MarkTest, RefusesWhatIsTooLong) {
  Mark mark = AnyMark();
  mark.uri.assign(4000, 'u');
  EXPECT_EQ(WriteMark(file_.get(), mark).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReadMark(file_.get()), std::nullopt);
  mark.uri.assign(2700, 'u');
  ASSERT_TRUE(WriteMark(file_.get(), mark).ok());
  EXPECT_TRUE(storage::KeepContentEtag(file_.get(), std::string(64, 'e')));
  EXPECT_TRUE(storage::SetExpiry(file_.get(), INT64_MAX).ok());
  EXPECT_TRUE(storage::SetPinned(file_.get(), true).ok());
  EXPECT_EQ(ReadMark(file_.get())->uri, mark.uri);
}

// A walk tells whose an object is and whether it is to stay, and says nothing of links.
TEST_F(MarkTest, ItsKindIsToldByName) {
  const net::UniqueFd root(open(scratch_.path().c_str(), O_PATH | O_CLOEXEC));
  EXPECT_FALSE(storage::KindOf(root.get(), "object").fetched);
  ASSERT_TRUE(WriteMark(file_.get(), AnyMark()).ok());
  scratch_.Link("link", "object");
  EXPECT_TRUE(storage::KindOf(root.get(), "object").fetched);
  EXPECT_FALSE(storage::KindOf(root.get(), "object").pinned);
  EXPECT_FALSE(storage::KindOf(root.get(), "link").fetched);
  ASSERT_TRUE(storage::SetPinned(file_.get(), true).ok());
  EXPECT_TRUE(storage::KindOf(root.get(), "object").pinned);
  // more attributes than a walk makes room for
  for (int i = 0; i < 20; ++i) {
    const std::string name = absl::StrCat("user.", std::string(60, 'n'), i);
    ASSERT_EQ(fsetxattr(file_.get(), name.c_str(), "", 0, 0), 0) << strerror(errno);
  }
  EXPECT_TRUE(storage::KindOf(root.get(), "object").fetched);
  EXPECT_TRUE(storage::KindOf(root.get(), "object").pinned);
  ASSERT_TRUE(storage::SetPinned(file_.get(), false).ok());
  EXPECT_FALSE(storage::KindOf(root.get(), "object").pinned);
}

// Only strong validators that have room go out as they are; all others become one of ours, which
// differs whenever the version does.
TEST(ClientEtagTest, IsTheOriginsWhereThatIsStrong) {
  Mark mark = AnyMark();
  EXPECT_EQ(ClientEtag(mark), "9b2cf535f27731c974343645a3985328-3");
  std::vector<std::string> made;
  for (const std::string& etag :
       {std::string("W/\"a\""), std::string("a"), std::string("\"\""), std::string("\"a b\""),
        std::string("\"a\"b\""), std::string("\""), std::string(),
        absl::StrCat("\"", std::string(65, 'x'), "\"")}) {
    mark.etag = etag;
    made.push_back(ClientEtag(mark));
    EXPECT_EQ(made.back().substr(0, 7), "origin-") << etag;
    EXPECT_LE(made.back().size(), 64u);
    for (size_t i = 0; i + 1 < made.size(); ++i) EXPECT_NE(made[i], made.back()) << etag;
  }
  EXPECT_TRUE(IsStrong("\"\""));
  EXPECT_FALSE(IsStrong("W/\"a\""));
  EXPECT_FALSE(IsStrong("\"a\"b\""));
  mark.size = 6;
  EXPECT_NE(ClientEtag(mark), made.back());
}

}  // namespace
}  // namespace objmapper::origin
