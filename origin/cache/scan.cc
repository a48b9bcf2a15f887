// Looks at each name in the two folders. Whoever removes a part holds its lock.
#include "origin/cache/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "net/unique_fd.h"
#include "origin/cache/folders.h"
#include "origin/cache/mark.h"
#include "origin/cache/partial_map.h"
#include "origin/cache/partial_object.h"
#include "origin/cache/place.h"
#include "storage/catalog/catalog.h"
#include "storage/tree/attributes.h"
#include "storage/tree/directory_names.h"
#include "storage/tree/reserved_name.h"

namespace objmapper::origin {
namespace {

constexpr int kToLook = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

// The names in a folder; none if there is no such folder.
absl::StatusOr<std::vector<storage::DirectoryName>> NamesOf(const storage::Tree& tree,
                                                            const std::string& path,
                                                            net::UniqueFd* folder) {
  absl::StatusOr<net::UniqueFd> found = FindFolder(tree, path);
  if (absl::IsNotFound(found.status())) return std::vector<storage::DirectoryName>();
  if (!found.ok()) return found.status();
  *folder = *std::move(found);
  return storage::NamesIn(folder->get());
}

// Looks at the part-filled object whose files are `name` with their endings.
void LookAtPart(int folder, const std::string& name, Scanned* scanned) {
  const net::UniqueFd file(openat(folder, PartFile(name).c_str(), kToLook));
  if (file.valid() && !storage::LockReserved(file.get())) {
    ++scanned->busy;
    return;
  }
  const absl::StatusOr<PartialMap> map = PartialMap::Open(folder, MapFile(name));
  if (file.valid() && map.ok()) {
    const Identity& identity = map->identity();
    bool claims = false;
    for (uint64_t block = 0; block < identity.blocks() && !claims; ++block)
      claims = map->claim(block).has_value();
    if (claims && PartName(identity.uri) == name && IsStrong(identity.etag)) {
      scanned->found.push_back(LookAt(Found::Kind::kPart, identity.uri, file.get()));
      return;
    }
  }
  // A map alone is nobody's at work: it comes after the bytes, and goes before them.
  if (unlinkat(folder, MapFile(name).c_str(), 0) == 0) ++scanned->removed;
  if (file.valid() && unlinkat(folder, PartFile(name).c_str(), 0) == 0) ++scanned->removed;
}

void LookAtWhole(int folder, const std::string& name, Scanned* scanned) {
  const net::UniqueFd file(openat(folder, name.c_str(), kToLook));
  const std::optional<Mark> mark = file.valid() ? ReadMark(file.get()) : std::nullopt;
  if (mark.has_value() && EncodedName(mark->uri) == name && IsUnchanged(file.get(), *mark)) {
    scanned->found.push_back(LookAt(Found::Kind::kWhole, mark->uri, file.get()));
  } else if (unlinkat(folder, name.c_str(), 0) == 0) {
    ++scanned->removed;
  }
}

}  // namespace

Found LookAt(Found::Kind kind, const std::string& uri, int fd) {
  Found found;
  found.kind = kind;
  found.uri = uri;
  struct stat status;
  if (fstat(fd, &status) == 0) {
    found.bytes = static_cast<uint64_t>(status.st_blocks) * 512;
    found.size = static_cast<uint64_t>(status.st_size);
    found.mtime_s = status.st_mtim.tv_sec;
    found.used_s = storage::ToSeconds32(std::max(status.st_atim.tv_sec, status.st_mtim.tv_sec));
  }
  found.pinned = storage::IsPinned(fd);
  return found;
}

absl::StatusOr<Scanned> Scan(const storage::Tree& tree) {
  Scanned scanned;
  net::UniqueFd folder;
  absl::StatusOr<std::vector<storage::DirectoryName>> names = NamesOf(tree, PartFolder(), &folder);
  if (!names.ok()) return names.status();
  std::set<std::string> parts;
  for (const storage::DirectoryName& found : *names) {
    absl::string_view name = found.name;
    if (storage::IsReservedName(name)) {
      // of a fill that was killed before its files had their names
      scanned.removed += storage::RemoveIfAbandoned(folder.get(), found.name) ? 1 : 0;
    } else if (absl::ConsumeSuffix(&name, ".part") || absl::ConsumeSuffix(&name, ".map")) {
      parts.emplace(name);
    }
  }
  for (const std::string& name : parts) LookAtPart(folder.get(), name, &scanned);
  names = NamesOf(tree, WholeFolder(), &folder);
  if (!names.ok()) return names.status();
  for (const storage::DirectoryName& found : *names) {
    if (!found.is_directory) LookAtWhole(folder.get(), found.name, &scanned);
  }
  return scanned;
}

bool RemovePart(const storage::Tree& tree, const std::string& uri) {
  const absl::StatusOr<net::UniqueFd> folder = FindFolder(tree, PartFolder());
  if (!folder.ok()) return false;
  const std::string name = PartName(uri);
  const net::UniqueFd file(openat(folder->get(), PartFile(name).c_str(), kToLook));
  if (!file.valid() || !storage::LockReserved(file.get())) return false;
  unlinkat(folder->get(), MapFile(name).c_str(), 0);
  return unlinkat(folder->get(), PartFile(name).c_str(), 0) == 0;
}

}  // namespace objmapper::origin
