// One page: whose it is, what is asked for, and what of the answer is told. Invariant: nobody is
// told of anything with the lock held.
#include "origin/flight/lists.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/retry_after.h"
#include "origin/fetch/gathering_sink.h"
#include "origin/flight/list_keys.h"
#include "origin/flight/trouble.h"
#include "origin/s3/documents.h"
#include "storage/tree/disk_tier.h"
#include "text/printable.h"

namespace objmapper::origin {
namespace {

using fetch::Verdict;

constexpr int kKeysMax = 1000;  // of a page: as many as S3 gives
// A key's 1024 bytes take three times as many where each is %XX; beside it are ETag, owner, times.
constexpr uint64_t kBytesMax = uint64_t{kKeysMax} * 8192;
// The longest URI that a cursor can name (storage/store/list_cursor.h).
constexpr size_t kUriMax = 4095;
// So many pages of one may bring nothing that gets us on.
constexpr int kRequestsMax = 100;

// Why a listing of `prefix` cannot be had; OK: it can.
absl::Status CanList(const Origins& origins, absl::string_view prefix) {
  const std::vector<std::shared_ptr<const Origin>> meeting = origins.Meeting(prefix);
  if (meeting.empty()) {
    return absl::UnimplementedError(
        absl::StrCat("list ", text::Quoted(prefix), ": no origin is for it"));
  }
  for (const std::shared_ptr<const Origin>& origin : meeting) {
    if (origin->kind == Origin::Kind::kS3) continue;
    return absl::UnimplementedError(absl::StrCat("list ", text::Quoted(prefix), ": ", origin->Url(),
                                                 " (of /", text::Printable(origin->prefix),
                                                 ") cannot be listed: it is no S3"));
  }
  return absl::OkStatus();
}

}  // namespace

struct Lists::Page {
  storage::AskedThere asked;
  Origins origins;
  Asked of;
  Origins::Stretch stretch;
  KeyRange keys;
  std::string continuation;  // S3's, where start_after did not get us on
  int requests = 0;
  Done done;
  uint64_t request = 0;  // under way; 0: none. Under the lock
};

// The body, which is read when it is whole, not by the origin's thread.
class Lists::BodySink : public fetch::GatheringSink {
 public:
  BodySink(Lists* lists, std::shared_ptr<Page> page) : lists_(lists), page_(std::move(page)) {}

  void OnDone(const fetch::Outcome& outcome) override {
    lists_->options_.run([lists = lists_, page = std::move(page_), body = std::move(body_),
                          outcome] { lists->Answered(page, body, outcome); });
  }

