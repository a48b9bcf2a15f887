// One event loop of the copypath: an engine, and the connections it owns. Its thread is
// loop_thread.h.
//
// Invariant: the thread never waits for a disk. What is not in the kernel's caches is opened and
// brought in by threads of a pool, and the connections that want it wait in the meantime
// (copypath/objects.h).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <variant>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "copypath/blocking_pool.h"
#include "copypath/body_sender.h"
#include "copypath/objects.h"
#include "copypath/pipe_pool.h"
#include "loop/connection.h"
#include "loop/deadlines.h"
#include "loop/engine.h"
#include "loop/files_to_pass.h"
#include "net/counter.h"
#include "net/serving_thread.h"
#include "session/lane.h"
#include "session/tally.h"
#include "storage/store/store.h"
#include "storage/tree/stat_cache.h"
#include "storage/tree/tree.h"

namespace objmapper::loop {

enum class EngineKind : uint8_t { kAuto, kUring, kEpoll };

// Of copypath::BodySender::Options `pipes` is the loop's own.
struct LoopOptions : copypath::BodySender::Options {
  const session::SessionLimits* limits = nullptr;
  const storage::Tree* tree = nullptr;
  storage::StatCache* index = nullptr;
  storage::Store* store = nullptr;  // for operations
  session::ConnectionCounters* connections = nullptr;
  session::TallyBoard* board = nullptr;  // null: its answers are counted for nobody
  session::Switchboard* switchboard = nullptr;
  copypath::BlockingPool* pool = nullptr;
  copypath::BlockingPool* foreign_pool = nullptr;  // for what waits for clients' files
  // for opens that are known to take long (storage/tree/slow_opens.h); all outlive the loop
  copypath::BlockingPool* slow_pool = nullptr;
  EngineKind engine = EngineKind::kAuto;
  size_t cache_entries = 1024;
  absl::Duration cache_valid = absl::Milliseconds(20);
  // TCP connections whose bodies are so long belong to loops of their own (CopyPathLane); 0: there
  // are none.
  uint64_t bulk_bytes_min = 0;
  // Whose requests are answered here: the copypath's, or all (nullopt).
  std::optional<session::LaneKind> lane = session::LaneKind::kCopyPath;
  // Whether the other lane's requests are answered here too, rather than by moving the connection:
  // descriptors, which are O(1).
  bool in_place = false;
};

// Written by the loop's thread alone.
struct alignas(64) LoopCounters {
  net::Counter transfers;       // handed to splice threads
  net::Counter transfers_done;  // and given back
};

// The loop's thread's, but for what says otherwise.
class Loop {
 public:
  // What others have for it: a connection, an object that has come, work that is done.
  using Letter = std::variant<std::unique_ptr<session::Session>, copypath::Objects::Work*,
                              std::function<void()>>;
  using Thread = net::ServingThread<Letter>;

  // thread: the one that it is for; load: of how many connections it is, which others may read.
  // Both outlive it.
  Loop(const LoopOptions& options, Thread* thread, std::atomic<size_t>* load);

  // ---- For its thread (loop_thread.h) ----

  // Makes the engine, which belongs to the thread that makes it. FAILED_PRECONDITION: the engine
  // asked for cannot be had.
  absl::Status Open();
  // Goes round until it is to stop.
  void Serve();
  void Close();

  // ---- Any thread ----

  const LoopCounters& counters() const { return counters_; }
  const copypath::Objects::Counters& object_counters() const { return objects_.counters(); }
  // "uring" or "epoll"; after Open().
  const char* engine_name() const { return engine_name_; }

  // ---- For its connections ----

  Engine& engine() { return *engine_; }
  const LoopOptions& options() const { return options_; }
  copypath::Objects* objects() { return &objects_; }
  FilesToPass* files() { return &files_; }
  Deadlines* deadlines() { return &deadlines_; }
  session::TallyLease* tally() { return &tally_; }
  session::Burst* burst() { return &burst_; }
  int64_t now_ns() const { return now_ns_; }
  bool draining() const { return thread_->phase() != net::ServingPhase::kServing; }

  // Runs `work` on a thread of `pool`, and then `done` on this one. When `work` says false it is
  // run again, behind what else is long in options().pool, until it says true.
  void Run(copypath::BlockingPool* pool, std::function<bool()> work, std::function<void()> done,
           copypath::BlockingPool::Length length = copypath::BlockingPool::Length::kShort);
  // The same for what waits for the disk.
  void RunOnDisk(std::function<bool()> work, std::function<void()> done, bool is_long);
  // The pool for what waits for the disk, as RunOnDisk() finds it.
  copypath::BlockingPool* DiskPool(bool is_long);
  // Runs `done` on this thread once somebody has called what this returns, on any thread.
  std::function<void()> Later(std::function<void()> done);
  // Runs a transfer on a splice thread, and then `done` on this one.
  void RunTransfer(copypath::Transfer* transfer,
                   std::function<void(copypath::Transfer::Outcome)> done);
  // Forgets and deletes the connection.
  void Remove(Connection* connection);

 private:
  void ReadMail();
  void Welcome(std::unique_ptr<session::Session> session);
  void Expire();
  int64_t TimeoutNs();

  Thread* const thread_;
  std::atomic<size_t>* const load_;
  copypath::PipePool pipes_;
  const LoopOptions options_;
  std::unique_ptr<Engine> engine_;
  const char* engine_name_ = "";
  copypath::Objects objects_;
  FilesToPass files_;
  Deadlines deadlines_;
  absl::flat_hash_set<Connection*> connections_;  // owned
  int64_t next_sweep_ns_ = 0;
  int64_t now_ns_ = 0;     // when the last events came
  int64_t looked_ns_ = 0;  // and when it was begun to look for them
  session::Burst burst_;
  LoopCounters counters_;
  session::TallyLease tally_;
};

}  // namespace objmapper::loop
