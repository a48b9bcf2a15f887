// The course of a flight. Invariant: nothing is asked for, and nothing written, once it is to end
// or to begin anew; both happen when nothing is under way any more.
#include "origin/flight/flight.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "origin/cache/mark.h"
#include "origin/flight/trouble.h"
#include "protocol/http/date.h"

namespace objmapper::origin {
namespace {

using fetch::Verdict;

// How often an object is begun that changes while it is fetched.
constexpr int kVersionsMax = 4;
// What is written at once.
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

// One part's answer: told by the origin thread, passed on to the strand.
class Flight::PartSink : public fetch::Sink {
 public:
  PartSink(std::shared_ptr<Flight> flight, Part part, bool first)
      : flight_(std::move(flight)), part_(part), first_(first), at_(part.begin) {}

  absl::Status OnHead(const fetch::Head& head) override {
    at_ = head.first;
    piece_.clear();
    if (!first_) return absl::OkStatus();
    const bool whole = head.status == 200;
    const std::optional<uint64_t> size = whole ? head.content_length : head.object_bytes;
    if (!size.has_value())
      return absl::UnavailableError("the origin does not say how long the object is");
    Facts facts;
    facts.size = *size;
    facts.first_bytes = whole ? *size : head.content_length.value_or(0);
    facts.etag = head.etag;
    facts.last_modified_s = protocol::http::ParseDate(head.Find("last-modified"),
                                                      absl::ToUnixSeconds(flight_->options_.now()));
    if (facts.first_bytes == facts.size)
      facts.crc32c = Crc32cOf(head.Find("x-amz-checksum-crc32c"));
    if (flight_->source_->origin().kind == Origin::Kind::kS3) facts.md5 = Md5Check::Expected(head);
    flight_->strand_->Post([flight = flight_, facts] { flight->OnFacts(facts); });
    return absl::OkStatus();
  }

  absl::Status OnBytes(absl::Span<const char> bytes) override {
    piece_.append(bytes.data(), bytes.size());
    if (piece_.size() >= kPieceBytes) PassOn();
    return absl::OkStatus();
  }

  void OnDone(const fetch::Outcome& outcome) override {
    PassOn();
    flight_->strand_->Post([flight = flight_, part = part_, first = first_, outcome] {
      flight->OnPartDone(part, first, outcome);
    });
    flight_.reset();
  }

 private:
  void PassOn() {
    if (piece_.empty()) return;
    const uint64_t bytes = piece_.size();
    flight_->strand_->Post(
        [flight = flight_, at = at_, piece = std::move(piece_)] { flight->OnBytes(at, piece); });
    piece_ = std::string();
    at_ += bytes;
  }

