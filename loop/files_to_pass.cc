// Opening and closing what is passed, for all connections of a loop at once.
#include "loop/files_to_pass.h"

#include <algorithm>
#include <string>
#include <utility>

#include "loop/passer.h"

namespace objmapper::loop {
namespace {
// How long to wait when the kernel, not the peer, is out of room.
constexpr absl::Duration kRetryAfter = absl::Milliseconds(5);
// Directories that are kept resolved, and messages that are kept for their memory.
constexpr size_t kDirectories = 256;
constexpr size_t kSpareMax = 64;
}  // namespace

FilesToPass::FilesToPass(const storage::Tree* tree, absl::Duration cache_valid,
                         copypath::BlockingPool* slow_pool)
    : tree_(tree),
      slow_pool_(slow_pool),
      directories_(tree, kDirectories, cache_valid),
      retries_(kRetryAfter) {}

void FilesToPass::BeginOpen(Passing::Opening* opening, int64_t now_ns) {
  const std::string& uri = opening->answer.text;
  std::optional<storage::DirectoryCache::Place> place =
      directories_.Locate(uri, now_ns, storage::Wait::kCachedOnly);
  if (!place.has_value()) return;
  opening->directory = std::move(place->directory);
  files_->Open(opening->directory->get(), uri.c_str() + place->name_at, &opening->result);
}

void FilesToPass::OpenFiles() {
  if (files_ == nullptr) return;
  do {
    for (net::UniqueFd& fd : passed_) files_->Close(std::move(fd));
    passed_.clear();
    {
      const storage::SlowOpens::Timer timer(&tree_->slow_opens());
      files_->Submit();
      round_took_ns_ = awaiting_files_.empty() ? 0 : timer.Elapsed();
    }
    for (const std::unique_ptr<Passing>& orphan : orphans_) {
      for (const Passing::Opening& opening : orphan->openings)
        net::UniqueFd unwanted(std::max(opening.result, -1));
    }
    orphans_.clear();
    std::vector<Passer*> passers;
    passers.swap(awaiting_files_);
    // What a connection does now ends none of the others: endings are told from inside
    // Engine::Wait().
    for (Passer* passer : passers) passer->OnFilesOpened();
  } while (!awaiting_files_.empty() || !passed_.empty());
}

absl::StatusOr<storage::OpenedObject> FilesToPass::TakeOpened(net::UniqueFd fd,
                                                              absl::string_view uri) {
  absl::StatusOr<storage::OpenedObject> opened = directories_.Take(std::move(fd), uri);
  // Which of a slow round's it was cannot be told; most are of one file system.
  if (round_took_ns_ > 0 && opened.ok())
    tree_->slow_opens().Note(opened->info.device, round_took_ns_, /*sure=*/true);
  return opened;
}

void FilesToPass::NotOpened(int directory) {
  if (round_took_ns_ == 0) return;
  tree_->slow_opens().Note(storage::SlowOpens::DeviceOf(directory), round_took_ns_, /*sure=*/true);
}

std::shared_ptr<const net::UniqueFd> FilesToPass::CloseApart(net::UniqueFd fd) {
  return {new net::UniqueFd(std::move(fd)),
          [pool = slow_pool_](net::UniqueFd* owned) { pool->Run([owned] { delete owned; }); }};
}

void FilesToPass::Orphan(Passer* passer, std::unique_ptr<Passing> passing) {
  if (std::erase(awaiting_files_, passer) > 0) orphans_.push_back(std::move(passing));
}

void FilesToPass::CloseFds(session::Message* message) {
  if (files_ == nullptr) {
    message->CloseFds();
  } else {
    message->ReleaseFds(&passed_);
  }
}

std::unique_ptr<Passing> FilesToPass::NewPassing(Passer* passer) {
  std::unique_ptr<Passing> passing;
  if (spare_.empty()) {
    passing = std::make_unique<Passing>();
  } else {
    passing = std::move(spare_.back());
    spare_.pop_back();
  }
  passing->passer = passer;
  return passing;
}

void FilesToPass::Recycle(std::unique_ptr<Passing> passing) {
  passing->message.Clear();
  passing->rest = {};
  passing->is_x = false;
  if (spare_.size() < kSpareMax) spare_.push_back(std::move(passing));
}

void FilesToPass::Retry(int64_t now_ns) {
  while (Passing* passing = retries_.PopExpired(now_ns)) passing->passer->OnRetry();
}

}  // namespace objmapper::loop
