// The round of a loop: wait, take the mail, see whose time is up, and what phase it is.
#include "loop/loop.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "loop/epoll_engine.h"
#include "loop/uring_engine.h"
#include "net/clock.h"
#include "net/errno_status.h"
#include "storage/tree/load.h"

namespace objmapper::loop {
namespace {

using net::ServingPhase;

// How long the disk and the splice threads have to give back what they have, once it is to stop.
constexpr int64_t kStopNs = 5'000'000'000;
// How often objects without a name are looked for. Until then their bytes take room on the disk or
// in memory.
constexpr int64_t kSweepEveryNs = 5'000'000'000;

// Whose loop it is, for the metrics.
const char* LaneName(const std::optional<session::LaneKind>& lane) {
  return lane.has_value() ? "copypath" : "model";
}

// The largest object that a loop keeps a copy of. What goes inside the kernel, or to a splice
// thread, is not copied.
size_t CopiedBytesMax(const copypath::BodySender::Options& body) {
  if (!body.async_copy) return storage::kSnapshotBytesMax;
  const uint64_t moved = std::min(body.sendfile_bytes_min, body.splice_bytes_min);
  return std::clamp<uint64_t>(moved, storage::kSnapshotBytesMax + 1, copypath::kPartBytesMax + 1) -
         1;
}

LoopOptions With(LoopOptions options, copypath::PipePool* pipes) {
  options.pipes = pipes;
  return options;
}

}  // namespace

Loop::Loop(const LoopOptions& options, Thread* thread, std::atomic<size_t>* load)
    : thread_(thread),
      load_(load),
      options_(With(options, &pipes_)),
      objects_({options.tree, options.pool, options.slow_pool, options.cache_entries,
                options.cache_valid, CopiedBytesMax(options)},
               [thread](copypath::Objects::Work* work) { thread->Put(work); }),
      files_(options.tree, options.cache_valid, options.slow_pool),
      deadlines_(options.limits->idle_timeout, options.limits->request_timeout),
      tally_(options.board, LaneName(options.lane)) {}

absl::Status Loop::Open() {
  if (options_.engine != EngineKind::kEpoll) {
    absl::StatusOr<std::unique_ptr<UringEngine>> uring = UringEngine::Create(thread_->event_fd());
    if (uring.ok()) {
      engine_ = *std::move(uring);
      engine_name_ = engine_->name();
      absl::StatusOr<std::unique_ptr<net::FileBatch>> files = net::FileBatch::Create();
      if (files.ok()) {
        files_.SetBatch(*std::move(files));
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
      thread_->event_fd(),
      [pool = options_.pool](std::function<void()> work) { pool->Run(std::move(work)); });
  engine_name_ = engine_->name();
  return absl::OkStatus();
}

void Loop::Close() {
  engine_.reset();
  files_.SetBatch(nullptr);
}

void Loop::Serve() {
  int64_t stop_by_ns = net::kNever;
  while (true) {
    files_.OpenFiles();  // whatever asked for them: nothing is left to do when the loop sleeps
    if (now_ns_ != 0) tally_->Worked(session::CountingNowNs() - now_ns_);
    if (engine_->Wait(TimeoutNs(), &now_ns_)) ReadMail();
    Expire();
    const ServingPhase asked = thread_->Beat();
    if (asked == ServingPhase::kServing) continue;
    if (asked != thread_->phase()) {
      // What has arrived already is still answered.
      if (asked == ServingPhase::kDraining) engine_->Wait(0, &now_ns_);
      thread_->Enter(asked);
      stop_by_ns = now_ns_ + kStopNs;
      const std::vector<Connection*> connections(connections_.begin(), connections_.end());
      for (Connection* connection : connections) {
        if (asked == ServingPhase::kDraining) {
          connection->Drain();
        } else {
          connection->Abort();
        }
      }
    }
    if (asked == ServingPhase::kDraining) continue;
    if (connections_.empty() && !objects_.working()) return;
    if (now_ns_ > stop_by_ns) {
      // A disk that does not answer. The process is about to end; what it holds is not freed.
      LOG(ERROR) << "stopped with " << connections_.size() << " connections waiting for the disk";
      return;
    }
  }
}

// Also notes when the loop begins to look at what has come; not where nobody is waited for.
int64_t Loop::TimeoutNs() {
  if (thread_->phase() == ServingPhase::kStopping) return 10'000'000;
  const int64_t sweep_ns = objects_.empty() ? net::kNever : next_sweep_ns_;
  const int64_t next_ns = std::min({deadlines_.NextExpiryNs(), files_.NextRetryNs(), sweep_ns});
  if (next_ns == net::kNever) return -1;
  looked_ns_ = net::NowNs();
  return std::max<int64_t>(next_ns - looked_ns_, 0);
}

void Loop::ReadMail() {
  for (Letter& letter : thread_->TakeAll()) {
    if (auto* session = std::get_if<std::unique_ptr<session::Session>>(&letter)) {
      Welcome(std::move(*session));
    } else if (auto* work = std::get_if<copypath::Objects::Work*>(&letter)) {
      objects_.Done(*work, now_ns_);
    } else {
      std::get<std::function<void()>>(letter)();
    }
  }
}

void Loop::Welcome(std::unique_ptr<session::Session> session) {
  if (thread_->phase() == ServingPhase::kStopping) {
    load_->fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  session->lane.store(LaneName(options_.lane), std::memory_order_relaxed);
  tally_->TookUp(now_ns_ - session->handed_ns);
  auto connection = std::make_unique<Connection>(std::move(session), this);
  if (const int error = engine_->Attach(connection.get()); error != 0) {
    LOG(WARNING) << "a connection is closed: " << net::ErrnoToStatus(error, "epoll_ctl").message();
    load_->fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  Connection* const added = connection.release();
  connections_.insert(added);
  added->Start();
}

void Loop::Remove(Connection* connection) {
  deadlines_.Stop(connection);
  connections_.erase(connection);
  load_->fetch_sub(1, std::memory_order_relaxed);
  delete connection;
}

void Loop::Expire() {
  files_.Retry(now_ns_);
  deadlines_.Expire(looked_ns_);
  if (now_ns_ >= next_sweep_ns_) {
    objects_.DropNameless();
    next_sweep_ns_ = now_ns_ + kSweepEveryNs;
  }
}

// ---- Threads of pools ----

void Loop::Run(copypath::BlockingPool* pool, std::function<bool()> work, std::function<void()> done,
               copypath::BlockingPool::Length length) {
  pool->Run(
      [this, work = std::move(work), done = std::move(done)]() mutable {
        if (work()) {
          thread_->Put(std::move(done));
        } else {
          Run(options_.pool, std::move(work), std::move(done),
              copypath::BlockingPool::Length::kLong);
        }
      },
      length);
}

void Loop::RunOnDisk(std::function<bool()> work, std::function<void()> done, bool is_long) {
  Run(DiskPool(is_long), std::move(work), std::move(done),
      is_long ? copypath::BlockingPool::Length::kLong : copypath::BlockingPool::Length::kShort);
}

copypath::BlockingPool* Loop::DiskPool(bool is_long) {
  // A scanner holds up those that create files, too.
  return !is_long && files_.opens_slowly() ? options_.slow_pool : options_.pool;
}

std::function<void()> Loop::Later(std::function<void()> done) {
  return [this, done = std::move(done)]() mutable { thread_->Put(std::move(done)); };
}

void Loop::RunTransfer(copypath::Transfer* transfer,
                       std::function<void(copypath::Transfer::Outcome)> done) {
  counters_.transfers.Add();
  options_.pool->Run([this, transfer, done = std::move(done)] {
    const copypath::Transfer::Outcome outcome = transfer->Run(*options_.pool);
    thread_->Put([this, outcome, done] {
      counters_.transfers_done.Add();
      done(outcome);
    });
  });
}

}  // namespace objmapper::loop
