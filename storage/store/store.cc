// Stores and deletes objects. Nothing is visible before Commit(), and every cache is invalidated
// (Tree::NoteChange()) before success is reported.
#include "storage/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "storage/store/content_etag.h"
#include "storage/store/foreign_task.h"
#include "storage/store/leftovers.h"
#include "storage/store/list_page.h"
#include "storage/store/new_file.h"
#include "storage/store/parents.h"
#include "storage/tree/attributes.h"
#include "storage/tree/disk_error.h"
#include "text/printable.h"

namespace objmapper::storage {
namespace {

// How often a directory that is pruned while an object comes into it is made again.
constexpr int kAttemptsMax = 64;
// An object that may be removed; never blocks on what is none.
constexpr int kToJudge = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

std::string What(const char* verb, absl::string_view uri) {
  return absl::StrCat(verb, " ", text::Quoted(uri, 100));
}

absl::Status About(absl::string_view what, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
}

// An error of a file that could not be made: a root that has gone is said to have. File systems say
// ENOENT or EPERM to that.
absl::Status WithoutRoot(const Tree& tree, const absl::Status& status) {
  if (!absl::IsFailedPrecondition(tree.root().Check())) return status;
  return absl::ResourceExhaustedError(
      absl::StrCat(status.message(), "; the root has been removed or replaced"));
}

// Whether `condition` holds of what is there now.
absl::Status Judge(const Tree& tree, absl::string_view uri, const Condition& condition) {
  if (condition == nullptr) return absl::OkStatus();
  const absl::StatusOr<Description> there = tree.Describe(uri, Wait::kMayBlock);
  // What is no object, but has the name, is judged by whoever takes the name.
  return condition(there.ok() ? &*there : nullptr);
}

// Above the process's own limit the kernel would send a signal that ends the server (setrlimit(2),
// SIGXFSZ).
absl::Status MayBeSoLarge(absl::string_view uri, uint64_t bytes) {
  rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || bytes <= limit.rlim_cur) return absl::OkStatus();
  return DiskError(
      EFBIG, absl::StrCat(What("store", uri), ": ", bytes, " bytes, above the process's limit"));
}

// The second of now and of the end of a time to live: none is gone before its time.
int64_t ExpiryAfter(absl::Duration ttl) { return time(nullptr) + absl::ToInt64Seconds(ttl) + 1; }

// Whether the file system of the new file `fd` has room for so many bytes now. UNAVAILABLE: it has
// not. One that does not say takes what comes until it says no.
absl::Status HasRoom(int fd, uint64_t bytes) {
  // More than any disk has, and any file.
  constexpr uint64_t kBytesMax = uint64_t{1} << 60;
  if (bytes > kBytesMax) return DiskError(EFBIG, absl::StrCat("room for ", bytes, " bytes"));
  struct statvfs disk;
  if (fstatvfs(fd, &disk) != 0 || disk.f_blocks == 0 || disk.f_frsize == 0) return absl::OkStatus();
  // root may have the last ones too
  const uint64_t free_blocks = geteuid() == 0 ? disk.f_bfree : disk.f_bavail;
  return bytes / disk.f_frsize <= free_blocks
             ? absl::OkStatus()
             : DiskError(ENOSPC, absl::StrCat("room for ", bytes, " bytes"));
}

// What is still to come of a body is its sender's to send. Elsewhere than on the root's file system
// nobody knows how much room there is to be shared.
DiskLimits::Room RoomOf(Housekeeping* house, int fd, absl::string_view peer) {
  if (house == nullptr) return {};
  struct statvfs disk;
  const bool here = fstatvfs(fd, &disk) == 0 && house->limits().IsHere(disk.f_fsid);
  return house->limits().Open(here ? peer : "");
}

// `uri` has been stored or deleted.
void NoteChange(const Store::Options& options, absl::string_view uri) {
  if (options.house != nullptr) options.house->Changed(uri);
  options.tree->NoteChange();
}

void NoteStored(const Store::Options& options, absl::string_view uri) {
  if (options.house != nullptr) options.house->Changed(uri);
  options.tree->NoteStored(uri);
}

// A file under way to its name in the tree.
class Incoming : public NewObject {
 public:
  Incoming(const Store::Options& options, std::string uri, std::optional<uint64_t> size,
           const PutAttributes& attributes, std::string path, NewFile file, bool made,
           net::Mutex* name_lock, DiskLimits::Room room, const WholeFile* whole)
      : options_(options),
        uri_(std::move(uri)),
        grows_(!size.has_value()),
        size_(size.value_or(0)),
        attributes_(attributes),
        path_(std::move(path)),
        file_(std::move(file)),
        made_directories_(made),
        name_lock_(name_lock),
        room_(std::move(room)),
        replaces_unjudged_(whole == nullptr) {
    if (whole != nullptr) etag_ = whole->etag;
  }

