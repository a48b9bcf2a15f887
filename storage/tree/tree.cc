// Looks into the overlay first, then on the disk, and again where an object may have moved between
// the two.
#include "storage/tree/tree.h"

#include <optional>

namespace objmapper::storage {
namespace {

// How often an object that may have moved between overlay and disk is looked for again.
constexpr int kMovesMax = 8;

}  // namespace

absl::StatusOr<Tree> Tree::Open(const std::string& root) {
  absl::StatusOr<Root> opened = Root::Open(root);
  if (!opened.ok()) return opened.status();
  return Tree(DiskTier(*std::move(opened)));
}

absl::StatusOr<bool> Tree::FollowRoot(absl::FunctionRef<absl::Status(int root)> accept) const {
  absl::StatusOr<bool> followed = root().Follow(accept);
  if (followed.value_or(false)) NoteChange();
  return followed;
}

template <typename Ask, typename AskDisk>
auto Tree::InBoth(absl::string_view uri, Ask ask, AskDisk ask_disk) const -> decltype(ask_disk()) {
  if (overlay_ == nullptr) return ask_disk();
  for (int attempt = 1;; ++attempt) {
    const uint64_t before = changes();
    if (auto found = ask()) return *std::move(found);
    auto result = ask_disk();
    const bool may_have_moved = changes() != before || overlay_->Has(uri);
    if (!absl::IsNotFound(result.status()) || !may_have_moved || attempt == kMovesMax)
      return result;
  }
}

template <typename Ask, typename AskDisk>
auto Tree::Everywhere(absl::string_view uri, Wait wait, Ask ask, AskDisk ask_disk) const
    -> decltype(ask_disk()) {
  if (wait == Wait::kMayBlock || remote_ == nullptr) return InBoth(uri, ask, ask_disk);
  if (!remote_->MustCheck(uri)) {
    auto result = InBoth(uri, ask, ask_disk);
    if (!MayBeFetched(*this, uri, result.status())) return result;
  }
  if (wait == Wait::kCachedOnly)
    return absl::UnavailableError("it may be elsewhere, or another one there");
  const absl::Status brought = BringNow(remote_, uri);
  if (!brought.ok() && !absl::IsNotFound(brought)) return brought;
  return AfterBringing(uri, brought, InBoth(uri, ask, ask_disk));
}

absl::StatusOr<OpenedObject> Tree::OpenObject(absl::string_view uri, Wait wait) const {
  return Everywhere(
      uri, wait, [&] { return overlay_->Open(uri); },
      [&] { return KeptApart(uri) ? remote_->OpenKept(uri, wait) : disk_.Open(uri, wait); });
}

absl::StatusOr<ObjectInfo> Tree::Stat(absl::string_view uri, Wait wait) const {
  return Everywhere(
      uri, wait, [&] { return overlay_->Stat(uri); },
      [&]() -> absl::StatusOr<ObjectInfo> {
        if (!KeptApart(uri)) return disk_.Stat(uri, wait);
        const absl::StatusOr<OpenedObject> kept = remote_->OpenKept(uri, wait);
        if (!kept.ok()) return kept.status();
        return kept->info;
      });
}

absl::StatusOr<Description> Tree::Describe(absl::string_view uri, Wait wait) const {
  const auto in_memory = [&]() -> std::optional<absl::StatusOr<Description>> {
    const std::optional<absl::StatusOr<ObjectInfo>> info = overlay_->Stat(uri);
    if (!info.has_value()) return std::nullopt;
    if (!info->ok()) return info->status();
    return storage::Describe(/*fd=*/-1, **info, Tier::kMemory);
  };
  return Everywhere(uri, wait, in_memory, [&]() -> absl::StatusOr<Description> {
    if (!KeptApart(uri)) return disk_.Describe(uri, wait);
    const absl::StatusOr<OpenedObject> kept = remote_->OpenKept(uri, wait);
    if (!kept.ok()) return kept.status();
    return storage::Describe(kept->fd.get(), kept->info, Tier::kDisk);
  });
}

}  // namespace objmapper::storage
