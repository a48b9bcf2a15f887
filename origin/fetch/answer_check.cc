// Whether an answer of 2xx is of the version, the range and the size that were asked for. Parts of
// different versions must never be mixed, and a body must not be longer than there is room for.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "origin/fetch/transfer.h"
#include "text/printable.h"

namespace objmapper::origin::fetch {
namespace {

constexpr size_t kEtagShownMax = 80;

std::string RangeText(std::optional<uint64_t> from, std::optional<uint64_t> to) {
  return absl::StrCat(from.value_or(0), "-", to.has_value() ? absl::StrCat(*to) : "");
}

}  // namespace

absl::Status Transfer::Refuse(Verdict verdict, Cause cause, std::string why) {
  judgement_ = {verdict, cause, Again::kNever, std::move(why)};
  return absl::AbortedError(judgement_->reason);
}

absl::Status Transfer::CheckVersion(const Head& head) {
  // The ETag of an answer to a PUT is the new one.
  if (!Reads() && request_.method != Method::kHead) return absl::OkStatus();
  const std::string& wanted = GoesOn() ? etag_ : request_.if_match;
  if (wanted.empty() || wanted == "*" || head.etag == wanted) return absl::OkStatus();
  return Refuse(Verdict::kPreconditionFailed, Cause::kStatus,
                head.etag.empty()
                    ? absl::StrCat("an answer to If-Match without an ETag")
                    : absl::StrCat("an answer of version ", text::Quoted(head.etag, kEtagShownMax),
                                   " where ", text::Quoted(wanted, kEtagShownMax), " was asked"));
}

absl::Status Transfer::CheckRange(const HeadReader& reader) {
  if (request_.method == Method::kHead) return absl::OkStatus();
  const Head& head = reader.head();
  const auto malformed = [&](absl::string_view why) {
    return Refuse(Verdict::kTrouble, Cause::kMalformed, absl::StrCat(head.status, " ", why));
  };
  std::optional<uint64_t> length = head.content_length;
  if (Reads() && head.status != 200 && head.status != 206) return malformed("to a GET");
  if (head.status == 206) {
    if (!from_.has_value()) return malformed("to a request without a range");
    const std::optional<ByteRange>& range = reader.range();
    if (!range.has_value()) return malformed("without a Content-Range");
    // To the end that was asked for, or the object's.
    std::optional<uint64_t> last = to_;
    if (head.object_bytes.has_value())
      last = std::min(to_.value_or(UINT64_MAX), *head.object_bytes - 1);
    if (range->first != *from_ || (to_.has_value() && range->last > *to_) ||
        (head.object_bytes.has_value() && range->last != *last)) {
      return malformed(absl::StrCat("with bytes ", RangeText(range->first, range->last), " where ",
                                    RangeText(from_, to_), " were asked for"));
    }
    const uint64_t bytes = range->last - range->first + 1;
    if (length.has_value() && *length != bytes) {
      return malformed(absl::StrCat("with a Content-Length of ", *length, " for bytes ",
                                    RangeText(range->first, range->last)));
    }
    length = bytes;
  } else if (from_.has_value()) {
    // A server without ranges: what the sink has already is left out, if it came in this way.
    if (shown_ ? !whole_ : !request_.accept_whole) {
      return malformed(absl::StrCat("(the whole object) where bytes ", RangeText(from_, to_),
                                    " were asked for"));
    }
    if (shown_) skip_ = *from_;
  }
  if (shown_) {
    // The same version, says the ETag; then its size is the same.
    const bool other_size = object_bytes_.has_value() && head.object_bytes.has_value() &&
                            *object_bytes_ != *head.object_bytes;
    const bool other_end =
        expected_.has_value() && length.has_value() && *length - skip_ != *expected_ - delivered_;
    return other_size || other_end ? malformed("with another size than before") : absl::OkStatus();
  }
  if (length.has_value() && *length > request_.body_bytes_max) {
    return Refuse(Verdict::kTrouble, Cause::kTooLarge,
                  absl::StrCat("a body of ", *length, " bytes where at most ",
                               request_.body_bytes_max, " were expected"));
  }
  if (Reads()) expected_ = length;
  return absl::OkStatus();
}

}  // namespace objmapper::origin::fetch