  std::shared_ptr<Flight> flight_;
  const Part part_;
  const bool first_;
  uint64_t at_;
  std::string piece_;
};

Flight::Flight(Options options, std::shared_ptr<const Source> source, Location location,
               std::string uri, std::function<void(absl::Status)> ended)
    : options_(std::move(options)),
      source_(std::move(source)),
      location_(std::move(location)),
      uri_(std::move(uri)),
      url_(source_->UrlOf(location_)),
      ended_(std::move(ended)),
      strand_(std::make_shared<Strand>(options_.run)) {}

void Flight::Begin() {
  strand_->Post([self = shared_from_this()] {
    if (const absl::Status keys = self->source_->Prepare(); !keys.ok())
      return self->End(Trouble(absl::StrCat(self->url_, ": ", keys.message())));
    self->BeginVersion(/*whole=*/false);
  });
}

void Flight::Cancel(absl::Status why) {
  strand_->Post([self = shared_from_this(), why = std::move(why)] { self->End(why); });
}

// ---- Asking ----

// whole: in one piece. An origin whose versions cannot be told apart must not be asked for parts,
// and one that has nothing answers no range.
void Flight::BeginVersion(bool whole) {
  if (end_.has_value()) return;
  ++begun_;
  whole_ = whole;
  anew_.reset();
  partial_.reset();
  EndMd5();
  facts_.reset();
  to_ask_.clear();
  const uint64_t part = source_->origin().part_bytes;
  Source::Wanted wanted{.bytes_max = INT64_MAX};
  if (!whole) {
    wanted.range = {{0, part - 1}};
    wanted.or_whole = true;
  }
  Ask({0, part}, std::move(wanted), /*first=*/true);
}

void Flight::Ask(Part part, Source::Wanted wanted, bool first) {
  // The first part is not waited for: it may be all there is, and nothing is known without it.
  absl::StatusOr<uint64_t> id =
      options_.fetcher->Fetch(source_->Get(location_, std::move(wanted)),
                              std::make_shared<PartSink>(shared_from_this(), part, first));
  if (!id.ok()) return End(Trouble(absl::StrCat(url_, ": ", id.status().message())));
  ++under_way_;
  asked_[part.begin] = *id;
}

void Flight::AskMore() {
  const Origin& origin = source_->origin();
  while (!to_ask_.empty() && under_way_ < std::max<size_t>(origin.parallel, 1) && !awaits_budget_) {
    const Part part = to_ask_.front();
    const bool may = options_.budget->Take(part.bytes, [self = shared_from_this()] {
      self->strand_->Post([self] {
        self->awaits_budget_ = false;
        self->GoOn();
      });
    });
    if (!may) {
      awaits_budget_ = true;
      return;
    }
    budget_ += part.bytes;
    to_ask_.pop_front();
    Ask(part,
        {.range = {{part.begin, part.begin + part.bytes - 1}},
         .if_match = facts_->etag,
         .bytes_max = part.bytes},
        /*first=*/false);
    if (end_.has_value()) return;
  }
}

// What of [begin, the end) is not here.
void Flight::PlanMissing(uint64_t begin) {
  const absl::StatusOr<std::vector<PartialObject::Range>> missing =
      partial_->Missing(begin, facts_->size);
  if (!missing.ok()) return End(DiskTrouble(missing.status()));
  for (const auto& [from, to] : *missing) {
    for (uint64_t at = std::max(from, begin); at < to; at += source_->origin().part_bytes)
      to_ask_.push_back({at, std::min(to - at, source_->origin().part_bytes)});
  }
}

// ---- What comes ----

void Flight::OnFacts(const Facts& facts) {
  if (end_.has_value() || anew_.has_value()) return;
  if (facts_.has_value()) {
    // The first attempt broke before its first byte.
    if (facts.size != facts_->size || facts.etag != facts_->etag)
      BeginAnew("another version", whole_);
    return;
  }
  facts_ = facts;
  Identity identity;
  identity.uri = uri_;
  identity.source = url_;
  identity.etag = facts.etag;
  identity.last_modified_s = facts.last_modified_s;
  identity.size = facts.size;
  identity.block_bytes = static_cast<uint32_t>(source_->origin().block_bytes);
  absl::StatusOr<std::unique_ptr<PartialObject>> partial =
      PartialObject::Open(options_.cache, std::move(identity));
  if (!partial.ok()) return End(DiskTrouble(partial.status()));
  partial_ = *std::move(partial);
  if (facts.md5.has_value())
    md5_ = std::make_shared<Md5Check>(partial_->view(), *facts.md5, url_, options_.run);
  if (facts.first_bytes >= facts.size) return;
  if (!IsStrong(facts.etag)) {
    return BeginAnew("parts of it could not be told from another's", /*whole=*/true);
  }
  PlanMissing(facts.first_bytes);
  AskMore();
}

void Flight::OnBytes(uint64_t offset, const std::string& bytes) {
  options_.account->Came(bytes.size());
  if (end_.has_value() || anew_.has_value() || partial_ == nullptr) return;
  absl::Status written = partial_->Reserve(bytes.size());
  if (written.ok()) written = partial_->Write(offset, bytes);
  if (!written.ok()) End(DiskTrouble(written));
  if (md5_ != nullptr) md5_->Advance();
}

void Flight::OnPartDone(Part part, bool first, const fetch::Outcome& outcome) {
  --under_way_;
  asked_.erase(part.begin);
  if (!first) {
    budget_ -= part.bytes;
    options_.budget->Give(part.bytes);
  } else if (facts_.has_value()) {
    part.bytes = facts_->first_bytes;
  }
  if (!end_.has_value() && !anew_.has_value()) {
    if (outcome.verdict == Verdict::kFound) {
      MarkValid(part);
    } else {
      Judge(first, outcome);
    }
  }
  GoOn();
}

void Flight::Judge(bool first, const fetch::Outcome& outcome) {
  switch (outcome.verdict) {
    case Verdict::kNotFound:
      // In the midst of it: it has been deleted, or replaced.
      return first ? End(absl::NotFoundError(outcome.reason)) : BeginAnew("it has gone", whole_);
    case Verdict::kPreconditionFailed:
      return BeginAnew("it has changed", whole_);
    case Verdict::kBadRange:
      if (first && !whole_ && outcome.object_bytes.value_or(0) == 0)
        return BeginAnew("there is nothing of it", /*whole=*/true);
      return first ? End(Trouble(outcome.reason)) : BeginAnew("it is shorter now", whole_);
    case Verdict::kPermissionDenied:
      return End(absl::PermissionDeniedError(outcome.reason));
    default:
      return End(TroubleOf(outcome));
  }
}

void Flight::MarkValid(Part part) {
  if (partial_ == nullptr || part.bytes == 0) return;
  const uint64_t block_bytes = source_->origin().block_bytes;
  const uint64_t last = (part.begin + part.bytes - 1) / block_bytes;
  for (uint64_t block = part.begin / block_bytes; block <= last; ++block) {
    const absl::Status marked = partial_->MarkValid(block);
    // A neighbouring part has the rest of it.
    if (absl::IsFailedPrecondition(marked)) continue;
    if (!marked.ok()) return End(DiskTrouble(marked));
  }
}

// ---- The end, of a version or of all ----

void Flight::BeginAnew(const char* why, bool whole) {
  if (begun_ >= kVersionsMax) {
    return End(Trouble(absl::StrCat(url_, ": was begun ", begun_, " times, and again: ", why)));
  }
  anew_ = whole;
  CancelParts();
}

void Flight::End(absl::Status status) {
  if (end_.has_value()) return;
  end_ = std::move(status);
  EndMd5();
  CancelParts();
  GoOn();
}

void Flight::CancelParts() {
  to_ask_.clear();
  for (const auto& [begin, id] : asked_) options_.fetcher->Cancel(id);
}

void Flight::EndMd5() {
  if (md5_ != nullptr) md5_->Abandon();
  md5_.reset();
}

void Flight::GoOn() {
  if (!end_.has_value() && !anew_.has_value()) AskMore();
  if (under_way_ > 0 || checking_) return;
  if (end_.has_value()) {
    if (std::exchange(told_, true)) return;
    partial_.reset();
    ended_(*end_);
  } else if (anew_.has_value()) {
    BeginVersion(/*whole=*/*anew_);
  } else if (to_ask_.empty() && partial_ != nullptr) {
    Complete();
  }
}

void Flight::Complete() {
  if (md5_ == nullptr) return Publish();
  // What an earlier process has left counts as here when it has been read.
  const absl::StatusOr<std::vector<PartialObject::Range>> missing =
      partial_->Missing(0, facts_->size);
  if (!missing.ok()) return End(DiskTrouble(missing.status()));
  if (!missing->empty()) return Publish();
  checking_ = true;
  md5_->Finish([self = shared_from_this()](absl::Status status) {
    self->strand_->Post([self, status = std::move(status)] { self->OnMd5(status); });
  });
}

void Flight::OnMd5(const absl::Status& status) {
  checking_ = false;
  if (end_.has_value()) return GoOn();
  if (status.ok()) return Publish();
  if (!absl::IsDataLoss(status)) return End(DiskTrouble(status));
  partial_->Discard();
  if (begun_ >= kVersionsMax) return End(status);
  BeginAnew("it was not what its ETag says", whole_);
  GoOn();
}

void Flight::Publish() {
  const int64_t now_s = absl::ToUnixSeconds(options_.now());
  const absl::StatusOr<std::string> place = partial_->Publish(
      {.fetched_s = now_s, .checked_s = now_s, .expected_crc32c = facts_->crc32c});
  // An object of this disk's own has the name now: that is what is to be found.
  if (place.ok() || absl::IsAborted(place.status())) return End(absl::OkStatus());
  if (!absl::IsFailedPrecondition(place.status())) return End(DiskTrouble(place.status()));
  // Blocks that an earlier process left were damaged.
  if (++begun_ > kVersionsMax) return End(Trouble(place.status().message()));
  if (IsStrong(facts_->etag)) {
    PlanMissing(0);
  } else {
    BeginAnew("blocks of it were damaged", /*whole=*/true);
  }
  GoOn();
}

}  // namespace objmapper::origin