  // Directories that were made for nothing go again, after the file, which may have a reserved name
  // in one of them.
  ~Incoming() override {
    file_.reset();
    if (made_directories_ && !committed_)
      PruneParents(*options_.tree, path_, attributes_.kept_folders);
  }

  int fd() const override { return file_->fd(); }
  uint64_t size() const override { return size_; }
  absl::Status Extend(uint64_t bytes) override {
    if (grows_) {
      if (absl::Status may = MayBeSoLarge(uri_, size_ + bytes); !may.ok()) return may;
      size_ += bytes;
    }
    const absl::Status fits = room_.Extend(bytes);
    return fits.ok() ? fits : About(What("store", uri_), fits);
  }
  bool replaced() const override { return replaced_; }

  absl::Status WriteWhole(absl::string_view bytes) override {
    if (absl::Status fits = Extend(bytes.size()); !fits.ok()) return fits;
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t written = TEMP_FAILURE_RETRY(
          pwrite(fd(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done)));
      // A disk that takes nothing and says no error is a full one.
      if (written <= 0) return DiskError(written == 0 ? ENOSPC : errno, What("write", uri_));
      done += static_cast<size_t>(written);
    }
    etag_ = ContentEtagOf(bytes);  // without reading it again
    return absl::OkStatus();
  }

  void KnownAs(std::string etag) override { etag_ = std::move(etag); }

  absl::StatusOr<bool> Prepare() override {
    if (etag_.has_value()) return true;
    if (!hash_.has_value()) {
      if (absl::Status whole = CheckSize(); !whole.ok()) return About(What("store", uri_), whole);
      hash_.emplace(fd(), size_);
    }
    const absl::StatusOr<bool> done = hash_->Step();
    if (!done.ok()) return About(What("store", uri_), done.status());
    if (*done) {
      etag_ = hash_->etag();
      hash_.reset();
    }
    return done;
  }

