// What those who look for an object do about one that may be elsewhere.
#include "storage/tree/remote.h"

#include <glog/logging.h>

#include <future>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "storage/tree/disk_error.h"
#include "storage/tree/tree.h"
#include "text/printable.h"

namespace objmapper::storage {
namespace {

constexpr char kNoRoom[] = "objmapper/no_room";

}  // namespace

bool Remote::KeepsApart(absl::string_view) const { return false; }

absl::StatusOr<OpenedObject> Remote::OpenKept(absl::string_view uri, Wait) {
  return absl::NotFoundError(absl::StrCat("open ", QuotedUri(uri), ": no such object"));
}

std::vector<Remote::Kept> Remote::ListKept(absl::string_view, absl::string_view) const {
  return {};
}

void Remote::ListThere(const AskedThere&, std::function<void(absl::StatusOr<ListedThere>)> done) {
  done(absl::UnimplementedError("list: there is no origin that could be listed"));
}

bool Remote::IsCopy(absl::string_view) const { return false; }

absl::Status Remote::MayChange(absl::string_view) const { return absl::OkStatus(); }

bool Remote::ChangesAfar(absl::string_view) const { return false; }

void Remote::Change(absl::string_view uri, Wish, std::function<void(absl::Status)>) {
  LOG(FATAL) << "this remote changes nothing, so not " << text::Quoted(uri);
}

bool Remote::MustCheck(absl::string_view) const { return false; }

Provenance Remote::ProvenanceOf(absl::string_view, int) { return {}; }

bool Remote::MustCompare(absl::string_view, int64_t) { return false; }

void Remote::BringChecked(absl::string_view uri, int64_t, std::function<void(absl::Status)> done) {
  Bring(uri, std::move(done));
}

void Remote::Stored(absl::string_view) {}

void Remote::Follow(absl::string_view uri, const Wanted&,
                    std::function<void(absl::StatusOr<std::shared_ptr<Filling>>)> done) {
  Bring(uri, [done = std::move(done)](absl::Status brought) {
    if (!brought.ok()) return done(std::move(brought));
    done(nullptr);
  });
}

bool MayBeFetched(const Tree& tree, absl::string_view uri, const absl::Status& result) {
  // Where this disk has a folder an origin may have an object: S3 knows "a" beside "a/b".
  return tree.remote() != nullptr &&
         (absl::IsNotFound(result) || absl::IsFailedPrecondition(result)) &&
         tree.remote()->MayHave(uri);
}

absl::Status BringNow(Remote* remote, absl::string_view uri, std::optional<int64_t> age_max_s) {
  std::promise<absl::Status> brought;
  const auto done = [&brought](absl::Status status) { brought.set_value(std::move(status)); };
  if (age_max_s.has_value()) {
    remote->BringChecked(uri, *age_max_s, done);
  } else {
    remote->Bring(uri, done);
  }
  return brought.get_future().get();
}

absl::Status NoRoom(absl::Status why) {
  why.SetPayload(kNoRoom, absl::Cord());
  return why;
}

bool IsNoRoom(const absl::Status& status) { return status.GetPayload(kNoRoom).has_value(); }

std::shared_ptr<Filling> PassingNow(Remote* remote, absl::string_view uri) {
  if (remote == nullptr || !remote->MayHave(uri)) return nullptr;
  std::promise<std::shared_ptr<Filling>> known;
  remote->Follow(uri, Wanted::Nothing(),
                 [&known](absl::StatusOr<std::shared_ptr<Filling>> filling) {
                   known.set_value(std::move(filling).value_or(nullptr));
                 });
  std::shared_ptr<Filling> filling = known.get_future().get();
  return filling != nullptr && filling->passes() ? filling : nullptr;
}

absl::Status OnlyElsewhere(absl::string_view uri) {
  return absl::UnavailableError(absl::StrCat(
      "open ", QuotedUri(uri),
      ": it is not here, or has to be compared with its origin, which the request forbids"));
}

absl::Status GoneAgain(absl::string_view uri) {
  return absl::ResourceExhaustedError(
      absl::StrCat("open ", QuotedUri(uri), ": it was fetched, and is gone again; try again"));
}

}  // namespace objmapper::storage
