// One event loop of the copypath: a thread, an engine, the streams it owns, and their objects.
//
// The thread never waits for a disk: what is not in the kernel's caches is opened and brought in by
// the splice threads, and the streams that want it wait in the meantime.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "copypath/blocking_pool.h"
#include "copypath/object_cache.h"
#include "copypath/pipe_pool.h"
#include "loop/engine.h"
#include "loop/passing.h"
#include "loop/stream.h"
#include "net/counter.h"
#include "net/deadline_list.h"
#include "net/file_batch.h"
#include "net/mailbox.h"
#include "net/pulse.h"
#include "session/lane.h"
#include "session/tally.h"
#include "storage/store/store.h"
#include "storage/tree/directory_cache.h"
#include "storage/tree/stat_cache.h"
#include "storage/tree/tree.h"

namespace objmapper::loop {

enum class EngineKind : uint8_t { kAuto, kUring, kEpoll };

struct LoopOptions {
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
  // OP_SPLICE of smaller objects is answered as OP_COPY is: handing a small object to a splice
  // thread costs more than copying it.
  uint64_t splice_bytes_min = 64 * 1024;
  // false: bodies of OP_COPY that are not held in memory are moved by the splice threads too.
  bool async_copy = true;
  // Whether OP_SPLICE of what is in the page cache is moved on the loop's thread.
  bool splice_in_loop = true;
  // Longer parts of objects than this are moved inside the kernel (sendfile(2), splice(2)), on the
  // loop's thread; shorter ones are sent from memory, which is checked.
  uint64_t sendfile_bytes_min = 16 * 1024;
  // SO_SNDBUF of Unix sockets that large bodies are moved to; 0: as it comes.
  int unix_send_buffer_bytes = 0;
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
  net::Counter cache_hits;
  net::Counter cache_misses;
  net::Counter page_ins;       // windows that were not in the page cache
  net::Counter page_ins_done;  // and have come, or failed
};

class Loop {
 public:
  explicit Loop(const LoopOptions& options);
  ~Loop();

  // Starts the thread, which makes its engine. Fails when the engine asked for cannot be had.
  absl::Status Start(int number);
  void Adopt(std::unique_ptr<session::Session> session);  // any thread
  void Drain();                                           // any thread
  void Stop();                                            // once; joins the thread

  const LoopCounters& counters() const { return counters_; }
  // "uring" or "epoll"; after Start().
  const char* engine_name() const { return engine_name_; }
  size_t queue_depth() const { return mailbox_.size(); }
  // Any thread: as Lane's.
  void AskPulse() {
    pulse_.Ask();
    mailbox_.Wake();
  }
  bool HasPulse() const { return pulse_.answered(); }
  size_t load() const { return load_.load(std::memory_order_relaxed); }

  // ---- For the loop's streams, on its thread ----

  Engine& engine() { return *engine_; }
  const LoopOptions& options() const { return options_; }
  LoopCounters& counters() { return counters_; }
  session::TallyLease* tally() { return &tally_; }
  int64_t now_ns() const { return now_ns_; }
  bool draining() const { return seen_phase_ != Phase::kServing; }
  session::Burst* burst() { return &burst_; }
  copypath::PipePool* pipes() { return &pipes_; }

