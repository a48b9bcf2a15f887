// A bounded map from directory paths to open directories. An entry is used for a short time only,
// and the last component is always looked up anew.
#include "storage/tree/directory_cache.h"

#include <utility>

namespace objmapper::storage {
namespace {
// How many names of one directory are remembered; the others cost one system call more.
constexpr size_t kNamesMax = 4096;

// Where the last name of a URI begins.
size_t NameAt(absl::string_view uri) { return uri.rfind('/') + 1; }
}  // namespace

DirectoryCache::DirectoryCache(const Tree* tree, size_t entries_max, absl::Duration valid)
    : tree_(tree), entries_max_(entries_max), valid_ns_(absl::ToInt64Nanoseconds(valid)) {}

absl::StatusOr<OpenedObject> DirectoryCache::OpenObject(absl::string_view uri, int64_t now_ns,
                                                        Wait wait) {
  if (entries_max_ == 0 || valid_ns_ <= 0 || WaitsForRemote(uri, wait))
    return tree_->OpenObject(uri, wait);
  if (Overlay* const overlay = tree_->overlay()) {
    if (std::optional<absl::StatusOr<OpenedObject>> object = overlay->Open(uri))
      return *std::move(object);
  }
  if (tree_->KeptApart(uri)) return tree_->OpenObject(uri, wait);
  const size_t name_at = NameAt(uri);
  Directory* directory = Find(uri.substr(0, name_at), now_ns, wait);
  if (directory != nullptr) {
    const absl::string_view name = uri.substr(name_at);
    const bool seen = directory->regular.contains(name);
    absl::StatusOr<OpenedObject> object =
        tree_->disk().OpenIn(directory->fd->get(), name, uri, /*seen_regular=*/seen, wait);
    if (object.ok()) {
      if (!seen && directory->regular.size() < kNamesMax) directory->regular.emplace(name);
      return object;
    }
    if (absl::IsUnavailable(object.status())) return object;
    if (seen) directory->regular.erase(name);
  }
  // Rare: an error, which the long way states exactly, or a symbolic link, which it follows.
  return tree_->OpenObject(uri, wait);
}

std::optional<DirectoryCache::Place> DirectoryCache::Locate(absl::string_view uri, int64_t now_ns,
                                                            Wait wait) {
  if (entries_max_ == 0 || valid_ns_ <= 0 || WaitsForRemote(uri, wait)) return std::nullopt;
  if (tree_->overlay() != nullptr && tree_->overlay()->Has(uri)) return std::nullopt;
  if (tree_->KeptApart(uri)) return std::nullopt;
  const size_t name_at = NameAt(uri);
  if (!IsPlainName(uri.substr(name_at))) return std::nullopt;
  const Directory* directory = Find(uri.substr(0, name_at), now_ns, wait);
  if (directory == nullptr) return std::nullopt;
  return Place{directory->fd, name_at};
}

absl::StatusOr<OpenedObject> DirectoryCache::Take(net::UniqueFd fd, absl::string_view uri) const {
  absl::StatusOr<ObjectInfo> info = InfoOf(fd.get(), uri);
  if (!info.ok()) return std::move(info).status();
  return OpenedObject{std::move(fd), *info};
}

bool DirectoryCache::WasRegular(absl::string_view uri) const {
  const auto found = directories_.find(uri.substr(0, NameAt(uri)));
  return found != directories_.end() && found->second.regular.contains(uri.substr(NameAt(uri)));
}

void DirectoryCache::NoteRegular(absl::string_view uri) {
  const auto found = directories_.find(uri.substr(0, NameAt(uri)));
  if (found == directories_.end() || found->second.regular.size() >= kNamesMax) return;
  const absl::string_view name = uri.substr(NameAt(uri));
  if (!found->second.regular.contains(name)) found->second.regular.emplace(name);
}

DirectoryCache::Directory* DirectoryCache::Find(absl::string_view path, int64_t now_ns, Wait wait) {
  const auto found = directories_.find(path);
  if (found != directories_.end() && now_ns - found->second.resolved_ns < valid_ns_) {
    return &found->second;
  }
  absl::StatusOr<net::UniqueFd> fd = tree_->OpenDirectory(path, wait);
  if (!fd.ok()) {
    if (found != directories_.end()) directories_.erase(found);
    return nullptr;
  }
  if (found != directories_.end()) {
    found->second.fd = std::make_shared<const net::UniqueFd>(*std::move(fd));
    found->second.resolved_ns = now_ns;
    found->second.regular.clear();
    return &found->second;
  }
  // Full: an arbitrary one goes. Resolving it again costs what one long walk does.
  if (directories_.size() >= entries_max_) directories_.erase(directories_.begin());
  Directory directory{std::make_shared<const net::UniqueFd>(*std::move(fd)), now_ns, {}};
  return &directories_.emplace(std::string(path), std::move(directory)).first->second;
}

}  // namespace objmapper::storage
