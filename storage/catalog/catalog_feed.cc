// Reads objects and directories from the disk and settles them in the catalog. An error that does
// not mean absence changes nothing in the catalog.
#include "storage/catalog/catalog_feed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "net/errno_status.h"
#include "storage/tree/attributes.h"
#include "storage/tree/directory_names.h"
#include "storage/tree/open_at.h"
#include "storage/tree/reserved_name.h"

namespace objmapper::storage {
namespace {

using Entry = Catalog::Entry;

// Objects that are looked at before the catalog is told of them, and others get their turn.
constexpr size_t kBatch = 64;
// Longer ones nobody can ask for (docs/protocol.md).
constexpr size_t kUriBytesMax = 4096;

// Whether errno says that there is no such object or directory; else the disk has not been asked.
// What lies in a directory that may not be searched nobody can have from us.
bool SaysNone(int error) {
  return error == ENOENT || error == ENOTDIR || error == ELOOP || error == EXDEV ||
         error == ENAMETOOLONG || error == EACCES;
}

// Of an object, or of a symbolic link, which may lead to one.
Entry EntryOf(const struct stat& status) {
  Entry entry;
  entry.mtime_s = ToMtime(status.st_mtim.tv_sec);
  entry.link = S_ISLNK(status.st_mode);
  if (!entry.link) entry.size = static_cast<uint64_t>(status.st_size);
  // atime is when the kernel last saw it read: with "relatime" it is right for the first read after
  // a change, and to a day for the others (mount(8)); with "noatime" it stands still.
  entry.used_s = ToSeconds32(std::max(status.st_atim.tv_sec, status.st_mtim.tv_sec));
  return entry;
}

// Notes what `path` below `directory`, of which `status` was told, takes if it has holes. Fewer
// blocks than its size needs are a hint and no more: they may be packed, or not be counted yet.
void NoteHoles(int directory, const std::string& path, const struct stat& status, Entry* entry) {
  // stat(2), whatever st_blksize says
  const uint64_t blocks_bytes = static_cast<uint64_t>(status.st_blocks) * 512;
  if (!S_ISREG(status.st_mode) || blocks_bytes >= entry->size) return;
  const net::UniqueFd file(OpenPlain(directory, path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY));
  if (!file.valid()) return;
  const off_t hole = lseek(file.get(), 0, SEEK_HOLE);
  if (hole >= 0 && static_cast<uint64_t>(hole) < entry->size) entry->SetTaken(blocks_bytes);
}

// The same of an open one (O_PATH), with its expiry. nullopt: it is neither.
std::optional<Entry> EntryOf(int fd, int directory, const std::string& path) {
  struct stat status;
  if (fstat(fd, &status) != 0 || !(S_ISREG(status.st_mode) || S_ISLNK(status.st_mode)))
    return std::nullopt;
  Entry entry = EntryOf(status);
  NoteHoles(directory, path, status, &entry);
  if (S_ISREG(status.st_mode) && MayExpire(status.st_mode)) {
    const std::optional<int64_t> expires_s = ExpiryOf(fd);
    if (expires_s.has_value()) entry.expires_s = std::max<uint32_t>(1, ToSeconds32(*expires_s));
  }
  return entry;
}

void NoteKind(const Kind& kind, Entry* entry) {
  entry->fetched = kind.fetched;
  entry->pinned = kind.pinned;
}

std::string Join(const std::string& path, absl::string_view name) {
  return path.empty() ? std::string(name) : absl::StrCat(path, "/", name);
}

// 64 bits for 1 million names: two that clash would hide that one of them is gone, once in 10^7
// walks.
uint64_t HashOf(absl::string_view name, bool directory) { return absl::HashOf(name, directory); }

}  // namespace

std::string CatalogFeed::NameOf(absl::string_view uri) {
  const auto counts = [](absl::string_view part) { return !part.empty() && part != "."; };
  return absl::StrJoin(absl::StrSplit(uri, '/', counts), "/");
}

void CatalogFeed::Refresh(absl::string_view asked) {
  const std::string uri = NameOf(asked);
  if (uri.empty() || uri.size() > kUriBytesMax || IsDeeperThan(uri, kDepthMax) ||
      HasReservedName(uri))
    return;
  while (true) {
    const Catalog::Ticket ticket = catalog_->Before(uri);
    std::optional<Entry> entry;
    const net::UniqueFd fd(OpenPlain(tree_->root().fd(), uri.c_str(), O_PATH));
    if (fd.valid()) {
      entry = EntryOf(fd.get(), tree_->root().fd(), uri);
      if (entry.has_value() && !entry->link && notes_kinds_.load(std::memory_order_relaxed))
        NoteKind(KindOf(fd.get()), &*entry);
    } else if (!SaysNone(errno)) {
      lost_.store(true);
      return;
    }
    if (catalog_->Settle(uri, ticket, entry)) return;
  }
}

absl::StatusOr<net::UniqueFd> CatalogFeed::OpenDirectory(const std::string& path) const {
  net::UniqueFd fd = OpenDirectoryBelow(tree_->root().fd(), path);
  if (fd.valid()) return fd;
  if (errno != EACCES && SaysNone(errno)) return absl::NotFoundError("no such directory");
  return net::ErrnoToStatus(errno, "open a directory");
}

bool CatalogFeed::Read(net::UniqueFd directory, const std::string& path,
                       absl::FunctionRef<void(std::string path)> on_directory,
                       absl::FunctionRef<bool()> between) {
  const int fd = directory.get();
  const DirectoryStream stream = StreamOf(std::move(directory));
  if (stream == nullptr) {
    lost_.store(true);
    return true;
  }
  // Only where something is known can something have gone.
  std::string position;
  const std::string below = path.empty() ? "" : path + "/";
  const bool known = !catalog_->Children(below, 1, &position).empty();
  absl::flat_hash_set<uint64_t> seen;

  std::vector<Catalog::Looked> batch;
  std::vector<std::string> again;
  const auto settle = [&] {
    catalog_->SettleAll(batch, &again);
    for (const std::string& uri : again) Refresh(uri);
    batch.clear();
    again.clear();
  };
  // Deeper ones nobody can ask for either. How deep others make their folders is no measure for
  // what a walk costs.
  const bool is_deepest = IsDeeperThan(path, kDepthMax - 2),
             too_deep = IsDeeperThan(path, kDepthMax - 1);
  while (const dirent* const found = readdir(stream.get())) {
    const absl::string_view name = found->d_name;
    if (name == "." || name == "..") continue;
    if (IsReservedName(name)) {
      if (removes_leftovers_.load(std::memory_order_relaxed))
        RemoveIfAbandoned(fd, std::string(name));
      continue;
    }
    const auto type = found->d_type;
    if (type != DT_REG && type != DT_DIR && type != DT_LNK && type != DT_UNKNOWN) continue;
    Catalog::Looked looked;
    looked.object.uri = Join(path, name);
    if (looked.object.uri.size() > kUriBytesMax || too_deep) continue;
    looked.ticket = catalog_->Before(looked.object.uri);
    bool is_directory = found->d_type == DT_DIR;
    if (is_directory && is_deepest) continue;
    if (!is_directory) {
      struct stat status;
      if (fstatat(fd, found->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
      is_directory = S_ISDIR(status.st_mode);
      if (!is_directory && !S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) continue;
      looked.object.entry = EntryOf(status);
      NoteHoles(fd, found->d_name, status, &looked.object.entry);
      if (S_ISREG(status.st_mode) && MayExpire(status.st_mode)) {
        const net::UniqueFd object(OpenPlain(fd, found->d_name, O_PATH));
        const std::optional<Entry> entry =
            object.valid() ? EntryOf(object.get(), fd, found->d_name) : std::nullopt;
        if (!entry.has_value()) continue;
        looked.object.entry = *entry;
      }
      if (S_ISREG(status.st_mode) && notes_kinds_.load(std::memory_order_relaxed))
        NoteKind(KindOf(fd, found->d_name), &looked.object.entry);
    }
    if (known) seen.insert(HashOf(name, is_directory));
    if (is_directory) {
      on_directory(std::move(looked.object.uri));
      continue;
    }
    batch.push_back(std::move(looked));
    if (batch.size() < kBatch) continue;
    settle();
    if (!between()) return false;
  }
  settle();
  if (known) {
    DropVanished(
        path,
        [&](absl::string_view name, bool is_directory) {
          return seen.contains(HashOf(name, is_directory));
        },
        on_directory);
  }
  return between();
}

void CatalogFeed::DropVanished(const std::string& path,
                               absl::FunctionRef<bool(absl::string_view name, bool directory)> seen,
                               absl::FunctionRef<void(std::string path)> on_directory) {
  const std::string below = path.empty() ? "" : path + "/";
  std::string position;
  while (true) {
    const std::vector<Catalog::Child> children = catalog_->Children(below, kBatch, &position);
    if (children.empty()) return;
    for (const Catalog::Child& child : children) {
      if (seen(child.name, child.directory)) continue;
      // Not forgotten but asked for: it may have come after its turn.
      if (child.directory) {
        on_directory(Join(path, child.name));
      } else {
        Refresh(Join(path, child.name));
      }
    }
  }
}

}  // namespace objmapper::storage
