#include "storage/list_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "storage/reserved_name.h"

namespace objmapper::storage {
namespace {

// As the wire has an entry (docs/protocol.md): uri_length u16, size u64, mtime u64.
constexpr size_t kEntryBytes = 18;
// The longest URI that can be asked for.
constexpr size_t kUriMax = 4096;

struct CloseDirectory {
  void operator()(DIR* stream) const { closedir(stream); }
};

class Walk {
 public:
  Walk(const Tree& tree, const ListQuery& query, absl::FunctionRef<bool(absl::string_view)> permitted)
      : tree_(tree), query_(query), permitted_(permitted) {}

  absl::StatusOr<ListPage> Run() {
    absl::StatusOr<net::UniqueFd> root = tree_.OpenDirectory("", Wait::kMayBlock);
    if (!root.ok()) return root.status();
    if (absl::Status status = Directory(root->get(), ""); !status.ok()) return status;
    return std::move(page_);
  }

 private:
  // Lists what lies in `directory`, whose URIs begin with `before` ("" or "a/b/"). Stops when the page is full.
  absl::Status Directory(int directory, const std::string& before) {
    absl::StatusOr<std::vector<std::string>> names = NamesIn(directory, before);
    if (!names.ok()) return names.status();
    for (const std::string& name : *names) {
      if (full_) return absl::OkStatus();
      const std::string uri = before + name;
      if (uri.back() != '/') {
        Object(directory, name, uri);
        continue;
      }
      if (!MayHold(uri)) continue;
      const net::UniqueFd below(openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!below.valid()) {
        // Gone, or not ours to read: then it holds nothing that we could serve.
        if (errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP) continue;
        return net::ErrnoToStatus(errno, "list");
      }
      if (absl::Status status = Directory(below.get(), uri); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // The names in order, those of directories with a '/' behind.
  absl::StatusOr<std::vector<std::string>> NamesIn(int directory, const std::string& before) {
    net::UniqueFd own(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!own.valid()) return net::ErrnoToStatus(errno, "list");
    const std::unique_ptr<DIR, CloseDirectory> stream(fdopendir(own.get()));
    if (stream == nullptr) return net::ErrnoToStatus(errno, "list");
    static_cast<void>(own.Release());  // the stream's
    std::vector<std::string> names;
    while (const dirent* entry = readdir(stream.get())) {
      const absl::string_view name = entry->d_name;
      if (name == "." || name == ".." || IsReservedName(name) || before.size() + name.size() > kUriMax) continue;
      bool is_directory = entry->d_type == DT_DIR;
      if (entry->d_type == DT_UNKNOWN) {
        struct stat status;
        if (fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
        is_directory = S_ISDIR(status.st_mode);
      }
      names.push_back(is_directory ? absl::StrCat(name, "/") : std::string(name));
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  // Whether anything whose URI begins with `before` can be on this page.
  bool MayHold(const std::string& before) const {
    if (!absl::StartsWith(before, query_.prefix) && !absl::StartsWith(query_.prefix, before)) return false;
    return before > query_.cursor || absl::StartsWith(query_.cursor, before);
  }

  void Object(int directory, const std::string& name, const std::string& uri) {
    if (!absl::StartsWith(uri, query_.prefix) || uri <= query_.cursor || !permitted_(uri)) return;
    struct stat status;
    if (fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
    ListEntry entry{uri, static_cast<uint64_t>(status.st_size), static_cast<uint64_t>(status.st_mtim.tv_sec)};
    if (!S_ISREG(status.st_mode) || (status.st_mode & S_ISVTX) != 0) {
      // A link that leads to an object, or an object that may have expired: as a reader finds it.
      if (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) return;
      const absl::StatusOr<ObjectInfo> info = tree_.Stat(uri, Wait::kMayBlock);
      if (!info.ok()) return;
      entry.size = info->size;
      entry.mtime_s = static_cast<uint64_t>(info->mtime_ns / 1'000'000'000);
    }
    const size_t bytes = kEntryBytes + uri.size();
    // A page has one entry at least, or there would be no end.
    if (!page_.entries.empty() && bytes_ + bytes > query_.bytes_max) {
      full_ = true;
      page_.cursor = page_.entries.back().uri;
      return;
    }
    bytes_ += bytes;
    page_.entries.push_back(std::move(entry));
  }

  const Tree& tree_;
  const ListQuery& query_;
  const absl::FunctionRef<bool(absl::string_view)> permitted_;
  ListPage page_;
  size_t bytes_ = 0;
  bool full_ = false;
};

}  // namespace

absl::StatusOr<ListPage> ListByWalking(const Tree& tree, const ListQuery& query,
                                       absl::FunctionRef<bool(absl::string_view uri)> permitted) {
  return Walk(tree, query, permitted).Run();
}

}  // namespace objmapper::storage
