// A page of a listing from the tree. At most three directories are open at a time, whatever the
// depth.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "storage/store/list_page.h"
#include "storage/tree/directory_names.h"
#include "storage/tree/reserved_name.h"

namespace objmapper::storage {
namespace {

// The longest URI that can be asked for.
constexpr size_t kUriMax = 4096;

class Walk {
 public:
  Walk(const Tree& tree, const ListQuery& query, const ListFilter& filter)
      : tree_(tree), query_(query), filter_(filter) {}

  absl::StatusOr<ListPage> Run() {
    absl::StatusOr<net::UniqueFd> root = tree_.OpenDirectory("", Wait::kMayBlock);
    if (!root.ok()) return root.status();
    root_ = *std::move(root);
    if (absl::Status status = Directory(""); !status.ok()) return status;
    return std::move(page_);
  }

 private:
  // Lists what lies in the directory whose URIs begin with `before` ("" or "a/b/"). Stops when the
  // page is full. It is not held open while those in it are listed: however deep a tree is, a walk
  // has one directory open.
  absl::Status Directory(const std::string& before) {
    net::UniqueFd here;
    const auto open_here = [&]() -> absl::Status {
      if (!here.valid()) here = OpenDirectoryBelow(root_.get(), before);
      if (here.valid()) return absl::OkStatus();
      // Gone, or not ours to read: then it holds nothing that we could serve.
      const bool none = errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP ||
                        errno == ENAMETOOLONG;
      return none ? absl::NotFoundError("no such directory") : net::ErrnoToStatus(errno, "list");
    };
    std::vector<std::string> names;
    if (const absl::string_view only = OnlyName(before); !only.empty()) {
      if (!IsPlainName(only)) return absl::OkStatus();
      names.push_back(absl::StrCat(only, "/"));
    } else {
      if (absl::Status opened = open_here(); !opened.ok())
        return absl::IsNotFound(opened) ? absl::OkStatus() : opened;
      absl::StatusOr<std::vector<std::string>> all = SortedNames(here.get(), before);
      if (!all.ok()) return all.status();
      names = *std::move(all);
    }
    // As for objects, of which each has a level of its own: deeper ones nobody can ask for.
    const bool is_deepest = IsDeeperThan(before, kDepthMax - 2),
               too_deep = IsDeeperThan(before, kDepthMax - 1);
    for (const std::string& name : names) {
      if (full_) return absl::OkStatus();
      const std::string uri = before + name;
      if (uri.back() != '/') {
        if (too_deep || !Fits(uri)) continue;
        if (absl::Status opened = open_here(); !opened.ok())
          return absl::IsNotFound(opened) ? absl::OkStatus() : opened;
        Object(here.get(), name, uri);
        continue;
      }
      if (is_deepest || !MayHold(uri)) continue;
      here.Reset();
      if (absl::Status status = Directory(uri); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // The one name in the directory `before` that the prefix leads through, if it leads further down:
  // then there is no need to read the others.
  absl::string_view OnlyName(const std::string& before) const {
    if (!absl::StartsWith(query_.prefix, before)) return "";
    const absl::string_view rest = absl::string_view(query_.prefix).substr(before.size());
    const size_t slash = rest.find('/');
    if (slash == rest.npos) return "";
    return slash == 0 ? "/" : rest.substr(0, slash);  // "a//b": no name
  }

  // The names in order, those of directories with a '/' behind.
  absl::StatusOr<std::vector<std::string>> SortedNames(int directory, const std::string& before) {
    const absl::StatusOr<std::vector<DirectoryName>> all = NamesIn(directory);
    if (!all.ok()) return all.status();
    std::vector<std::string> names;
    for (const DirectoryName& name : *all) {
      if (IsReservedName(name.name) || before.size() + name.name.size() > kUriMax) continue;
      names.push_back(name.is_directory ? absl::StrCat(name.name, "/") : name.name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  // Whether anything whose URI begins with `before` can be on this page.
  bool MayHold(const std::string& before) const {
    if (!absl::StartsWith(before, query_.prefix) && !absl::StartsWith(query_.prefix, before))
      return false;
    if (before <= query_.cursor && !absl::StartsWith(query_.cursor, before)) return false;
    return filter_.MayHold(before);
  }

  bool Fits(const std::string& uri) const {
    return absl::StartsWith(uri, query_.prefix) && uri > query_.cursor && filter_.Permits(uri);
  }

  void Object(int directory, const std::string& name, const std::string& uri) {
    struct stat status;
    if (fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
    ListEntry entry{uri, static_cast<uint64_t>(status.st_size), status.st_mtim.tv_sec};
    if (!S_ISREG(status.st_mode) || (status.st_mode & S_ISVTX) != 0) {
      // A link that leads to an object, or an object that may have expired: as a reader finds it.
      if (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) return;
      const absl::StatusOr<ObjectInfo> info = tree_.Stat(uri, Wait::kMayBlock);
      if (!info.ok()) return;
      entry.size = info->size;
      entry.mtime_s = info->mtime_s;
    }
    full_ = !page_.Add(std::move(entry), query_);
  }

  const Tree& tree_;
  const ListQuery& query_;
  const ListFilter& filter_;
  net::UniqueFd root_;
  ListPage page_;
  bool full_ = false;
};

}  // namespace

absl::StatusOr<ListPage> ListByWalking(const Tree& tree, const ListQuery& query,
                                       const ListFilter& filter) {
  return Walk(tree, query, filter).Run();
}

}  // namespace objmapper::storage
