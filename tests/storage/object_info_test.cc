// Two versions that differ in anything have different ETAGs.
#include "storage/tree/object_info.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"

namespace objmapper::storage {
namespace {

// Infos of which any two differ in at least one field, at the ends of each field's range.
std::vector<ObjectInfo> DistinctInfos() {
  std::vector<ObjectInfo> infos;
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, std::numeric_limits<uint64_t>::max()}) {
    for (const int64_t mtime : {std::numeric_limits<int64_t>::min(), int64_t{-1}, int64_t{0}}) {
      for (const int64_t ctime : {int64_t{0}, std::numeric_limits<int64_t>::max()}) {
        for (const dev_t device : {dev_t{0}, std::numeric_limits<dev_t>::max()}) {
          for (const ino_t inode : {ino_t{0}, ino_t{1}, std::numeric_limits<ino_t>::max()}) {
            infos.push_back({.size = size,
                             .mtime_ns = mtime,
                             .ctime_ns = ctime,
                             .device = device,
                             .inode = inode});
          }
        }
      }
    }
  }
  return infos;
}

// Two infos have the same etag exactly when they are equal.
TEST(EtagTest, DiffersWheneverTheInfosDo) {
  std::set<std::string> etags;
  for (const ObjectInfo& info : DistinctInfos()) {
    EXPECT_TRUE(etags.insert(Etag(info)).second) << Etag(info);
    EXPECT_EQ(Etag(info), Etag(ObjectInfo(info)));
  }
}

// Values that swap fields do not collide.
TEST(EtagTest, KnowsWhichFieldIsWhich) {
  EXPECT_NE(Etag({.mtime_ns = 1}), Etag({.ctime_ns = 1}));
  EXPECT_NE(Etag({.device = 7, .inode = 8}), Etag({.device = 8, .inode = 7}));
}

// An etag fits its place on the wire and in a header line.
TEST(EtagTest, IsShortAndPrintable) {
  for (const ObjectInfo& info : DistinctInfos()) {
    const std::string etag = Etag(info);
    EXPECT_LE(etag.size(), 64u);
    EXPECT_FALSE(etag.empty());
    for (const char c : etag) EXPECT_TRUE(absl::ascii_isgraph(c)) << etag;
  }
}

}  // namespace
}  // namespace objmapper::storage
