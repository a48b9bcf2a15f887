// The objects under a root: what is in memory (overlay.h), else what is on the disk (disk_tier.h).
//
//   absl::StatusOr<Tree> tree = Tree::Open("/srv/objects");
//   absl::StatusOr<OpenedObject> object = tree->OpenObject("models/llama.bin", Wait::kMayBlock);
//
// A URI is a slash-separated path. Leading '/' are ignored. It is bytes, not text: a name that is
// no UTF-8 is as good as any. Symbolic links are followed as long as they stay under the root; one
// that starts with '/' does not, wherever it ends.
#pragma once

#include <atomic>
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
#include "storage/tree/disk_tier.h"
#include "storage/tree/object_info.h"
#include "storage/tree/overlay.h"
#include "storage/tree/remote.h"
#include "storage/tree/root.h"
#include "storage/tree/slow_opens.h"
#include "storage/tree/use_marks.h"

namespace objmapper::storage {

// Thread-safe: any number of threads may call it at once. Movable.
class Tree {
 public:
  // Opens the root; errors as Root::Open().
  static absl::StatusOr<Tree> Open(const std::string& root);

  const Root& root() const { return disk_.root(); }
  // As Root::Follow(), and every cache learns of it.
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
  //                       there; or it is not here, and may be elsewhere, or its origin has to be
  //                       asked again (remote.h)
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

  // What is on the disk, whatever the overlay has; and as DiskTier's.
  const DiskTier& disk() const { return disk_; }
  absl::StatusOr<net::UniqueFd> OpenDirectory(absl::string_view path, Wait wait) const {
    return disk_.OpenDirectory(path, wait);
  }
  SlowOpens& slow_opens() const { return disk_.slow_opens(); }
  void MarkUses(UseMarks* marks) { disk_.MarkUses(marks); }

  // From now on OpenObject() and Stat() ask `overlay` first, which outlives the tree; null: none.
  // Before threads share the tree.
  void SetOverlay(Overlay* overlay) { overlay_ = overlay; }
  Overlay* overlay() const { return overlay_; }

  // Where else objects may be; outlives the tree; null: nowhere. Before threads share the tree.
  void SetRemote(Remote* remote) { remote_ = remote; }
  Remote* remote() const { return remote_; }
  // Whether an answer from what is here has to wait for the remote. What is looked up with
  // kCachedOnly or kMayFetch asks this itself; kMayBlock sees what is here as it is.
  bool MustCheck(absl::string_view uri) const {
    return remote_ != nullptr && remote_->MustCheck(uri);
  }

  // As Remote::KeepsApart(): `uri` is not to be looked for on the disk by its path.
  bool KeptApart(absl::string_view uri) const {
    return remote_ != nullptr && remote_->KeepsApart(uri);
  }

  // How often this server itself has changed what names mean (Store). Who remembers something of
  // the tree remembers this too, and asks again when it has grown: so a client that has been told
  // of its change never sees the time before it.
  uint64_t changes() const { return changes_->load(std::memory_order_acquire); }
  // Something has changed: to be called after the change, before anybody is told of it.
  void NoteChange() const { changes_->fetch_add(1, std::memory_order_release); }
  // The same, where the change is that `uri` has been stored.
  void NoteStored(absl::string_view uri) const {
    NoteChange();
    if (remote_ != nullptr) remote_->Stored(uri);
  }

 private:
  explicit Tree(DiskTier disk) : disk_(std::move(disk)) {}

  // What `ask` finds in the overlay, else what `ask_disk` says. An object that moves from the disk
  // to the overlay in between is in neither at that moment, so it is looked for again.
  template <typename Ask, typename AskDisk>
  auto InBoth(absl::string_view uri, Ask ask, AskDisk ask_disk) const -> decltype(ask_disk());
  // The same, and where there is none, or its origin has to be asked again, and `wait` allows it,
  // elsewhere.
  template <typename Ask, typename AskDisk>
  auto Everywhere(absl::string_view uri, Wait wait, Ask ask, AskDisk ask_disk) const
      -> decltype(ask_disk());

  DiskTier disk_;
  Overlay* overlay_ = nullptr;
  Remote* remote_ = nullptr;
  std::unique_ptr<std::atomic<uint64_t>> changes_ = std::make_unique<std::atomic<uint64_t>>(0);
};

}  // namespace objmapper::storage
