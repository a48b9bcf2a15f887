// What S3's answer means: whether the object is absent, whether it is worth asking again, and what
// has to change first.
//
//   const Verdict verdict = Judge({.status = 503, .document = &document});
//   if (verdict.remedy == Remedy::kBackOff) ...
//   else return ToStatus(verdict, "s3://bucket/key");
//
// Only NoSuchKey, and 410, say that an object is not there; whatever else goes wrong is trouble,
// which is never taken for absence. Sources: "Error responses" in Amazon S3's API reference; the
// standard retry mode in the AWS SDKs and Tools Reference Guide.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "origin/s3/documents.h"

namespace objmapper::origin::s3 {

enum class Meaning : uint8_t {
  kOk,                // 2xx without an error
  kNotModified,       // 304
  kNotFound,          // there is no such object
  kPermissionDenied,  // we are known, and may not; where a bucket hides what it has, of absent ones
  kPrecondition,      // 412: another version is there now
  kRange,        // 416: nothing of the object is in the range; so of every range if it is empty
  kConflict,     // 409: somebody else is changing it
  kThrottled,    // we ask too much: SlowDown and its like
  kExpired,      // the keys were good
  kBadKeys,      // the keys are not known, or do not fit what they sign
  kWrongRegion,  // `region` or `endpoint` says where it is
  kSkew,         // our clock, or theirs, is off by more than they allow
  kTrouble,      // anything else
};
std::ostream& operator<<(std::ostream& out, Meaning meaning);

// What may be done before the same is asked once more.
enum class Remedy : uint8_t {
  kNone,         // it would be answered the same
  kBackOff,      // wait; within the attempts and the retry budget
  kRefreshKeys,  // get other keys, once; the same keys again are no remedy
  kOtherRegion,  // ask where the bucket is, once
};
std::ostream& operator<<(std::ostream& out, Remedy remedy);

struct Answer {
  int status = 0;  // of HTTP
  // What was in the body; null: nothing, or nothing that could be read (of HEAD there is none).
  const ErrorDocument* document = nullptr;
  absl::string_view bucket_region;  // the field x-amz-bucket-region; empty: there is none
};

struct Verdict {
  Meaning meaning = Meaning::kTrouble;
  Remedy remedy = Remedy::kNone;
  // kWrongRegion: either may be empty. A region is one by its form (IsRegionName()), an endpoint a
  // host of AWS's, with the bucket in front: nobody else is followed to another host.
  std::string region;
  std::string endpoint;
  // For people, fit to be shown: "403 AccessDenied: \"Access Denied\"".
  std::string reason;
};

// Of an answer of any status. A document counts with status 200 too: CompleteMultipartUpload and
// copies tell of failures so.
Verdict Judge(const Answer& answer);

// What a client of ours is told; of kOk, OK. what: the object's or origin's name, shown as it is.
//
//   NOT_FOUND           kNotFound
//   PERMISSION_DENIED   kPermissionDenied
//   FAILED_PRECONDITION kPrecondition
//   OUT_OF_RANGE        kRange
//   ABORTED             kConflict
//   UNAVAILABLE         all others, kNotModified among them where nobody asked for it
absl::Status ToStatus(const Verdict& verdict, absl::string_view what);

}  // namespace objmapper::origin::s3
