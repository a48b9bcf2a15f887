// The disk tier: a directory tree under a root, opened so that no URI can leave it.
//
//   absl::StatusOr<Tree> tree = Tree::Open("/srv/objects");
//   absl::StatusOr<OpenedObject> object = tree->OpenObject("models/llama.bin", Wait::kMayBlock);
//
// A URI is a slash-separated path. Leading '/' are ignored. It is bytes, not text: a name that is
// no UTF-8 is as good as any. Symbolic links are followed as long as they stay under the root; one
// that starts with '/' does not, wherever it ends.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/unique_fd.h"
#include "storage/tree/description.h"
#include "storage/tree/object_info.h"
#include "storage/tree/overlay.h"
#include "storage/tree/slow_opens.h"
#include "storage/tree/use_marks.h"

namespace objmapper::storage {

// How many components a URI may have: far more than anybody's folders, and few enough that to walk
// down all of them costs microseconds. Doubled slashes and "." make none.
inline constexpr size_t kDepthMax = 256;
bool IsDeeperThan(absl::string_view uri, size_t levels);

// kMayBlock: the disk may be asked for directories and inodes.
// kCachedOnly: answered from the kernel's caches or not at all (RESOLVE_CACHED), nor opened on a
// file system where that is known to take long (slow_opens.h); for event loops.
enum class Wait : uint8_t { kMayBlock, kCachedOnly };

// Thread-safe: any number of threads may call it at once. Movable.
class Tree {
 public:
  // Opens the root itself. NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT (not a directory),
  // UNIMPLEMENTED (the kernel has no openat2(2): it is older than 5.6; or there is no /proc, by
  // which attributes are read and files get their names). The message names `root`.
  static absl::StatusOr<Tree> Open(const std::string& root);

  // Whether the root that was opened is still what its name means: FAILED_PRECONDITION says what
  // has become of it. A tree stays with the directory that it has, since another one that comes
  // under its name may be a disk that is not mounted yet. Asks the disk.
  absl::Status CheckRoot() const;
  // Has the name resolved anew, and serves what it means now; false: it is what it was. accept: may
  // say no to the directory (O_PATH), which is the result then. Errors as Open(); the tree stays as
  // it was then. Any thread, one at a time.
  absl::StatusOr<bool> FollowRoot(absl::FunctionRef<absl::Status(int root)> accept) const;

  // Opens the object that `uri` names.
  //
  //   INVALID_ARGUMENT    the URI is empty or holds a NUL
  //   OUT_OF_RANGE        it, or a name in it, is longer than the file system allows, or it is
  //                       deeper than kDepthMax
  //   NOT_FOUND           no such object, or it has expired (attributes.h)
  //   PERMISSION_DENIED   the URI holds a ".." component, or a name that the server keeps for
  //                       itself (reserved_name.h); it leads out of the root (a symbolic
  //                       link, a magic link); it is a device, FIFO or socket, or a file that the
  //                       kernel makes up while it is read (procfs, sysfs), which has no size to go
  //                       by; or the file's permissions forbid it
  //   FAILED_PRECONDITION it is a directory (CONFLICT on the wire)
  //   RESOURCE_EXHAUSTED  out of descriptors or memory (EMFILE, ENFILE, ENOMEM), or the tree was
  //                       being renamed all the time: try again
  //   UNAVAILABLE         kCachedOnly alone: the disk would have to be asked, or opening takes long
  //                       there
  //   DATA_LOSS           the disk failed (EIO)
  //
  // Messages name the URI (escaped), never the root: they go out to clients.
  // Never blocks on a FIFO, a lease or a device: opened O_NONBLOCK, which is cleared again before
  // the descriptor is handed out.
  // Source: openat2(2), RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_CACHED.
  absl::StatusOr<OpenedObject> OpenObject(absl::string_view uri, Wait wait) const;

  // What OpenObject() would find, without a descriptor that could read it: permissions to read are
  // not asked for. Errors as OpenObject().
  absl::StatusOr<ObjectInfo> Stat(absl::string_view uri, Wait wait) const;
  // The same, and its etag and tier: what OP_STAT tells. FindDescription() (stat_cache.h) asks the
  // index first.
  absl::StatusOr<Description> Describe(absl::string_view uri, Wait wait) const;
  // The same without asking the overlay: of what is on the disk.
  absl::StatusOr<ObjectInfo> StatOnDisk(absl::string_view uri, Wait wait) const;

