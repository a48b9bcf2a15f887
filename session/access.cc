// The current rules and their generation. What is known of a peer is computed again when the
// generation or the name has changed.
#include "session/access.h"

#include <utility>

namespace objmapper::session {

void Access::Replace(AccessRules rules, std::optional<Tokens> tokens) {
  auto fresh = std::make_shared<const AccessRules>(std::move(rules));
  std::shared_ptr<const Tokens> fresh_tokens;
  if (tokens.has_value()) fresh_tokens = std::make_shared<const Tokens>(*std::move(tokens));
  const net::MutexLock lock(&mutex_);
  rules_.swap(fresh);
  if (fresh_tokens != nullptr) tokens_.swap(fresh_tokens);
  generation_.fetch_add(1, std::memory_order_release);
}

std::string Access::NameOf(absl::string_view token) const {
  std::shared_ptr<const Tokens> tokens;
  {
    const net::MutexLock lock(&mutex_);
    tokens = tokens_;
  }
  return std::string(tokens->NameOf(token));
}

void Access::Identify(Bearer* bearer) const {
  if (bearer->generation == generation_.load(std::memory_order_acquire)) return;
  std::shared_ptr<const Tokens> tokens;
  {
    const net::MutexLock lock(&mutex_);
    tokens = tokens_;
    bearer->generation = generation_.load(std::memory_order_relaxed);
  }
  const absl::string_view name = tokens->NameOf(bearer->hash);
  bearer->name = name.empty() ? nullptr : std::make_shared<const std::string>(name);
}

bool Access::Permits(std::unique_ptr<Standing>* standing, const Asker& asker, absl::string_view uri,
                     Right right) const {
  if (*standing == nullptr) *standing = std::make_unique<Standing>();
  if ((*standing)->generation != generation_.load(std::memory_order_acquire) ||
      (*standing)->name != asker.name)
    Renew(standing->get(), asker);
  return (*standing)->grants.Permits(uri, right);
}

size_t Access::KeptFolders(const Asker& asker, absl::string_view uri) const {
  if (uri.find('/') == uri.npos) return 0;
  Standing standing;
  Renew(&standing, asker);
  return standing.grants.KeptFolders(uri);
}

void Access::Renew(Standing* standing, const Asker& asker) const {
  std::shared_ptr<const AccessRules> rules;
  {
    const net::MutexLock lock(&mutex_);
    rules = rules_;
    standing->generation = generation_.load(std::memory_order_relaxed);
  }
  const auto groups = [&asker] { return net::PeerGroupsOf(asker.fd); };
  standing->grants = rules->For(asker.peer, groups, asker.name);
  standing->name = std::string(asker.name);
}

}  // namespace objmapper::session
