// What the names of a round mean: all of them are looked up together, and where opening takes long,
// by threads that may wait.
//
//   opener.Begin(&opening, uri, now_ns);            // for each request,
//   opener.OpenAll();                               // and then
//   absl::StatusOr<Passable> object = opener.Take(&opening, uri, now_ns);
//   if (absl::IsUnavailable(object.status())) ticket = opener.OpenApart(uri);
//
// The last name of a path is looked up afresh for each answer; the way to it is kept resolved for a
// moment (storage/tree/directory_cache.h). With --fd_sharing=always, descriptors are kept too.
//
// One worker's, touched by its thread alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "fdpass/answer.h"
#include "fdpass/kernel.h"
#include "fdpass/shared_fds.h"
#include "net/mutex.h"
#include "storage/tree/description.h"
#include "storage/tree/directory_cache.h"
#include "storage/tree/tree.h"

namespace objmapper::fdpass {

// A name on its way to a descriptor. Unmoved from Begin() to OpenAll().
struct Opening {
  std::optional<storage::DirectoryCache::Place> place;  // none: it is not opened with the others
  int result = -1;                                      // a descriptor that nobody owns yet
  // What was opened apart, or is being. 0: neither.
  uint64_t ticket = 0;
  std::optional<absl::StatusOr<storage::OpenedObject>> apart;
  // Instead of `apart`, which is an error then: what it is, of which no descriptor can be had yet.
  std::optional<storage::Description> described;
};

class Opener {
 public:
  struct Options {
    const storage::Tree* tree = nullptr;  // outlives the opener, and what is opened apart
    size_t shared_fds = 0;                // 0: each answer gets a descriptor of its own
    size_t directories = 256;             // that may be kept resolved
    absl::Duration cache_valid;           // how long both are believed
    // Runs something that takes long on another thread (storage/tree/slow_opens.h); null: all is
    // opened here, and the worker waits for the disk.
    std::function<void(std::function<void()>)> run_slowly;
  };

  // wake: called by another thread when there is something for TakeOpened(); not after Stop().
  // kernel: outlives the opener.
  Opener(const Options& options, Kernel* kernel, std::function<void()> wake);
  ~Opener();

  void Begin(Opening* opening, absl::string_view uri, int64_t now_ns);
  void OpenAll();
  // The object, or why there is none: as Tree::OpenObject(). UNAVAILABLE: it is to be opened apart,
  // or is being.
  absl::StatusOr<Passable> Take(Opening* opening, absl::string_view uri, int64_t now_ns);
  // What is not answered in this round: closes what was opened with the others, keeps what is
  // opened apart.
  void PutOff(Opening* opening);
  // Closes what was opened for nobody.
  void Drop(Opening* opening);

  // Has the object opened by a thread that may wait, or brought from elsewhere first
  // (storage/tree/remote.h). only_asks: what it is; then no more of it is brought than tells that.
  // A ticket: not 0.
  uint64_t OpenApart(absl::string_view uri, bool only_asks = false);
  struct Opened {
    uint64_t ticket = 0;
    absl::StatusOr<storage::OpenedObject> object;
    std::optional<storage::Description> described;  // as Opening::described
  };
  std::vector<Opened> TakeOpened();
  // The same for one that nobody waits for any more: closing it may take as long.
  void DropApart(absl::StatusOr<storage::OpenedObject> object);

 private:
  bool opens_together() const { return !shared_.has_value() && !options_.tree->slow_opens().any(); }

  const Options options_;
  Kernel* const kernel_;
  storage::DirectoryCache directories_;
  std::optional<SharedFds> shared_;  // --fd_sharing=always
  std::unique_ptr<char[]> names_;    // of this round, NUL-terminated
  size_t names_bytes_ = 0;
  bool queued_ = false;
  int64_t took_ns_ = 0;  // the opens of this round, if that is to be noted
  // What has been opened apart; whoever opens may outlive the worker.
  struct Apart {
    void Tell(Opened one);

    net::Mutex mutex;
    std::function<void()> wake GUARDED_BY(mutex);  // null: the worker has gone
    std::vector<Opened> opened GUARDED_BY(mutex);
  };
  const std::shared_ptr<Apart> apart_ = std::make_shared<Apart>();
  uint64_t last_ticket_ = 0;
};

}  // namespace objmapper::fdpass