  // Whether a URI could name an object: its errors are those that OpenObject() finds before it asks
  // the file system.
  static absl::Status CheckName(absl::string_view uri);

  // A directory of the tree, O_PATH: the start of walks for OpenIn(). Errors as OpenObject(), and
  // NOT_FOUND when it is no directory. An empty path is the root.
  absl::StatusOr<net::UniqueFd> OpenDirectory(absl::string_view path, Wait wait) const;

  // Opens `name` in `directory` (from OpenDirectory(), borrowed). A name of one component that is
  // no symbolic link cannot lead anywhere else, so nothing more has to be checked on the way.
  // `uri` names the object in errors, which are not as exact as OpenObject()'s: ask that again when
  // it matters. PERMISSION_DENIED: also for a symbolic link, and a name that is no plain one.
  // seen_regular: the name was an object a moment ago, so O_NONBLOCK is not asked for and need not
  // be cleared. Should it have become a FIFO since, this blocks until a signal comes
  // (RESOURCE_EXHAUSTED). wait: as for OpenObject().
  absl::StatusOr<OpenedObject> OpenIn(int directory, absl::string_view name, absl::string_view uri,
                                      bool seen_regular, Wait wait) const;

  // From now on OpenObject() and Stat() ask `overlay` first, which outlives the tree; null: none.
  // Before threads share the tree. OpenIn() and OpenDirectory() speak of the disk alone.
  void SetOverlay(Overlay* overlay) { overlay_ = overlay; }
  Overlay* overlay() const { return overlay_; }

  // Which file systems are slow to open files on.
  SlowOpens& slow_opens() const { return *slow_opens_; }

  const std::string& root() const { return root_path_; }
  // Its directory, O_PATH, borrowed: the number stays, what it means FollowRoot() changes.
  int root_fd() const { return root_.get(); }

  // From now on each object that is found is marked in `marks`, which outlives the tree; null: in
  // none. Before threads share the tree.
  void MarkUses(UseMarks* marks) { marks_ = marks; }

  // How often this server itself has changed what names mean (Store). Who remembers something of
  // the tree remembers this too, and asks again when it has grown: so a client that has been told
  // of its change never sees the time before it.
  uint64_t changes() const { return changes_->load(std::memory_order_acquire); }
  // Something has changed: to be called after the change, before anybody is told of it.
  void NoteChange() const { changes_->fetch_add(1, std::memory_order_release); }

 private:
  Tree(std::string root_path, net::UniqueFd root)
      : root_path_(std::move(root_path)), root_(std::move(root)) {}

  void MarkUse(absl::string_view uri) const {
    if (marks_ != nullptr) marks_->Used(uri);
  }
  // What `ask` finds in the overlay, else what `ask_disk` says. An object that moves from the disk
  // to the overlay in between is in neither at that moment, so it is looked for again.
  template <typename Ask, typename AskDisk>
  auto InBoth(absl::string_view uri, Ask ask, AskDisk ask_disk) const -> decltype(ask_disk());
  absl::StatusOr<OpenedObject> OpenOnDisk(absl::string_view uri, Wait wait) const;
  absl::StatusOr<Description> DescribeOnDisk(absl::string_view uri, Wait wait) const;
  absl::StatusOr<net::UniqueFd> Resolve(absl::string_view uri, int flags, Wait wait) const;
  // What is to be done elsewhere, by who must not wait: the file that `uri` names, and `name` in
  // `directory`, is on a file system where opening takes long.
  bool IsSlow(absl::string_view uri) const;
  bool IsSlow(int directory, const char* name) const;
  // An open has failed.
  void NoteFailure(const SlowOpens::Timer& timer, absl::string_view uri, Wait wait) const;

  std::string root_path_;
  // O_PATH | O_DIRECTORY; its number stays, what it means FollowRoot() changes
  net::UniqueFd root_;
  UseMarks* marks_ = nullptr;
  Overlay* overlay_ = nullptr;
  std::unique_ptr<SlowOpens> slow_opens_ = std::make_unique<SlowOpens>();
  std::unique_ptr<std::atomic<uint64_t>> changes_ = std::make_unique<std::atomic<uint64_t>>(0);
};

// Whether `name` is one component that can only be an object's name in its directory: not empty,
// ".", "..", too long, reserved (reserved_name.h), nor with a slash or NUL.
bool IsPlainName(absl::string_view name);

}  // namespace objmapper::storage
