// Objects that are stored and deleted at a real S3 (write=through): radosgw has them as they were
// sent, they are here under its own ETags, and nothing half-done is left in the bucket.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/origin/ceph/ceph_fixture.h"
#include "tests/origin/flight/putting.h"

namespace objmapper::origin::testing {
namespace {

class WritesTest : public CephTest {
 protected:
  void SetUp() override {
    CephTest::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) SetOrigins("write=through immutable");
  }
  Putter putter() { return Putter(flights_.get(), &*store_); }
  absl::Status Put(absl::string_view key, const std::string& content,
                   Putter::Condition condition = nullptr) {
    return putter().Put(UriOf(key), content, std::move(condition));
  }
  absl::Status Delete(absl::string_view key, Putter::Condition condition = nullptr) {
    return putter().Delete(UriOf(key), std::move(condition));
  }
  // What another client is told of the object: the ETag, and its content.
  fetch::KeptSink& Fetch(absl::string_view key) {
    fetch::Request request = bucket_->Signed(fetch::Method::kGet, bucket_->bucket().Object(key));
    request.body_bytes_max = 64 << 20;
    got_ = bucket_->Send(std::move(request));
    return *got_;
  }
  void ExpectThere(absl::string_view key, const std::string& content) {
    fetch::KeptSink& got = Fetch(key);
    ASSERT_EQ(got.outcome.verdict, fetch::Verdict::kFound) << got.outcome.reason;
    EXPECT_TRUE(got.bytes == content) << got.bytes.size() << " bytes";
    ASSERT_TRUE(MarkOf(key).has_value()) << "it is not here";
    EXPECT_EQ(MarkOf(key)->etag, got.heads.back().etag);
    EXPECT_TRUE(Here(key) == content);
  }
  size_t Asked(absl::string_view key) { return gateway_->asked(bucket_->PathOf(key)).size(); }
  // As S3's ListMultipartUploads has it.
  std::string Uploads() {
    s3::Url url = bucket_->bucket().List(s3::Query().Add("uploads"));
    return bucket_->Ask(fetch::Method::kGet, url)->bytes;
  }

  S3Client::Result got_;
};

// Of every size: one request, or parts from 16 MiB on; and then it is read here without a request.
TEST_F(WritesTest, OfEverySize) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{1'000'000}, (size_t{16} << 20) - 1,
                            size_t{16} << 20, (size_t{40} << 20) + 5}) {
    SCOPED_TRACE(size);
    const std::string key = absl::StrCat("folder/of size ", size);
    const std::string content = Pattern(size, size);
    const absl::Status put = Put(key, content);
    ASSERT_TRUE(put.ok()) << put;
    ExpectThere(key, content);
    const size_t asked = Asked(key);
    ASSERT_TRUE(Bring(key).ok());
    EXPECT_EQ(Asked(key), asked);
  }
  EXPECT_FALSE(absl::StrContains(Uploads(), "<Upload>")) << Uploads();
}

// What bytes a name may have that is a path.
TEST_F(WritesTest, AwkwardKeys) {
  for (const char* key : {"a b+c", "100%", "q?x=y&z", "ü/ß", "'()!*~", "back\\slash", "\x01"}) {
    SCOPED_TRACE(key);
    const absl::Status put = Put(key, key);
    ASSERT_TRUE(put.ok()) << put;
    EXPECT_EQ(Fetch(key).bytes, key);
    EXPECT_TRUE(Delete(key).ok());
    EXPECT_EQ(Fetch(key).outcome.verdict, fetch::Verdict::kNotFound);
  }
}

TEST_F(WritesTest, ReplacesAndDeletes) {
  const std::string first = Pattern(100'000, 1), second = Pattern(20 << 20, 2);
  bucket_->Put("a", first);
  ExpectBrought("a", first);
  ASSERT_TRUE(Put("a", second).ok());
  ExpectThere("a", second);
  ASSERT_TRUE(Delete("a").ok());
  EXPECT_EQ(Fetch("a").outcome.verdict, fetch::Verdict::kNotFound);
  EXPECT_TRUE(absl::IsNotFound(Open("a").status()));
  // S3 says the same of what it never had.
  EXPECT_TRUE(Delete("a").ok());
}

// Conditions hold of what S3 has, and radosgw holds them, too.
TEST_F(WritesTest, Conditions) {
  const Putter::Condition if_absent = [](const storage::Description* there) {
    return there == nullptr ? absl::OkStatus() : absl::AbortedError("there is one");
  };
  ASSERT_TRUE(Put("a", "first", if_absent).ok());
  EXPECT_TRUE(absl::IsAborted(Put("a", "second", if_absent)));
  const std::string etag = ClientEtag(*MarkOf("a"));
  const Putter::Condition if_match = [&etag](const storage::Description* there) {
    return there != nullptr && there->etag == etag ? absl::OkStatus() : absl::AbortedError("other");
  };
  ASSERT_TRUE(Put("a", "second", if_match).ok());
  EXPECT_TRUE(absl::IsAborted(Put("a", "third", if_match)));
  // Another writer comes in between: what was judged is not what is there.
  const Putter::Condition late = [this](const storage::Description* there) {
    bucket_->Put(there == nullptr ? "b" : "a", "of another");
    return absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsAborted(Put("a", "third", late)));
  EXPECT_TRUE(absl::IsAborted(Put("b", "third", late)));
  EXPECT_EQ(Fetch("a").bytes, "of another");
  EXPECT_EQ(Fetch("b").bytes, "of another");
  // But not where the object is made of parts (docs/origins.md).
  const std::string large = Pattern(17 << 20, 3);
  EXPECT_TRUE(Put("a", large, late).ok());
  EXPECT_TRUE(Fetch("a").bytes == large);
}

// Refused in the middle, or given up: no parts are left, and the old version is.
TEST_F(WritesTest, NothingIsLeft) {
  const std::string old_one = Pattern(100'000, 1), new_one = Pattern(40 << 20, 2);
  const s3::Keys other = MakeUser(*gateway_, "writes");
  bucket_->Put("a", old_one);
  Use(other);
  SetOrigins("write=through immutable");
  EXPECT_TRUE(absl::IsPermissionDenied(Put("a", new_one)));
  EXPECT_TRUE(absl::IsPermissionDenied(Put("a", "small")));
  EXPECT_TRUE(absl::IsPermissionDenied(Delete("a")));
  Use(RadosGw::Admin());
  SetOrigins("write=through immutable parallel=1 part=5M");
  // Stopped when some parts are there.
  works_ = 0;
  const auto putting = putter().Begin(UriOf("a"), new_one);
  net::Eventually([&] { return absl::StrContains(Uploads(), "<Upload>"); });
  flights_->Stop();
  const absl::Status put = putting->Wait();
  EXPECT_TRUE(put.ok() || absl::IsResourceExhausted(put)) << put;
  EXPECT_FALSE(absl::StrContains(Uploads(), "<Upload>")) << Uploads();
  if (!put.ok()) {
    EXPECT_TRUE(Fetch("a").bytes == old_one);
  }
}

}  // namespace
}  // namespace objmapper::origin::testing
