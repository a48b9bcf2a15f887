// Objects of all sizes, stored in one piece and in parts: each byte comes once, and is right.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/net/eventually.h"
#include "tests/origin/ceph/ceph_fixture.h"

namespace objmapper::origin::testing {
namespace {

constexpr size_t kMiB = 1 << 20;

// Around the edges of parts; the origin sends each byte once.
TEST_F(CephTest, OfAnySize) {
  for (const size_t size : {size_t{0}, size_t{1}, kPart - 1, kPart, kPart + 1, 2 * kPart - 1,
                            2 * kPart, 7 * kPart + 17}) {
    SCOPED_TRACE(size);
    const std::string key = absl::StrCat("of ", size);
    const std::string content = Pattern(size, static_cast<uint32_t>(size + 1));
    EXPECT_EQ(bucket_->Put(key, content), Md5Etag(content));
    ExpectBrought(key, content);
    EXPECT_EQ(MarkOf(key).value().etag, Md5Etag(content));
    EXPECT_EQ(MarkOf(key).value().size, size);
    EXPECT_EQ(gateway_->bytes_sent(bucket_->PathOf(key)), size);
  }
}

// With the sizes of parts and blocks that a server has; stored in other parts than it is fetched
// in. 64 MiB, and 1 GiB where that may be.
TEST_F(CephTest, LargeAndInParts) {
  SetOrigins("");
  const size_t part = (IsLongRun() ? 103 : 6) * kMiB + 333;
  std::vector<std::string> parts;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < 10; ++i) {
    parts.push_back(Pattern(i < 9 ? part : 10 * kMiB, i));
    bytes += parts.back().size();
  }
  const std::string etag = bucket_->PutParts("large", parts);
  EXPECT_TRUE(absl::EndsWith(etag, "-10\"")) << etag;
  // A copy has an ETag of its own, of either kind.
  bucket_->Put("copy", "", {{"x-amz-copy-source", bucket_->PathOf("large")}});

  for (const char* key : {"large", "copy"}) {
    SCOPED_TRACE(key);
    const absl::Status brought = Bring(key);
    ASSERT_TRUE(brought.ok()) << brought;
    EXPECT_EQ(MarkOf(key).value().size, bytes);
    EXPECT_EQ(gateway_->bytes_sent(bucket_->PathOf(key)), bytes);
    const absl::StatusOr<storage::OpenedObject> object = Open(key);
    ASSERT_TRUE(object.ok()) << object.status();
    for (const std::string& one : parts) {
      std::string piece(one.size(), '\0');
      for (size_t got = 0; got < piece.size();) {
        const ssize_t n = read(object->fd.get(), &piece[got], piece.size() - got);
        ASSERT_GT(n, 0);
        got += static_cast<size_t>(n);
      }
      EXPECT_TRUE(piece == one);
    }
  }
  EXPECT_EQ(MarkOf("large").value().etag, etag);
}

// An upload that is under way, or was given up, is no object.
TEST_F(CephTest, UnfinishedUploadsAreAbsent) {
  const auto begun = bucket_->Ask(fetch::Method::kPost,
                                  bucket_->bucket().Object("part", s3::Query().Add("uploads")));
  const absl::StatusOr<std::string> id = s3::ParseUploadId(begun->bytes);
  ASSERT_TRUE(id.ok()) << id.status();
  const s3::Url first =
      bucket_->bucket().Object("part", s3::Query().Add("partNumber", "1").Add("uploadId", *id));
  EXPECT_EQ(bucket_->Ask(fetch::Method::kPut, first, "content")->outcome.verdict,
            fetch::Verdict::kFound);
  EXPECT_TRUE(absl::IsNotFound(Bring("part")));
  bucket_->Ask(fetch::Method::kDelete,
               bucket_->bucket().Object("part", s3::Query().Add("uploadId", *id)));
  EXPECT_TRUE(absl::IsNotFound(Bring("part")));
}

// A hundred who want the same object at once get it all, and it leaves the origin once.
TEST_F(CephTest, AHundredReaders) {
  SetOrigins("part=1M block=1M");
  const std::string content = Pattern(8 * kMiB, 7);
  bucket_->Put("hot", content);
  std::vector<std::thread> readers;
  std::atomic<int> right{0};
  for (int i = 0; i < 100; ++i) {
    readers.emplace_back([&] {
      const auto object = tree_->OpenObject(UriOf("hot"), storage::Wait::kMayFetch);
      if (object.ok() && storage::ReadAll(object->fd.get()) == content) ++right;
    });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(right, 100);
  EXPECT_EQ(gateway_->bytes_sent(bucket_->PathOf("hot")), content.size());
  // The PUT, and one GET for each part.
  EXPECT_EQ(gateway_->asked(bucket_->PathOf("hot")).size(), 9u);
}

// Many objects at once.
TEST_F(CephTest, ManyObjectsAtOnce) {
  std::vector<std::pair<std::string, std::string>> objects;
  for (uint32_t i = 0; i < 300; ++i)
    objects.emplace_back(absl::StrCat("many/", i), Pattern(i * 1000, i));
  bucket_->PutAll(objects);
  std::atomic<int> brought{0};
  for (const auto& [key, content] : objects) {
    flights_->Bring(UriOf(key), [&brought](const absl::Status& status) {
      EXPECT_TRUE(status.ok()) << status;
      ++brought;
    });
  }
  EXPECT_TRUE(net::Eventually([&] { return brought == 300; }));
  for (const auto& [key, content] : objects) EXPECT_TRUE(Here(key) == content) << key;
}

}  // namespace
}  // namespace objmapper::origin::testing
