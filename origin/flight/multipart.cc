// The course of an upload in parts. Invariant: once it is to fail nothing more is sent, and it is
// aborted when nothing is under way any more.
#include "origin/flight/multipart.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "origin/cache/crc32c.h"
#include "origin/flight/digest.h"
#include "origin/flight/trouble.h"
#include "origin/s3/documents.h"
#include "text/printable.h"

namespace objmapper::origin {
namespace {

using fetch::Method;
using fetch::Verdict;

constexpr absl::Duration kAbortTime = absl::Seconds(10);

}  // namespace

absl::Status ChangeTrouble(const fetch::Outcome& outcome) {
  switch (outcome.verdict) {
    case Verdict::kPermissionDenied:
      return absl::PermissionDeniedError(outcome.reason);
    case Verdict::kPreconditionFailed:
      return absl::AbortedError(outcome.reason);
    default:
      break;
  }
  const absl::Status trouble = TroubleOf(outcome);
  if (!outcome.may_be_done) return trouble;
  absl::Status unknown = Trouble(absl::StrCat(
      trouble.message(), "; whether the origin has done it is unknown: ask, or do it again"));
  if (!outcome.retry_after.has_value()) return unknown;
  return net::WithRetryAfter(std::move(unknown), *outcome.retry_after);
}

uint64_t Multipart::PartBytes(uint64_t size, uint64_t wanted) {
  return std::max({wanted, kPartBytesMin, (size + kPartsMax - 1) / kPartsMax});
}

Multipart::Multipart(Requests* requests, std::shared_ptr<const Source> source, Location location,
                     SentObject object, std::function<void(SendResult)> done)
    : requests_(requests),
      source_(std::move(source)),
      location_(std::move(location)),
      object_(std::move(object)),
      part_bytes_(PartBytes(object_.size, source_->origin().part_bytes)),
      parts_(static_cast<size_t>((object_.size + part_bytes_ - 1) / part_bytes_)),
      done_(std::move(done)),
      etags_(parts_) {}

void Multipart::Begin() {
  // Once: who sends it twice may begin two, of which one is left.
  requests_->Send(
      source_->Send(location_,
                    {.method = Method::kPost, .query = s3::Query().Add("uploads"), .once = true}),
      [self = shared_from_this()](const Answer& answer) { self->OnBegun(answer); });
}

void Multipart::OnBegun(const Answer& answer) {
  if (answer.outcome.verdict != Verdict::kFound) {
    // Nothing can have been stored.
    fetch::Outcome outcome = answer.outcome;
    outcome.may_be_done = false;
    return Fail(ChangeTrouble(outcome));
  }
  absl::StatusOr<std::string> id = s3::ParseUploadId(answer.body);
  if (!id.ok()) {
    return Fail(Trouble(absl::StrCat("POST ", text::Printable(source_->UrlOf(location_)),
                                     "?uploads: ", text::Printable(id.status().message()))));
  }
  id_ = *std::move(id);
  SendParts();
}

void Multipart::SendParts() {
  if (!result_.status.ok()) return Fail(result_.status);
  const size_t at_once = std::max<size_t>(source_->origin().parallel, 1);
  for (; next_ < parts_ && requests_->size() < at_once; ++next_) {
    const uint64_t begin = next_ * part_bytes_;
    const uint64_t bytes = std::min(part_bytes_, object_.size - begin);
    Source::Sent sent = {
        .query = s3::Query().Add("partNumber", absl::StrCat(next_ + 1)).Add("uploadId", id_),
        .body = fetch::BodyOf(object_.file, begin, bytes)};
    if (source_->SignsBodies()) {
      absl::StatusOr<Digest> digest = DigestOf(object_.file->get(), begin, bytes);
      if (!digest.ok()) return Fail(DiskTrouble(digest.status()));
      sent.sha256 = std::move(digest->sha256);
      result_.crc32c =
          next_ == 0 ? digest->crc32c : Crc32cCombine(*result_.crc32c, digest->crc32c, bytes);
    }
    requests_->Send(source_->Send(location_, std::move(sent)),
                    [self = shared_from_this(), index = next_](const Answer& answer) {
                      self->OnPart(index, answer);
                    });
  }
}

void Multipart::OnPart(size_t index, const Answer& answer) {
  if (!result_.status.ok()) return Fail(result_.status);
  if (answer.outcome.verdict != Verdict::kFound) {
    fetch::Outcome outcome = answer.outcome;
    outcome.may_be_done = false;  // a part is no object
    // A part has no condition; 404 is NoSuchUpload: somebody has aborted it.
    return Fail(ChangeTrouble(outcome));
  }
  etags_[index] = absl::StrReplaceAll(answer.head->etag, {{"\"", ""}});
  if (etags_[index].empty()) {
    return Fail(Trouble(absl::StrCat("PUT ", text::Printable(source_->UrlOf(location_)), ", part ",
                                     index + 1, ": an answer without an ETag")));
  }
  if (++there_ == parts_) return Complete();
  SendParts();
}

void Multipart::Complete() {
  std::string document = s3::CompleteMultipartUpload(etags_);
  Source::Sent sent = {.method = Method::kPost,
                       .query = s3::Query().Add("uploadId", id_),
                       .sha256 = s3::Sha256Hex(document),
                       .if_match = object_.if_match,
                       .if_none_match = object_.if_none_match,
                       .once = true};
  sent.body = fetch::BodyOf(std::move(document));
  requests_->Send(source_->Send(location_, std::move(sent)),
                  [self = shared_from_this()](const Answer& answer) { self->OnCompleted(answer); });
}

void Multipart::OnCompleted(const Answer& answer) {
  if (answer.outcome.verdict != Verdict::kFound) return Fail(ChangeTrouble(answer.outcome));
  absl::StatusOr<std::string> etag = s3::ParseCompleted(answer.body);
  if (!etag.ok()) {
    fetch::Outcome outcome = answer.outcome;
    outcome.verdict = Verdict::kTrouble;
    outcome.reason = absl::StrCat("POST ", text::Printable(source_->UrlOf(location_)),
                                  "?uploadId: ", text::Printable(etag.status().message()));
    // An error is one; what is no answer at all may be either.
    outcome.may_be_done = !absl::IsUnavailable(etag.status());
    return Fail(ChangeTrouble(outcome));
  }
  result_.status = absl::OkStatus();  // though it was to be cancelled
  result_.etag = *std::move(etag);
  if (result_.etag.empty()) result_.computed_etag = s3::MultipartEtag(etags_);
  End();
}

void Multipart::Cancel(absl::Status why) {
  if (done_ == nullptr || !result_.status.ok()) return;
  result_.status = std::move(why);
  // Whoever has been asked answers that it was cancelled.
  requests_->CancelAll();
}

void Multipart::Fail(absl::Status why) {
  if (result_.status.ok()) {
    result_.status = std::move(why);
    requests_->CancelAll();
  }
  if (!requests_->empty()) return;
  if (id_.empty()) return End();
  Abort();
}

void Multipart::Abort() {
  // Also where it may be complete: then there is none of this id any more.
  fetch::Request request = source_->Send(
      location_,
      {.method = Method::kDelete, .query = s3::Query().Add("uploadId", std::exchange(id_, ""))});
  // Somebody waits for what has failed already.
  request.timeouts->answer = kAbortTime;
  requests_->Send(std::move(request), [self = shared_from_this()](const Answer& answer) {
    const fetch::Outcome& outcome = answer.outcome;
    LOG_IF(WARNING, outcome.verdict != Verdict::kFound && outcome.status != 404)
        << "parts of an upload that failed may be left at its origin: " << outcome.reason;
    self->End();
  });
}

void Multipart::End() { std::exchange(done_, nullptr)(std::move(result_)); }

}  // namespace objmapper::origin
