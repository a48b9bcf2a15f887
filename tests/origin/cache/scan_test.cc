// What a start finds of earlier processes: what is good is told, what is not is gone, what lives is
// left alone.
#include "origin/cache/scan.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "net/unique_fd.h"
#include "storage/tree/attributes.h"
#include "tests/origin/cache/partial_fixture.h"
#include "tests/storage/names_below.h"

namespace objmapper::origin {
namespace {

constexpr size_t kBlock = 4096;

class ScanTest : public PartialTest {
 protected:
  // What Scan() finds, "part URI" or "whole URI".
  std::set<std::string> FoundNow() {
    const absl::StatusOr<Scanned> scanned = Scan(*tree_);
    EXPECT_TRUE(scanned.ok()) << scanned.status();
    if (!scanned.ok()) return {};
    last_ = *scanned;
    std::set<std::string> found;
    for (const Found& one : last_.found)
      found.insert(absl::StrCat(one.kind == Found::Kind::kPart ? "part " : "whole ", one.uri));
    return found;
  }
  void LeavePart(const std::string& uri) {
    const std::string content = Content(3 * kBlock);
    const Part part = OpenPart(IdentityOf(uri, content));
    Fill(part.get(), content, 1);
  }
  std::string PublishedAt(const std::string& uri) {
    const std::string content = Content(100);
    const Part part = OpenPart(IdentityOf(uri, content));
    FillAll(part.get(), content);
    const absl::StatusOr<std::string> place = part->Publish({});
    EXPECT_TRUE(place.ok()) << place.status();
    return scratch_.PathOf(place.value_or(""));
  }
  std::set<std::string> Names() const {
    return storage::NamesBelow(scratch_.PathOf(OriginFolder()), storage::Which::kFiles);
  }

  Scanned last_;
};

// A root that has never had an origin has nothing, and gets nothing.
TEST_F(ScanTest, NothingIsMadeOnTheWay) {
  EXPECT_TRUE(FoundNow().empty());
  EXPECT_NE(access(scratch_.PathOf(OriginFolder()).c_str(), F_OK), 0);
}

// Parts and objects under encoded names are found, with what they take and whether they are to
// stay.
TEST_F(ScanTest, FindsWhatIsGood) {
  LeavePart("models/a");
  const std::string path = PublishedAt("x//y");
  PublishedAt("plain");
  const net::UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(storage::SetPinned(file.get(), true).ok());
  EXPECT_EQ(FoundNow(), (std::set<std::string>{"part models/a", "whole x//y"}));
  EXPECT_EQ(last_.removed, 0u);
  for (const Found& one : last_.found) {
    EXPECT_TRUE(one.kind == Found::Kind::kWhole || one.bytes >= kBlock) << one.bytes;
    EXPECT_LE(one.bytes, 2 * kBlock);
    EXPECT_GT(one.used_s, 1'600'000'000u) << "when it was fetched, not when the origin changed it";
    EXPECT_EQ(one.pinned, one.kind == Found::Kind::kWhole);
  }
  EXPECT_EQ(FoundNow().size(), 2u) << "looking changes nothing";
  EXPECT_TRUE(store_->RemoveLeftovers().ok());
  EXPECT_EQ(FoundNow().size(), 2u) << "they are no leftovers";
}

// What is being filled is left alone; when its owner has left it, it is found.
TEST_F(ScanTest, LeavesAloneWhatIsInWork) {
  const std::string content = Content(kBlock);
  Part part = OpenPart(IdentityOf("a", content));
  EXPECT_TRUE(FoundNow().empty());
  EXPECT_EQ(last_.busy, 1u);
  EXPECT_FALSE(RemovePart(*tree_, "a"));
  Fill(part.get(), content, 0);
  part.reset();
  EXPECT_EQ(FoundNow(), std::set<std::string>{"part a"});
  EXPECT_TRUE(RemovePart(*tree_, "a"));
  EXPECT_FALSE(RemovePart(*tree_, "a"));
  EXPECT_TRUE(Names().empty());
}

// All that is of no use goes, and nothing else.
TEST_F(ScanTest, RemovesWhatIsOfNoUse) {
  for (const char* uri : {"no-map", "no-bytes", "bad-map", "moved", "good"}) LeavePart(uri);
  ASSERT_EQ(unlink(PathOfMap("no-map").c_str()), 0);
  ASSERT_EQ(unlink(PathOfPart("no-bytes").c_str()), 0);
  ASSERT_EQ(truncate(PathOfMap("bad-map").c_str(), 100), 0);
  // under the name of another object
  ASSERT_EQ(rename(PathOfMap("moved").c_str(), PathOfMap("other").c_str()), 0);
  ASSERT_EQ(rename(PathOfPart("moved").c_str(), PathOfPart("other").c_str()), 0);
  const std::string changed = PublishedAt("x//changed"), unmarked = PublishedAt("x//unmarked"),
                    renamed = PublishedAt("x//renamed");
  PublishedAt("x//good");
  ASSERT_EQ(truncate(changed.c_str(), 10), 0);
  std::ofstream(absl::StrCat(unmarked, "-not")) << "no mark";
  ASSERT_EQ(rename(renamed.c_str(), absl::StrCat(renamed, "-not").c_str()), 0);
  EXPECT_EQ(FoundNow(), (std::set<std::string>{"part good", "whole x//good", "whole x//unmarked"}));
  EXPECT_EQ(last_.removed, 2 * 4 - 2 + 3u);
  EXPECT_EQ(Names().size(), 4u);
}

}  // namespace
}  // namespace objmapper::origin
