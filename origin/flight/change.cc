// The course of a change: the condition, what is here, the origin, and what is to be here.
#include "origin/flight/change.h"

#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "origin/cache/place.h"
#include "origin/cache/shelf.h"
#include "origin/flight/digest.h"
#include "origin/flight/trouble.h"
#include "protocol/http/date.h"
#include "storage/tree/attributes.h"

namespace objmapper::origin {
namespace {

using fetch::Method;
using fetch::Verdict;

// What says that there is nothing to be removed.
bool IsNone(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsAborted(status) || absl::IsFailedPrecondition(status);
}

}  // namespace

Change::Change(Means means, std::shared_ptr<const Source> source, Location location,
               std::string uri, storage::Remote::Wish wish,
               std::function<void(const Ending&)> ended)
    : means_(std::move(means)),
      source_(std::move(source)),
      location_(std::move(location)),
      uri_(std::move(uri)),
      url_(source_->UrlOf(location_)),
      wish_(std::move(wish)),
      ended_(std::move(ended)),
      strand_(std::make_shared<Strand>(means_.run)),
      requests_(means_.fetcher, means_.account, strand_) {}

void Change::Begin() {
  strand_->Post([self = shared_from_this()] { self->Look(); });
}

void Change::Cancel(absl::Status why) {
  strand_->Post([self = shared_from_this(), why = std::move(why)] {
    self->cancelled_ = why;
    if (self->multipart_ != nullptr) return self->multipart_->Cancel(why);
    self->requests_.CancelAll();
  });
}

// ---- Whether it may be made ----

void Change::Look() {
  if (cancelled_.has_value()) return End(*cancelled_);
  if (const absl::Status keys = source_->Prepare(); !keys.ok())
    return End(Trouble(absl::StrCat(url_, ": ", keys.message())));
  if (!deletes()) {
    // The fetcher may read it a moment longer than it is borrowed.
    object_.file =
        std::make_shared<const net::UniqueFd>(fcntl(wish_.file, F_DUPFD_CLOEXEC, /*at least*/ 0));
    struct stat status;
    if (!object_.file->valid() || fstat(object_.file->get(), &status) != 0)
      return End(DiskTrouble(net::ErrnoToStatus(errno, absl::StrCat("store ", url_))));
    if (static_cast<uint64_t>(status.st_size) != wish_.size) {
      return End(absl::InternalError(
          absl::StrCat(url_, ": ", status.st_size, " of ", wish_.size, " bytes were written")));
    }
    object_.size = wish_.size;
  }
  if (wish_.condition == nullptr) return Go();
  AskVersion(/*whole=*/false);
}

// A byte is asked for, since a HEAD that fails does not say why. An empty object has none, and is
// asked for as it is.
void Change::AskVersion(bool whole) {
  Source::Wanted wanted{.bytes_max = INT64_MAX, .or_whole = true};
  if (!whole) wanted.range = {{0, 0}};
  requests_.Send(
      source_->Get(location_, std::move(wanted)),
      [self = shared_from_this(), whole](const Answer& answer) { self->OnVersion(answer, whole); },
      /*head_alone=*/true);
}

void Change::OnVersion(const Answer& answer, bool whole) {
  if (cancelled_.has_value()) return End(*cancelled_);
  switch (answer.outcome.verdict) {
    case Verdict::kFound:
    case Verdict::kRefusedBySink:
      break;
    case Verdict::kNotFound:
      return Judge(nullptr);
    case Verdict::kBadRange:
      if (!whole) return AskVersion(/*whole=*/true);
      [[fallthrough]];
    default:
      return End(ChangeTrouble(answer.outcome));
  }
  if (!answer.head.has_value()) return End(ChangeTrouble(answer.outcome));
  const fetch::Head& head = *answer.head;
  Mark there = {.uri = uri_,
                .source = url_,
                .etag = head.etag,
                .last_modified_s = protocol::http::ParseDate(head.Find("last-modified"),
                                                             absl::ToUnixSeconds(means_.now()))};
  there.size = (head.status == 206 ? head.object_bytes : head.content_length).value_or(0);
  Judge(&there);
}

void Change::Judge(const Mark* there) {
  storage::Description description;
  if (there != nullptr) {
    description.size = there->size;
    description.mtime_s = there->last_modified_s.value_or(0);
    description.etag = ClientEtag(*there);
    there_ = true;
    if (IsStrong(there->etag)) object_.if_match = there->etag;
  } else if (!deletes()) {
    object_.if_none_match = std::string(1, '*');
  }
  const absl::Status judged = wish_.condition(there == nullptr ? nullptr : &description);
  if (!judged.ok()) return End(judged);
  Go();
}

// ---- Making it ----

void Change::Go() {
  if (const absl::Status dropped = DropHere(); !dropped.ok()) return End(DiskTrouble(dropped));
  if (deletes()) return SendDelete();
  if (source_->origin().kind != Origin::Kind::kS3 || wish_.size < kInPartsMin) return SendWhole();
  multipart_ = std::make_shared<Multipart>(
      &requests_, source_, location_, object_,
      [self = shared_from_this()](SendResult result) { self->OnStored(std::move(result)); });
  multipart_->Begin();
}

// This disk's own object stays until the new one takes its place.
absl::Status Change::DropHere() {
  Shelf* const shelf = means_.cache.shelf;
  if (shelf != nullptr && shelf->HasWhole(uri_)) {
    const std::optional<Found> found = shelf->Find(Shelf::Kind::kWhole, uri_);
    pinned_ = found.has_value() && found->pinned;
    const absl::Status removed = shelf->RemoveWhole(uri_);
    if (!removed.ok() && !IsNone(removed)) return removed;
    dropped_ = true;
  }
  const absl::Status removed = means_.cache.store->DeleteIf(uri_, [this](int fd) {
    const std::optional<Mark> mark = ReadMark(fd);
    if (!mark.has_value() || mark->uri != uri_) return false;
    pinned_ = pinned_ || storage::IsPinned(fd);
    dropped_ = true;
    return true;
  });
  return removed.ok() || IsNone(removed) ? absl::OkStatus() : removed;
}

void Change::SendWhole() {
  Source::Sent sent = {.body = fetch::BodyOf(object_.file, 0, object_.size),
                       .if_match = object_.if_match,
                       .if_none_match = object_.if_none_match};
  // A second attempt would find what the first has left, and fail by it.
  sent.once = !sent.if_match.empty() || !sent.if_none_match.empty();
  std::optional<uint32_t> crc32c;
  if (source_->SignsBodies()) {
    absl::StatusOr<Digest> digest = DigestOf(object_.file->get(), 0, object_.size);
    if (!digest.ok()) return End(DiskTrouble(digest.status()));
    sent.sha256 = std::move(digest->sha256);
    crc32c = digest->crc32c;
  }
  requests_.Send(source_->Send(location_, std::move(sent)),
                 [self = shared_from_this(), crc32c](const Answer& answer) {
                   SendResult result = {.crc32c = crc32c};
                   if (answer.outcome.verdict == Verdict::kFound) {
                     result.etag = answer.head->etag;
                   } else {
                     result.status = ChangeTrouble(answer.outcome);
                   }
                   self->OnStored(std::move(result));
                 });
}

void Change::OnStored(SendResult result) {
  multipart_.reset();
  if (!result.status.ok()) return End(result.status);
  if (!result.etag.empty()) return Publish(result.etag, result.crc32c);
  // An origin that does not say what it calls the object: nobody could tell whether what it has is
  // what was sent, so it is fetched by whoever wants it.
  if (result.computed_etag.empty() || cancelled_.has_value()) return End(absl::OkStatus());
  // radosgw says it when it is asked.
  requests_.Send(
      source_->Get(location_,
                   {.range = {{0, 0}}, .if_match = result.computed_etag, .bytes_max = 1}),
      [self = shared_from_this(), result](const Answer& answer) {
        if (answer.outcome.verdict != Verdict::kFound) return self->End(absl::OkStatus());
        self->Publish(result.computed_etag, result.crc32c);
      });
}

void Change::Publish(const std::string& etag, std::optional<uint32_t> crc32c) {
  const int64_t now_s = absl::ToUnixSeconds(means_.now());
  const Mark mark = {.uri = uri_,
                     .source = url_,
                     .etag = etag,
                     .size = wish_.size,
                     .crc32c = crc32c,
                     .fetched_s = now_s,
                     .checked_s = now_s};
  absl::Status here = WriteMark(wish_.file, mark);
  if (here.ok() && pinned_) here = storage::SetPinned(wish_.file, true);
  if (here.ok()) here = wish_.here(ClientEtag(mark), dropped_ || there_);
  // The origin has it. What could not be kept here is fetched when it is wanted.
  LOG_IF(WARNING, !here.ok()) << url_
                              << " is stored there, and could not be kept here: " << here.message();
  ending_.here = here.ok();
  End(absl::OkStatus());
}

// ---- Deleting ----

void Change::SendDelete() {
  requests_.Send(
      source_->Send(location_, {.method = Method::kDelete, .if_match = object_.if_match}),
      [self = shared_from_this()](const Answer& answer) { self->OnDeleted(answer); });
}

void Change::OnDeleted(const Answer& answer) {
  const fetch::Outcome& outcome = answer.outcome;
  const bool absent = outcome.verdict == Verdict::kNotFound;
  if (!absent && outcome.verdict != Verdict::kFound) return End(ChangeTrouble(outcome));
  const absl::Status here = wish_.here("", dropped_ || there_);
  if (!here.ok() && !IsNone(here)) return End(here);
  End(absent && !here.ok() && !dropped_ ? absl::NotFoundError(outcome.reason) : absl::OkStatus());
}

void Change::End(absl::Status status) {
  if (std::exchange(over_, true)) return;
  object_.file.reset();
  ending_.status = std::move(status);
  ended_(ending_);
}

}  // namespace objmapper::origin
