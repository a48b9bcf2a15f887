// The course of a flight. Invariant: nothing is asked for, and nothing written, once it is to end
// or to begin anew; both happen when nothing is under way any more.
#include "origin/flight/flight.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "origin/cache/mark.h"
#include "origin/flight/description_of.h"
#include "origin/flight/trouble.h"

namespace objmapper::origin {
namespace {

using fetch::Verdict;

// How often an object is begun that changes while it is fetched.
constexpr int kVersionsMax = 4;

}  // namespace

Flight::Flight(Options options, std::shared_ptr<const Source> source, Location location,
               std::string uri, Listener listener)
    : options_(std::move(options)),
      source_(std::move(source)),
      location_(std::move(location)),
      uri_(std::move(uri)),
      url_(source_->UrlOf(location_)),
      listener_(std::move(listener)),
      strand_(std::make_shared<Strand>(options_.means.run)) {}

void Flight::Begin() {
  strand_->Post([self = shared_from_this()] {
    if (const absl::Status keys = self->source_->Prepare(); !keys.ok())
      return self->End(Trouble(absl::StrCat(self->url_, ": ", keys.message())));
    self->BeginVersion(/*whole=*/false);
  });
}

void Flight::Want(const storage::Wanted& wanted) {
  strand_->Post(
      [self = shared_from_this(), wanted] { self->OnWanted(wanted, /*asks_what_it_is=*/true); });
}

void Flight::Cancel(absl::Status why) {
  strand_->Post([self = shared_from_this(), why = std::move(why)] { self->End(why); });
}

// ---- What is wanted ----

void Flight::OnWanted(const storage::Wanted& wanted, bool asks_what_it_is) {
  if (end_.has_value()) return;
  const bool known = partial_ != nullptr && !anew_.has_value();
  if (wanted.all() || (known && wanted.begin == 0 && wanted.end >= facts_->size)) {
    all_wanted_ = true;
  } else {
    wanted_.Add(wanted.begin, wanted.end);
  }
  if (!known) return;  // it is planned when it is
  if (all_wanted_) {
    PlanWanted();
  } else {
    Plan(wanted.begin, wanted.end);
  }
  // Who wants a part of it does not wait for all that was wanted before.
  if (!wanted.all()) {
    std::stable_partition(to_ask_.begin(), to_ask_.end(), [&](const Part& part) {
      return part.begin < wanted.end && wanted.begin < part.begin + part.bytes;
    });
  }
  if (asks_what_it_is && !end_.has_value() && !anew_.has_value()) {
    if (IsFresh()) {
      listener_.known(progress_);
    } else {
      Confirm();
    }
  }
  GoOn();
}

// Whether its origin need not be asked whether it still has this version.
bool Flight::IsFresh() const {
  const Origin& origin = source_->origin();
  return origin.immutable || !IsStrong(facts_->etag) ||
         options_.means.now() - confirmed_ <= origin.revalidate;
}

// What is not here of [begin, end), in whole blocks.
void Flight::Plan(uint64_t begin, uint64_t end) {
  if (begin >= std::min(end, facts_->size) || facts_->bytes >= facts_->size) return;
  if (!IsStrong(facts_->etag))
    return BeginAnew("parts of it could not be told from another's", /*whole=*/true);
  const absl::StatusOr<std::vector<PartialObject::Range>> missing = partial_->Missing(begin, end);
  if (!missing.ok()) return EndWithoutRoom(missing.status());
  const uint64_t part_bytes = source_->origin().part_bytes;
  for (const auto& [from, to] : *missing) {
    for (const auto& [new_from, new_to] : planned_.Add(from, to)) {
      for (uint64_t at = new_from; at < new_to; at += part_bytes)
        to_ask_.push_back({at, std::min(new_to - at, part_bytes)});
    }
  }
}

void Flight::PlanWanted() {
  if (all_wanted_) {
    progress_->WholeComes();
    return Plan(0, facts_->size);
  }
  for (const auto& [begin, end] : wanted_.All()) {
    Plan(begin, end);
    if (end_.has_value() || anew_.has_value()) return;
  }
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
  EndCheck();
  facts_.reset();
  planned_.Clear();
  to_ask_.clear();
  confirming_ = false;
  if (whole) return Ask({.first = true}, {.bytes_max = INT64_MAX});
  if (begun_ > 1 || !options_.no_room.ok() || !Resume()) BeginWithPart();
}

// With what an earlier flight has left, if the origin confirms that this is still the version.
// False: there is nothing.
bool Flight::Resume() {
  absl::StatusOr<std::unique_ptr<PartialObject>> left =
      PartialObject::Resume(options_.means.cache, uri_);
  if (!left.ok()) return false;
  const Identity& identity = (*left)->identity();
  if (identity.source != url_ || identity.block_bytes != source_->origin().block_bytes)
    return false;
  facts_ = Facts{
      .size = identity.size, .etag = identity.etag, .last_modified_s = identity.last_modified_s};
  SetPartial(*std::move(left));
  PlanWanted();
  if (end_.has_value()) return true;
  if (to_ask_.empty()) Confirm();
  GoOn();
  return true;
}

// A byte tells what it is; else as much as is wanted first.
void Flight::BeginWithPart() {
  const Origin& origin = source_->origin();
  const bool keeps = options_.no_room.ok();
  Part part{.bytes = all_wanted_ && keeps ? origin.part_bytes : 1, .first = true};
  if (keeps && !all_wanted_ && !wanted_.empty() && !from_start_) {
    const auto [begin, end] = wanted_.All().front();
    const uint64_t from = begin - begin % origin.block_bytes;
    if (from < INT64_MAX - origin.part_bytes) {
      const uint64_t blocks =
          (std::min(end, from + origin.part_bytes) - from - 1) / origin.block_bytes;
      part.begin = from;
      part.bytes = std::min((blocks + 1) * origin.block_bytes, origin.part_bytes);
    }
  }
  Ask(part, {.range = {{part.begin, part.begin + part.bytes - 1}},
             .bytes_max = INT64_MAX,
             .or_whole = true});
}

// Has the origin say whether it still has this version.
void Flight::Confirm() {
  if (std::exchange(confirming_, true)) return;
  Ask({.bytes = 1}, {.range = {{0, 0}}, .if_match = facts_->etag, .bytes_max = 1});
}

void Flight::Ask(const Part& part, Source::Wanted wanted) {
  // The first part is not waited for: it may be all there is, and nothing is known without it.
  const uint64_t number = ++parts_;
  PartEvents events;
  const auto self = shared_from_this();
  events.on_facts = [self, part](const Facts& facts) { self->OnFacts(part, facts); };
  events.on_bytes = [self](uint64_t offset, const std::string& bytes) {
    self->OnBytes(offset, bytes);
  };
  events.on_done = [self, part, number](const fetch::Outcome& outcome) {
    self->OnPartDone(part, number, outcome);
  };
  const absl::StatusOr<uint64_t> id = options_.means.fetcher->Fetch(
      source_->Get(location_, std::move(wanted)),
      options_.means.account->Watching(
          std::make_shared<PartSink>(strand_, options_.means.now, part.first, std::move(events)),
          url_));
  if (id.ok()) {
    asked_[number] = *id;
    return;
  }
  if (part.budget > 0) options_.budget->Give(part.budget);
  End(Trouble(absl::StrCat(url_, ": ", id.status().message())));
}

void Flight::AskMore() {
  const Origin& origin = source_->origin();
  while (!to_ask_.empty() && asked_.size() < std::max<size_t>(origin.parallel, 1) &&
         !awaits_budget_) {
    Part part = to_ask_.front();
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
    part.budget = part.bytes;
    to_ask_.pop_front();
    Ask(part, {.range = {{part.begin, part.begin + part.bytes - 1}},
               .if_match = facts_->etag,
               .bytes_max = part.bytes});
    if (end_.has_value()) return;
  }
}

// ---- What comes ----

void Flight::SetPartial(std::unique_ptr<PartialObject> partial) {
  partial_ = std::move(partial);
  const auto self = shared_from_this();
  progress_ = std::make_shared<Progress>(
      partial_->view(),
      DescriptionOf(partial_->identity(), partial_->view().get(), options_.means.now()),
      Progress::Flight{.want =
                           [self](uint64_t begin, uint64_t end) {
                             self->strand_->Post([self, begin, end] {
                               self->OnWanted({begin, end}, /*asks_what_it_is=*/false);
                             });
                           },
                       .left = [self] { self->strand_->Post([self] { self->GoOn(); }); }});
}

void Flight::OnFacts(const Part& part, const Facts& facts) {
  if (end_.has_value() || anew_.has_value()) return;
  if (part.first && facts_.has_value() &&
      (facts.size != facts_->size || facts.etag != facts_->etag)) {
    // The first attempt broke before its first byte.
    return BeginAnew("another version", whole_);
  }
  confirmed_ = options_.means.now();
  confirming_ = false;
  if (facts_.has_value()) {
    // What an earlier flight has left is checked, too, from now on.
    if (!facts_->sums.any()) {
      facts_->sums = facts.sums;
      BeginCheck();
    }
    return listener_.known(progress_);
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
      options_.no_room.ok() ? PartialObject::Open(options_.means.cache, identity)
                            : absl::StatusOr<std::unique_ptr<PartialObject>>(options_.no_room);
  if (!partial.ok()) {
    progress_ = std::make_shared<Progress>(
        nullptr, DescriptionOf(identity, nullptr, options_.means.now()), Progress::Flight());
    return EndWithoutRoom(partial.status());
  }
  SetPartial(*std::move(partial));
  BeginCheck();
  // A byte that has only told what the object is comes once more, with its block.
  if (facts.bytes > 1) planned_.Add(facts.begin, facts.begin + facts.bytes);
  if (facts.bytes >= facts.size) all_wanted_ = true;
  PlanWanted();
  if (end_.has_value() || anew_.has_value()) return;
  listener_.known(progress_);
  AskMore();
}

void Flight::OnBytes(uint64_t offset, const std::string& bytes) {
  options_.means.account->Came(bytes.size());
  if (end_.has_value() || anew_.has_value() || partial_ == nullptr) return;
  absl::Status written = partial_->Reserve(bytes.size());
  if (written.ok()) written = partial_->Write(offset, bytes);
  if (!written.ok()) return EndWithoutRoom(written);
  progress_->Tell();
  if (check_ != nullptr) check_->Advance();
}

void Flight::OnPartDone(const Part& part, uint64_t number, const fetch::Outcome& outcome) {
  asked_.erase(number);
  if (part.budget > 0) options_.budget->Give(part.budget);
  if (!end_.has_value() && !anew_.has_value()) {
    if (outcome.verdict != Verdict::kFound) {
      Judge(part, outcome);
    } else if (part.first) {
      MarkValid(facts_->begin, facts_->bytes);
    } else {
      MarkValid(part.begin, part.bytes);
    }
  }
  GoOn();
}

void Flight::Judge(const Part& part, const fetch::Outcome& outcome) {
  switch (outcome.verdict) {
    case Verdict::kNotFound:
      // In the midst of it: it has been deleted, or replaced.
      return part.first ? End(absl::NotFoundError(outcome.reason))
                        : BeginAnew("it has gone", whole_);
    case Verdict::kPreconditionFailed:
      return BeginAnew("it has changed", whole_);
    case Verdict::kBadRange:
      if (!part.first) return BeginAnew("it is shorter now", whole_);
      if (part.begin > 0) {
        from_start_ = true;
        return BeginAnew("it ends before what is wanted", /*whole=*/false);
      }
      if (!whole_ && outcome.object_bytes.value_or(0) == 0)
        return BeginAnew("there is nothing of it", /*whole=*/true);
      return End(Trouble(outcome.reason));
    case Verdict::kPermissionDenied:
      return End(absl::PermissionDeniedError(outcome.reason));
    default:
      return End(TroubleOf(outcome));
  }
}

void Flight::MarkValid(uint64_t begin, uint64_t bytes) {
  if (partial_ == nullptr || bytes == 0) return;
  const uint64_t block_bytes = source_->origin().block_bytes;
  const uint64_t last = (begin + bytes - 1) / block_bytes;
  for (uint64_t block = begin / block_bytes; block <= last; ++block) {
    const absl::Status marked = partial_->MarkValid(block);
    // A neighbouring part has the rest of it.
    if (absl::IsFailedPrecondition(marked)) continue;
    if (!marked.ok()) return EndWithoutRoom(marked);
  }
  progress_->Tell();
}

// ---- The end, of a version or of all ----

void Flight::BeginAnew(const char* why, bool whole) {
  if (begun_ >= kVersionsMax) {
    return End(Trouble(absl::StrCat(url_, ": was begun ", begun_, " times, and again: ", why)));
  }
  anew_ = whole;
  // Who reads behind this version gets no more of it.
  if (progress_ != nullptr) progress_->End(absl::AbortedError(absl::StrCat(url_, ": ", why)));
  progress_.reset();
  CancelParts();
}

void Flight::End(absl::Status status) {
  if (end_.has_value()) return;
  end_ = std::move(status);
  if (progress_ != nullptr) progress_->End(*end_);
  EndCheck();
  CancelParts();
  GoOn();
}

// Who reads it goes on without it being kept, and so does who has asked what it is, where that is
// certain; others ask again.
void Flight::EndWithoutRoom(const absl::Status& why) {
  if (end_.has_value() || progress_ == nullptr) return;
  const absl::Status no_room = NoRoom(options_.no_room.ok() ? DiskTrouble(why) : options_.no_room);
  const bool certain = partial_ == nullptr || IsFresh();
  progress_->EndPassing(
      no_room,
      [uncached = options_.uncached,
       version = Uncached::Version{source_, options_.means.account, location_, url_, *facts_}](
          uint64_t begin, uint64_t end) { return uncached->Open(version, begin, end); });
  if (certain) listener_.known(progress_);
  End(no_room);
}

void Flight::CancelParts() {
  to_ask_.clear();
  for (const auto& [number, id] : asked_) options_.means.fetcher->Cancel(id);
}

void Flight::BeginCheck() {
  if (source_->origin().kind != Origin::Kind::kS3) facts_->sums.md5.reset();
  if (check_ != nullptr || !facts_->sums.any()) return;
  check_ = std::make_shared<WholeCheck>(partial_->view(), facts_->sums, url_, options_.means.run);
}

void Flight::EndCheck() {
  if (check_ != nullptr) check_->Abandon();
  check_.reset();
}

void Flight::GoOn() {
  if (!end_.has_value() && !anew_.has_value()) AskMore();
  if (!asked_.empty() || checking_) return;
  if (end_.has_value()) {
    if (std::exchange(told_, true)) return;
    partial_.reset();
    progress_.reset();
    listener_.ended(*end_);
  } else if (anew_.has_value()) {
    BeginVersion(/*whole=*/*anew_);
  } else if (to_ask_.empty() && partial_ != nullptr) {
    if (all_wanted_ || partial_->IsWhole()) return Complete();
    if (!progress_->followed()) End(absl::CancelledError("nobody wants more of it"));
  }
}

// All of it is here. Nobody has its last block before it has passed its check, which is made here:
// what is known of the whole is compared with what the origin says of it.
void Flight::Complete() {
  if (check_ == nullptr) return Publish();
  // What an earlier process has left counts as here when it has been read.
  const absl::StatusOr<std::vector<PartialObject::Range>> missing =
      partial_->Missing(0, facts_->size);
  if (!missing.ok()) return EndWithoutRoom(missing.status());
  if (!missing->empty()) return Publish();
  checking_ = true;
  check_->Finish([self = shared_from_this()](absl::Status status) {
    self->strand_->Post([self, status = std::move(status)] { self->OnChecked(status); });
  });
}

void Flight::OnChecked(const absl::Status& status) {
  checking_ = false;
  if (end_.has_value()) return GoOn();
  if (status.ok()) return Publish();
  if (!absl::IsDataLoss(status)) return EndWithoutRoom(status);
  partial_->Discard();
  if (begun_ >= kVersionsMax) return End(status);
  BeginAnew("it was not what its ETag says", whole_);
  GoOn();
}

void Flight::Publish() {
  const int64_t now_s = absl::ToUnixSeconds(options_.means.now());
  const absl::StatusOr<std::string> place = partial_->Publish(
      {.fetched_s = now_s, .checked_s = now_s, .expected_crc32c = facts_->crc32c});
  // An object of this disk's own has the name now: that is what is to be found.
  if (place.ok() || absl::IsAborted(place.status())) return End(absl::OkStatus());
  // It is not what its origin says that it is: nobody gets the rest.
  if (absl::IsDataLoss(place.status())) return End(place.status());
  if (!absl::IsFailedPrecondition(place.status())) return EndWithoutRoom(place.status());
  // Blocks that an earlier process left were damaged.
  if (++begun_ > kVersionsMax) return End(Trouble(place.status().message()));
  if (IsStrong(facts_->etag)) {
    planned_.Clear();
    facts_->bytes = 0;
    PlanWanted();
  } else {
    BeginAnew("blocks of it were damaged", /*whole=*/true);
  }
  GoOn();
}

}  // namespace objmapper::origin