 private:
  Lists* const lists_;
  std::shared_ptr<Page> page_;
};

Lists::Lists(Options options)
    : options_(std::move(options)), backoff_(options_.backoff, options_.random) {}

void Lists::Begin(const Origins& origins, const std::function<Asked(const Origin&)>& asked_of,
                  storage::AskedThere asked, Done done) {
  if (absl::Status can = CanList(origins, asked.prefix); !can.ok()) return done(std::move(can));
  if (asked.from < asked.prefix) asked.from = asked.prefix;
  auto page = std::make_shared<Page>();
  // The first line that may have something.
  while (true) {
    if (!absl::StartsWith(asked.from, asked.prefix)) return done(storage::ListedThere());
    page->stretch = origins.StretchAt(asked.from);
    if (page->stretch.origin != nullptr) {
      std::optional<KeyRange> keys = KeysFrom(*page->stretch.origin, asked.prefix, asked.from);
      if (keys.has_value()) {
        page->keys = *std::move(keys);
        break;
      }
    }
    if (!page->stretch.end.has_value()) return done(storage::ListedThere());
    asked.from = *page->stretch.end;
  }
  page->asked = std::move(asked);
  page->origins = origins;
  page->of = asked_of(*page->stretch.origin);
  page->done = std::move(done);
  absl::Status refused;
  {
    const net::MutexLock lock(&mutex_);
    refused =
        stopping_ ? ServerStops() : backoff_.Refusal(page->stretch.origin->prefix, options_.now());
    if (refused.ok()) under_way_.insert(page);
  }
  if (!refused.ok()) return page->done(std::move(refused));
  options_.run([this, page] { Prepare(page); });
}

void Lists::Prepare(const std::shared_ptr<Page>& page) {
  if (const absl::Status keys = page->of.source->Prepare(); !keys.ok()) {
    return End(page, Trouble(absl::StrCat(page->stretch.origin->Url(), ": ", keys.message())));
  }
  Ask(page);
}

void Lists::Ask(const std::shared_ptr<Page>& page) {
  s3::Query query;
  query.Add("list-type", "2").Add("encoding-type", "url").Add("prefix", page->keys.prefix);
  query.Add("max-keys", absl::StrCat(page->keys.one ? 1 : kKeysMax));
  if (!page->continuation.empty()) {
    query.Add("continuation-token", page->continuation);
  } else if (!page->keys.start_after.empty()) {
    query.Add("start-after", page->keys.start_after);
  }
  ++page->requests;
  absl::Status why;
  {
    // With the lock, so that Stop() knows either that it is to end or by which number.
    const net::MutexLock lock(&mutex_);
    if (stopping_) {
      why = ServerStops();
    } else {
      const absl::StatusOr<uint64_t> request =
          options_.fetcher->Fetch(page->of.source->List(query, kBytesMax),
                                  page->of.account->Watching(std::make_shared<BodySink>(this, page),
                                                             page->of.source->origin().Url()));
      if (request.ok()) page->request = *request;
      if (!request.ok()) why = Trouble(request.status().message());
    }
  }
  if (!why.ok()) End(page, std::move(why));
}

void Lists::Answered(const std::shared_ptr<Page>& page, const std::string& body,
                     const fetch::Outcome& outcome) {
  bool stopping;
  {
    const net::MutexLock lock(&mutex_);
    page->request = 0;
    stopping = stopping_;
  }
  if (stopping) return End(page, ServerStops());
  if (outcome.verdict == Verdict::kPermissionDenied)
    return End(page, absl::PermissionDeniedError(outcome.reason));
  if (outcome.verdict != Verdict::kFound) return End(page, TroubleOf(outcome));
  absl::StatusOr<storage::ListedThere> listed = Read(page.get(), body);
  // Nothing of what came is wanted yet, and more comes.
  const bool gets_on = !listed.ok() || listed->from.empty() || listed->from > page->asked.from;
  if (gets_on) return End(page, std::move(listed));
  if (page->requests < kRequestsMax) return Ask(page);
  End(page, Trouble(absl::StrCat(page->stretch.origin->Url(), ": its list makes no progress")));
}

absl::StatusOr<storage::ListedThere> Lists::Read(Page* page, const std::string& body) {
  const Origin& origin = *page->stretch.origin;
  const auto about = [&origin](absl::string_view why) {
    return Trouble(absl::StrCat(origin.Url(), ": its list makes no sense: ", why));
  };
  s3::ListReader reader;
  absl::Status fed = reader.Feed(body);
  absl::StatusOr<s3::ListPage> read = fed.ok() ? reader.Finish() : std::move(fed);
  if (!read.ok()) return about(read.status().message());
  storage::ListedThere listed;
  const std::optional<std::string>& end = page->stretch.end;
  std::string last;  // key
  bool is_over = read->continuation.empty() || page->keys.one;
  for (s3::ListedObject& object : read->objects) {
    if (!absl::StartsWith(object.key, page->keys.prefix))
      return about(absl::StrCat(text::Quoted(object.key), " was not asked for"));
    if (object.key <= last) return about("it is not in the order of the names' bytes");
    last = std::move(object.key);
    if (page->keys.one && last != page->keys.prefix) break;
    std::string place = PlaceOf(origin, last);
    if (place < page->asked.from) continue;
    if (end.has_value() && place >= *end) {
      is_over = true;
      break;
    }
    // What another line is for, what has no URI, and what nobody may ask for.
    const std::optional<std::string> uri = page->origins.UriOf(origin, last);
    if (!uri.has_value() || uri->size() > kUriMax ||
        absl::IsPermissionDenied(storage::DiskTier::CheckName(*uri)))
      continue;
    listed.entries.push_back({std::move(place), object.size, absl::ToUnixSeconds(object.mtime)});
  }
  if (is_over) {
    if (end.has_value()) listed.from = *end;
  } else if (last.empty()) {
    page->continuation = std::move(read->continuation);
    listed.from = page->asked.from;
  } else {
    if (last <= page->keys.start_after) return about("it begins before what was asked for");
    page->continuation.clear();
    page->keys.start_after = last;
    listed.from = PlaceOf(origin, last);
    listed.from.push_back('\0');
  }
  if (!absl::StartsWith(listed.from, page->asked.prefix)) listed.from.clear();
  return listed;
}

void Lists::End(const std::shared_ptr<Page>& page, absl::StatusOr<storage::ListedThere> listed) {
  {
    const net::MutexLock lock(&mutex_);
    const absl::Time now = options_.now();
    const std::string& name = page->stretch.origin->prefix;
    if (!stopping_) {
      page->of.account->Ended(listed.status(), /*fetched=*/false, now);
      if (listed.ok()) {
        backoff_.Clear(name);
      } else {
        const absl::Time until = backoff_.Failed(name, listed.status(), now);
        listed = net::WithRetryAfter(listed.status(), until - now);
      }
    }
  }
  page->done(std::move(listed));
  page->done = nullptr;
  const net::MutexLock lock(&mutex_);
  under_way_.erase(page);
  none_.notify_all();
}

void Lists::ForgetTrouble() {
  const net::MutexLock lock(&mutex_);
  backoff_.ClearAll();
}

void Lists::Stop() {
  const net::MutexLock lock(&mutex_);
  stopping_ = true;
  for (const std::shared_ptr<Page>& page : under_way_)
    if (page->request != 0) options_.fetcher->Cancel(page->request);
  while (!under_way_.empty()) none_.wait(mutex_);
}

}  // namespace objmapper::origin
