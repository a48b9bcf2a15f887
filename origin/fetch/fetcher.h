// The thread that speaks HTTP to origins, by libcurl: all requests of a process, a bounded number
// at once.
//
//   fetch::Fetcher fetcher(options);
//   fetcher.Start();
//   fetch::Request request;
//   request.url = "http://127.0.0.1:9000/bucket/models/a.bin";
//   request.range = {0, 8 * MiB - 1};
//   request.body_bytes_max = 8 * MiB;
//   request.prepare = [signer](const fetch::Attempt& attempt) { return signer->Sign(attempt.url);
//   }; absl::StatusOr<uint64_t> id = fetcher.Fetch(std::move(request), sink);   // any thread
//   ...                                               // the sink gets head, bytes, and the Outcome
//   fetcher.Stop();
//
// HTTP/1.1 only. What a request is, what its sink gets and what an Outcome says is in
// origin/fetch/request.h; limits and times are in origin/fetch/options.h.
//
// **What is checked.** A sink gets bytes of one version (If-Match and the answer's ETag), of the
// range that was asked for (Content-Range, Content-Length), and not more than it said. An answer
// that is anything else is refused before its first byte is handed over, or cut off at the first
// one that is too many. Checksums are the sink's. No encoding is asked for, and none is undone.
//
// **What is tried again** (origin/fetch/retry.h says when): no connection, a connection that breaks
// or stalls, 408, 429, 500, 502, 503, 504, RequestTimeout, SlowDown and its like. Not: other 4xx,
// certificates that are not trusted, an answer that is no HTTP or does not belong to the request.
// ExpiredToken once, after Request::refresh. While a request waits for its next attempt it keeps no
// connection and no place from others.
//
// A body that breaks off is gone on with by the fetcher itself, behind its last byte, by a range
// and If-Match, if the origin has given a strong ETag: the sink sees one body. That counts as a
// retry. Without such an ETag the request ends, and what to do with the bytes that came is the
// sink's decision. A new *version* is the sink's affair too: the request then ends with
// kPreconditionFailed (or kNotFound), and may have brought bytes of the old one before.
//
// A GET, HEAD, PUT or DELETE on a connection that has been used before, and turns out to be dead
// before the answer's first byte, is sent again on another one by libcurl, at once and uncounted.
//
// **No time limit for the whole.** Connecting, the wait for a head, and each period of a body are
// limited (Timeouts), so a request ends unless bytes keep coming.
//
// **Redirects** are the caller's decision (Request::redirected), within limits that it cannot lift:
// a number of them, never from https to http, and credentials only to the origin that the caller
// says is the same.
//
// **What is shown.** A reason has method, URL without its query, and the origin's own error; never
// a header, and no userinfo. Nothing is logged for a request.
//
// **Sockets.** No signals: SIGPIPE is blocked in the thread. Names are resolved by threads of
// libcurl's, one for each name that is being resolved; one that hangs is left behind when its
// request has waited long enough, and ends by itself.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/status/statusor.h"
#include "net/epoll.h"
#include "net/mutex.h"
#include "net/serving_thread.h"
#include "origin/fetch/admission.h"
#include "origin/fetch/multi.h"
#include "origin/fetch/options.h"
#include "origin/fetch/request.h"
#include "origin/fetch/retry.h"
#include "origin/fetch/transfer.h"

namespace objmapper::origin::fetch {

class Fetcher {
 public:
  // random: for delays, uniform in [0, 1), called on the origin thread; none: a generator of its
  // own.
  explicit Fetcher(Options options, std::function<double()> random = nullptr);
  // After Stop(), if it was started.
  ~Fetcher();

  void Start();

  // ---- Any thread, from Start() on; none of them waits ----

  // Asks for it, and returns a number for Cancel(), never 0. The sink is kept until its OnDone()
  // has returned. Errors, after which the sink is not called:
  //   INVALID_ARGUMENT    no http or https URL, or one with userinfo; a range that ends before it
  //                       begins; an ETag that is none
  //   RESOURCE_EXHAUSTED  Options::waiting_max wait already
  //   UNAVAILABLE         after Stop()
  absl::StatusOr<uint64_t> Fetch(Request request, std::shared_ptr<Sink> sink);

  // The request ends with Verdict::kCancelled, soon, unless it ends otherwise before. No effect on
  // one that has ended.
  void Cancel(uint64_t id);

  // Those that have a connection, or get one now; those that wait for room, for their next attempt
  // or for credentials.
  size_t running() const { return running_.load(std::memory_order_relaxed); }
  size_t waiting() const;

  // As session::Lane has it.
  void AskPulse() { thread_.AskPulse(); }
  bool HasPulse() const { return thread_.HasPulse(); }

  // Ends all requests with Verdict::kCancelled, and the thread. Waits for both. Not from a sink.
  void Stop();

 private:
  enum class State : uint8_t { kQueued, kRunning, kDelayed, kRefreshing };
  struct Entry {
    std::unique_ptr<Transfer> transfer;
    State state = State::kQueued;
    int64_t due_ns = 0;  // of kDelayed, and kRefreshing's end
  };
  struct Letter {
    enum class Kind : uint8_t { kFetch, kCancel, kRefreshed };
    Kind kind = Kind::kFetch;
    uint64_t id = 0;
    std::unique_ptr<Transfer> transfer;
  };
  // What outlives the fetcher: callers may report fresh credentials at any time.
  struct Door {
    net::Mutex mutex;
    Fetcher* fetcher GUARDED_BY(mutex) = nullptr;  // while it takes letters
  };

  void Run();
  int64_t NextNs() const;
  void TakeMail();
  void Cancel(Entry* entry, const Judgement& why);
  void EndEnded();
  void EndLate(int64_t looked_ns);
  void WakeDue(int64_t now_ns);
  void Admit();
  void CloseUnused(int64_t looked_ns);

  // Takes it out of where it is; then it is nowhere, and follows its step.
  void TakeOut(Entry* entry);
  void Follow(Entry* entry, const Transfer::Step& step);
  void Queue(Entry* entry);
  void SetDue(Entry* entry, State state, absl::Duration after);
  void Refresh(Entry* entry);

  const Options options_;
  const std::shared_ptr<Door> door_ = std::make_shared<Door>();
  std::atomic<uint64_t> last_id_{0};
  std::atomic<size_t> unfinished_{0}, running_{0};

  // The thread's.
  std::mt19937_64 generator_;
  RetryPolicy policy_;
  Admission admission_;
  net::Epoll epoll_;
  Multi multi_;
  std::unordered_map<uint64_t, Entry> entries_;
  std::set<std::pair<int64_t, uint64_t>> due_;  // when, and whose
  std::set<Entry*> in_multi_;
  // When the last one left it, while its connection may still be open; 0: none is.
  int64_t unused_since_ns_ = 0;

  net::ServingThread<Letter> thread_;
};

}  // namespace objmapper::origin::fetch
