// Who asks, and where: what S3 refuses is never taken for absence, and only what it forbids this
// user for being forbidden.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/origin/ceph/ceph_fixture.h"

namespace objmapper::origin::testing {
namespace {

class AccessTest : public CephTest {
 protected:
  // With keys that are looked for anew.
  absl::Status BringAs(const s3::Keys& keys, absl::string_view key) {
    Use(keys);
    SetOrigins();
    return Bring(key);
  }
};

// Keys that are unknown, or do not fit, are trouble of ours; a known user who may not read is told
// so. Nothing of the secret is in what is said.
TEST_F(AccessTest, KeysThatAreRefused) {
  bucket_->PutAll({{"a", "content"}, {"b", "content"}});
  const s3::Keys good = RadosGw::Admin();
  const s3::Keys stranger = MakeUser(*gateway_, "stranger");
  const struct {
    const char* what;
    s3::Keys keys;
    absl::StatusCode code;
    const char* said;
  } kCases[] = {
      {"unknown",
       {"AKIDNOBODY", "secret", ""},
       absl::StatusCode::kResourceExhausted,
       "InvalidAccessKeyId"},
      {"wrong secret",
       {good.access_key_id, "a-wrong-secret", ""},
       absl::StatusCode::kResourceExhausted,
       "SignatureDoesNotMatch"},
      {"no rights", stranger, absl::StatusCode::kPermissionDenied, "AccessDenied"},
      {"anonymous", {}, absl::StatusCode::kPermissionDenied, "AccessDenied"},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.what);
    const absl::Status status = BringAs(test.keys, "a");
    EXPECT_EQ(status.code(), test.code) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), test.said)) << status;
    if (!test.keys.empty()) {
      EXPECT_FALSE(absl::StrContains(status.message(), test.keys.secret_access_key)) << status;
    }
    // Asked once, and not remembered.
    EXPECT_TRUE(flights_->MayHave(UriOf("a")));
  }
  // One GET each, none tried again; and the PUT.
  EXPECT_EQ(gateway_->asked(bucket_->PathOf("a")).size(), 5u);
  EXPECT_TRUE(BringAs(good, "a").ok());
}

// What everybody may read, anybody gets.
TEST_F(AccessTest, PublicObjects) {
  bucket_->Put("public", "content", {{"x-amz-acl", "public-read"}});
  Use({});
  SetOrigins();
  ExpectBrought("public", "content");
}

// Who may not list a bucket is not told what is not there: that is no absence either.
TEST_F(AccessTest, HiddenAbsence) {
  const absl::Status status = BringAs(MakeUser(*gateway_, "blind"), "none");
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_TRUE(absl::IsNotFound(BringAs(RadosGw::Admin(), "none")));
  EXPECT_FALSE(flights_->MayHave(UriOf("none")));
}

// A bucket that is not there is a wrong configuration, not a missing object.
TEST_F(AccessTest, NoSuchBucket) {
  SetOrigins("part=64K", "no-such-bucket");
  const absl::Status status = Bring("a");
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "NoSuchBucket")) << status;
  EXPECT_TRUE(flights_->MayHave(UriOf("a")));
}

// A user who is shut out while an object of his comes may not read it; a key that is withdrawn
// meanwhile is trouble. What has come before is not fetched again.
TEST_F(AccessTest, ShutOutInMidFetch) {
  const std::string content = Pattern(20 * kPart, 1);
  const s3::Keys keys = MakeUser(*gateway_, "guest");
  S3Client guest(*gateway_, keys, "of-a-guest");
  guest.Create();
  for (const char* key : {"suspended", "withdrawn"}) {
    SCOPED_TRACE(key);
    const bool suspends = key[0] == 's';
    guest.Put(key, content);
    Use(keys);
    SetOrigins("parallel=2 part=64K block=64K", "of-a-guest");
    before_work_ = [&, begun = works_.load()](int number) {
      if (number != begun + 8) return;
      suspends ? Suspend(*gateway_, "guest", true) : Withdraw(*gateway_, "guest", keys);
    };
    const absl::Status status = Bring(key);
    EXPECT_EQ(status.code(),
              suspends ? absl::StatusCode::kPermissionDenied : absl::StatusCode::kResourceExhausted)
        << status;
    EXPECT_FALSE(Open(key).ok());
    before_work_ = nullptr;
    if (suspends) {
      Suspend(*gateway_, "guest", false);
    } else {
      MakeKey(*gateway_, "guest", {"AKIDnew", "another-secret", ""});
      Use({"AKIDnew", "another-secret", ""});
      SetOrigins("parallel=2 part=64K block=64K", "of-a-guest");
    }
    EXPECT_GT(gateway_->bytes_sent(guest.PathOf(key)), 0u);
    ExpectBrought(key, content);
    // But for the first part, which tells the version.
    EXPECT_LE(gateway_->bytes_sent(guest.PathOf(key)), content.size() + kPart);
  }
}

// A clock that is off by 20 minutes is told as that, and nothing is tried again.
TEST_F(AccessTest, ClockThatIsOff) {
  bucket_->Put("a", "content");
  for (const absl::Duration off : {-absl::Minutes(20), absl::Minutes(20)}) {
    const auto result =
        bucket_->Ask(fetch::Method::kGet, bucket_->bucket().Object("a"), "", {}, absl::Now() + off);
    EXPECT_EQ(result->outcome.verdict, fetch::Verdict::kTrouble);
    EXPECT_EQ(result->outcome.cause, fetch::Cause::kCredentials);
    EXPECT_EQ(result->outcome.code, "RequestTimeTooSkewed");
    EXPECT_EQ(result->outcome.attempts, 1);
  }
}

// What conditions and ranges are answered with, on which flights build.
TEST_F(AccessTest, ConditionsAndRanges) {
  const std::string etag = bucket_->Put("a", "0123456789");
  const auto ask = [&](std::function<void(fetch::Request*)> change) {
    fetch::Request request = bucket_->Signed(fetch::Method::kGet, bucket_->bucket().Object("a"));
    change(&request);
    return bucket_->Send(std::move(request));
  };
  const auto range = ask([&](auto* request) {
    request->range = {2, 4};
    request->if_match = etag;
  });
  EXPECT_EQ(range->bytes, "234");
  EXPECT_EQ(range->heads.at(0).status, 206);
  EXPECT_EQ(range->heads.at(0).object_bytes, 10u);
  EXPECT_EQ(range->heads.at(0).etag, etag);
  EXPECT_EQ(ask([&](auto* request) { request->if_match = "\"other\""; })->outcome.verdict,
            fetch::Verdict::kPreconditionFailed);
  EXPECT_EQ(ask([&](auto* request) { request->if_none_match = etag; })->outcome.verdict,
            fetch::Verdict::kNotModified);
  EXPECT_EQ(ask([&](auto* request) { request->range = {8, 100}; })->bytes, "89");
  EXPECT_EQ(ask([&](auto* request) {
              request->range = {10, 19};
            })->outcome.verdict,
            fetch::Verdict::kBadRange);
}

}  // namespace
}  // namespace objmapper::origin::testing
