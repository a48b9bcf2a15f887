// The keys of one origin: found once, kept, and found again before they expire.
//
//   Provider provider({.chain = {.http = call, .profile = origin.profile}});
//   const Provider::Kept kept = provider.Peek();        // on a thread that never waits
//   if (kept.due) ...                                   // have one that may wait call Get()
//   if (kept.credentials != nullptr) Sign(kept.credentials->keys, ...)
//
// Keys are refreshed 15 minutes before they expire, or at half their life if that is less than half
// an hour, and a little earlier by chance, so that machines that started together do not ask
// together. While refreshing fails the old ones are used for as long as they are good, and attempts
// become rarer. When ~/.aws/config or ~/.aws/credentials changes, all is looked for again.
#pragma once

#include <sys/stat.h>

#include <array>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "net/mutex.h"
#include "origin/credentials/chain.h"
#include "origin/credentials/credentials.h"

namespace objmapper::origin {

// Thread-safe.
class Provider {
 public:
  struct Options {
    ChainOptions chain;  // its `now` is this one's clock too
    // Where no place is set up, requests are anonymous.
    bool anonymous = false;
    // In [0, 1); thread-safe. Null: by chance.
    std::function<double()> random = nullptr;
  };
  explicit Provider(Options options);

  // The keys to sign with now, looked for if need be: waits for files and HTTP, for one look at
  // most, whoever else calls. Keys that the origin has refused are returned again only if there are
  // no others. UNAVAILABLE: there are none; the message says where they were looked for and why
  // they are not there.
  absl::StatusOr<std::shared_ptr<const Credentials>> Get();

  struct Kept {
    std::shared_ptr<const Credentials> credentials;  // null: none, or they have expired
    bool due = false;                                // Get() has something to do
  };
  // What is here; never waits.
  Kept Peek() const;

  // The origin has refused these, which should be good (s3::Remedy::kRefreshKeys): Get() looks for
  // others, but not more often than every few seconds.
  void Refuse(const Credentials& refused);

  // For the operator, without secrets: which keys, from where, until when, and what went wrong
  // last.
  std::string Describe() const;

 private:
  // Of a file, what changes when it does.
  using Stamp = std::array<int64_t, 4>;
  using Stamps = std::array<Stamp, 2>;
  Stamps LookAtFiles() const;

  bool IsGood(absl::Time now) const EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsDue(absl::Time now) const EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Time RefreshAt(absl::Time expires, absl::Time now) const;
  // What came of a look, begun at `now`.
  void Note(absl::StatusOr<std::optional<Credentials>> found, const Stamps& stamps, absl::Time now)
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const std::function<double()> random_;
  mutable net::Mutex mutex_;
  std::condition_variable_any looked_;
  bool looking_ GUARDED_BY(mutex_) = false;
  std::shared_ptr<const Credentials> kept_ GUARDED_BY(mutex_);
  bool refused_ GUARDED_BY(mutex_) = false;
  Stamps stamps_ GUARDED_BY(mutex_) = {};
  // Before it nothing is looked for, but for what follows.
  absl::Time refresh_at_ GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Time files_at_ GUARDED_BY(mutex_) = absl::InfinitePast();  // when files are looked at
  absl::Time looked_at_ GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Status error_ GUARDED_BY(mutex_);  // of the last look; OK: it found some
  int failures_ GUARDED_BY(mutex_) = 0;    // in a row
};

}  // namespace objmapper::origin
