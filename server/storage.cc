// Opens the parts of the storage in the order in which they need each other.
#include "server/storage.h"

#include <glog/logging.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "server/checks.h"

namespace objmapper::server {

Storage::Storage(const Config& config, storage::Tree tree)
    : config_(config),
      tree_(std::move(tree)),
      index_(config.index_entries, config.loop.cache_valid) {}

absl::StatusOr<std::unique_ptr<Storage>> Storage::Open(const Config& config) {
  absl::StatusOr<storage::Tree> tree = storage::Tree::Open(config.root);
  if (!tree.ok()) return tree.status();
  auto opened = std::unique_ptr<Storage>(new Storage(config, *std::move(tree)));
  opened->tree_.slow_opens().Start();
  if (config.memory.bytes_max != 0) {
    storage::MemoryTier::Options options = config.memory;
    // Each object keeps a descriptor open; most are for connections and answers.
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
      options.objects_max = std::max<size_t>(1, limit.rlim_cur / 4);
    auto made = storage::MemoryTier::Create(options);
    if (!made.ok()) return OfFlag("--memory_limit", made.status());
    opened->memory_ = *std::move(made);
    opened->tree_.SetOverlay(opened->memory_.get());
  }
  if (config.fetches()) opened->shelf_.emplace(&opened->tree_);
  if (config.catalog) {
    storage::Housekeeping::Options options = config.house;
    options.tree = &opened->tree_;
    options.others = opened->shelf_.has_value() ? &*opened->shelf_ : nullptr;
    options.evicted = [storage = opened.get()](absl::string_view uri, uint64_t bytes) {
      if (storage->origins_ != nullptr) storage->origins_->Evicted(uri, bytes);
    };
    options.warn_of_folding = !config.rules_file.empty();
    options.each_second = [storage = opened.get()] { storage->CheckRoot().IgnoreError(); };
    opened->house_ = std::make_unique<storage::Housekeeping>(options);
    opened->tree_.MarkUses(opened->house_->marks());
  }
  storage::Store::Options options = config.store;
  options.tree = &opened->tree_;
  options.house = opened->house_.get();
  options.memory = opened->memory_.get();
  options.foreign_patience = config.PoolPatience();
  opened->store_ = std::make_unique<storage::Store>(options);
  if (config.fetches()) {
    auto made = OriginSide::Make(config, {.tree = &opened->tree_,
                                          .store = opened->store_.get(),
                                          .house = opened->house_.get(),
                                          .shelf = &*opened->shelf_});
    if (!made.ok()) return made.status();
    opened->origins_ = *std::move(made);
  }
  return opened;
}

absl::Status Storage::StartHousekeeping() {
  if (origins_ != nullptr) origins_->Start();
  storage::Store* const store = config_.writes_root() ? store_.get() : nullptr;
  if (house_ != nullptr) {
    house_->Start(store == nullptr
                      ? storage::DeleteIf()
                      : [store](absl::string_view uri, absl::FunctionRef<bool(int fd)> wanted) {
                          return store->DeleteIf(uri, wanted);
                        });
  } else if (store != nullptr) {
    // Where nobody walks the tree anyway.
    const absl::StatusOr<size_t> removed = store->RemoveLeftovers();
    if (!removed.ok()) return removed.status();
    if (*removed > 0) LOG(INFO) << "removed " << *removed << " files left by interrupted PUTs";
  }
  return absl::OkStatus();
}

void Storage::StopFetching() {
  if (origins_ != nullptr) origins_->Stop();
}

std::optional<absl::StatusOr<size_t>> Storage::ReloadOrigins() {
  if (origins_ == nullptr) return std::nullopt;
  return origins_->ReadAgain();
}

Storage::~Storage() {
  StopFetching();
  if (house_ != nullptr) house_->Stop();
}

absl::Status Storage::FollowRoot() {
  const absl::StatusOr<bool> followed =
      tree_.FollowRoot([this](int root) { return CheckSpelling(config_, root); });
  if (followed.ok() && *followed && house_ != nullptr) house_->FollowRoot();
  if (!followed.ok()) {
    LOG(ERROR) << "the root is unchanged: " << followed.status().message();
  } else if (*followed) {
    LOG(INFO) << "the root is again " << config_.root << " means now";
  }
  root_watch_.Check().IgnoreError();
  return followed.status();
}

void Storage::Read(Vitals* vitals) const {
  vitals->index_hits = index_.hits();
  vitals->index_misses = index_.misses();
  if (house_ != nullptr) vitals->objects = house_->Read();
  if (memory_ != nullptr) vitals->memory = memory_->Read();
  if (origins_ != nullptr) vitals->origins = origins_->Read();
  vitals->slow_opens = tree_.slow_opens().slow_opens();
  vitals->slow_file_systems = tree_.slow_opens().file_systems();
}

}  // namespace objmapper::server
