// The course of a check: what is here, what its mark says, what its origin says.
#include "origin/flight/check.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/retry_after.h"
#include "origin/cache/place.h"
#include "origin/cache/shelf.h"
#include "origin/flight/trouble.h"
#include "protocol/http/date.h"

namespace objmapper::origin {
namespace {

using fetch::Verdict;

// How old the time of the last check may be that is written in a mark. To write it costs the disk a
// write, and the object's file a ctime. Not to have written it costs one check more after the next
// start, of objects whose origin is asked more often than this anyway: of all others each check is
// written.
constexpr absl::Duration kWrittenCheckMax = absl::Minutes(5);

bool IsSameFile(int a, int b) {
  struct stat of_a, of_b;
  return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
         of_a.st_ino == of_b.st_ino;
}

}  // namespace

// The head of the answer is all that is wanted.
class Check::VersionSink : public fetch::Sink {
 public:
  explicit VersionSink(std::shared_ptr<Check> check) : check_(std::move(check)) {}

  absl::Status OnHead(const fetch::Head& head) override {
    version_.emplace();
    version_->etag = head.etag;
    version_->last_modified_s = protocol::http::ParseDate(
        head.Find("last-modified"), absl::ToUnixSeconds(check_->means_.now()));
    version_->size = head.status == 206 ? head.object_bytes : head.content_length;
    // From a server that knows no ranges all of the object would come.
    return head.status == 206 ? absl::OkStatus() : absl::CancelledError("the head is enough");
  }
  absl::Status OnBytes(absl::Span<const char>) override { return absl::OkStatus(); }
  void OnDone(const fetch::Outcome& outcome) override {
    check_->strand_->Post(
        [check = check_, version = version_, outcome] { check->OnAnswer(version, outcome); });
    check_.reset();
  }

