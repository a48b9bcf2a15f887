// One look at a time, without the lock; who has good keys does not wait for it.
#include "origin/credentials/provider.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace objmapper::origin {
namespace {

constexpr absl::Duration kRefreshBefore = absl::Minutes(15);
// At most this much of it earlier.
constexpr double kJitter = 0.2;
// Between two looks at the files' times, and at what was refused.
constexpr absl::Duration kFilesEvery = absl::Seconds(2);
constexpr absl::Duration kRefusedEvery = absl::Seconds(5);
// Between attempts that fail: doubled from the first to the second.
constexpr absl::Duration kRetryMin = absl::Seconds(1);
constexpr absl::Duration kRetryMax = absl::Minutes(1);
// While requests are anonymous, an instance may be given a role.
constexpr absl::Duration kAnonymousFor = absl::Minutes(5);

// In [0, 1).
double Random() {
  thread_local std::minstd_rand generator(std::random_device{}());
  return std::uniform_real_distribution<double>()(generator);
}

}  // namespace

Provider::Provider(Options options)
    : options_(std::move(options)), random_(options_.random != nullptr ? options_.random : Random) {
  CHECK(options_.chain.http != nullptr);
}

Provider::Stamps Provider::LookAtFiles() const {
  const ProfilePaths paths = PathsOf(options_.chain.environment);
  const auto stamp = [](const std::string& path) -> Stamp {
    struct stat status;
    // What cannot be looked at is as good as not there.
    if (path.empty() || stat(path.c_str(), &status) != 0) return {};
    return {int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec,
            static_cast<int64_t>(status.st_ino), int64_t{status.st_size},
            static_cast<int64_t>(status.st_ctim.tv_sec) * 1'000'000'000 + status.st_ctim.tv_nsec};
  };
  return {stamp(paths.config), stamp(paths.credentials)};
}

bool Provider::IsGood(absl::Time now) const { return kept_ != nullptr && now < kept_->expires; }

bool Provider::IsDue(absl::Time now) const {
  // Once looking fails, refresh_at_ says when it is tried again.
  return now >= refresh_at_ || (refused_ && failures_ == 0 && now >= looked_at_ + kRefusedEvery);
}

absl::Time Provider::RefreshAt(absl::Time expires, absl::Time now) const {
  if (expires == absl::InfiniteFuture()) return expires;
  const absl::Duration before = std::min(kRefreshBefore, (expires - now) / 2);
  return expires - before * (1 + kJitter * random_());
}

void Provider::Note(absl::StatusOr<std::optional<Credentials>> found, const Stamps& stamps,
                    absl::Time now) {
  stamps_ = stamps;
  looked_at_ = now;
  // Where keys have been, there being none is a fault, and no reason to go on without.
  const bool had_keys = kept_ != nullptr && !kept_->keys.empty();
  if (found.ok() && !found->has_value()) {
    if (options_.anonymous && !had_keys) {
      found = Credentials{{}, absl::InfiniteFuture(), "nowhere: requests are anonymous"};
    } else {
      found = absl::UnavailableError(
          "there are no keys: neither in AWS_ACCESS_KEY_ID nor as a web identity, neither in a "
          "profile nor from a container's agent or an instance's metadata service");
    }
  }
  if (found.ok()) {
    kept_ = std::make_shared<const Credentials>(**std::move(found));
    refused_ = false;
    error_ = absl::OkStatus();
    failures_ = 0;
    refresh_at_ = kept_->keys.empty() ? now + kAnonymousFor : RefreshAt(kept_->expires, now);
    return;
  }
  // To an object's reader it is one trouble, whatever is missing here.
  error_ = absl::UnavailableError(found.status().message());
  const absl::Duration pause =
      std::min(kRetryMin * std::exp2(std::min(failures_++, 10)), kRetryMax);
  refresh_at_ = now + pause * (0.5 + random_() / 2);
}

absl::StatusOr<std::shared_ptr<const Credentials>> Provider::Get() {
  while (true) {
    bool look_at_files = false;
    {
      const net::MutexLock lock(&mutex_);
      const absl::Time now = options_.chain.now();
      if (looking_) {
        if (IsGood(now) && !refused_) return kept_;
        while (looking_) looked_.wait(mutex_);
        if (IsGood(options_.chain.now())) return kept_;
        return error_.ok() ? absl::UnavailableError("the keys have expired") : error_;
      }
      look_at_files = now >= files_at_;
      if (look_at_files) files_at_ = now + kFilesEvery;
      if (!look_at_files && !IsDue(now)) {
        if (IsGood(now)) return kept_;
        return error_.ok() ? absl::UnavailableError("the keys have expired") : error_;
      }
      looking_ = true;
    }
    // Before they are read: what changes in between is seen the next time.
    const Stamps stamps = LookAtFiles();
    absl::Time now;
    bool due;
    {
      const net::MutexLock lock(&mutex_);
      now = options_.chain.now();
      due = IsDue(now) || stamps != stamps_;
      if (!due) {
        looking_ = false;
        looked_.notify_all();
      }
    }
    if (!due) continue;
    absl::StatusOr<std::optional<Credentials>> found = FindCredentials(options_.chain);
    const net::MutexLock lock(&mutex_);
    Note(std::move(found), stamps, now);
    looking_ = false;
    looked_.notify_all();
    if (IsGood(options_.chain.now())) return kept_;
    return error_.ok() ? absl::UnavailableError("the keys have expired") : error_;
  }
}

Provider::Kept Provider::Peek() const {
  const net::MutexLock lock(&mutex_);
  const absl::Time now = options_.chain.now();
  Kept kept;
  if (IsGood(now)) kept.credentials = kept_;
  kept.due = !looking_ && (now >= files_at_ || IsDue(now));
  return kept;
}

void Provider::Refuse(const Credentials& refused) {
  const net::MutexLock lock(&mutex_);
  // Late news of keys that have been replaced since.
  if (kept_ != nullptr && kept_->keys == refused.keys && !refused.keys.empty()) refused_ = true;
}

std::string Provider::Describe() const {
  const net::MutexLock lock(&mutex_);
  std::ostringstream text;
  if (kept_ != nullptr) {
    text << *kept_;
    if (options_.chain.now() >= kept_->expires) text << " (expired)";
    if (refused_) text << " (refused by the origin)";
  }
  if (!error_.ok()) text << (kept_ == nullptr ? "" : "; ") << error_.message();
  return text.str();
}

}  // namespace objmapper::origin
