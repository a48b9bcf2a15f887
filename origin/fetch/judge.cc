// Statuses, S3's codes and libcurl's.
#include "origin/fetch/judge.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "text/printable.h"

namespace objmapper::origin::fetch {
namespace {

// A stranger's sentence, in ours.
constexpr size_t kMessageMax = 300;

template <size_t n>
bool IsOneOf(absl::string_view code, const absl::string_view (&codes)[n]) {
  return std::find(std::begin(codes), std::end(codes), code) != std::end(codes);
}

// The SDKs' lists (botocore/retries/standard.py).
constexpr absl::string_view kThrottling[] = {"SlowDown",
                                             "Throttling",
                                             "ThrottlingException",
                                             "ThrottledException",
                                             "RequestThrottled",
                                             "RequestThrottledException",
                                             "TooManyRequestsException",
                                             "RequestLimitExceeded",
                                             "BandwidthLimitExceeded",
                                             "LimitExceededException",
                                             "PriorRequestNotComplete",
                                             "ProvisionedThroughputExceededException",
                                             "TransactionInProgressException"};
constexpr absl::string_view kTransient[] = {"RequestTimeout", "RequestTimeoutException",
                                            "InternalError"};
constexpr absl::string_view kExpired[] = {"ExpiredToken", "ExpiredTokenException",
                                          "TokenRefreshRequired"};
// What is wrong with our key, our signature or our clock, and not with what is asked.
constexpr absl::string_view kCredentials[] = {
    "RequestTimeTooSkewed",  "SignatureDoesNotMatch",
    "InvalidAccessKeyId",    "InvalidToken",
    "InvalidClientTokenId",  "AuthorizationHeaderMalformed",
    "RequestExpired",        "InvalidSecurity",
    "MissingSecurityHeader", "XAmzContentSHA256Mismatch"};

std::string Sentence(int status, const ErrorDocument& error) {
  std::string sentence = absl::StrCat(status);
  if (!error.code.empty()) {
    absl::StrAppend(&sentence, " ", text::Printable(error.code.substr(0, kMessageMax)));
  }
  if (!error.message.empty()) {
    const bool cut = error.message.size() > kMessageMax;
    absl::StrAppend(&sentence, ": ", text::Printable(error.message.substr(0, kMessageMax)),
                    cut ? "..." : "");
  }
  return sentence;
}

Judgement JudgeNotFound(const Request& request, int status, const ErrorDocument& error) {
  // HEAD has no body, so its 404 may be a bucket's; who asks S3 by it must know.
  const bool of_object =
      status == 410 || request.method == Method::kHead ||
      (request.s3 ? error.code == "NoSuchKey" : error.code.empty() || error.code == "NoSuchKey");
  Judgement judgement{of_object ? Verdict::kNotFound : Verdict::kTrouble, Cause::kStatus};
  judgement.reason = Sentence(status, error);
  if (!of_object && error.code.empty()) {
    absl::StrAppend(&judgement.reason, ", without S3's NoSuchKey: is this an S3 endpoint?");
  }
  return judgement;
}

}  // namespace

Judgement JudgeStatus(const Request& request, int status, const ErrorDocument& error,
                      absl::Duration skew) {
  const std::string sentence = Sentence(status, error);
  if (IsOneOf(error.code, kExpired)) {
    return {Verdict::kTrouble, Cause::kExpired, Again::kRefresh, sentence};
  }
  if (IsOneOf(error.code, kCredentials)) {
    Judgement judgement{Verdict::kTrouble, Cause::kCredentials, Again::kNever, sentence};
    if (error.code == "RequestTimeTooSkewed" && skew != absl::ZeroDuration()) {
      absl::StrAppend(&judgement.reason, " (the origin's clock is ",
                      absl::FormatDuration(skew < absl::ZeroDuration() ? -skew : skew),
                      skew < absl::ZeroDuration() ? " behind" : " ahead of", " this machine's)");
    }
    return judgement;
  }
  if (status == 429 || IsOneOf(error.code, kThrottling)) {
    return {Verdict::kTrouble, Cause::kThrottled, Again::kRefused, sentence};
  }
  if (IsOneOf(error.code, kTransient)) {
    return {Verdict::kTrouble, Cause::kServerError, Again::kRetry, sentence};
  }
  switch (status) {
    case 304:
      if (request.if_none_match.empty() && request.if_modified_since.empty()) break;
      return {Verdict::kNotModified, Cause::kStatus, Again::kNever, "304"};
    case 401:
    case 403:
      return {Verdict::kPermissionDenied, Cause::kStatus, Again::kNever, sentence};
    case 404:
    case 410:
      return JudgeNotFound(request, status, error);
    case 412:
      return {Verdict::kPreconditionFailed, Cause::kStatus, Again::kNever, sentence};
    case 416:
      return {Verdict::kBadRange, Cause::kStatus, Again::kNever, sentence};
    case 503:
      return {Verdict::kTrouble, Cause::kServerError, Again::kRefused, sentence};
    case 408:
    case 500:
    case 502:
    case 504:
      return {Verdict::kTrouble, Cause::kServerError, Again::kRetry, sentence};
    default:
      break;
  }
  return {Verdict::kTrouble, status >= 500 ? Cause::kServerError : Cause::kStatus, Again::kNever,
          sentence};
}

Judgement JudgeTransport(CURLcode code, absl::string_view text) {
  Judgement judgement;
  judgement.reason = text::Printable(text.empty() ? curl_easy_strerror(code) : text);
  const auto is = [&](Cause cause, Again again) {
    judgement.cause = cause;
    judgement.again = again;
    return judgement;
  };
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return is(Cause::kUnknownHost, Again::kRefused);
    case CURLE_COULDNT_CONNECT:
      return is(Cause::kRefused, Again::kRefused);
    case CURLE_OPERATION_TIMEDOUT:  // libcurl is given no other limit than that of connecting
      return is(Cause::kConnectTimeout, Again::kRefused);
    case CURLE_PROXY:  // the proxy's own refusal
      return is(Cause::kRefused, Again::kNever);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return is(Cause::kTls, Again::kNever);
    case CURLE_SSL_CONNECT_ERROR:  // a reset in the handshake, or no TLS at all
      return is(Cause::kTls, Again::kRefused);
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
      return is(Cause::kBroken, Again::kRetry);
    case CURLE_OUT_OF_MEMORY:
      // What libcurl 7.88 says of a line of a head that is longer than 100 KiB: what an earlier
      // answer on this connection had too much looks like that, so another connection may do.
      judgement.reason =
          "the answer has a line of more than 100 KiB in its head (or no memory here)";
      return is(Cause::kMalformed, Again::kRetry);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:  // "Received HTTP/0.9 when not allowed"
    case CURLE_BAD_CONTENT_ENCODING:
      return is(Cause::kMalformed, Again::kNever);
    default:
      return is(Cause::kOurs, Again::kNever);
  }
}

}  // namespace objmapper::origin::fetch
