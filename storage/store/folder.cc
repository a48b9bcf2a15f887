// A page of a folder: first the names, of which the least are chosen, then what the disk says of
// those.
#include "storage/store/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "storage/tree/directory_names.h"
#include "storage/tree/reserved_name.h"

namespace objmapper::storage {
namespace {

// Of an entry, beside its name: in the page, and in the map while it is made.
constexpr size_t kEntryBytes = 128;
// The longest URI that can be asked for.
constexpr size_t kUriMax = 4096;

struct Facts {
  uint64_t size = 0;
  int64_t mtime_s = 0;
};
// Of an object in memory they are known, and of a folder that one of them is in, unless the disk
// has it too. nullopt: the disk is to be asked.
using Chosen = absl::btree_map<FolderPlace, std::optional<Facts>>;

class Selection {
 public:
  explicit Selection(const FolderQuery& query) : query_(query) {}

  // Whether it would be on the page, as far as is known yet.
  bool Wants(bool is_object, absl::string_view name) const {
    if (query_.after.has_value() && !IsBefore(*query_.after, is_object, name)) return false;
    return !more_ || !IsBefore(chosen_.rbegin()->first, is_object, name);
  }
  // What is there already stays; of two times of a folder's the later.
  void Add(bool is_object, absl::string_view name, std::optional<Facts> facts) {
    const auto [at, is_new] = chosen_.try_emplace({is_object, std::string(name)}, facts);
    if (!is_new) {
      if (facts.has_value() && !is_object)
        at->second->mtime_s = std::max(at->second->mtime_s, facts->mtime_s);
      return;
    }
    bytes_ += kEntryBytes + name.size();
    // A page has one entry at least, or there would be no end.
    while (bytes_ > query_.bytes_max && chosen_.size() > 1) {
      const auto last = std::prev(chosen_.end());
      bytes_ -= kEntryBytes + last->first.name.size();
      chosen_.erase(last);
      more_ = true;
    }
  }

  const Chosen& chosen() const { return chosen_; }
  bool more() const { return more_; }

 private:
  static bool IsBefore(const FolderPlace& place, bool is_object, absl::string_view name) {
    return std::tuple(place.is_object, absl::string_view(place.name)) < std::tuple(is_object, name);
  }

  const FolderQuery& query_;
  Chosen chosen_;
  size_t bytes_ = 0;
  bool more_ = false;  // something has been left for later pages
};

// What is in memory of the folder; whether there is anything.
bool AddMemory(const MemoryTier& memory, const FolderQuery& query, const ListFilter& filter,
               Selection* selection) {
  const std::vector<MemoryTier::Listed> all = memory.List(query.folder, "");
  for (const MemoryTier::Listed& listed : all) {
    const absl::string_view rest = absl::string_view(listed.uri).substr(query.folder.size());
    const size_t slash = rest.find('/');
    const bool is_object = slash == absl::string_view::npos;
    const absl::string_view name = rest.substr(0, slash);
    if (name.empty() || !selection->Wants(is_object, name) || !filter.Permits(listed.uri)) continue;
    selection->Add(is_object, name, Facts{is_object ? listed.info.size : 0, listed.info.mtime_s});
  }
  return !all.empty();
}

// What the disk says of a name, which may have become something else; nullopt: nothing to be shown.
std::optional<Facts> Look(const Tree& tree, int directory, const std::string& folder,
                          const FolderPlace& place) {
  struct stat status;
  if (fstatat(directory, place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return std::nullopt;
  Facts facts{static_cast<uint64_t>(status.st_size), status.st_mtim.tv_sec};
  if (!place.is_object) {
    if (!S_ISDIR(status.st_mode)) return std::nullopt;
    facts.size = 0;
    return facts;
  }
  if (S_ISREG(status.st_mode) && (status.st_mode & S_ISVTX) == 0) return facts;
  // A link that leads to an object, or an object that may have expired: as a reader finds it.
  if (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) return std::nullopt;
  const absl::StatusOr<ObjectInfo> info =
      tree.Stat(absl::StrCat(folder, place.name), Wait::kMayBlock);
  if (!info.ok()) return std::nullopt;
  return Facts{info->size, info->mtime_s};
}

}  // namespace

absl::StatusOr<FolderPage> ListFolder(const Tree& tree, const MemoryTier* memory,
                                      const FolderQuery& query, const ListFilter& filter) {
  Selection selection(query);
  const bool in_memory = memory != nullptr && AddMemory(*memory, query, filter, &selection);
  const absl::StatusOr<net::UniqueFd> directory = tree.OpenDirectory(query.folder, Wait::kMayBlock);
  if (!directory.ok() && !(absl::IsNotFound(directory.status()) && in_memory))
    return directory.status();
  if (directory.ok()) {
    // Deeper ones nobody can ask for.
    const bool is_deepest = IsDeeperThan(query.folder, kDepthMax - 2),
               too_deep = IsDeeperThan(query.folder, kDepthMax - 1);
    std::string uri = query.folder;
    const absl::Status read =
        ForEachName(directory->get(), [&](absl::string_view name, bool is_directory) {
          if (too_deep || (is_directory && is_deepest) || IsReservedName(name) ||
              query.folder.size() + name.size() > kUriMax || !selection.Wants(!is_directory, name))
            return;
          uri.resize(query.folder.size());
          uri.append(name.data(), name.size());
          if (is_directory) uri += '/';
          if (is_directory ? filter.MayHold(uri) : filter.Permits(uri))
            selection.Add(!is_directory, name, std::nullopt);
        });
    if (!read.ok()) return read;
  }
  FolderPage page;
  page.entries.reserve(selection.chosen().size());
  for (const auto& [place, known] : selection.chosen()) {
    std::optional<Facts> facts;
    const bool hidden = place.is_object && known.has_value();
    if (directory.ok() && !hidden) facts = Look(tree, directory->get(), query.folder, place);
    if (!facts.has_value()) facts = known;
    if (facts.has_value()) page.entries.push_back({place, facts->size, facts->mtime_s});
  }
  if (selection.more()) page.last = selection.chosen().rbegin()->first;
  return page;
}

}  // namespace objmapper::storage
