// Listings of radosgw's, read by origin/s3/documents.h: all pages, all keys, as they are.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/origin/ceph/ceph_fixture.h"

namespace objmapper::origin::testing {
namespace {

// More than a page holds: each key once, in S3's order (of bytes), with size and ETag.
TEST_F(CephTest, MoreThanAPage) {
  const int count = IsLongRun() ? 100'000 : 1'203;
  std::vector<std::pair<std::string, std::string>> objects;
  for (int i = 0; i < count; ++i) {
    objects.emplace_back(absl::StrCat("in it/", i, " +%2F&<\u00e9>"), std::string(i % 7, 'x'));
  }
  bucket_->PutAll(objects);
  bucket_->PutAll({{"beside it", ""}, {"in", ""}, {"in it", ""}, {"in it0", ""}});

  const std::vector<s3::ListedObject> listed = bucket_->ListAll("in it/");
  EXPECT_TRUE(std::is_sorted(listed.begin(), listed.end(),
                             [](const auto& a, const auto& b) { return a.key < b.key; }));
  std::map<std::string, std::string> expected(objects.begin(), objects.end());
  ASSERT_EQ(listed.size(), expected.size());
  for (const s3::ListedObject& object : listed) {
    const auto found = expected.find(object.key);
    ASSERT_NE(found, expected.end()) << object.key;
    EXPECT_EQ(object.size, found->second.size());
    EXPECT_EQ(absl::StrCat("\"", object.etag, "\""), Md5Etag(found->second));
    EXPECT_GT(object.mtime, absl::Now() - absl::Hours(1));
    expected.erase(found);
  }
  // Pages of S3's own length.
  size_t lists = 0;
  for (const RadosGw::Asked& one : gateway_->asked(bucket_->PathOf(""))) {
    if (one.method == "GET") ++lists;
  }
  EXPECT_EQ(lists, (static_cast<size_t>(count) + 999) / 1000);
}

// Small pages, folders, and a beginning in the midst of it.
TEST_F(CephTest, PagesOfFolders) {
  std::vector<std::pair<std::string, std::string>> objects;
  for (int folder = 0; folder < 10; ++folder) {
    for (int i = 0; i < 5; ++i)
      objects.emplace_back(absl::StrCat("f+ ", folder, "/", i), std::to_string(i));
    objects.emplace_back(absl::StrCat("o ", folder), "");
  }
  bucket_->PutAll(objects);
  std::set<std::string> keys, prefixes;
  std::string continuation;
  int pages = 0;
  do {
    s3::Query query;
    query.Add("delimiter", "/").Add("max-keys", "3");
    if (!continuation.empty()) query.Add("continuation-token", continuation);
    const s3::ListPage page = bucket_->List(std::move(query));
    EXPECT_LE(page.objects.size() + page.prefixes.size(), 3u);
    for (const s3::ListedObject& object : page.objects)
      EXPECT_TRUE(keys.insert(object.key).second) << object.key;
    for (const std::string& prefix : page.prefixes)
      EXPECT_TRUE(prefixes.insert(prefix).second) << prefix;
    continuation = page.continuation;
    ++pages;
  } while (!continuation.empty() && pages < 100);
  EXPECT_EQ(keys.size(), 10u);
  EXPECT_EQ(prefixes.size(), 10u);
  EXPECT_TRUE(prefixes.contains("f+ 3/"));
  EXPECT_GE(pages, 7);

  const s3::ListPage rest = bucket_->List(s3::Query().Add("start-after", "f+ 9/2"));
  EXPECT_EQ(rest.objects.size(), 12u);
  EXPECT_TRUE(bucket_->ListAll("none").empty());
}

}  // namespace
}  // namespace objmapper::origin::testing