  absl::Status Commit() override {
    for (absl::StatusOr<bool> prepared = false; !*prepared;) {
      prepared = Prepare();
      if (!prepared.ok()) return prepared.status();
    }
    if (absl::Status ready = Finish(); !ready.ok()) return About(What("store", uri_), ready);
    for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
      absl::StatusOr<Parent> parent = MakeParents(*options_.tree, path_, &attributes_.kept_folders);
      if (!parent.ok()) return About(What("store", uri_), parent.status());
      made_directories_ |= parent->made;
      const absl::Status published = Publish(parent->directory.get());
      if (absl::IsNotFound(published)) continue;
      if (!published.ok()) return published;
      committed_ = true;
      // The name came as a change of the file, perhaps a slow one.
      KeepEtag();
      NoteStored(options_, uri_);
      if (options_.durability != Durability::kFull) return absl::OkStatus();
      const absl::Status synced = SyncParents(*options_.tree, parent->directory.get(), path_);
      // It is there, but not as safe as was asked for.
      return synced.ok() ? synced : absl::DataLossError(synced.message());
    }
    return absl::ResourceExhaustedError(absl::StrCat(
        What("store", uri_), ": its directory is being removed repeatedly; try again"));
  }

 private:
  // An object of this name in memory goes with it.
  absl::Status Publish(int directory) {
    const auto publish = [&] {
      const net::MutexLock lock(name_lock_);
      const bool was_there =
          replaces_unjudged_ || options_.tree->Describe(uri_, Wait::kMayBlock).ok();
      if (absl::Status judged = Judge(*options_.tree, uri_, attributes_.condition); !judged.ok())
        return judged;
      const bool was_in_memory = options_.memory != nullptr && options_.memory->Has(uri_);
      const absl::Status published =
          was_there ? file_->Publish(directory, &replaced_) : file_->PublishNew(directory);
      replaced_ = replaced_ || was_in_memory;
      return published.ok() ? published : About(What("store", uri_), published);
    };
    return options_.memory == nullptr ? publish() : options_.memory->Replace(uri_, publish);
  }

  absl::Status CheckSize() const {
    struct stat status;
    if (fstat(fd(), &status) != 0) return net::ErrnoToStatus(errno, "fstat");
    if (static_cast<uint64_t>(status.st_size) != size_) {
      return absl::InternalError(
          absl::StrCat(status.st_size, " of ", size_, " bytes were written"));
    }
    return absl::OkStatus();
  }

  void KeepEtag() const {
    if (!etag_->empty()) KeepContentEtag(fd(), *etag_);
  }

  // What has to be so before the file gets its name.
  absl::Status Finish() {
    if (attributes_.ttl < absl::InfiniteDuration()) {
      if (absl::Status set = SetExpiry(fd(), ExpiryAfter(attributes_.ttl)); !set.ok()) return set;
    }
    if (options_.durability != Durability::kNone && fsync(fd()) != 0)
      return DiskError(errno, "fsync");
    // Last, since the disk may have taken its time (attributes.h). Should a crash take it, it is
    // made anew from the content.
    KeepEtag();
    return absl::OkStatus();
  }

  const Store::Options options_;
  const std::string uri_;
  const bool grows_;  // size_ is what has come
  uint64_t size_;
  PutAttributes attributes_;
  const std::string path_;
  std::optional<NewFile> file_;
  std::optional<ContentHash> hash_;  // while it is computed
  std::optional<std::string> etag_;  // empty: its content has none (content_etag.h)
  bool made_directories_;
  bool committed_ = false;
  bool replaced_ = false;
  net::Mutex* const name_lock_;  // the store's
  DiskLimits::Room room_;        // lives until the catalog knows of the object
  const bool replaces_unjudged_;
};

// Whether a part of the way to `uri` is an object.
bool LeadsThrough(absl::string_view uri, absl::FunctionRef<bool(absl::string_view)> is_object) {
  const std::string path = SplitUri(uri).first;
  for (size_t end = 0; end < path.size();) {
    end = std::min(path.find('/', end + 1), path.size());
    if (is_object(absl::string_view(path).substr(0, end))) return true;
  }
  return false;
}

}  // namespace

net::Mutex& Store::LockOf(absl::string_view name) {
  return name_locks_[absl::Hash<absl::string_view>{}(name) % name_locks_.size()];
}

