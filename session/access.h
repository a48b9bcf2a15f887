// The rules that are in force, which an operator may replace while the server runs.
//
//   Access access(*AccessRules::Load(path));
//   access.Permits(&session->standing, peer, fd, uri, Right::kRead)   // the owner of the session
//   access.Replace(*AccessRules::Load(path));                         // any thread: from now on
//
// What concerns a peer is sorted out once per connection and set of rules; after that a request
// costs one load of a number that hardly ever changes, and a look at the peer's own rules.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "net/mutex.h"
#include "net/peer_credentials.h"
#include "session/access_rules.h"

namespace objmapper::session {

// What a connection keeps of the rules. The owner's.
struct Standing {
  uint64_t generation = 0;  // of the rules that `grants` are from; 0: none yet
  Grants grants;
};

// Thread-safe. Outlives the sessions.
class Access {
 public:
  explicit Access(AccessRules rules)
      : rules_(std::make_shared<const AccessRules>(std::move(rules))) {}

  // Requests that are judged after it returns go by these.
  void Replace(AccessRules rules);

  // Whether the peer may. `fd`: its socket, asked for its groups. `standing` is made or renewed
  // where needed.
  bool Permits(std::unique_ptr<Standing>* standing, const net::PeerCredentials& peer, int fd,
               absl::string_view uri, Right right) const;
  // Grants::NextAfter() of the same rules: of a `standing` that Permits() has judged by.
  std::optional<std::string> NextAfter(const std::unique_ptr<Standing>& standing,
                                       absl::string_view uri, Right right) const {
    return standing->grants.NextAfter(uri, right);
  }

  // How many of the folders on the way to `uri` the peer may not remove (Grants::KeptFolders), as
  // of now. Any thread.
  size_t KeptFolders(const net::PeerCredentials& peer, int fd, absl::string_view uri) const;

 private:
  void Renew(Standing* standing, const net::PeerCredentials& peer, int fd) const;

  mutable net::Mutex mutex_;
  std::shared_ptr<const AccessRules> rules_ GUARDED_BY(mutex_);
  std::atomic<uint64_t> generation_{1};  // written with mutex_ held
};

}  // namespace objmapper::session
