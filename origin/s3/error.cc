// The table of codes, and of the statuses for which there is no code.
#include "origin/s3/error.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "origin/s3/url.h"
#include "text/printable.h"

namespace objmapper::origin::s3 {
namespace {

constexpr size_t kCodeShownMax = 64;
constexpr size_t kMessageShownMax = 256;

struct Row {
  absl::string_view code;
  Meaning meaning;
  Remedy remedy;
};

// What is not here goes by its status.
constexpr Row kCodes[] = {
    {"NoSuchKey", Meaning::kNotFound, Remedy::kNone},
    {"AccessDenied", Meaning::kPermissionDenied, Remedy::kNone},
    {"AllAccessDisabled", Meaning::kPermissionDenied, Remedy::kNone},
    {"PreconditionFailed", Meaning::kPrecondition, Remedy::kNone},
    {"InvalidRange", Meaning::kRange, Remedy::kNone},
    {"OperationAborted", Meaning::kConflict, Remedy::kBackOff},
    {"ConditionalRequestConflict", Meaning::kConflict, Remedy::kBackOff},
    // The SDKs' list of throttling errors.
    {"SlowDown", Meaning::kThrottled, Remedy::kBackOff},
    {"Throttling", Meaning::kThrottled, Remedy::kBackOff},
    {"ThrottlingException", Meaning::kThrottled, Remedy::kBackOff},
    {"ThrottledException", Meaning::kThrottled, Remedy::kBackOff},
    {"RequestThrottled", Meaning::kThrottled, Remedy::kBackOff},
    {"RequestThrottledException", Meaning::kThrottled, Remedy::kBackOff},
    {"TooManyRequestsException", Meaning::kThrottled, Remedy::kBackOff},
    {"RequestLimitExceeded", Meaning::kThrottled, Remedy::kBackOff},
    {"BandwidthLimitExceeded", Meaning::kThrottled, Remedy::kBackOff},
    {"EC2ThrottledException", Meaning::kThrottled, Remedy::kBackOff},
    {"PriorRequestNotComplete", Meaning::kThrottled, Remedy::kBackOff},
    // And of those that pass.
    {"InternalError", Meaning::kTrouble, Remedy::kBackOff},
    {"ServiceUnavailable", Meaning::kTrouble, Remedy::kBackOff},
    {"RequestTimeout", Meaning::kTrouble, Remedy::kBackOff},
    {"RequestTimeoutException", Meaning::kTrouble, Remedy::kBackOff},
    {"IDPCommunicationError", Meaning::kTrouble, Remedy::kBackOff},
    {"ExpiredToken", Meaning::kExpired, Remedy::kRefreshKeys},
    {"ExpiredTokenException", Meaning::kExpired, Remedy::kRefreshKeys},
    {"TokenRefreshRequired", Meaning::kExpired, Remedy::kRefreshKeys},
    // Keys that were changed, in a file that has been, too.
    {"InvalidToken", Meaning::kBadKeys, Remedy::kRefreshKeys},
    {"InvalidAccessKeyId", Meaning::kBadKeys, Remedy::kRefreshKeys},
    {"SignatureDoesNotMatch", Meaning::kBadKeys, Remedy::kNone},
    {"InvalidSecurity", Meaning::kBadKeys, Remedy::kNone},
    {"NotSignedUp", Meaning::kBadKeys, Remedy::kNone},
    {"AccountProblem", Meaning::kBadKeys, Remedy::kNone},
    {"PermanentRedirect", Meaning::kWrongRegion, Remedy::kOtherRegion},
    {"TemporaryRedirect", Meaning::kWrongRegion, Remedy::kOtherRegion},
    {"Redirect", Meaning::kWrongRegion, Remedy::kOtherRegion},
    {"AuthorizationHeaderMalformed", Meaning::kWrongRegion, Remedy::kOtherRegion},
    {"IllegalLocationConstraintException", Meaning::kWrongRegion, Remedy::kOtherRegion},
    {"RequestTimeTooSkewed", Meaning::kSkew, Remedy::kNone},
    {"RequestExpired", Meaning::kSkew, Remedy::kNone},
    // Not the object's absence, but a wrong name in our configuration.
    {"NoSuchBucket", Meaning::kTrouble, Remedy::kNone},
    // Archived: it is there, and has to be restored by its owner.
    {"InvalidObjectState", Meaning::kTrouble, Remedy::kNone},
};

const Row* Find(absl::string_view code) {
  const Row* const row = std::find_if(std::begin(kCodes), std::end(kCodes),
                                      [code](const Row& row) { return row.code == code; });
  return row == std::end(kCodes) ? nullptr : row;
}

Row ByStatus(int status, bool has_document) {
  switch (status) {
    case 304:
      return {"", Meaning::kNotModified, Remedy::kNone};
    case 301:
    case 307:
      return {"", Meaning::kWrongRegion, Remedy::kOtherRegion};
    case 401:
    case 403:
      return {"", Meaning::kPermissionDenied, Remedy::kNone};
    case 409:
      return {"", Meaning::kConflict, Remedy::kBackOff};
    case 410:
      return {"", Meaning::kNotFound, Remedy::kNone};
    case 412:
      return {"", Meaning::kPrecondition, Remedy::kNone};
    case 416:
      return {"", Meaning::kRange, Remedy::kNone};
    case 429:
      return {"", Meaning::kThrottled, Remedy::kBackOff};
    case 500:
    case 502:
    case 503:
    case 504:
      return {"", Meaning::kTrouble, Remedy::kBackOff};
    default:
      break;
  }
  if (status >= 200 && status < 300 && !has_document) return {"", Meaning::kOk, Remedy::kNone};
  return {"", Meaning::kTrouble, Remedy::kNone};
}

// Only AWS sends anybody to another host; a server that is not theirs could so have us ask, with a
// signature, whom it likes.
bool IsAwsHost(absl::string_view text) {
  return text.size() <= 253 &&
         (absl::EndsWith(text, ".amazonaws.com") || absl::EndsWith(text, ".amazonaws.com.cn")) &&
         std::all_of(text.begin(), text.end(), [](unsigned char byte) {
           return absl::ascii_isalnum(byte) || byte == '.' || byte == '-';
         });
}

}  // namespace

std::ostream& operator<<(std::ostream& out, Meaning meaning) {
  constexpr absl::string_view kNames[] = {
      "ok",           "not modified", "not found", "permission denied", "precondition",
      "range",        "conflict",     "throttled", "expired",           "bad keys",
      "wrong region", "skew",         "trouble"};
  return out << kNames[static_cast<size_t>(meaning)];
}

std::ostream& operator<<(std::ostream& out, Remedy remedy) {
  constexpr absl::string_view kNames[] = {"none", "back off", "refresh keys", "other region"};
  return out << kNames[static_cast<size_t>(remedy)];
}

Verdict Judge(const Answer& answer) {
  const ErrorDocument* const document = answer.document;
  const Row* const known = document == nullptr ? nullptr : Find(document->code);
  // Absence is believed only if status and code agree on it.
  const bool agree =
      known != nullptr && (known->meaning != Meaning::kNotFound || answer.status == 404);
  const Row row = agree ? *known : ByStatus(answer.status, document != nullptr);
  Verdict verdict = {row.meaning, row.remedy};
  if (verdict.meaning == Meaning::kOk) return verdict;
  verdict.reason = absl::StrCat(answer.status);
  if (document != nullptr) {
    absl::StrAppend(&verdict.reason, " ",
                    text::Printable(absl::string_view(document->code).substr(0, kCodeShownMax)));
    if (!document->message.empty())
      absl::StrAppend(&verdict.reason, ": ", text::Quoted(document->message, kMessageShownMax));
  } else if (answer.status == 404) {
    verdict.reason += " without an error of S3's that says of what";
  }
  if (verdict.meaning != Meaning::kWrongRegion) return verdict;
  if (IsRegionName(answer.bucket_region)) {
    verdict.region = std::string(answer.bucket_region);
  } else if (document != nullptr && IsRegionName(document->region)) {
    verdict.region = document->region;
  }
  if (document != nullptr && IsAwsHost(document->endpoint)) verdict.endpoint = document->endpoint;
  // Without either there is nowhere else to ask.
  if (verdict.region.empty() && verdict.endpoint.empty()) {
    verdict.meaning = Meaning::kTrouble;
    verdict.remedy = Remedy::kNone;
  }
  return verdict;
}

absl::Status ToStatus(const Verdict& verdict, absl::string_view what) {
  const std::string message = absl::StrCat(what, ": ", verdict.reason);
  switch (verdict.meaning) {
    case Meaning::kOk:
      return absl::OkStatus();
    case Meaning::kNotFound:
      return absl::NotFoundError(message);
    case Meaning::kPermissionDenied:
      return absl::PermissionDeniedError(message);
    case Meaning::kPrecondition:
      return absl::FailedPreconditionError(message);
    case Meaning::kRange:
      return absl::OutOfRangeError(message);
    case Meaning::kConflict:
      return absl::AbortedError(message);
    case Meaning::kBadKeys:
      return absl::UnavailableError(absl::StrCat(message, " (the keys of this origin are wrong)"));
    case Meaning::kSkew:
      return absl::UnavailableError(
          absl::StrCat(message, " (the clock of this machine or of the origin is wrong)"));
    case Meaning::kNotModified:
    case Meaning::kThrottled:
    case Meaning::kExpired:
    case Meaning::kWrongRegion:
    case Meaning::kTrouble:
      break;
  }
  return absl::UnavailableError(message);
}

}  // namespace objmapper::origin::s3
