// Finding, loading and bringing in; what is looked up is believed for cache_valid.
#include "copypath/objects.h"

#include <glog/logging.h>
#include <time.h>

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "copypath/page_in.h"
#include "net/errno_status.h"
#include "session/reply.h"
#include "storage/tree/bring.h"
#include "storage/tree/load.h"
#include "text/printable.h"

namespace objmapper::copypath {
namespace {

// How many objects that are on their way here are kept for those who ask next, at most.
constexpr size_t kFillingsMax = 64;

}  // namespace

struct Objects::Work {
  ObjectRef object;
  std::optional<size_t> window;     // to be brought in; nullopt: the object is to be loaded
  std::optional<uint64_t> awaited;  // or more of it is to be readable from here on
  // The pool's until it is posted.
  absl::StatusOr<storage::LoadedObject> loaded = absl::UnknownError("not yet loaded");
  bool passes = false;     // or more of it is to have come by its own way
  bool only_asks = false;  // what the object is
  bool asked_remote = false;
  bool at_wish = false;                       // and what is here would have done for others
  std::shared_ptr<storage::Filling> filling;  // instead, of what is on its way here
  int error = 0;                              // of the window
};

storage::Wanted WantedBy(const protocol::Request& request) {
  const session::Extent part = session::ForeseenPart(request);
  storage::Wanted wanted = storage::Wanted::Nothing();
  if (part.length > 0) {
    wanted.begin = part.offset;
    wanted.end = part.length > UINT64_MAX - part.offset ? UINT64_MAX : part.offset + part.length;
  }
  wanted.age_max_s = session::AgeMaxOf(request);
  wanted.only_here = session::IsOnlyFromHere(request);
  return wanted;
}

Objects::Objects(const Options& options, std::function<void(Work*)> post)
    : options_(options),
      post_(std::move(post)),
      cache_(options.cache_entries, options.cache_entries * storage::kSnapshotBytesMax) {}

absl::StatusOr<ObjectRef> Objects::Lookup(absl::string_view uri, int64_t now_ns,
                                          const storage::Wanted& as_asked) {
  storage::Wanted wanted = as_asked;
  if (storage::Remote* const remote = options_.tree->remote(); remote != nullptr) {
    const bool compares =
        wanted.age_max_s.has_value() && remote->MustCompare(uri, *wanted.age_max_s);
    if (compares || wanted.only_here) return LookupAlone(uri, now_ns, wanted, compares);
    // Others may get the same.
    wanted.age_max_s.reset();
  }
  // What was seen, or begun to be loaded, before this server last changed something is not
  // believed: whoever has been told of the change must see it.
  const uint64_t changes = options_.tree->changes();
  CachedObject* const known = cache_.Find(uri);
  if (known != nullptr) {
    // What was on its way here is an ordinary object by now, or is to be asked for anew; but what
    // passes is no more than it is.
    const bool over = known->filling() != nullptr && known->filling()->ended().has_value() &&
                      !known->filling()->passes();
    const bool current = known->changes() == changes && !over;
    if (known->state() == CachedObject::State::kLoading) {
      if (current) return ObjectRef(known);
    } else if (current &&
               now_ns - known->checked_ns() <= absl::ToInt64Nanoseconds(options_.cache_valid)) {
      if (!options_.tree->MustCheck(uri)) {
        counters_.hits.Add();
        return ObjectRef(known);
      }
    } else {
      const absl::StatusOr<storage::ObjectInfo> now_named =
          options_.tree->Stat(uri, storage::Wait::kCachedOnly);
      if (now_named.ok() && *now_named == known->info()) {
        known->Seen(now_ns, changes);
        counters_.hits.Add();
        return ObjectRef(known);
      }
    }
    cache_.Erase(known);
  }
  counters_.misses.Add();
  ObjectRef object(new CachedObject(uri, options_.pool));
  object->Seen(now_ns, changes);
  absl::StatusOr<storage::LoadedObject> loaded =
      storage::Load(*options_.tree, uri, storage::Wait::kCachedOnly, options_.copied_bytes_max);
  if (loaded.ok()) {
    object->Fill(*std::move(loaded), now_ns);
    cache_.Insert(object.get());
    return object;
  }
  if (!absl::IsUnavailable(loaded.status())) return loaded.status();
  // The disk must be asked, or an origin: elsewhere. Others that want the same object meanwhile
  // wait for this one.
  cache_.Insert(object.get());
  BeginLoading(object, wanted, /*asks=*/false);
  return object;
}

absl::StatusOr<ObjectRef> Objects::LookupAlone(absl::string_view uri, int64_t now_ns,
                                               const storage::Wanted& wanted, bool asks) {
  if (asks && wanted.only_here) return storage::OnlyElsewhere(uri);
  counters_.misses.Add();
  ObjectRef object(new CachedObject(uri, options_.pool));
  object->Seen(now_ns, options_.tree->changes());
  if (!asks) {
    absl::StatusOr<storage::LoadedObject> loaded =
        storage::Load(*options_.tree, uri, storage::Wait::kCachedOnly, options_.copied_bytes_max);
    if (loaded.ok()) {
      object->Fill(*std::move(loaded), now_ns);
      return object;
    }
    if (!absl::IsUnavailable(loaded.status())) return loaded.status();
  }
  BeginLoading(object, wanted, asks);
  return object;
}

ObjectRef Objects::OpenApart(absl::string_view uri) {
  ObjectRef object(new CachedObject(uri, options_.pool, /*apart=*/true));
  BeginLoading(object, {}, /*asks=*/false);
  return object;
}

void Objects::BeginLoading(const ObjectRef& object, const storage::Wanted& wanted, bool asks) {
  Work* const work = *works_.insert(new Work{object, std::nullopt, std::nullopt}).first;
  work->only_asks = wanted.begin >= wanted.end;
  work->at_wish = asks && !options_.tree->MustCheck(object->uri());
  // What waits for a disk must not wait behind what waits for somebody.
  storage::SlowOpens* const slow = &options_.tree->slow_opens();
  BlockingPool* const pool =
      slow->any() || slow->waits_elsewhere() ? options_.slow_pool : options_.pool;
  pool->Run([this, work, slow, uri = object->uri(), apart = object->apart(), wanted, asks] {
    const std::function<absl::StatusOr<storage::LoadedObject>()> load = [this, slow, uri] {
      const storage::SlowOpens::Elsewhere elsewhere(slow);
      return storage::Load(*options_.tree, uri, storage::Wait::kMayBlock,
                           options_.copied_bytes_max);
    };
    const auto run = [slow_pool = options_.slow_pool](std::function<void()> again) {
      slow_pool->Run(std::move(again));
    };
    const std::function<void(absl::StatusOr<storage::LoadedObject>)> done =
        [this, work](absl::StatusOr<storage::LoadedObject> loaded) {
          work->loaded = std::move(loaded);
          post_(work);
        };
    const storage::Tree& tree = *options_.tree;
    if (wanted.only_here) return done(storage::LookHere<storage::LoadedObject>(tree, uri, load));
    if (!asks && storage::ToldOfHere<storage::LoadedObject>(tree, uri, load, done)) return;
    work->asked_remote = true;
    if (apart)
      return storage::BringAndLook<storage::LoadedObject>(options_.tree, uri, load, run, done);
    storage::FollowAndLook<storage::LoadedObject>(
        options_.tree, uri, wanted, load, run, done,
        [this, work](std::shared_ptr<storage::Filling> filling) {
          work->filling = std::move(filling);
          post_(work);
        });
  });
}

protocol::Cached Objects::CachedOf(const protocol::Request& request,
                                   const CachedObject* object) const {
  if (object->filling() == nullptr) {
    return session::CachedIn(*options_.tree, request, object->uri(), object->fd(),
                             request.awaited ? object->asked_remote() : session::AskedRemote());
  }
  if (request.http == nullptr) return {};
  using How = protocol::Cached::How;
  return {.how = object->filling()->replaces() ? How::kReplaced : How::kFetched,
          .at_wish = object->asked_remote().at_wish,
          .checked_s = time(nullptr)};
}

void Objects::AwaitMore(CachedObject* object, uint64_t offset) {
  if (!awaited_.emplace(object, offset).second) return;
  Work* const work = *works_.insert(new Work{ObjectRef(object), std::nullopt, offset}).first;
  object->filling()->Await(offset, [this, work] { post_(work); });
}

void Objects::AwaitMore(CachedObject* object, storage::PassThrough* through) {
  Work* const work = *works_.insert(new Work{ObjectRef(object), std::nullopt, std::nullopt}).first;
  work->passes = true;
  if (through->Await([this, work] { post_(work); })) return;
  works_.erase(work);
  delete work;
}

Residency Objects::EnsureResident(CachedObject* object, size_t index, int64_t now_ns) {
  const Residency residency = object->windows().Of(index, now_ns);
  if (residency != Residency::kUnknown) return residency;
  BringIn(object, index, now_ns);
  return Residency::kComing;
}

void Objects::BringIn(CachedObject* object, size_t index, int64_t now_ns) {
  if (object->windows().IsComing(index)) return;
  counters_.page_ins.Add();
  object->windows().Set(index, Residency::kComing, now_ns);
  Work* const work = *works_.insert(new Work{ObjectRef(object), index, std::nullopt}).first;
  const auto [begin, end] = WindowOf(object->size(), index);
  options_.pool->Run([this, work, fd = object->fd(), begin = begin, bytes = end - begin] {
    work->error = PageIn(fd, begin, bytes);
    post_(work);
  });
}

void Objects::Done(Work* work, int64_t now_ns) {
  works_.erase(work);
  const std::unique_ptr<Work> done(work);
  CachedObject* const object = done->object.get();
  if (done->awaited.has_value()) {
    awaited_.erase({object, *done->awaited});
  } else if (done->passes) {
    // Who waits for it asks it.
  } else if (!done->window.has_value()) {
    if (done->asked_remote) object->set_asked_remote({.asked = true, .at_wish = done->at_wish});
    if (done->filling != nullptr) {
      object->Fill(std::move(done->filling), now_ns);
      // While it is kept its flight is, with its descriptors; of what it is alone there may be
      // floods of questions.
      if (done->only_asks) cache_.Erase(object);
      if (++fillings_ >= kFillingsMax) {
        cache_.DropFillings();
        fillings_ = 0;
      }
    } else if (done->loaded.ok()) {
      object->Fill(*std::move(done->loaded), now_ns);
      cache_.NoteFilled(object);
    } else {
      object->Fail(done->loaded.status());
      cache_.Erase(object);  // the next request asks again
    }
  } else {
    counters_.page_ins_done.Add();
    if (done->error != 0) {
      object->set_read_error(
          net::ErrnoToStatus(done->error, absl::StrCat("read ", text::Quoted(object->uri()))));
      LOG_EVERY_T(WARNING, 1) << object->error().message();
      cache_.Erase(object);  // the next request asks the disk again
    }
    // Should the file have become shorter: sending finds out where it ends, and so does the check
    // of the last piece.
    object->windows().Set(*done->window, Residency::kResident, now_ns);
  }
  object->TellWaiters();
}

}  // namespace objmapper::copypath
