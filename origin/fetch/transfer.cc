// From attempt to attempt. What is checked of an answer is in answer_check.cc.
#include "origin/fetch/transfer.h"

#include <time.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "net/clock.h"
#include "origin/fetch/url.h"
#include "text/printable.h"

namespace objmapper::origin::fetch {
namespace {

using Step = Transfer::Step;

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

absl::Duration Since(int64_t ns) { return absl::Nanoseconds(net::NowNs() - ns); }

// The origin's clock minus ours.
absl::Duration Skew(const Head& head) {
  const time_t date = curl_getdate(std::string(head.Find("date")).c_str(), nullptr);
  if (date < 0) return absl::ZeroDuration();
  return absl::FromTimeT(date) - absl::FromTimeT(time(nullptr));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Transfer>> Transfer::Make(uint64_t id, Request request,
                                                         std::shared_ptr<Sink> sink,
                                                         const Options* options) {
  absl::StatusOr<std::string> origin = OriginOf(request.url);
  if (!origin.ok()) return origin.status();
  if (request.range.has_value() && request.range->last < request.range->first) {
    return absl::InvalidArgumentError(absl::StrCat(Shown(request.url), ": the range ",
                                                   request.range->first, "-", request.range->last,
                                                   " ends before it begins"));
  }
  for (const std::string* etag : {&request.if_match, &request.if_none_match}) {
    if (!Exchange::IsHeader({"ETag", *etag})) {
      return absl::InvalidArgumentError(
          absl::StrCat(Shown(request.url), ": ", text::Quoted(*etag), " is no ETag"));
    }
  }
  return std::unique_ptr<Transfer>(
      new Transfer(id, std::move(request), std::move(sink), options, *std::move(origin)));
}

Transfer::Transfer(uint64_t id, Request request, std::shared_ptr<Sink> sink, const Options* options,
                   std::string origin)
    : id_(id),
      request_(std::move(request)),
      sink_(std::move(sink)),
      options_(*options),
      started_ns_(net::NowNs()),
      url_(request_.url),
      retry_url_(request_.url),
      origin_(origin),
      trusted_({std::move(origin)}) {
  retry_.attempts_max = request_.attempts_max;
}

bool Transfer::GoesOn() const {
  return Reads() && shown_ && !etag_.empty() && !absl::StartsWith(etag_, "W/");
}

bool Transfer::CarriesCredentials(const std::string& name) const {
  const std::string lower = absl::AsciiStrToLower(name);
  return lower == "authorization" || lower == "cookie" || lower == "proxy-authorization" ||
         lower == "x-amz-security-token" ||
         absl::StartsWith(lower, "x-amz-server-side-encryption-customer-key");
}

absl::StatusOr<Headers> Transfer::MakeHeaders() {
  const bool credentials = trusted_.count(origin_) != 0;
  Headers headers;
  if (request_.prepare) {
    absl::StatusOr<Headers> prepared = request_.prepare({outcome_.attempts, url_, credentials});
    if (!prepared.ok()) return prepared.status();
    for (Header& header : *prepared) {
      if (!Exchange::IsHeader(header)) {
        return absl::InvalidArgumentError(
            absl::StrCat("the header ", text::Quoted(header.name, 80), " cannot be sent"));
      }
      if (credentials || !CarriesCredentials(header.name)) headers.push_back(std::move(header));
    }
  }
  if (from_.has_value()) {
    headers.push_back(
        {"Range", absl::StrCat("bytes=", *from_, "-", to_.has_value() ? absl::StrCat(*to_) : "")});
  }
  if (GoesOn()) {
    headers.push_back({"If-Match", etag_});
    return headers;
  }
  if (!request_.if_match.empty()) headers.push_back({"If-Match", request_.if_match});
  if (!request_.if_none_match.empty()) {
    headers.push_back({"If-None-Match", request_.if_none_match});
  }
  if (!request_.if_modified_since.empty())
    headers.push_back({"If-Modified-Since", request_.if_modified_since});
  return headers;
}

std::optional<Step> Transfer::Begin(RetryPolicy* policy) {
  ++outcome_.attempts;
  began_ns_ = net::NowNs();
  outcome_.answer = absl::ZeroDuration();
  from_.reset();
  to_.reset();
  if (GoesOn()) {
    from_ = first_ + delivered_;
    if (expected_.has_value()) to_ = first_ + *expected_ - 1;
  } else if (request_.range.has_value() && Reads()) {
    from_ = request_.range->first;
    to_ = request_.range->last;
  }
  skip_ = 0;
  judgement_.reset();
  absl::StatusOr<Headers> headers = MakeHeaders();
  if (!headers.ok()) {
    --outcome_.attempts;
    return Decide({Verdict::kTrouble, Cause::kOurs, Again::kNever,
                   text::Printable(headers.status().message())},
                  policy);
  }
  Exchange::Setup setup;
  setup.request = &request_;
  setup.url = url_;
  setup.headers = *std::move(headers);
  setup.timeouts = request_.timeouts.value_or(options_.timeouts);
  setup.tag = this;
  exchange_ = std::make_unique<Exchange>(options_, setup, this);
  return std::nullopt;
}

void Transfer::NoteDeed() {
  if (Reads() || request_.method == Method::kHead || !exchange_->sent()) return;
  // "Not implemented" and "come again later" say that nothing was done.
  const int status = outcome_.status;
  if (status < 300 || (status >= 500 && status != 501 && status != 503))
    outcome_.may_be_done = true;
}

Step Transfer::End(CURLcode code, RetryPolicy* policy) {
  const ErrorDocument error = ParseErrorDocument(exchange_->error_body());
  outcome_.status = exchange_->head().status();
  if (outcome_.answer == absl::ZeroDuration()) outcome_.answer = Since(began_ns_);
  NoteDeed();
  outcome_.code = error.code;
  outcome_.retry_after.reset();
  const Head& head = exchange_->head().head();
  if (outcome_.status >= 300) {
    outcome_.retry_after = ParseRetryAfter(head.Find("retry-after"), absl::Now());
    if (outcome_.status == 416 && !GoesOn()) outcome_.object_bytes = head.object_bytes;
  }
  Judgement judgement = Judge(code, error);
  const std::optional<Step> followed = Follow(error, &judgement);
  // What cannot be done twice, and may have been done once.
  if (judgement.again == Again::kRetry && !request_.idempotent && exchange_->sent()) {
    judgement.again = Again::kNever;
  }
  exchange_.reset();
  if (followed.has_value() && followed->kind == Step::Kind::kAgain) return *followed;
  return Decide(judgement, policy);
}

Step Transfer::EndLate(Cause cause, std::string why, RetryPolicy* policy) {
  const bool once = !request_.idempotent && exchange_->sent();
  outcome_.status = exchange_->head().status();
  if (outcome_.answer == absl::ZeroDuration()) outcome_.answer = Since(began_ns_);
  NoteDeed();
  outcome_.code.clear();
  outcome_.retry_after.reset();
  exchange_.reset();
  if (Complete()) return Decide({Verdict::kFound}, policy);
  return Decide({Verdict::kTrouble, cause, once ? Again::kNever : Again::kRetry, std::move(why)},
                policy);
}

Judgement Transfer::Judge(CURLcode code, const ErrorDocument& error) {
  const Exchange& exchange = *exchange_;
  if (judgement_.has_value()) return *judgement_;
  if (!exchange.refusal().ok()) {
    const std::string why = text::Printable(exchange.refusal().message());
    if (!exchange.body_failed()) {
      return {Verdict::kRefusedBySink, Cause::kOurs, Again::kNever, why};
    }
    return {Verdict::kTrouble, Cause::kOurs, Again::kNever, absl::StrCat("its body: ", why)};
  }
  if (!exchange.head().why().empty()) {
    return {Verdict::kTrouble, Cause::kMalformed, Again::kNever,
            absl::StrCat("the answer has ", exchange.head().why())};
  }
  // Not the origin's answer.
  if (const int refused = exchange.proxy_status(); refused >= 300) {
    return {Verdict::kTrouble, Cause::kRefused, refused >= 500 ? Again::kRefused : Again::kNever,
            absl::StrCat("the proxy answers ", refused, " to CONNECT")};
  }
  const int status = exchange.head().status();
  if (status == 416 && GoesOn()) {
    // The object of that version ends before its end.
    return {Verdict::kTrouble, Cause::kMalformed, Again::kNever,
            absl::StrCat("416 to bytes behind the first ", delivered_, " of a body of ",
                         expected_.has_value() ? absl::StrCat(*expected_) : "more")};
  }
  // An error whose body was cut off does not say which it is, but 5xx is trouble in any case; one
  // whose body was too long to read (CURLE_WRITE_ERROR) is nothing that S3 says.
  if (status >= 300 && (code == CURLE_OK || code == CURLE_WRITE_ERROR || status >= 500)) {
    return JudgeStatus(request_, status, error, Skew(exchange.head().head()));
  }
  if (code != CURLE_OK) {
    // What comes behind the last byte (TLS' goodbye, the last chunk) does not matter.
    return Complete() ? Judgement{Verdict::kFound} : JudgeTransport(code, exchange.error_text());
  }
  if (status == 0) {
    return {Verdict::kTrouble, Cause::kMalformed, Again::kNever,
            "an answer without a final status"};
  }
  if (Reads() && expected_.has_value() && delivered_ != *expected_) {
    return {Verdict::kTrouble, Cause::kBroken, Again::kRetry,
            absl::StrCat("the body ended after ", delivered_, " of ", *expected_, " bytes")};
  }
  return {Verdict::kFound};
}

std::optional<Step> Transfer::Follow(const ErrorDocument& error, Judgement* judgement) {
  const int status = outcome_.status;
  // Without somebody who knows regions this is a signature that is wrong, as others are.
  const bool elsewhere = error.code == "AuthorizationHeaderMalformed" && !error.region.empty() &&
                         request_.redirected != nullptr;
  if (judgement_.has_value() || (!IsRedirect(status) && !elsewhere)) return std::nullopt;
  const Head& head = exchange_->head().head();
  Redirect redirect{
      status, url_, "", error.code, std::string(head.Find("x-amz-bucket-region")), error.endpoint};
  if (redirect.region.empty()) redirect.region = error.region;
  const auto refuse = [&](absl::string_view why) {
    const std::string to = !redirect.to_url.empty()  ? Shown(redirect.to_url)
                           : redirect.region.empty() ? "elsewhere"
                                                     : absl::StrCat("region ", redirect.region);
    *judgement = {Verdict::kTrouble, Cause::kRedirect, Again::kNever,
                  text::Printable(absl::StrCat(status, error.code.empty() ? "" : " ", error.code,
                                               " leads to ", to, why))};
    return Step{};
  };
  const absl::string_view location = head.Find("location");
  if (IsRedirect(status) && !location.empty()) {
    absl::StatusOr<std::string> resolved = Resolve(url_, location);
    if (!resolved.ok()) return refuse(absl::StrCat(": ", resolved.status().message()));
    redirect.to_url = *std::move(resolved);
  }
  if (!request_.redirected) return refuse(", which is not followed");
  if (redirects_ >= options_.redirects_max) {
    return refuse(absl::StrCat(", after ", redirects_, " others: a loop?"));
  }
  if (status == 303 && !Reads() && request_.method != Method::kHead) {
    return refuse(": a change is not made by GET");
  }
  const std::optional<RedirectTarget> target = request_.redirected(redirect);
  if (!target.has_value()) return refuse(", which is not followed");
  absl::StatusOr<std::string> origin = OriginOf(target->url);
  if (!origin.ok()) return refuse(absl::StrCat(": ", origin.status().message()));
  if (absl::StartsWith(origin_, "https:") && !absl::StartsWith(*origin, "https:")) {
    return refuse(", from https to http: not followed");
  }
  ++redirects_;
  url_ = target->url;
  origin_ = *std::move(origin);
  if (target->same_origin) trusted_.insert(origin_);
  if (status == 301 || status == 308 || elsewhere) retry_url_ = url_;
  return Step{Step::Kind::kAgain, {}};
}

Step Transfer::Decide(const Judgement& judgement, RetryPolicy* policy) {
  if (judgement.verdict != Verdict::kTrouble) {
    policy->Succeeded(origin_, retry_);
    return Finish(judgement, "");
  }
  if (judgement.again == Again::kRefresh && request_.refresh && !refreshed_) {
    refreshed_ = true;
    outcome_.retried.push_back(judgement.cause);
    return {Step::Kind::kRefresh, {}};
  }
  if (judgement.again != Again::kRetry && judgement.again != Again::kRefused) {
    return Finish(judgement, "");
  }
  if (delivered_ > 0 && !GoesOn()) {
    return Finish(judgement, absl::StrCat("after ", delivered_,
                                          " bytes; there is no strong ETag to go on by"));
  }
  std::string why;
  const std::optional<absl::Duration> delay =
      policy->NextDelay(origin_, &retry_, outcome_.retry_after, &why);
  if (!delay.has_value()) return Finish(judgement, why);
  outcome_.retried.push_back(judgement.cause);
  if (!GoesOn()) {
    shown_ = false;
    expected_.reset();
  }
  if (url_ != retry_url_) {
    url_ = retry_url_;
    origin_ = OriginOf(url_).value_or(origin_);  // it has been one before
  }
  return {Step::Kind::kLater, *delay};
}

void Transfer::Abandon(const Judgement& judgement) {
  if (exchange_ != nullptr) {
    outcome_.status = exchange_->head().status();
    NoteDeed();
  }
  exchange_.reset();
  Finish(judgement, "");
}

Step Transfer::Finish(const Judgement& judgement, const std::string& why) {
  outcome_.verdict = judgement.verdict;
  outcome_.cause = judgement.cause;
  if (judgement.verdict != Verdict::kFound) {
    outcome_.reason =
        absl::StrCat(MethodName(request_.method), " ", Shown(request_.url), ": ", judgement.reason,
                     why.empty() ? "" : " (", why, why.empty() ? "" : ")");
  }
  if (judgement.verdict == Verdict::kFound) outcome_.may_be_done = false;
  outcome_.bytes = delivered_;
  outcome_.total = Since(started_ns_);
  sink_->OnDone(outcome_);
  return {Step::Kind::kDone, {}};
}

absl::Status Transfer::TakeHead(const HeadReader& reader) {
  const Head& head = reader.head();
  outcome_.answer = Since(began_ns_);
  if (absl::Status checked = CheckVersion(head); !checked.ok()) return checked;
  if (absl::Status checked = CheckRange(reader); !checked.ok()) return checked;
  if (shown_) return absl::OkStatus();
  shown_ = true;
  whole_ = head.status == 200;
  etag_ = head.etag;
  first_ = head.first;
  object_bytes_ = head.object_bytes;
  outcome_.first_byte = Since(started_ns_);
  return sink_->OnHead(head);
}

absl::Status Transfer::TakeBytes(absl::Span<const char> bytes) {
  const auto skipped = static_cast<size_t>(std::min<uint64_t>(skip_, bytes.size()));
  skip_ -= skipped;
  bytes.remove_prefix(skipped);
  if (bytes.empty()) return absl::OkStatus();
  if (expected_.has_value() && bytes.size() > *expected_ - delivered_) {
    return Refuse(Verdict::kTrouble, Cause::kMalformed,
                  absl::StrCat("more than the ", *expected_, " bytes that were announced"));
  }
  if (bytes.size() > request_.body_bytes_max - delivered_) {
    return Refuse(Verdict::kTrouble, Cause::kTooLarge,
                  absl::StrCat("a body of more than ", request_.body_bytes_max, " bytes"));
  }
  delivered_ += bytes.size();
  return sink_->OnBytes(bytes);
}

}  // namespace objmapper::origin::fetch