 private:
  std::shared_ptr<Check> check_;
  std::optional<Version> version_;
};

Check::Check(Means means, std::shared_ptr<const Source> source, Location location, std::string uri,
             Known known, std::function<void(const Finding&)> ended)
    : means_(std::move(means)),
      source_(std::move(source)),
      location_(std::move(location)),
      uri_(std::move(uri)),
      url_(source_->UrlOf(location_)),
      known_(std::move(known)),
      ended_(std::move(ended)),
      strand_(std::make_shared<Strand>(means_.run)) {}

void Check::Begin() {
  strand_->Post([self = shared_from_this()] { self->Look(); });
}

void Check::Cancel(absl::Status why) {
  strand_->Post([self = shared_from_this(), why = std::move(why)] {
    self->cancelled_ = why;
    if (self->request_ != 0) self->means_.fetcher->Cancel(self->request_);
  });
}

// ---- What is here ----

void Check::Look() {
  if (cancelled_.has_value()) return End(Kind::kTrouble, *cancelled_);
  absl::StatusOr<net::UniqueFd> file = OpenHere();
  if (!file.ok()) {
    switch (file.status().code()) {
      case absl::StatusCode::kNotFound:
      case absl::StatusCode::kFailedPrecondition:  // a folder has its name
        return End(Kind::kAbsent);
      case absl::StatusCode::kDataLoss:  // the disk's
        return End(Kind::kOutdated);
      default:
        return End(Kind::kTrouble, DiskTrouble(file.status()));
    }
  }
  file_ = *std::move(file);
  const std::optional<Mark> mark = file_.valid() ? ReadMark(file_.get()) : std::nullopt;
  if (!mark.has_value()) return End(Kind::kOwn);
  mark_ = *mark;
  // Whoever has linked or moved it here answers for it himself.
  if (mark_.uri != uri_) return End(Kind::kOwn);
  LookAtMark();
}

// An invalid descriptor: an object in memory.
absl::StatusOr<net::UniqueFd> Check::OpenHere() {
  const storage::Tree& tree = *means_.cache.tree;
  Shelf* const shelf = means_.cache.shelf;
  if (tree.overlay() != nullptr && tree.overlay()->Has(uri_)) return net::UniqueFd();
  encoded_ = !IsPath(uri_) || (shelf != nullptr && shelf->HasWhole(uri_));
  if (encoded_ && shelf == nullptr) return absl::NotFoundError("what is no path is kept nowhere");
  absl::StatusOr<storage::OpenedObject> object =
      encoded_ ? shelf->OpenWhole(uri_) : tree.disk().Open(uri_, storage::Wait::kMayBlock);
  if (!object.ok()) return object.status();
  return std::move(object->fd);
}

void Check::LookAtMark() {
  const Origin& origin = source_->origin();
  // What has been written into here is nobody's version; and of what another origin calls its
  // version, this one knows nothing.
  if (!IsUnchanged(file_.get(), mark_) || mark_.source != url_) return End(Kind::kOutdated);
  const absl::Time now = means_.now();
  const absl::Time checked =
      std::max(absl::FromUnixSeconds(mark_.checked_s), known_.checked.value_or(absl::UnixEpoch()));
  finding_.checked = checked;
  // One that is yet to come has been written by a clock that was wrong.
  finding_.good = origin.immutable || (checked <= now && now < checked + origin.revalidate);
  const bool young =
      !known_.age_max_s.has_value() || (*known_.age_max_s > 0 && checked <= now &&
                                        now - checked <= absl::Seconds(*known_.age_max_s));
  if (finding_.good && young) return End(Kind::kFresh);
  if (checked <= now) finding_.stale_until = checked + origin.revalidate + origin.stale_if_error;
  if (!known_.refusal.ok()) return End(Kind::kTrouble, known_.refusal);
  // There is nothing by which the versions could be told apart.
  if (mark_.etag.empty() && !mark_.last_modified_s.has_value()) return End(Kind::kOutdated);
  Ask();
}

// ---- What its origin has ----

void Check::Ask() {
  if (const absl::Status keys = source_->Prepare(); !keys.ok()) {
    finding_.asked = true;
    return End(Kind::kTrouble, Trouble(absl::StrCat(url_, ": ", keys.message())));
  }
  Source::Wanted wanted;
  wanted.range = {{0, 0}};
  wanted.or_whole = true;
  wanted.bytes_max = INT64_MAX;  // the sink takes no more than the head
  // Caches on the way are to do the same (RFC 9111, 5.2).
  if (known_.age_max_s.has_value()) {
    wanted.cache_control =
        *known_.age_max_s == 0 ? "no-cache" : absl::StrCat("max-age=", *known_.age_max_s);
  }
  if (!mark_.etag.empty()) {
    wanted.if_none_match = mark_.etag;
  } else {
    char date[protocol::http::kDateBytes];
    protocol::http::FormatDate(*mark_.last_modified_s, date);
    wanted.if_modified_since.assign(date, sizeof(date));
  }
  const absl::StatusOr<uint64_t> request = means_.fetcher->Fetch(
      source_->Get(location_, std::move(wanted)),
      means_.account->Watching(std::make_shared<VersionSink>(shared_from_this()), url_));
  if (!request.ok())
    return End(Kind::kTrouble, Trouble(absl::StrCat(url_, ": ", request.status().message())));
  finding_.asked = true;
  request_ = *request;
}

void Check::OnAnswer(const std::optional<Version>& version, const fetch::Outcome& outcome) {
  request_ = 0;
  if (cancelled_.has_value()) return End(Kind::kTrouble, *cancelled_);
  switch (outcome.verdict) {
    case Verdict::kNotModified:
      finding_.not_modified = true;
      return Unchanged();
    case Verdict::kFound:
    case Verdict::kRefusedBySink:
      // A server may not know of conditions.
      return version.has_value() && IsSame(*version) ? Unchanged() : End(Kind::kOutdated);
    case Verdict::kBadRange:  // it is empty now
    case Verdict::kPreconditionFailed:
      return End(Kind::kOutdated);
    case Verdict::kNotFound:
      if (const absl::Status removed = Remove(); !removed.ok())
        return End(Kind::kTrouble, DiskTrouble(removed));
      return End(Kind::kGone, absl::NotFoundError(outcome.reason));
    case Verdict::kPermissionDenied:
      finding_.stale_until = absl::InfinitePast();
      return End(Kind::kTrouble, absl::PermissionDeniedError(outcome.reason));
    default:
      return End(Kind::kTrouble, TroubleOf(outcome));
  }
}

bool Check::IsSame(const Version& version) const {
  if (version.size.has_value() && *version.size != mark_.size) return false;
  if (!mark_.etag.empty() || !version.etag.empty()) return version.etag == mark_.etag;
  return version.size.has_value() && version.last_modified_s == mark_.last_modified_s;
}

void Check::Unchanged() {
  const absl::Time now = means_.now();
  finding_.checked = now;
  if (now - absl::FromUnixSeconds(mark_.checked_s) > kWrittenCheckMax) {
    mark_.checked_s = absl::ToUnixSeconds(now);
    // Where it cannot be written, it is known until the next start.
    UpdateMark(file_.get(), mark_).IgnoreError();
  }
  End(Kind::kFresh);
}

// What has taken its place meanwhile stays.
absl::Status Check::Remove() {
  const absl::Status removed = encoded_ ? means_.cache.shelf->RemoveWhole(uri_)
                                        : means_.cache.store->DeleteIf(uri_, [this](int there) {
                                            return IsSameFile(there, file_.get());
                                          });
  return absl::IsNotFound(removed) || absl::IsAborted(removed) ? absl::OkStatus() : removed;
}

void Check::End(Kind kind, absl::Status status) {
  if (std::exchange(over_, true)) return;
  file_.Reset();
  finding_.kind = kind;
  finding_.status = std::move(status);
  ended_(finding_);
}

}  // namespace objmapper::origin