  // The object that `uri` means now: ready, or loading (then its waiters are told). Errors as
  // Tree::OpenObject().
  absl::StatusOr<copypath::ObjectRef> Lookup(absl::string_view uri);
  // The object is not what its name means any more: the next Lookup() asks the file system.
  void Forget(copypath::CachedObject* object) { cache_.Erase(object); }
  // Whether window `index` of a mapped object may be sent; begins to bring it in when not.
  copypath::CachedObject::Residency EnsureResident(copypath::CachedObject* object, size_t index);
  // Brings it in, whatever was known, unless it is on its way.
  void BringIn(copypath::CachedObject* object, size_t index);
  // A descriptor to pass. Errors as Tree::OpenObject(uri, wait).
  absl::StatusOr<storage::OpenedObject> OpenToPass(absl::string_view uri, storage::Wait wait) {
    return directories_.OpenObject(uri, now_ns_, wait);
  }
  // The object that `uri` means now, opened for one answer alone, where that may take long:
  // loading.
  copypath::ObjectRef OpenApart(absl::string_view uri);
  // Whether opening files takes long somewhere.
  bool opens_slowly() const { return options_.tree->slow_opens().any(); }
  // Whether files are opened together, once for each round of the loop: on rings, unless they are
  // to be looked at one by one.
  bool opens_together() const { return files_ != nullptr && !opens_slowly(); }
  // Queues the opening of answer.text, where that can be done so; Stream::OnFilesOpened() tells,
  // after AwaitFiles().
  void BeginOpen(Passing::Opening* opening);
  void AwaitFiles(Stream* stream) { awaiting_files_.push_back(stream); }
  // The stream goes before it was told.
  void Orphan(Stream* stream, std::unique_ptr<Passing> passing);
  absl::StatusOr<storage::OpenedObject> TakeOpened(net::UniqueFd fd, absl::string_view uri);
  // What was to be opened in `directory` could not be.
  void NotOpened(int directory);
  // Closes elsewhere what was opened there: that may take as long.
  std::shared_ptr<const net::UniqueFd> CloseApart(net::UniqueFd fd);
  // Closes what has been passed, at the end of the round at the latest.
  void CloseFds(session::Message* message);
  std::unique_ptr<Passing> NewPassing(Stream* stream);
  void Recycle(std::unique_ptr<Passing> passing);
  // Calls stream->OnRetry() in a moment, unless the stream goes before.
  void RetrySoon(Passing* passing) { retries_.Start(passing, now_ns_); }
  void StopRetry(Passing* passing) { retries_.Stop(passing); }
  // Runs the stream's transfer on a splice thread; Stream::OnTransferEnded() tells.
  void RunTransfer(Stream* stream, copypath::Transfer* transfer);
  // Runs `job` of the stream's operation on a thread of the pool, again and again until it says
  // true: each time it says false it goes behind what else is long there.
  // Stream::OnOperationJobEnded() tells. length: of the first time.
  void RunJob(Stream* stream, std::function<bool()> job, copypath::BlockingPool::Length length);
  // The same, once, on a thread for what waits for clients' files.
  void RunForeignJob(Stream* stream, std::function<void()> job);
  // The same, but Stream::OnFetched() tells.
  void RunFetch(Stream* stream, std::function<void()> fetch);
  void StartDeadline(Stream* stream, bool idle);
  void StopDeadline(Stream* stream);
  // For Stream::OnDeadline(): its time once more. False: it has had that already.
  bool ExcuseDeadline(Stream* stream, bool idle) {
    return (idle ? idle_ : busy_).Excuse(stream, now_ns_);
  }
  bool IsBusy(Stream* stream) const { return busy_.Has(stream); }
  // Forgets and deletes the stream.
  void Remove(Stream* stream);

 private:
  enum class Phase : int { kServing, kDraining, kStopping };
  struct Loading {
    copypath::ObjectRef object;
    absl::StatusOr<storage::LoadedObject> result = absl::UnknownError("not yet loaded");
  };
  struct TransferEnded {
    Stream* stream;
    copypath::Transfer::Outcome outcome;
  };
  struct JobEnded {
    Stream* stream;
  };
  struct FetchEnded {
    Stream* stream;
  };
  struct Window;
  using Letter = std::variant<std::unique_ptr<session::Session>, Loading*, Window*, TransferEnded,
                              JobEnded, FetchEnded>;
  using Deadlines = net::DeadlineList<Stream, &Stream::deadline>;
  using Retries = net::DeadlineList<Passing, &Passing::retry>;

  absl::Status MakeEngine();
  void BeginLoading(const copypath::ObjectRef& object);
  void Run();
  void ReadMail();
  void Welcome(std::unique_ptr<session::Session> session);
  void OnLoaded(Loading* loading);
  void OnPagedIn(Window* window);
  void TellWaiters(copypath::CachedObject* object);
  void OpenFiles();
  void Expire();
  int64_t TimeoutNs();

  const LoopOptions options_;
  net::Mailbox<Letter> mailbox_;
  net::Pulse pulse_;
  std::unique_ptr<Engine> engine_;
  const char* engine_name_ = "";
  copypath::PipePool pipes_;
  const size_t copied_bytes_max_;
  copypath::ObjectCache cache_;
  absl::flat_hash_set<Stream*> streams_;   // owned
  absl::flat_hash_set<Loading*> loading_;  // owned; in the pool's hands
  absl::flat_hash_set<Window*> page_ins_;  // owned; in the pool's hands
  int transfers_ = 0;                      // in the pool's hands
  Deadlines idle_;
  Deadlines busy_;
  Retries retries_;
  int64_t next_sweep_ns_ = 0;
  storage::DirectoryCache directories_;    // for descriptors
  std::unique_ptr<net::FileBatch> files_;  // null: each is opened by itself
  int64_t round_took_ns_ = 0;              // the opens of this round, if that is to be noted
  std::vector<Stream*> awaiting_files_;
  // of streams that have gone, while files_ knows of them
  std::vector<std::unique_ptr<Passing>> orphans_;
  std::vector<net::UniqueFd> passed_;
  std::vector<std::unique_ptr<Passing>> spare_;
  int64_t now_ns_ = 0;     // when the last events came
  int64_t looked_ns_ = 0;  // and when it was begun to look for them
  session::Burst burst_;
  LoopCounters counters_;
  session::TallyLease tally_;
  std::atomic<size_t> load_{0};
  std::atomic<Phase> phase_{Phase::kServing};
  Phase seen_phase_ = Phase::kServing;
  std::thread thread_;
};

}  // namespace objmapper::loop
