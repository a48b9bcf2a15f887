// Reads heads, and gathers bytes into pieces that are worth a write.
#include "origin/flight/part_sink.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "protocol/http/date.h"

namespace objmapper::origin {
namespace {

constexpr size_t kFirstPieceBytes = 16 * 1024;
constexpr size_t kPieceBytes = 256 * 1024;

// x-amz-checksum-crc32c of a whole object; one of a multipart object is of its parts' sums ("-N").
std::optional<uint32_t> Crc32cOf(absl::string_view field) {
  std::string bytes;
  if (field.empty() || field.find('-') != field.npos || !absl::Base64Unescape(field, &bytes) ||
      bytes.size() != 4)
    return std::nullopt;
  uint32_t crc = 0;
  for (const char c : bytes) crc = crc << 8 | static_cast<uint8_t>(c);
  return crc;
}

}  // namespace

PartSink::PartSink(std::shared_ptr<Strand> strand, std::function<absl::Time()> now, bool first,
                   PartEvents events)
    : strand_(std::move(strand)),
      now_(std::move(now)),
      first_(first),
      events_(std::make_shared<const PartEvents>(std::move(events))),
      piece_bytes_(kFirstPieceBytes) {}

absl::Status PartSink::OnHead(const fetch::Head& head) {
  at_ = head.first;
  piece_.clear();
  const bool whole = head.status == 200;
  const std::optional<uint64_t> size = whole ? head.content_length : head.object_bytes;
  if (first_ && !size.has_value())
    return absl::UnavailableError("the origin does not say how long the object is");
  Facts facts;
  facts.size = size.value_or(0);
  facts.begin = head.first;
  facts.bytes = whole ? facts.size : head.content_length.value_or(0);
  facts.etag = head.etag;
  facts.last_modified_s =
      protocol::http::ParseDate(head.Find("last-modified"), absl::ToUnixSeconds(now_()));
  if (first_ && facts.bytes == facts.size)
    facts.crc32c = Crc32cOf(head.Find("x-amz-checksum-crc32c"));
  facts.sums = SaidSums::Of(head, /*whole=*/first_ && facts.bytes == facts.size);
  strand_->Post([events = events_, facts] { events->on_facts(facts); });
  return absl::OkStatus();
}

absl::Status PartSink::OnBytes(absl::Span<const char> bytes) {
  piece_.append(bytes.data(), bytes.size());
  if (piece_.size() >= piece_bytes_) {
    PassOn();
    piece_bytes_ = std::min(2 * piece_bytes_, kPieceBytes);
  }
  return absl::OkStatus();
}

void PartSink::OnDone(const fetch::Outcome& outcome) {
  PassOn();
  strand_->Post([events = std::move(events_), outcome] { events->on_done(outcome); });
}

void PartSink::PassOn() {
  if (piece_.empty()) return;
  const uint64_t bytes = piece_.size();
  strand_->Post(
      [events = events_, at = at_, piece = std::move(piece_)] { events->on_bytes(at, piece); });
  piece_ = std::string();
  at_ += bytes;
}

}  // namespace objmapper::origin
