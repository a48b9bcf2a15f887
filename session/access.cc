// The current rules and their generation. What is known of a peer is computed again when the
// generation has changed.
#include "session/access.h"

#include <utility>

namespace objmapper::session {

void Access::Replace(AccessRules rules) {
  auto fresh = std::make_shared<const AccessRules>(std::move(rules));
  const net::MutexLock lock(&mutex_);
  rules_.swap(fresh);
  generation_.fetch_add(1, std::memory_order_release);
}

bool Access::Permits(std::unique_ptr<Standing>* standing, const net::PeerCredentials& peer, int fd,
                     absl::string_view uri, Right right) const {
  if (*standing == nullptr) *standing = std::make_unique<Standing>();
  if ((*standing)->generation != generation_.load(std::memory_order_acquire))
    Renew(standing->get(), peer, fd);
  return (*standing)->grants.Permits(uri, right);
}

size_t Access::KeptFolders(const net::PeerCredentials& peer, int fd, absl::string_view uri) const {
  if (uri.find('/') == uri.npos) return 0;
  Standing standing;
  Renew(&standing, peer, fd);
  return standing.grants.KeptFolders(uri);
}

void Access::Renew(Standing* standing, const net::PeerCredentials& peer, int fd) const {
  std::shared_ptr<const AccessRules> rules;
  {
    const net::MutexLock lock(&mutex_);
    rules = rules_;
    standing->generation = generation_.load(std::memory_order_relaxed);
  }
  const auto groups = [fd] { return net::PeerGroupsOf(fd); };
  standing->grants = rules->For(peer, groups);
}

}  // namespace objmapper::session
