// The rules and the tokens that are in force, which an operator may replace while the server runs.
//
//   Access access(*AccessRules::Load(path));
//   access.Permits(&session->standing, {peer, fd}, uri, Right::kRead)   // the owner of the session
//   access.Replace(*AccessRules::Load(path));                         // any thread: from now on
//
// What concerns a peer is sorted out once per connection and set of rules; after that a request
// costs one load of a number that hardly ever changes, and a look at the peer's own rules. A name
// that a token gives is one request's, not the connection's, which may be a proxy's: where it is
// another than the last request's, all is sorted out anew.
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
#include "session/tokens.h"

namespace objmapper::session {

// Whose request it is.
struct Asker {
  const net::PeerCredentials& peer;
  int fd;                    // its socket, asked for its groups
  absl::string_view name{};  // that a token gives this request; empty: none
};

// What a connection keeps of the rules. The owner's.
struct Standing {
  uint64_t generation = 0;  // of the rules that `grants` are from; 0: none yet
  std::string name;         // of the request that they were for
  Grants grants;
};

// Whose token AUTH has said on a connection (docs/protocol.md). The owner's.
struct Bearer {
  Tokens::Hash hash{};      // of the token, which is kept nowhere
  uint64_t generation = 0;  // of the tokens that `name` is from; 0: none yet
  // Null: nobody's. Requests keep it.
  std::shared_ptr<const std::string> name;
};

// Thread-safe. Outlives the sessions.
class Access {
 public:
  // tokens: nullopt: there are none, and never will be.
  explicit Access(AccessRules rules, std::optional<Tokens> tokens = std::nullopt)
      : knows_tokens_(tokens.has_value()),
        rules_(std::make_shared<const AccessRules>(std::move(rules))),
        tokens_(std::make_shared<const Tokens>(std::move(tokens).value_or(Tokens()))) {}

  // Requests that are taken after it returns go by these. tokens: nullopt: as before; else only
  // where knows_tokens().
  void Replace(AccessRules rules, std::optional<Tokens> tokens = std::nullopt);

  // Whether requests may say whose they are.
  bool knows_tokens() const { return knows_tokens_; }
  // As Tokens::NameOf(), of those in force.
  std::string NameOf(absl::string_view token) const;
  // Sets bearer->name by those in force, where it is not yet.
  void Identify(Bearer* bearer) const;

  // Whether the asker may. `standing` is made or renewed where needed.
  bool Permits(std::unique_ptr<Standing>* standing, const Asker& asker, absl::string_view uri,
               Right right) const;
  // Grants::NextAfter() of the same rules: of a `standing` that Permits() has judged by.
  std::optional<std::string> NextAfter(const std::unique_ptr<Standing>& standing,
                                       absl::string_view uri, Right right) const {
    return standing->grants.NextAfter(uri, right);
  }

  // How many of the folders on the way to `uri` the asker may not remove (Grants::KeptFolders), as
  // of now. Any thread.
  size_t KeptFolders(const Asker& asker, absl::string_view uri) const;

 private:
  void Renew(Standing* standing, const Asker& asker) const;

  const bool knows_tokens_;
  mutable net::Mutex mutex_;
  std::shared_ptr<const AccessRules> rules_ GUARDED_BY(mutex_);
  std::shared_ptr<const Tokens> tokens_ GUARDED_BY(mutex_);
  std::atomic<uint64_t> generation_{1};  // written with mutex_ held
};

}  // namespace objmapper::session