absl::StatusOr<std::unique_ptr<NewObject>> Store::Make(absl::string_view uri,
                                                       std::optional<uint64_t> size,
                                                       uint64_t stored, PutAttributes attributes,
                                                       const WholeFile* whole) {
  if (absl::Status fit = DiskTier::CheckName(uri); !fit.ok()) return fit;
  auto [path, name] = SplitUri(uri);
  if (name.size() > NAME_MAX) {
    return absl::OutOfRangeError(absl::StrCat(What("store", uri), ": its name is too long"));
  }
  if (!IsPlainName(name)) {
    return absl::PermissionDeniedError(absl::StrCat(What("store", uri), ": it names no object"));
  }
  if (absl::Status may = MayBeSoLarge(uri, size.value_or(0)); !may.ok()) return may;
  if (absl::Status judged = Judge(*options_.tree, uri, attributes.condition); !judged.ok())
    return judged;
  const auto in_memory = [this](absl::string_view part) { return options_.memory->Has(part); };
  if (options_.memory != nullptr && LeadsThrough(uri, in_memory)) {
    return absl::AlreadyExistsError(
        absl::StrCat(What("store", uri), ": a component of its path is an object"));
  }
  if (options_.house != nullptr) {
    if (absl::Status known = options_.house->CheckCatalogRoom(uri); !known.ok())
      return About(What("store", uri), known);
    // What is written already has its room.
    if (absl::Status fits =
            whole == nullptr ? options_.house->limits().Check(stored) : absl::OkStatus();
        !fits.ok())
      return About(What("store", uri), fits);
  }
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    absl::StatusOr<Parent> parent = MakeParents(*options_.tree, path, &attributes.kept_folders);
    if (!parent.ok()) return About(What("store", uri), parent.status());
    struct stat status;
    const bool there =
        fstatat(parent->directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && S_ISDIR(status.st_mode) &&
        // Empty ones that a store has made are no part of an object's way, but what is left of one:
        // by a put or a delete that was killed.
        !PruneBelow(parent->directory.get(), name)) {
      return absl::AlreadyExistsError(
          absl::StrCat(What("store", uri), ": a directory has this name"));
    }
    absl::StatusOr<NewFile> file =
        whole != nullptr
            ? FileOf(*whole, parent->directory.get(), name)
            : NewFile::Make(parent->directory.get(), name,
                            /*replaces=*/attributes.at_hand && there && S_ISREG(status.st_mode));
    if (absl::IsNotFound(file.status())) continue;
    if (!file.ok()) {
      if (parent->made) PruneParents(*options_.tree, path, attributes.kept_folders);
      return WithoutRoot(*options_.tree, About(What("store", uri), file.status()));
    }
    DiskLimits::Room room = RoomOf(options_.house, file->fd(), attributes.peer);
    const absl::Status fits = whole == nullptr ? room.Fits(stored) : absl::OkStatus();
    auto object = std::make_unique<Incoming>(options_, std::string(uri), size, attributes, path,
                                             *std::move(file), parent->made, &LockOf(name),
                                             std::move(room), whole);
    if (!fits.ok()) return About(What("store", uri), fits);
    if (attributes.ttl < absl::InfiniteDuration()) {
      // Set anew at the end; what the file system cannot do is said before the bytes are sent.
      absl::Status set = SetExpiry(object->fd(), ExpiryAfter(attributes.ttl));
      if (!set.ok()) return About(What("store", uri), set);
    }
    return object;
  }
  return WithoutRoot(
      *options_.tree,
      absl::ResourceExhaustedError(absl::StrCat(
          What("store", uri), ": its directory is being removed repeatedly; try again")));
}

absl::StatusOr<std::unique_ptr<NewObject>> Store::Begin(absl::string_view uri,
                                                        std::optional<uint64_t> size,
                                                        const PutAttributes& attributes) {
  absl::StatusOr<std::unique_ptr<NewObject>> object = Make(uri, size, size.value_or(0), attributes);
  if (!object.ok()) return object;
  // What has no room is refused before it is sent.
  if (absl::Status room = HasRoom((*object)->fd(), size.value_or(0)); !room.ok())
    return About(What("store", uri), room);
  return object;
}

absl::StatusOr<std::unique_ptr<NewObject>> Store::BeginWhole(absl::string_view uri,
                                                             const WholeFile& file,
                                                             const PutAttributes& attributes) {
  struct stat status;
  if (fstat(file.fd, &status) != 0) return net::ErrnoToStatus(errno, What("store", uri));
  return Make(uri, static_cast<uint64_t>(status.st_size), 0, attributes, &file);
}

