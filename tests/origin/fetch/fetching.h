// What tests of a fetcher share: a sink that keeps what it gets, and waiting for its end.
#pragma once

#include <glog/logging.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "net/mutex.h"
#include "origin/fetch/fetcher.h"
#include "origin/fetch/request.h"

namespace objmapper::origin::fetch {

class KeptSink final : public Sink {
 public:
  // Each may be set before the request begins. They are called on the origin thread.
  std::function<absl::Status(const Head&)> on_head;
  std::function<absl::Status(absl::Span<const char>)> on_bytes;
  std::function<void(const Outcome&)> on_done;

  absl::Status OnHead(const Head& head) override {
    heads.push_back(head);
    return on_head ? on_head(head) : absl::OkStatus();
  }
  absl::Status OnBytes(absl::Span<const char> piece) override {
    if (keeps) bytes.append(piece.data(), piece.size());
    return on_bytes ? on_bytes(piece) : absl::OkStatus();
  }
  void OnDone(const Outcome& its) override {
    if (on_done) on_done(its);
    net::MutexLock lock(&mutex_);
    outcome = its;
    ++dones;
    done_.notify_all();
  }

  // Until its end, which every request has. Then all below is the caller's.
  const Outcome& Wait() {
    mutex_.lock();
    while (dones == 0) done_.wait(mutex_);
    mutex_.unlock();
    return outcome;
  }

  bool keeps = true;  // the bytes
  std::vector<Head> heads;
  std::string bytes;
  Outcome outcome;
  int dones = 0;

 private:
  net::Mutex mutex_;
  std::condition_variable_any done_;
};

// Times that no good answer is late for, and no pauses between attempts.
inline Options PatientOptions() {
  Options options;
  options.timeouts.connect = absl::Seconds(60);
  options.timeouts.answer = absl::Seconds(60);
  options.timeouts.stall = {1, absl::Seconds(60)};
  return options;
}

// One that is started, and stopped with the test.
class RunningFetcher {
 public:
  explicit RunningFetcher(
      Options options = PatientOptions(), std::function<double()> random = [] { return 0.0; })
      : fetcher_(std::move(options), std::move(random)) {
    fetcher_.Start();
  }
  ~RunningFetcher() { fetcher_.Stop(); }
  Fetcher* operator->() { return &fetcher_; }

  // The request's end.
  std::shared_ptr<KeptSink> Run(Request request) {
    auto sink = std::make_shared<KeptSink>();
    const absl::StatusOr<uint64_t> id = fetcher_.Fetch(std::move(request), sink);
    CHECK(id.ok()) << id.status();
    sink->Wait();
    return sink;
  }

 private:
  Fetcher fetcher_;
};

// A GET of at most a MiB.
inline Request Get(std::string url) {
  Request request;
  request.url = std::move(url);
  request.body_bytes_max = 1 << 20;
  return request;
}

inline Request GetRange(std::string url, uint64_t first, uint64_t last) {
  Request request = Get(std::move(url));
  request.range = {first, last};
  return request;
}

// `n` bytes that say where they are.
inline std::string Bytes(size_t n) {
  std::string bytes(n, '\0');
  for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<char>((i * 31 + i / 251) & 0xff);
  return bytes;
}

}  // namespace objmapper::origin::fetch
