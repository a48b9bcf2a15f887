// Each answer of S3's means one thing, and absence is meant by two of them.
#include "origin/s3/error.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"

namespace objmapper::origin::s3 {
namespace {

using Code = absl::StatusCode;

TEST(ErrorTest, WhatAnswersMean) {
  const struct {
    int status;
    const char* code;  // null: there is no document
    Meaning meaning;
    Remedy remedy;
    Code told;
  } kCases[] = {
      {200, nullptr, Meaning::kOk, Remedy::kNone, Code::kOk},
      {206, nullptr, Meaning::kOk, Remedy::kNone, Code::kOk},
      {304, nullptr, Meaning::kNotModified, Remedy::kNone, Code::kUnavailable},
      {404, "NoSuchKey", Meaning::kNotFound, Remedy::kNone, Code::kNotFound},
      {410, nullptr, Meaning::kNotFound, Remedy::kNone, Code::kNotFound},
      {410, "Gone", Meaning::kNotFound, Remedy::kNone, Code::kNotFound},
      // All these are not absence.
      {404, nullptr, Meaning::kTrouble, Remedy::kNone, Code::kUnavailable},
      {404, "NoSuchBucket", Meaning::kTrouble, Remedy::kNone, Code::kUnavailable},
      {404, "NoSuchUpload", Meaning::kTrouble, Remedy::kNone, Code::kUnavailable},
      {404, "Whatever", Meaning::kTrouble, Remedy::kNone, Code::kUnavailable},
      {500, "NoSuchKey", Meaning::kTrouble, Remedy::kBackOff, Code::kUnavailable},
      {403, "NoSuchKey", Meaning::kPermissionDenied, Remedy::kNone, Code::kPermissionDenied},
      {200, "NoSuchKey", Meaning::kTrouble, Remedy::kNone, Code::kUnavailable},
      {403, "AccessDenied", Meaning::kPermissionDenied, Remedy::kNone, Code::kPermissionDenied},
      {403, nullptr, Meaning::kPermissionDenied, Remedy::kNone, Code::kPermissionDenied},
      {401, nullptr, Meaning::kPermissionDenied, Remedy::kNone, Code::kPermissionDenied},
      {403, "InvalidObjectState", Meaning::kTrouble, Remedy::kNone, Code::kUnavailable},
      {403, "RequestTimeTooSkewed", Meaning::kSkew, Remedy::kNone, Code::kUnavailable},
      {403, "SignatureDoesNotMatch", Meaning::kBadKeys, Remedy::kNone, Code::kUnavailable},
      {403, "InvalidAccessKeyId", Meaning::kBadKeys, Remedy::kRefreshKeys, Code::kUnavailable},
      {400, "ExpiredToken", Meaning::kExpired, Remedy::kRefreshKeys, Code::kUnavailable},
      {412, nullptr, Meaning::kPrecondition, Remedy::kNone, Code::kFailedPrecondition},
      {412, "PreconditionFailed", Meaning::kPrecondition, Remedy::kNone, Code::kFailedPrecondition},
      {416, "InvalidRange", Meaning::kRange, Remedy::kNone, Code::kOutOfRange},
      {409, "OperationAborted", Meaning::kConflict, Remedy::kBackOff, Code::kAborted},
      {503, "SlowDown", Meaning::kThrottled, Remedy::kBackOff, Code::kUnavailable},
      {400, "RequestLimitExceeded", Meaning::kThrottled, Remedy::kBackOff, Code::kUnavailable},
      {429, nullptr, Meaning::kThrottled, Remedy::kBackOff, Code::kUnavailable},
      {400, "RequestTimeout", Meaning::kTrouble, Remedy::kBackOff, Code::kUnavailable},
      {500, "InternalError", Meaning::kTrouble, Remedy::kBackOff, Code::kUnavailable},
      {502, nullptr, Meaning::kTrouble, Remedy::kBackOff, Code::kUnavailable},
      {503, nullptr, Meaning::kTrouble, Remedy::kBackOff, Code::kUnavailable},
      {504, nullptr, Meaning::kTrouble, Remedy::kBackOff, Code::kUnavailable},
      // A failure told in the body of a success.
      {200, "InternalError", Meaning::kTrouble, Remedy::kBackOff, Code::kUnavailable},
      {200, "SlowDown", Meaning::kThrottled, Remedy::kBackOff, Code::kUnavailable},
      {200, "Unheard", Meaning::kTrouble, Remedy::kNone, Code::kUnavailable},
      {400, "InvalidArgument", Meaning::kTrouble, Remedy::kNone, Code::kUnavailable},
      {405, nullptr, Meaning::kTrouble, Remedy::kNone, Code::kUnavailable},
      {501, "NotImplemented", Meaning::kTrouble, Remedy::kNone, Code::kUnavailable},
      {505, nullptr, Meaning::kTrouble, Remedy::kNone, Code::kUnavailable},
      {302, nullptr, Meaning::kTrouble, Remedy::kNone, Code::kUnavailable},
      {100, nullptr, Meaning::kTrouble, Remedy::kNone, Code::kUnavailable},
      {0, nullptr, Meaning::kTrouble, Remedy::kNone, Code::kUnavailable},
      // A redirection to nowhere is no remedy.
      {301, nullptr, Meaning::kTrouble, Remedy::kNone, Code::kUnavailable},
      {400, "AuthorizationHeaderMalformed", Meaning::kTrouble, Remedy::kNone, Code::kUnavailable},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(testing::Message() << c.status << " " << (c.code == nullptr ? "" : c.code));
    ErrorDocument document;
    if (c.code != nullptr) document.code = c.code;
    const Verdict verdict =
        Judge({.status = c.status, .document = c.code == nullptr ? nullptr : &document});
    EXPECT_EQ(verdict.meaning, c.meaning);
    EXPECT_EQ(verdict.remedy, c.remedy);
    const absl::Status told = ToStatus(verdict, "s3://b/k");
    EXPECT_EQ(told.code(), c.told);
    if (!told.ok()) {
      EXPECT_TRUE(absl::StartsWith(told.message(), absl::StrCat("s3://b/k: ", c.status))) << told;
      EXPECT_TRUE(absl::StrContains(told.message(), c.code == nullptr ? "" : c.code)) << told;
    }
  }
}

// Where the bucket is comes from the field or the document, and only what could be a region or a
// host of AWS's is gone to.
TEST(ErrorTest, WhereElseItIs) {
  const struct {
    ErrorDocument document;
    const char* field;
    const char* region;
    const char* endpoint;
  } kCases[] = {
      {{"PermanentRedirect", "", "", "b.s3.eu-west-1.amazonaws.com"},
       "eu-west-1",
       "eu-west-1",
       "b.s3.eu-west-1.amazonaws.com"},
      {{"AuthorizationHeaderMalformed", "", "eu-west-2"}, "", "eu-west-2", ""},
      {{"PermanentRedirect", "", "eu-west-2"}, "eu-west-1", "eu-west-1", ""},
      {{"PermanentRedirect", "", "eu-west-2"}, "x/../y", "eu-west-2", ""},
      {{"TemporaryRedirect", "", "", "b.s3.cn-north-1.amazonaws.com.cn"},
       "",
       "",
       "b.s3.cn-north-1.amazonaws.com.cn"},
      {{"PermanentRedirect", "", "", "169.254.169.254"}, "eu-west-1", "eu-west-1", ""},
      {{"PermanentRedirect", "", "", "evil.example/x.amazonaws.com"}, "eu-west-1", "eu-west-1", ""},
  };
  for (const auto& c : kCases) {
    const Verdict verdict =
        Judge({.status = 301, .document = &c.document, .bucket_region = c.field});
    EXPECT_EQ(verdict.meaning, Meaning::kWrongRegion);
    EXPECT_EQ(verdict.remedy, Remedy::kOtherRegion);
    EXPECT_EQ(verdict.region, c.region);
    EXPECT_EQ(verdict.endpoint, c.endpoint);
  }
  const ErrorDocument nonsense = {"PermanentRedirect", "", "EU/../", "evil.example"};
  EXPECT_EQ(Judge({.status = 301, .document = &nonsense}).meaning, Meaning::kTrouble);
  EXPECT_EQ(Judge({.status = 307, .bucket_region = "eu-west-1"}).region, "eu-west-1");
}

// What a stranger wrote is shown bounded, and cannot pass for anything else.
TEST(ErrorTest, ReasonsAreFitToBeShown) {
  const ErrorDocument document = {"Oops\n\x1b[2J",
                                  absl::StrCat("line\n\"", std::string(5000, 'x'))};
  const std::string reason = Judge({.status = 400, .document = &document}).reason;
  EXPECT_TRUE(absl::StartsWith(reason, "400 Oops\\x0a\\x1b[2J: \"line\\n\\\"xxx")) << reason;
  EXPECT_LT(reason.size(), 400u);
}

}  // namespace
}  // namespace objmapper::origin::s3
