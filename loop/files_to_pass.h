// The files whose descriptors one loop passes: opened in the round in which they are asked for,
// together where that can be done, and closed when they have gone.
//
// Invariant: what a batch of the kernel's may still write to stays where it is: a connection that
// goes before leaves it here (Orphan()).
//
// The loop's thread's.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "copypath/blocking_pool.h"
#include "loop/passing.h"
#include "net/deadline_list.h"
#include "net/file_batch.h"
#include "storage/tree/directory_cache.h"
#include "storage/tree/tree.h"

namespace objmapper::loop {

class FilesToPass {
 public:
  // cache_valid: how long directories are believed. slow_pool: for what takes long to open, or to
  // close. Both pointers outlive this.
  FilesToPass(const storage::Tree* tree, absl::Duration cache_valid,
              copypath::BlockingPool* slow_pool);

  // Files are opened together from now on; null: one by one.
  void SetBatch(std::unique_ptr<net::FileBatch> batch) { files_ = std::move(batch); }
  // Any thread, while the batch is set: an open hangs.
  void CutShort() {
    if (files_ != nullptr) files_->CutShort();
  }

  // Whether opening files takes long somewhere.
  bool opens_slowly() const { return tree_->slow_opens().any(); }
  // Whether files are opened together, once for each round of the loop: on rings, unless they are
  // to be looked at one by one.
  bool opens_together() const { return files_ != nullptr && !opens_slowly(); }

  // A descriptor to pass. Errors as Tree::OpenObject(uri, wait).
  absl::StatusOr<storage::OpenedObject> OpenToPass(absl::string_view uri, int64_t now_ns,
                                                   storage::Wait wait) {
    return directories_.OpenObject(uri, now_ns, wait);
  }
  // Queues the opening of answer.text, where that can be done so; Passer::OnFilesOpened() tells,
  // after AwaitFiles().
  void BeginOpen(Passing::Opening* opening, int64_t now_ns);
  void AwaitFiles(Passer* passer) { awaiting_files_.push_back(passer); }
  // The passer goes before it was told.
  void Orphan(Passer* passer, std::unique_ptr<Passing> passing);
  absl::StatusOr<storage::OpenedObject> TakeOpened(net::UniqueFd fd, absl::string_view uri);
  // What was to be opened in `directory` could not be.
  void NotOpened(int directory);
  // Closes elsewhere what was opened there: that may take as long.
  std::shared_ptr<const net::UniqueFd> CloseApart(net::UniqueFd fd);
  // Closes what has been passed, at the end of the round at the latest.
  void CloseFds(session::Message* message);

  std::unique_ptr<Passing> NewPassing(Passer* passer);
  void Recycle(std::unique_ptr<Passing> passing);
  // Has Passer::OnRetry() called in a moment, unless the passer goes before.
  void RetrySoon(Passing* passing, int64_t now_ns) { retries_.Start(passing, now_ns); }
  void StopRetry(Passing* passing) { retries_.Stop(passing); }

  // ---- For the loop, each round ----

  // Opens what the connections of this round want to pass, and closes what has been passed.
  void OpenFiles();
  void Retry(int64_t now_ns);
  int64_t NextRetryNs() const { return retries_.NextExpiryNs(); }

 private:
  const storage::Tree* const tree_;
  copypath::BlockingPool* const slow_pool_;
  storage::DirectoryCache directories_;
  std::unique_ptr<net::FileBatch> files_;
  int64_t round_took_ns_ = 0;  // the opens of this round, if that is to be noted
  std::vector<Passer*> awaiting_files_;
  // of passers that have gone, while files_ knows of them
  std::vector<std::unique_ptr<Passing>> orphans_;
  std::vector<net::UniqueFd> passed_;
  std::vector<std::unique_ptr<Passing>> spare_;
  net::DeadlineList<Passing, &Passing::retry> retries_;
};

}  // namespace objmapper::loop