absl::StatusOr<std::unique_ptr<NewObject>> Store::TakeFd(absl::string_view uri, net::ForeignFd fd,
                                                         const PutAttributes& attributes,
                                                         absl::FunctionRef<bool()> go_on) {
  const absl::StatusOr<ForeignFile> file =
      JudgeElsewhere(fd.get(), options_.foreign_patience, go_on);
  if (!file.ok()) return About(What("store", uri), file.status());
  // Room for what is no hole. We copy it, so nobody can hold the room by being slow: it counts as
  // nobody's in particular.
  PutAttributes nobodys = attributes;
  nobodys.peer.clear();
  absl::StatusOr<std::unique_ptr<NewObject>> made =
      Make(uri, file->size, file->data_bytes, nobodys);
  if (!made.ok()) return made.status();
  NewObject& object = **made;
  if (absl::Status fits = object.Extend(file->data_bytes); !fits.ok()) return fits;
  const absl::Status copying =
      CopyElsewhere(fd.get(), file->size, object.fd(), options_.foreign_patience, go_on);
  if (!copying.ok()) return About(What("store", uri), copying);
  // Its writers may have filled holes meanwhile, and blocks may have been packed there.
  struct stat status;
  if (fstat(object.fd(), &status) != 0) return net::ErrnoToStatus(errno, What("store", uri));
  const uint64_t taken = std::min(file->size, static_cast<uint64_t>(status.st_blocks) * 512);
  if (taken > file->data_bytes) {
    if (absl::Status fits = object.Extend(taken - file->data_bytes); !fits.ok()) return fits;
  }
  return made;
}

absl::Status Store::PutFd(absl::string_view uri, net::ForeignFd fd, const PutAttributes& attributes,
                          absl::FunctionRef<bool()> go_on,
                          absl::FunctionRef<void(int copy)> copied) {
  const absl::StatusOr<bool> adopted = Adopt(uri, &fd, attributes);
  if (!adopted.ok() || *adopted) return adopted.status();
  const absl::StatusOr<std::unique_ptr<NewObject>> made =
      TakeFd(uri, std::move(fd), attributes, go_on);
  if (!made.ok()) return made.status();
  NewObject& object = **made;
  for (absl::StatusOr<bool> prepared = false; !*prepared;) {
    prepared = object.Prepare();
    if (!prepared.ok()) return prepared.status();
    if (!*prepared && !go_on())
      return absl::CancelledError(absl::StrCat(What("store", uri), ": it is no longer needed"));
  }
  absl::Status committed = object.Commit();
  if (committed.ok()) copied(object.fd());
  return committed;
}

absl::StatusOr<bool> Store::Adopt(absl::string_view uri, net::ForeignFd* fd,
                                  const PutAttributes& attributes) {
  const Tree& tree = *options_.tree;
  if (options_.memory == nullptr || attributes.condition != nullptr || !IsSealedMemfd(fd->get()))
    return false;
  // Through a descriptor that its sender could not read by, it is not read either: JudgeElsewhere()
  // says so.
  if ((fcntl(fd->get(), F_GETFL) & O_ACCMODE) == O_WRONLY) return false;
  if (!DiskTier::CheckName(uri).ok() || !IsPlainName(SplitUri(uri).second)) return false;
  if (tree.OpenDirectory(uri, Wait::kMayBlock).ok()) return false;
  if (LeadsThrough(uri,
                   [&](absl::string_view part) { return tree.Stat(part, Wait::kMayBlock).ok(); }))
    return false;
  // DeleteOnDisk() notes its change before the name may change again: see Tree::InBoth().
  net::UniqueFd memory = fd->Release();
  absl::StatusOr<bool> adopted = options_.memory->Adopt(
      uri, &memory, attributes.ttl, [&] { return DeleteOnDisk(uri, attributes.kept_folders); },
      attributes.peer);
  *fd = net::ForeignFd(std::move(memory));
  tree.NoteStored(uri);
  return adopted;
}

absl::Status Store::Delete(absl::string_view uri, size_t kept_folders, const Condition& condition) {
  const auto on_disk = [&] {
    const net::MutexLock lock(&LockOf(SplitUri(uri).second));
    if (absl::Status judged = Judge(*options_.tree, uri, condition); !judged.ok()) return judged;
    return DeleteOnDisk(uri, kept_folders);
  };
  if (options_.memory == nullptr) return on_disk();
  absl::Status removed = options_.memory->Remove(uri, on_disk);
  options_.tree->NoteChange();
  return removed;
}

