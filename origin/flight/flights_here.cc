// What is said of what is here, and of names, without asking an origin.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "origin/cache/mark.h"
#include "origin/cache/place.h"
#include "origin/cache/shelf.h"
#include "origin/flight/flights.h"
#include "storage/tree/disk_tier.h"
#include "text/printable.h"

namespace objmapper::origin {

bool Flights::IsForOrigin(const Origins& origins, absl::string_view uri) {
  const absl::Status found = origins.Find(uri).status();
  return !absl::IsNotFound(found) && !absl::IsFailedPrecondition(found);
}

bool Flights::MustCompare(absl::string_view uri, int64_t age_max_s) {
  const absl::string_view name = Canonical(uri);
  return IsForOrigin(map()->origins, name) &&
         !absl::IsPermissionDenied(storage::DiskTier::CheckName(uri)) &&
         freshness_.MustCompare(name, age_max_s);
}

bool Flights::KeepsApart(absl::string_view uri) const {
  const Shelf* const shelf = options_.cache.shelf;
  if (shelf == nullptr) return false;
  const absl::string_view name = Canonical(uri);
  // A path may be taken by the disk, which has a folder of that name.
  if (IsPath(name)) return shelf->HasWhole(name);
  // What the rules for names refuse ("..", reserved ones) is left to the disk, which does so.
  return IsForOrigin(map()->origins, name) &&
         !absl::IsPermissionDenied(storage::DiskTier::CheckName(name));
}

absl::StatusOr<storage::OpenedObject> Flights::OpenKept(absl::string_view uri, storage::Wait wait) {
  const absl::string_view name = Canonical(uri);
  if (wait == storage::Wait::kCachedOnly && options_.cache.shelf->HasWhole(name))
    return absl::UnavailableError(absl::StrCat("open ", text::Quoted(uri), ": the disk is asked"));
  return options_.cache.shelf->OpenWhole(name);
}

std::vector<storage::Remote::Kept> Flights::ListKept(absl::string_view prefix,
                                                     absl::string_view after) const {
  std::vector<Kept> kept;
  if (options_.cache.shelf == nullptr) return kept;
  for (Found& found : options_.cache.shelf->List(Found::Kind::kWhole, std::string(prefix),
                                                 std::string(after), SIZE_MAX))
    kept.push_back({std::move(found.uri), found.size, found.mtime_s});
  return kept;
}

storage::Provenance Flights::ProvenanceOf(absl::string_view uri, int fd) {
  if (const auto known = freshness_.ProvenanceOf(uri); known.has_value()) return *known;
  // Of a name that never is due: its mark says.
  const absl::string_view name = Canonical(uri);
  if (fd < 0 || map()->origins.LineOf(name) == nullptr) return {};
  const std::optional<Mark> mark = ReadMark(fd);
  if (!mark.has_value() || mark->uri != name) return {};
  freshness_.Remember(name, absl::FromUnixSeconds(mark->checked_s));
  return {.remote = true, .checked_s = mark->checked_s};
}

void Flights::ListThere(const storage::AskedThere& asked,
                        std::function<void(absl::StatusOr<storage::ListedThere>)> done) {
  const std::shared_ptr<const Map> map = this->map();
  lists_.Begin(
      map->origins, [&map](const Origin& origin) { return map->asked.at(&origin); }, asked,
      std::move(done));
}

bool Flights::IsCopy(absl::string_view uri) const {
  const absl::string_view name = Canonical(uri);
  const storage::Tree& tree = *options_.cache.tree;
  // What no line is for any more is as this disk's own.
  if (map()->origins.LineOf(name) == nullptr) return false;
  if (tree.overlay() != nullptr && tree.overlay()->Has(name)) return false;
  if (KeepsApart(name)) return true;
  const absl::StatusOr<storage::OpenedObject> object =
      tree.disk().Open(name, storage::Wait::kMayBlock);
  if (!object.ok()) return false;
  const std::optional<Mark> mark = ReadMark(object->fd.get());
  return mark.has_value() && mark->uri == name;
}

}  // namespace objmapper::origin
