// Counts, and the lines of the log about requests that were slow.
#include "origin/flight/account.h"

#include <glog/logging.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/clock.h"

namespace objmapper::origin {
namespace {

// An origin that is slow is so for each request: a line a second tells that as well.
constexpr int64_t kLogEveryNs = 1'000'000'000;

// "2 attempts (server_error)"; empty: it was one.
std::string Tries(const fetch::Outcome& outcome) {
  if (outcome.attempts <= 1) return "";
  std::string causes;
  for (const fetch::Cause cause : outcome.retried)
    absl::StrAppend(&causes, causes.empty() ? " (" : ", ", fetch::CauseName(cause));
  return absl::StrCat(", ", outcome.attempts, " attempts", causes, causes.empty() ? "" : ")");
}

}  // namespace

void Account::Delays::Add(absl::Duration delay) {
  size_t i = 0;
  while (i < kBounds && delay > Bound(i)) ++i;
  ++counts[i];
  sum_s += absl::ToDoubleSeconds(delay);
}

uint64_t Account::Delays::count() const {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

absl::Duration Account::Delays::Quantile(double part) const {
  const uint64_t all = count();
  if (all == 0) return absl::ZeroDuration();
  uint64_t below = 0;
  for (size_t i = 0; i < kBounds; ++i) {
    below += counts[i];
    if (static_cast<double>(below) >= part * static_cast<double>(all)) return Bound(i);
  }
  return absl::InfiniteDuration();
}

uint64_t Account::Counts::hits() const {
  const uint64_t others = nothing + part + whole + held_off + known_absent;
  return lookups - std::min(lookups, others);
}

// Hands on what comes, and looks at the end alone.
class Account::Watcher : public fetch::Sink {
 public:
  Watcher(std::shared_ptr<Account> account, std::shared_ptr<fetch::Sink> sink, std::string what)
      : account_(std::move(account)), sink_(std::move(sink)), what_(std::move(what)) {}

  absl::Status OnHead(const fetch::Head& head) override { return sink_->OnHead(head); }
  absl::Status OnBytes(absl::Span<const char> bytes) override { return sink_->OnBytes(bytes); }
  void OnDone(const fetch::Outcome& outcome) override {
    account_->Note(outcome, what_);
    sink_->OnDone(outcome);
  }

 private:
  const std::shared_ptr<Account> account_;
  const std::shared_ptr<fetch::Sink> sink_;
  const std::string what_;
};

std::shared_ptr<fetch::Sink> Account::Watching(std::shared_ptr<fetch::Sink> sink,
                                               std::string what) {
  return std::make_shared<Watcher>(shared_from_this(), std::move(sink), std::move(what));
}

void Account::Note(const fetch::Outcome& outcome, const std::string& what) {
  const absl::Duration delay = outcome.answer;
  const int64_t now_ns = net::NowNs();
  uint64_t others = 0;
  {
    const net::MutexLock lock(&mutex_);
    counts_.attempts += static_cast<uint64_t>(std::max(outcome.attempts, 0));
    for (const fetch::Cause cause : outcome.retried) ++counts_.retries[static_cast<size_t>(cause)];
    // One that was cancelled here says nothing of the origin.
    if (outcome.attempts == 0 ||
        (outcome.verdict == fetch::Verdict::kCancelled && outcome.status == 0))
      return;
    counts_.delays.Add(delay);
    if (slow_ <= absl::ZeroDuration() || delay < slow_) return;
    if (logged_ns_ != 0 && now_ns - logged_ns_ < kLogEveryNs) {
      ++unlogged_;
      return;
    }
    logged_ns_ = now_ns;
    others = std::exchange(unlogged_, 0);
  }
  LOG(WARNING) << "slow origin " << name_ << ": " << what << ": "
               << (outcome.status == 0 ? "it ended without an answer" : "its answer began")
               << " after " << absl::FormatDuration(absl::Trunc(delay, absl::Milliseconds(1)))
               << "; " << outcome.bytes << " bytes in "
               << absl::FormatDuration(absl::Trunc(outcome.total, absl::Milliseconds(1)))
               << Tries(outcome)
               << (others == 0 ? "" : absl::StrCat("; ", others, " more since the last such line"));
}

void Account::Ended(const absl::Status& status, bool fetched, absl::Time now) {
  const net::MutexLock lock(&mutex_);
  if (status.ok() || absl::IsNotFound(status)) {
    if (absl::IsNotFound(status)) {
      ++counts_.absent;
    } else if (fetched) {
      ++counts_.brought;
    }
    counts_.over = true;
    return;
  }
  ++counts_.failed;
  counts_.trouble = std::string(status.message());
  counts_.trouble_at = now;
  counts_.over = false;
}

Account::Counts Account::Read() const {
  Counts counts;
  {
    const net::MutexLock lock(&mutex_);
    counts = counts_;
  }
  // After the others: who waits has been counted among the lookups before.
  for (const Lookups& shard : lookups_) counts.lookups += shard.count.get();
  return counts;
}

}  // namespace objmapper::origin
