// One request, no second attempt and no redirection, and a thread that waits for its end.
#include "origin/flight/http_call.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "net/mutex.h"
#include "origin/fetch/gathering_sink.h"

namespace objmapper::origin {
namespace {

constexpr uint64_t kBodyBytesMax = 64 << 10;

class KeptAnswer : public fetch::GatheringSink {
 public:
  void OnDone(const fetch::Outcome& outcome) override {
    const net::MutexLock lock(&mutex_);
    outcome_ = outcome;
    done_ = true;
    changed_.notify_all();
  }

  // False: it has not ended by then.
  bool WaitUntil(absl::Time until) {
    const net::MutexLock lock(&mutex_);
    while (!done_) {
      const absl::Duration left = until - absl::Now();
      if (left <= absl::ZeroDuration()) return false;
      changed_.wait_for(mutex_, absl::ToChronoNanoseconds(std::min(left, absl::Seconds(1))));
    }
    return true;
  }
  // After its end.
  absl::StatusOr<HttpAnswer> Take() {
    const net::MutexLock lock(&mutex_);
    if (outcome_.status == 0) return absl::UnavailableError(outcome_.reason);
    const bool whole = outcome_.verdict == fetch::Verdict::kFound;
    if (outcome_.status / 100 == 2 && !whole) return absl::UnavailableError(outcome_.reason);
    return HttpAnswer{outcome_.status, whole ? std::move(body_) : std::string()};
  }

 private:
  net::Mutex mutex_;
  std::condition_variable_any changed_;
  fetch::Outcome outcome_ GUARDED_BY(mutex_);
  bool done_ GUARDED_BY(mutex_) = false;
};

}  // namespace

HttpCall CallBy(fetch::Fetcher* fetcher) {
  return [fetcher](const HttpRequest& wanted) -> absl::StatusOr<HttpAnswer> {
    fetch::Request request;
    request.method = wanted.method == "PUT"    ? fetch::Method::kPut
                     : wanted.method == "POST" ? fetch::Method::kPost
                                               : fetch::Method::kGet;
    request.url = wanted.url;
    fetch::Headers headers;
    for (const auto& [name, value] : wanted.fields) headers.push_back({name, value});
    request.prepare = [headers](const fetch::Attempt&) { return headers; };
    if (!wanted.body.empty()) request.body = fetch::BodyOf(wanted.body);
    request.body_bytes_max = kBodyBytesMax;
    request.through_proxy = !wanted.direct;
    request.attempts_max = 1;
    request.timeouts.emplace();
    request.timeouts->connect = wanted.timeout;
    request.timeouts->answer = wanted.timeout;
    const auto answer = std::make_shared<KeptAnswer>();
    const absl::StatusOr<uint64_t> id = fetcher->Fetch(std::move(request), answer);
    if (!id.ok()) return id.status();
    if (!answer->WaitUntil(absl::Now() + wanted.timeout)) {
      fetcher->Cancel(*id);
      answer->WaitUntil(absl::InfiniteFuture());
    }
    return answer->Take();
  };
}

}  // namespace objmapper::origin
