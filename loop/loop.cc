#include "loop/loop.h"

#include <glog/logging.h>
#include <pthread.h>

#include <algorithm>
#include <future>

#include "absl/strings/str_cat.h"
#include "copypath/page_in.h"
#include "loop/epoll_engine.h"
#include "loop/uring_engine.h"
#include "net/clock.h"
#include "net/errno_status.h"
#include "storage/tree/load.h"
#include "text/printable.h"

namespace objmapper::loop {
namespace {
// How long Stop() waits for the disk and the splice threads to give back what they have.
constexpr int64_t kStopNs = 5'000'000'000;
// How long to wait when the kernel, not the peer, is out of room.
constexpr absl::Duration kRetryAfter = absl::Milliseconds(5);
// Directories that are kept resolved, and messages that are kept for their memory.
constexpr size_t kDirectories = 256;
constexpr size_t kSpareMax = 64;
// How often objects without a name are looked for. Until then their bytes take room on the disk or
// in memory.
constexpr int64_t kSweepEveryNs = 5'000'000'000;

// Whose loop it is, for the metrics.
const char* LaneName(const std::optional<session::LaneKind>& lane) {
  return lane.has_value() ? "copypath" : "model";
}
}  // namespace

// A window on its way into the page cache.
struct Loop::Window {
  copypath::ObjectRef object;
  size_t index;
  int error = 0;  // the pool's, until it is told
};

namespace {

// The largest object that a loop keeps a copy of. What goes inside the kernel, or to a splice
// thread, is not copied.
size_t CopiedBytesMax(const LoopOptions& options) {
  if (!options.async_copy) return storage::kSnapshotBytesMax;
  const uint64_t moved = std::min(options.sendfile_bytes_min, options.splice_bytes_min);
  return std::clamp<uint64_t>(moved, storage::kSnapshotBytesMax + 1, copypath::kPartBytesMax + 1) -
         1;
}

}  // namespace

Loop::Loop(const LoopOptions& options)
    : options_(options),
      copied_bytes_max_(CopiedBytesMax(options)),
      cache_(options.cache_entries, options.cache_entries * storage::kSnapshotBytesMax),
      idle_(options.limits->idle_timeout),
      busy_(options.limits->request_timeout),
      retries_(kRetryAfter),
      directories_(options.tree, kDirectories, options.cache_valid),
      tally_(options.board, LaneName(options.lane)) {}

Loop::~Loop() { CHECK(!thread_.joinable()) << "Stop() first"; }

absl::Status Loop::Start(int number) {
  std::promise<absl::Status> started;
  thread_ = std::thread([this, number, &started] {
    pthread_setname_np(pthread_self(), absl::StrCat("copypath/", number).c_str());
    const absl::Status made = MakeEngine();  // a ring belongs to the thread that makes it
    started.set_value(made);
    if (made.ok()) {
      const storage::SlowOpens::Watched watched(&options_.tree->slow_opens(), [this] {
        if (files_ != nullptr) files_->CutShort();
      });
      Run();
    }
    engine_.reset();
    files_.reset();
  });
  absl::Status status = started.get_future().get();
  if (!status.ok()) thread_.join();
  return status;
}

absl::Status Loop::MakeEngine() {
  if (options_.engine != EngineKind::kEpoll) {
    absl::StatusOr<std::unique_ptr<UringEngine>> uring = UringEngine::Create(mailbox_.event_fd());
    if (uring.ok()) {
      engine_ = *std::move(uring);
      engine_name_ = engine_->name();
      absl::StatusOr<std::unique_ptr<net::FileBatch>> files = net::FileBatch::Create();
      if (files.ok()) {
        files_ = *std::move(files);
      } else {
        LOG(WARNING) << "files are opened one by one, since " << files.status().message();
      }
      return absl::OkStatus();
    }
    if (options_.engine == EngineKind::kUring) {
      return absl::FailedPreconditionError(
          absl::StrCat("--io_engine=uring is not available: ", uring.status().message()));
    }
    LOG(WARNING) << "io_engine: epoll, since " << uring.status().message();
  }
  engine_ = std::make_unique<EpollEngine>(
      mailbox_.event_fd(),
      [pool = options_.pool](std::function<void()> work) { pool->Run(std::move(work)); });
  engine_name_ = engine_->name();
  return absl::OkStatus();
}

void Loop::Adopt(std::unique_ptr<session::Session> session) {
  load_.fetch_add(1, std::memory_order_relaxed);
  mailbox_.Put(std::move(session));
}

void Loop::Drain() {
  Phase serving = Phase::kServing;
  phase_.compare_exchange_strong(serving, Phase::kDraining);
  mailbox_.Wake();
}

void Loop::Stop() {
  phase_.store(Phase::kStopping);
  mailbox_.Wake();
  if (thread_.joinable()) thread_.join();
}

void Loop::Run() {
  int64_t stop_by_ns = net::kNever;
  while (true) {
    OpenFiles();  // whatever asked for them: nothing is left to do when the loop sleeps
    if (now_ns_ != 0) tally_->Worked(session::CountingNowNs() - now_ns_);
    const bool mail = engine_->Wait(TimeoutNs(), &now_ns_);
    pulse_.Answer();
    if (mail) ReadMail();
    Expire();
    const Phase phase = phase_.load(std::memory_order_relaxed);
    if (phase == seen_phase_ && phase != Phase::kStopping) continue;
    if (phase == Phase::kDraining) {
      // What has arrived already is still answered.
      engine_->Wait(0, &now_ns_);
      seen_phase_ = phase;
      const std::vector<Stream*> streams(streams_.begin(), streams_.end());
      for (Stream* stream : streams) stream->Drain();
      continue;
    }
    if (seen_phase_ != Phase::kStopping) {
      seen_phase_ = phase;
      stop_by_ns = now_ns_ + kStopNs;
      const std::vector<Stream*> streams(streams_.begin(), streams_.end());
      for (Stream* stream : streams) stream->Abort();
    }
    if (streams_.empty() && loading_.empty() && page_ins_.empty() && transfers_ == 0) return;
    if (now_ns_ > stop_by_ns) {
      // A disk that does not answer. The process is about to end; what it holds is not freed.
      LOG(ERROR) << "stopped with " << streams_.size() << " connections waiting for the disk";
      return;
    }
  }
}

// Also notes when the loop begins to look at what has come; not where nobody is waited for.
int64_t Loop::TimeoutNs() {
  if (seen_phase_ == Phase::kStopping) return 10'000'000;
  const int64_t sweep_ns = cache_.size() == 0 ? net::kNever : next_sweep_ns_;
  const int64_t next_ns =
      std::min({idle_.NextExpiryNs(), busy_.NextExpiryNs(), retries_.NextExpiryNs(), sweep_ns});
  if (next_ns == net::kNever) return -1;
  looked_ns_ = net::NowNs();
  return std::max<int64_t>(next_ns - looked_ns_, 0);
}

void Loop::ReadMail() {
  for (Letter& letter : mailbox_.TakeAll()) {
    if (auto* session = std::get_if<std::unique_ptr<session::Session>>(&letter)) {
      Welcome(std::move(*session));
    } else if (auto* loading = std::get_if<Loading*>(&letter)) {
      OnLoaded(*loading);
    } else if (auto* window = std::get_if<Window*>(&letter)) {
      OnPagedIn(*window);
    } else if (const auto* job = std::get_if<JobEnded>(&letter)) {
      job->stream->OnOperationJobEnded();
    } else if (const auto* fetch = std::get_if<FetchEnded>(&letter)) {
      fetch->stream->OnFetched();
    } else {
      const TransferEnded& ended = std::get<TransferEnded>(letter);
      --transfers_;
      counters_.transfers_done.Add();
      ended.stream->OnTransferEnded(ended.outcome);
    }
  }
}

void Loop::Welcome(std::unique_ptr<session::Session> session) {
  if (seen_phase_ == Phase::kStopping) {
    load_.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  session->lane.store(LaneName(options_.lane), std::memory_order_relaxed);
  tally_->TookUp(now_ns_ - session->handed_ns);
  auto stream = std::make_unique<Stream>(std::move(session), this);
  const int error = engine_->Attach(stream.get());
  if (error != 0) {
    LOG(WARNING) << stream->session()->PeerName() << ": "
                 << net::ErrnoToStatus(error, "epoll_ctl").message();
    load_.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  Stream* s = stream.release();
  streams_.insert(s);
  s->Start();
}

void Loop::Remove(Stream* stream) {
  idle_.Stop(stream);
  busy_.Stop(stream);
  streams_.erase(stream);
  load_.fetch_sub(1, std::memory_order_relaxed);
  delete stream;
}

void Loop::StartDeadline(Stream* stream, bool idle) {
  (idle ? busy_ : idle_).Stop(stream);
  (idle ? idle_ : busy_).Start(stream, now_ns_);
}

void Loop::StopDeadline(Stream* stream) {
  idle_.Stop(stream);
  busy_.Stop(stream);
}

void Loop::Expire() {
  while (Passing* passing = retries_.PopExpired(now_ns_)) passing->stream->OnRetry();
  while (Stream* stream = idle_.PopLate(looked_ns_)) stream->OnDeadline(/*idle=*/true);
  while (Stream* stream = busy_.PopLate(looked_ns_)) stream->OnDeadline(/*idle=*/false);
  if (now_ns_ >= next_sweep_ns_) {
    cache_.DropNameless();
    next_sweep_ns_ = now_ns_ + kSweepEveryNs;
  }
}

// ---- Files to pass ----

void Loop::BeginOpen(Passing::Opening* opening) {
  const std::string& uri = opening->answer.text;
  std::optional<storage::DirectoryCache::Place> place =
      directories_.Locate(uri, now_ns_, storage::Wait::kCachedOnly);
  if (!place.has_value()) return;
  opening->directory = std::move(place->directory);
  files_->Open(opening->directory->get(), uri.c_str() + place->name_at, &opening->result);
}

// Opens what the streams of this round want to pass, and closes what has been passed.
void Loop::OpenFiles() {
  if (files_ == nullptr) return;
  do {
    for (net::UniqueFd& fd : passed_) files_->Close(std::move(fd));
    passed_.clear();
    {
      const storage::SlowOpens::Timer timer(&options_.tree->slow_opens());
      files_->Submit();
      round_took_ns_ = awaiting_files_.empty() ? 0 : timer.Elapsed();
    }
    for (const std::unique_ptr<Passing>& orphan : orphans_) {
      for (const Passing::Opening& opening : orphan->openings)
        net::UniqueFd unwanted(std::max(opening.result, -1));
    }
    orphans_.clear();
    std::vector<Stream*> streams;
    streams.swap(awaiting_files_);
    // What a stream does now ends none of the others: endings are told from inside Engine::Wait().
    for (Stream* stream : streams) stream->OnFilesOpened();
  } while (!awaiting_files_.empty() || !passed_.empty());
}

absl::StatusOr<storage::OpenedObject> Loop::TakeOpened(net::UniqueFd fd, absl::string_view uri) {
  absl::StatusOr<storage::OpenedObject> opened = directories_.Take(std::move(fd), uri);
  // Which of a slow round's it was cannot be told; most are of one file system.
  if (round_took_ns_ > 0 && opened.ok())
    options_.tree->slow_opens().Note(opened->info.device, round_took_ns_, /*sure=*/true);
  return opened;
}

void Loop::NotOpened(int directory) {
  if (round_took_ns_ == 0) return;
  options_.tree->slow_opens().Note(storage::SlowOpens::DeviceOf(directory), round_took_ns_,
                                   /*sure=*/true);
}

std::shared_ptr<const net::UniqueFd> Loop::CloseApart(net::UniqueFd fd) {
  return {new net::UniqueFd(std::move(fd)), [pool = options_.slow_pool](net::UniqueFd* owned) {
            pool->Run([owned] { delete owned; });
          }};
}

void Loop::Orphan(Stream* stream, std::unique_ptr<Passing> passing) {
  if (std::erase(awaiting_files_, stream) > 0) orphans_.push_back(std::move(passing));
}

void Loop::CloseFds(session::Message* message) {
  if (files_ == nullptr) {
    message->CloseFds();
  } else {
    message->ReleaseFds(&passed_);
  }
}

std::unique_ptr<Passing> Loop::NewPassing(Stream* stream) {
  std::unique_ptr<Passing> passing;
  if (spare_.empty()) {
    passing = std::make_unique<Passing>();
  } else {
    passing = std::move(spare_.back());
    spare_.pop_back();
  }
  passing->stream = stream;
  return passing;
}

void Loop::Recycle(std::unique_ptr<Passing> passing) {
  passing->message.Clear();
  passing->rest = {};
  passing->is_x = false;
  if (spare_.size() < kSpareMax) spare_.push_back(std::move(passing));
}

// ---- Objects ----

absl::StatusOr<copypath::ObjectRef> Loop::Lookup(absl::string_view uri) {
  // What was seen, or begun to be loaded, before this server last changed something is not
  // believed: whoever has been told of the change must see it.
  const uint64_t changes = options_.tree->changes();
  copypath::CachedObject* known = cache_.Find(uri);
  if (known != nullptr && known->state() == copypath::CachedObject::State::kLoading) {
    if (known->changes() == changes) return copypath::ObjectRef(known);
    cache_.Erase(known);
  } else if (known != nullptr) {
    if (now_ns_ - known->checked_ns() <= absl::ToInt64Nanoseconds(options_.cache_valid) &&
        known->changes() == changes) {
      counters_.cache_hits.Add();
      return copypath::ObjectRef(known);
    }
    const absl::StatusOr<storage::ObjectInfo> now_named =
        options_.tree->Stat(uri, storage::Wait::kCachedOnly);
    if (now_named.ok() && *now_named == known->info()) {
      known->set_checked_ns(now_ns_);
      known->set_changes(changes);
      counters_.cache_hits.Add();
      return copypath::ObjectRef(known);
    }
    cache_.Erase(known);
  }
  counters_.cache_misses.Add();
  copypath::ObjectRef object(new copypath::CachedObject(uri));
  object->set_changes(changes);
  object->set_closer(options_.pool);
  absl::StatusOr<storage::LoadedObject> loaded =
      storage::Load(*options_.tree, uri, storage::Wait::kCachedOnly, copied_bytes_max_);
  if (loaded.ok()) {
    object->Fill(*std::move(loaded), now_ns_);
    cache_.Insert(object.get());
    return object;
  }
  if (!absl::IsUnavailable(loaded.status())) return loaded.status();
  // The disk must be asked: elsewhere. Others that want the same object meanwhile wait for this
  // one.
  cache_.Insert(object.get());
  BeginLoading(object);
  return object;
}

void Loop::BeginLoading(const copypath::ObjectRef& object) {
  auto* loading = new Loading{object};
  loading_.insert(loading);
  // What waits for a disk must not wait behind what waits for somebody.
  const bool slowly = opens_slowly() || options_.tree->slow_opens().waits_elsewhere();
  copypath::BlockingPool* const pool = slowly ? options_.slow_pool : options_.pool;
  pool->Run([this, loading, uri = object->uri()] {
    const storage::SlowOpens::Elsewhere elsewhere(&options_.tree->slow_opens());
    loading->result =
        storage::Load(*options_.tree, uri, storage::Wait::kMayBlock, copied_bytes_max_);
    mailbox_.Put(loading);
  });
}

copypath::ObjectRef Loop::OpenApart(absl::string_view uri) {
  copypath::ObjectRef object(new copypath::CachedObject(uri));
  object->set_changes(options_.tree->changes());
  object->set_closer(options_.pool);
  object->set_apart();
  BeginLoading(object);
  return object;
}

void Loop::OnLoaded(Loading* loading) {
  copypath::ObjectRef object = loading->object;
  if (loading->result.ok()) {
    object->Fill(*std::move(loading->result), now_ns_);
    cache_.NoteFilled(object.get());
  } else {
    object->Fail(loading->result.status());
    cache_.Erase(object.get());  // the next request asks again
  }
  loading_.erase(loading);
  delete loading;
  TellWaiters(object.get());
}

copypath::CachedObject::Residency Loop::EnsureResident(copypath::CachedObject* object,
                                                       size_t index) {
  const copypath::CachedObject::Residency residency = object->ResidencyOf(index, now_ns_);
  if (residency != copypath::CachedObject::Residency::kUnknown) return residency;
  BringIn(object, index);
  return copypath::CachedObject::Residency::kComing;
}

void Loop::BringIn(copypath::CachedObject* object, size_t index) {
  if (object->ResidencyOf(index, now_ns_) == copypath::CachedObject::Residency::kComing) return;
  counters_.page_ins.Add();
  object->SetResidency(index, copypath::CachedObject::Residency::kComing, now_ns_);
  auto* window = new Window{copypath::ObjectRef(object), index};
  page_ins_.insert(window);
  const auto [begin, end] = object->Window(index);
  options_.pool->Run([this, window, fd = object->fd(), begin = begin, bytes = end - begin] {
    window->error = copypath::PageIn(fd, begin, bytes);
    mailbox_.Put(window);
  });
}

void Loop::OnPagedIn(Window* window) {
  counters_.page_ins_done.Add();
  copypath::ObjectRef object = window->object;
  if (window->error != 0) {
    object->set_read_error(
        net::ErrnoToStatus(window->error, absl::StrCat("read ", text::Quoted(object->uri()))));
    LOG_EVERY_T(WARNING, 1) << object->error().message();
    cache_.Erase(object.get());  // the next request asks the disk again
  }
  // Should the file have become shorter: sending finds out where it ends, and so does the check of
  // the last piece.
  object->SetResidency(window->index, copypath::CachedObject::Residency::kResident, now_ns_);
  page_ins_.erase(window);
  delete window;
  TellWaiters(object.get());
}

void Loop::TellWaiters(copypath::CachedObject* object) {
  std::vector<Stream*> waiters;
  waiters.swap(object->waiters());
  for (Stream* stream : waiters) stream->OnObjectChanged(object);
}

void Loop::RunTransfer(Stream* stream, copypath::Transfer* transfer) {
  ++transfers_;
  counters_.transfers.Add();
  options_.pool->Run([this, stream, transfer] {
    const copypath::Transfer::Outcome outcome = transfer->Run(*options_.pool);
    mailbox_.Put(TransferEnded{stream, outcome});
  });
}

void Loop::RunJob(Stream* stream, std::function<bool()> job,
                  copypath::BlockingPool::Length length) {
  // A scanner holds up who creates files, too.
  copypath::BlockingPool* const pool =
      length == copypath::BlockingPool::Length::kShort && opens_slowly() ? options_.slow_pool
                                                                         : options_.pool;
  pool->Run(
      [this, stream, job = std::move(job)]() mutable {
        if (job()) {
          mailbox_.Put(JobEnded{stream});
        } else {
          RunJob(stream, std::move(job), copypath::BlockingPool::Length::kLong);
        }
      },
      length);
}

void Loop::RunForeignJob(Stream* stream, std::function<void()> job) {
  options_.foreign_pool->Run([this, stream, job = std::move(job)] {
    job();
    mailbox_.Put(JobEnded{stream});
  });
}

void Loop::RunFetch(Stream* stream, std::function<void()> fetch) {
  options_.foreign_pool->Run([this, stream, fetch = std::move(fetch)] {
    fetch();
    mailbox_.Put(FetchEnded{stream});
  });
}

}  // namespace objmapper::loop
