#include "storage/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "storage/attributes.h"
#include "storage/content_etag.h"
#include "storage/foreign_file.h"
#include "storage/list_walk.h"
#include "storage/new_file.h"
#include "storage/parents.h"

namespace objmapper::storage {
namespace {

// How often a directory that is pruned while an object comes into it is made again.
constexpr int kAttemptsMax = 64;

std::string What(const char* verb, absl::string_view uri) {
  return absl::StrCat(verb, " \"", absl::CHexEscape(uri.substr(0, 100)), "\"");
}

absl::Status About(absl::string_view what, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
}

absl::Status DiskError(int error, absl::string_view what) {
  const absl::Status status = net::ErrnoToStatus(error, what);
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return full ? absl::UnavailableError(status.message()) : status;
}

// A file under way to its name in the tree.
class Incoming : public NewObject {
 public:
  Incoming(const Store::Options& options, std::string uri, uint64_t size, const PutAttributes& attributes,
           std::string path, NewFile file, bool made)
      : options_(options),
        uri_(std::move(uri)),
        size_(size),
        attributes_(attributes),
        path_(std::move(path)),
        file_(std::move(file)),
        made_directories_(made) {}

  // Directories that were made for nothing go again.
  ~Incoming() override {
    if (made_directories_ && !committed_) PruneParents(*options_.tree, path_);
  }

  int fd() const override { return file_.fd(); }
  uint64_t size() const override { return size_; }

  absl::Status Commit() override {
    if (absl::Status ready = Finish(); !ready.ok()) return About(What("store", uri_), ready);
    for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
      absl::StatusOr<Parent> parent = MakeParents(*options_.tree, path_);
      if (!parent.ok()) return parent.status();
      made_directories_ |= parent->made;
      const absl::Status published = file_.Publish(parent->directory.get());
      if (absl::IsNotFound(published)) continue;
      if (!published.ok()) return published;
      committed_ = true;
      if (options_.durability == Durability::kFull) {
        absl::Status synced = SyncParents(*options_.tree, parent->directory.get(), path_, made_directories_);
        // It is there, but not as safe as was asked for.
        if (!synced.ok()) {
          options_.tree->NoteChange();
          return absl::DataLossError(synced.message());
        }
      }
      options_.tree->NoteChange();
      return absl::OkStatus();
    }
    return absl::ResourceExhaustedError(
        absl::StrCat(What("store", uri_), ": its directory is removed all the time; try again"));
  }

 private:
  // What has to be so before the file gets its name.
  absl::Status Finish() {
    struct stat status;
    if (fstat(fd(), &status) != 0) return net::ErrnoToStatus(errno, "fstat");
    if (static_cast<uint64_t>(status.st_size) != size_) {
      return absl::InternalError(absl::StrCat(status.st_size, " of ", size_, " bytes were written"));
    }
    absl::StatusOr<std::string> etag = ComputeContentEtag(fd(), size_);
    if (!etag.ok()) return etag.status();
    if (attributes_.ttl < absl::InfiniteDuration()) {
      // Until the end of a whole second: none is gone before its time.
      const int64_t ttl_s = absl::ToInt64Seconds(attributes_.ttl) + 1;
      if (absl::Status set = SetExpiry(fd(), time(nullptr) + ttl_s); !set.ok()) return set;
    }
    if (options_.durability != Durability::kNone && fsync(fd()) != 0) return DiskError(errno, "fsync");
    // Last, since the disk may have taken its time (attributes.h). Should a crash take it, it is made anew from the content.
    KeepContentEtag(fd(), *etag);
    return absl::OkStatus();
  }

  const Store::Options options_;
  const std::string uri_;
  const uint64_t size_;
  const PutAttributes attributes_;
  const std::string path_;
  NewFile file_;
  bool made_directories_;
  bool committed_ = false;
};

}  // namespace

Store::Store(const Options& options) : options_(options) {}
Store::~Store() = default;

absl::StatusOr<std::unique_ptr<NewObject>> Store::Make(absl::string_view uri, uint64_t size,
                                                       const PutAttributes& attributes) {
  if (absl::Status fit = options_.tree->CheckName(uri); !fit.ok()) return fit;
  auto [path, name] = SplitUri(uri);
  if (!IsPlainName(name)) {
    return absl::PermissionDeniedError(absl::StrCat(What("store", uri), ": it names no object"));
  }
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    absl::StatusOr<Parent> parent = MakeParents(*options_.tree, path);
    if (!parent.ok()) return parent.status();
    struct stat status;
    if (fstatat(parent->directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode)) {
      return absl::AlreadyExistsError(absl::StrCat(What("store", uri), ": a directory has this name"));
    }
    absl::StatusOr<NewFile> file = NewFile::Make(parent->directory.get(), name);
    if (absl::IsNotFound(file.status())) continue;
    if (!file.ok()) {
      if (parent->made) PruneParents(*options_.tree, path);
      return file.status();
    }
    return std::make_unique<Incoming>(options_, std::string(uri), size, attributes, path, *std::move(file),
                                      parent->made);
  }
  return absl::ResourceExhaustedError(
      absl::StrCat(What("store", uri), ": its directory is removed all the time; try again"));
}

absl::StatusOr<std::unique_ptr<NewObject>> Store::Begin(absl::string_view uri, uint64_t size,
                                                        const PutAttributes& attributes) {
  absl::StatusOr<std::unique_ptr<NewObject>> object = Make(uri, size, attributes);
  if (!object.ok() || size == 0) return object;
  // What has no room is refused before it is sent. The size stays 0, so that Commit() sees what is missing.
  int result;
  do {
    result = size > static_cast<uint64_t>(INT64_MAX)
                 ? (errno = EFBIG, -1)
                 : fallocate((*object)->fd(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size));
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
    return DiskError(errno, absl::StrCat(What("store", uri), ": room for ", size, " bytes"));
  }
  return object;
}

absl::Status Store::PutFd(absl::string_view uri, net::UniqueFd fd, const PutAttributes& attributes) {
  const absl::StatusOr<uint64_t> size = JudgeForeignFile(fd.get());
  if (!size.ok()) return About(What("store", uri), size.status());
  // No room is kept beforehand: shared extents need none.
  absl::StatusOr<std::unique_ptr<NewObject>> object = Make(uri, *size, attributes);
  if (!object.ok()) return object.status();
  if (absl::Status copied = CopyForeignFile(fd.get(), *size, (*object)->fd()); !copied.ok()) {
    return About(What("store", uri), copied);
  }
  return (*object)->Commit();
}

absl::Status Store::Delete(absl::string_view uri) {
  // As a reader finds it: what is no object cannot be deleted.
  if (absl::Status there = options_.tree->Stat(uri, Wait::kMayBlock).status(); !there.ok()) return there;
  const auto [path, name] = SplitUri(uri);
  const absl::StatusOr<net::UniqueFd> directory = options_.tree->OpenDirectory(path, Wait::kMayBlock);
  if (!directory.ok()) return directory.status();
  if (unlinkat(directory->get(), name.c_str(), 0) != 0) return net::ErrnoToStatus(errno, What("delete", uri));
  absl::Status synced;
  if (options_.durability == Durability::kFull) synced = SyncParents(*options_.tree, directory->get(), path, false);
  PruneParents(*options_.tree, path);
  options_.tree->NoteChange();
  return synced;
}

absl::StatusOr<ListPage> Store::List(const ListQuery& query,
                                     absl::FunctionRef<bool(absl::string_view uri)> permitted) {
  return ListByWalking(*options_.tree, query, permitted);
}

}  // namespace objmapper::storage
