// One request, over all its attempts: where it goes on, what is checked of each answer, what is
// tried again.
//
//   transfer.Begin()       nullopt: exchange() is to be run;  or what follows at once
//   transfer.End(code)     libcurl has ended the exchange (and no longer has the handle)
//   transfer.EndLate(...)  it took too long (likewise)
//
// each say what follows. The sink is called from inside these and from libcurl's callbacks. One
// thread.
//
// Invariant: what the sink was given is the first `delivered_` bytes of one version of what was
// asked for, whose ETag is `etag_` if it has a strong one.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "origin/fetch/exchange.h"
#include "origin/fetch/judge.h"
#include "origin/fetch/options.h"
#include "origin/fetch/request.h"
#include "origin/fetch/response.h"
#include "origin/fetch/retry.h"

namespace objmapper::origin::fetch {

class Transfer final : public Receiver {
 public:
  struct Step {
    enum class Kind : uint8_t {
      kDone,     // the sink knows; nothing follows
      kAgain,    // Begin(), when origin() has room
      kLater,    // the same, in `delay`
      kRefresh,  // request().refresh, then Begin()
    };
    Kind kind = Kind::kDone;
    absl::Duration delay;
  };

  // INVALID_ARGUMENT: the request can't be sent; the message says why. Any thread.
  static absl::StatusOr<std::unique_ptr<Transfer>> Make(uint64_t id, Request request,
                                                        std::shared_ptr<Sink> sink,
                                                        const Options* options);

  uint64_t id() const { return id_; }
  const Request& request() const { return request_; }
  // Of the next attempt, or the one that runs: scheme, host and port.
  const std::string& origin() const { return origin_; }
  // The attempt that runs; nullptr: none.
  Exchange* exchange() const { return exchange_.get(); }

  std::optional<Step> Begin(RetryPolicy* policy);
  Step End(CURLcode code, RetryPolicy* policy);
  Step EndLate(Cause cause, std::string why, RetryPolicy* policy);
  // The end, for a reason of ours. No exchange runs in a libcurl handle that is still used.
  void Abandon(const Judgement& judgement);

  // Receiver:
  absl::Status TakeHead(const HeadReader& reader) override;
  absl::Status TakeBytes(absl::Span<const char> bytes) override;

 private:
  Transfer(uint64_t id, Request request, std::shared_ptr<Sink> sink, const Options* options,
           std::string origin);

  bool Reads() const { return request_.method == Method::kGet; }
  // The attempt has ended, with outcome_.status: whether it may have changed something.
  void NoteDeed();
  // Whether the next attempt goes on behind what has been delivered.
  bool GoesOn() const;
  // All that was announced has been delivered.
  bool Complete() const { return shown_ && expected_ == delivered_; }
  absl::StatusOr<Headers> MakeHeaders();
  bool CarriesCredentials(const std::string& name) const;

  absl::Status CheckVersion(const Head& head);
  absl::Status CheckRange(const HeadReader& reader);
  // The attempt's end, as this side sees it.
  absl::Status Refuse(Verdict verdict, Cause cause, std::string why);

  Judgement Judge(CURLcode code, const ErrorDocument& error);
  // nullopt: the answer is no redirect. kAgain: it is followed. kDone: it isn't, and *judgement
  // says why.
  std::optional<Step> Follow(const ErrorDocument& error, Judgement* judgement);
  Step Decide(const Judgement& judgement, RetryPolicy* policy);
  Step Finish(const Judgement& judgement, const std::string& why);

  const uint64_t id_;
  const Request request_;
  const std::shared_ptr<Sink> sink_;
  const Options& options_;
  const int64_t started_ns_;

  std::string url_;                // of the next attempt, or the one that runs
  std::string retry_url_;          // of what is tried again: behind permanent redirects alone
  std::string origin_;             // of url_
  std::set<std::string> trusted_;  // the origins that credentials are for
  int redirects_ = 0;
  bool refreshed_ = false;
  RetryState retry_;
  Outcome outcome_;

  // The attempt that runs.
  int64_t began_ns_ = 0;
  std::unique_ptr<Exchange> exchange_;
  std::optional<uint64_t> from_, to_;   // the range that it asks for; to_ nullopt: to the end
  uint64_t skip_ = 0;                   // bytes of its body that have been delivered already
  std::optional<Judgement> judgement_;  // by Refuse()

  // What the sink has.
  bool shown_ = false;  // a head
  bool whole_ = false;  // of an answer of 200
  std::string etag_;
  uint64_t first_ = 0;                    // where the body begins in the object
  std::optional<uint64_t> expected_;      // bytes of the body
  std::optional<uint64_t> object_bytes_;  // of the object
  uint64_t delivered_ = 0;                // bytes of the body
};

}  // namespace objmapper::origin::fetch