absl::Status Store::DeleteOnDisk(absl::string_view uri, size_t kept_folders) {
  // As a reader finds it: what is no object cannot be deleted.
  if (absl::Status there = options_.tree->disk().Stat(uri, Wait::kMayBlock).status(); !there.ok())
    return there;
  const auto [path, name] = SplitUri(uri);
  const absl::StatusOr<net::UniqueFd> directory =
      options_.tree->OpenDirectory(path, Wait::kMayBlock);
  if (!directory.ok()) return directory.status();
  // So that it is known whether somebody still has it, when it has no name any more.
  net::UniqueFd file;
  if (options_.house != nullptr) file.Reset(openat(directory->get(), name.c_str(), kToJudge));
  return Unlink(uri, directory->get(), path, name, std::move(file), kept_folders);
}

absl::Status Store::DeleteIf(absl::string_view uri, absl::FunctionRef<bool(int fd)> wanted) {
  const auto [path, name] = SplitUri(uri);
  const absl::StatusOr<net::UniqueFd> directory =
      options_.tree->OpenDirectory(path, Wait::kMayBlock);
  if (absl::IsNotFound(directory.status())) NoteChange(options_, uri);
  if (!directory.ok()) return directory.status();
  const net::MutexLock lock(&LockOf(name));
  net::UniqueFd file(openat(directory->get(), name.c_str(), kToJudge));
  if (!file.valid()) {
    const absl::Status status = net::ErrnoToStatus(errno, What("delete", uri));
    if (absl::IsNotFound(status)) NoteChange(options_, uri);
    return status;
  }
  struct stat status;
  if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) || !wanted(file.get())) {
    NoteChange(options_, uri);
    return absl::AbortedError(
        absl::StrCat(What("delete", uri), ": it has been replaced meanwhile"));
  }
  return Unlink(uri, directory->get(), path, name, std::move(file), /*kept_folders=*/0);
}

absl::Status Store::Unlink(absl::string_view uri, int directory, const std::string& path,
                           const std::string& name, net::UniqueFd file, size_t kept_folders) {
  if (unlinkat(directory, name.c_str(), 0) != 0) {
    if (errno == EISDIR) return options_.tree->disk().Stat(uri, Wait::kMayBlock).status();
    return DiskError(errno, What("delete", uri));
  }
  NoteChange(options_, uri);
  absl::Status synced;
  if (options_.durability == Durability::kFull)
    synced = SyncParents(*options_.tree, directory, path);
  PruneParents(*options_.tree, path, kept_folders);
  // A reader between the two may have come to know a directory that is no more.
  options_.tree->NoteChange();
  if (file.valid() && options_.house != nullptr) options_.house->Unlinked(std::move(file));
  return synced.ok() ? synced : absl::DataLossError(synced.message());
}

absl::StatusOr<size_t> Store::RemoveLeftovers() { return storage::RemoveLeftovers(*options_.tree); }

bool Store::ListWalks() const {
  return options_.house == nullptr || !options_.house->catalog().complete();
}

absl::StatusOr<ListPage> Store::List(const ListQuery& query, const ListFilter& filter) {
  absl::StatusOr<ListPage> page =
      ListWalks() ? ListByWalking(*options_.tree, query, filter)
                  : ListCatalog(options_.house->catalog(), *options_.tree, query, filter);
  if (!page.ok()) return page;
  if (options_.memory != nullptr) {
    std::vector<ListEntry> in_memory;
    for (MemoryTier::Listed& listed : options_.memory->List(query.prefix, query.cursor))
      in_memory.push_back({std::move(listed.uri), listed.info.size, listed.info.mtime_s});
    page = MergeListing(*std::move(page), std::move(in_memory), query, filter);
  }
  if (const Remote* const remote = options_.tree->remote(); remote != nullptr) {
    // More than a page has, whatever may not be seen of it: that is passed over on the way.
    std::vector<ListEntry> kept;
    for (Remote::Kept& one : remote->ListKept(query.prefix, query.cursor))
      kept.push_back({std::move(one.uri), one.size, one.mtime_s});
    page = MergeListing(*std::move(page), std::move(kept), query, filter);
  }
  return page;
}

}  // namespace objmapper::storage
