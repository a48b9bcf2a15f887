// The opening third of a round. Invariant: a descriptor in Opening::result is owned by whoever has
// the opening, until Take(), PutOff() or Drop(); one with a ticket is opened, or is being.
#include "fdpass/opener.h"

#include <limits.h>

#include <cstring>
#include <utility>

#include "storage/tree/bring.h"
#include "storage/tree/remote.h"
#include "storage/tree/slow_opens.h"

namespace objmapper::fdpass {
namespace {
// Names of one round; those beyond are opened one by one.
constexpr size_t kNamesBytes = 256 * 1024;
}  // namespace

Opener::Opener(const Options& options, Kernel* kernel, std::function<void()> wake)
    : options_(options),
      kernel_(kernel),
      directories_(options.tree, options.directories, options.cache_valid),
      names_(std::make_unique_for_overwrite<char[]>(kNamesBytes)) {
  if (options.shared_fds > 0)
    shared_.emplace(options.tree, options.shared_fds, options.cache_valid);
  const net::MutexLock lock(&apart_->mutex);
  apart_->wake = std::move(wake);
}

Opener::~Opener() {
  const net::MutexLock lock(&apart_->mutex);
  apart_->wake = nullptr;
  apart_->opened.clear();
}

void Opener::Begin(Opening* opening, absl::string_view uri, int64_t now_ns) {
  if (!opens_together() || opening->ticket != 0) return;
  opening->place = directories_.Locate(uri, now_ns, storage::Wait::kCachedOnly);
  if (!opening->place.has_value()) return;
  const absl::string_view name = uri.substr(opening->place->name_at);
  if (names_bytes_ + name.size() + 1 > kNamesBytes) {
    opening->place.reset();
    return;
  }
  char* const copy = &names_[names_bytes_];
  memcpy(copy, name.data(), name.size());
  copy[name.size()] = '\0';
  names_bytes_ += name.size() + 1;
  const bool seen = kernel_->wants_seen_regular() && directories_.WasRegular(uri);
  kernel_->Open(opening->place->directory->get(), copy, seen, &opening->result);
  queued_ = true;
}

void Opener::OpenAll() {
  took_ns_ = 0;
  if (!queued_) return;
  const storage::SlowOpens::Timer timer(&options_.tree->slow_opens());
  kernel_->OpenAll();
  took_ns_ = timer.Elapsed();
  queued_ = false;
  names_bytes_ = 0;
}

absl::StatusOr<Passable> Opener::Take(Opening* opening, absl::string_view uri, int64_t now_ns) {
  storage::SlowOpens& slow = options_.tree->slow_opens();
  if (opening->apart.has_value()) {
    opening->ticket = 0;  // if this answer finds no room, the object is opened anew
    absl::StatusOr<storage::OpenedObject> object = *std::exchange(opening->apart, std::nullopt);
    if (absl::IsUnavailable(object.status()))
      return absl::ResourceExhaustedError(object.status().message());
    if (!object.ok()) return std::move(object).status();
    Passable passable;
    passable.info = object->info;
    passable.tier = object->tier;
    passable.shared = {
        new net::UniqueFd(std::move(object->fd)),
        [run = options_.run_slowly](net::UniqueFd* fd) { run([fd] { delete fd; }); }};
    return passable;
  }
  if (opening->ticket != 0) return absl::UnavailableError("being opened");
  if (opening->result >= 0) {
    absl::StatusOr<storage::OpenedObject> object =
        directories_.Take(net::UniqueFd(std::exchange(opening->result, -1)), uri);
    // Which of a slow round's it was cannot be told; most are of one file system.
    if (object.ok() && took_ns_ > 0) slow.Note(object->info.device, took_ns_, /*sure=*/true);
    if (object.ok()) {
      if (kernel_->wants_seen_regular()) directories_.NoteRegular(uri);
      return Passable(*std::move(object));
    }
  } else if (opening->place.has_value() && took_ns_ > 0) {
    slow.Note(storage::SlowOpens::DeviceOf(opening->place->directory->get()), took_ns_,
              /*sure=*/true);
  }
  if (shared_.has_value() && !slow.any()) {
    if (options_.tree->MustCheck(uri)) return absl::UnavailableError("it must be checked");
    absl::StatusOr<std::shared_ptr<const storage::OpenedObject>> shared =
        shared_->Open(uri, now_ns);
    if (storage::MayBeFetched(*options_.tree, uri, shared.status()))
      return absl::UnavailableError("it may be elsewhere");
    if (!shared.ok()) return std::move(shared).status();
    Passable passable;
    passable.info = (*shared)->info;
    passable.tier = (*shared)->tier;
    const net::UniqueFd* const fd = &(*shared)->fd;
    passable.shared = {*std::move(shared), fd};
    return passable;
  }
  const storage::Wait wait =
      options_.run_slowly == nullptr ? storage::Wait::kMayBlock : storage::Wait::kCachedOnly;
  absl::StatusOr<storage::OpenedObject> object = directories_.OpenObject(uri, now_ns, wait);
  if (!object.ok()) return std::move(object).status();
  return Passable(*std::move(object));
}

void Opener::PutOff(Opening* opening) {
  net::UniqueFd(std::exchange(opening->result, -1)).Reset();
  opening->place.reset();
}

void Opener::Drop(Opening* opening) {
  PutOff(opening);
  opening->described.reset();
  if (opening->apart.has_value()) DropApart(*std::exchange(opening->apart, std::nullopt));
}

uint64_t Opener::OpenApart(absl::string_view uri, bool only_asks) {
  const uint64_t ticket = ++last_ticket_;
  options_.run_slowly([apart = apart_, tree = options_.tree, run = options_.run_slowly, ticket,
                       only_asks, uri = std::string(uri)] {
    const auto look = [tree, uri] {
      const storage::SlowOpens::Elsewhere elsewhere(&tree->slow_opens());
      return tree->OpenObject(uri, storage::Wait::kMayBlock);
    };
    const auto done = [apart, ticket](absl::StatusOr<storage::OpenedObject> object) {
      apart->Tell({ticket, std::move(object), std::nullopt});
    };
    if (!only_asks)
      return storage::LookEverywhere<storage::OpenedObject>(tree, uri, look, run, done);
    storage::FollowEverywhere<storage::OpenedObject>(
        tree, uri, storage::Wanted::Nothing(), look, run, done,
        [apart, ticket](const std::shared_ptr<storage::Filling>& filling) {
          apart->Tell(
              {ticket, absl::ResourceExhaustedError("it is not here"), filling->description()});
        });
  });
  return ticket;
}

void Opener::Apart::Tell(Opened one) {
  const net::MutexLock lock(&mutex);
  if (wake == nullptr) return;
  opened.push_back(std::move(one));
  wake();
}

std::vector<Opener::Opened> Opener::TakeOpened() {
  std::vector<Opened> opened;
  const net::MutexLock lock(&apart_->mutex);
  opened.swap(apart_->opened);
  return opened;
}

void Opener::DropApart(absl::StatusOr<storage::OpenedObject> object) {
  if (!object.ok()) return;
  options_.run_slowly([fd = std::make_shared<net::UniqueFd>(std::move(object->fd))] {});
}

}  // namespace objmapper::fdpass
