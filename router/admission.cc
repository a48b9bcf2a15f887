#include "router/admission.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "net/peer_credentials.h"

namespace objmapper::router {
namespace {

template <typename Id>
bool Has(const std::vector<Id>& ids, Id id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

std::optional<Admission::Refusal> Admission::Judge(int socket, Transport transport,
                                                   const ConnectionCounters& counters) const {
  using protocol::Status;
  if (counters.open.load(std::memory_order_relaxed) >= connections_max) {
    return Refusal{Status::kUnavailable,
                   absl::StrCat("the server has reached its limit of ", connections_max,
                                " connections; try again"),
                   "--max_connections"};
  }
  const bool anybody = uids.empty() && gids.empty();
  if (transport != Transport::kUnix || (anybody && per_uid_max == 0)) return std::nullopt;
  const net::PeerCredentials peer = net::PeerCredentialsOf(socket);
  const bool named = (net::IdNames::Users().Tells(peer.uid) && Has(uids, peer.uid)) ||
                     (net::IdNames::Groups().Tells(peer.gid) && Has(gids, peer.gid));
  if (!anybody && !named) {
    const std::vector<gid_t> groups = gids.empty() ? std::vector<gid_t>() : net::PeerGroupsOf(socket);
    if (std::none_of(groups.begin(), groups.end(), [&](gid_t gid) { return Has(gids, gid); })) {
      return Refusal{Status::kPermissionDenied,
                     absl::StrCat("uid ", peer.uid, " is not among those whom the server serves"),
                     "--allow_uids, --allow_gids"};
    }
  }
  if (per_uid_max != 0 && counters.list.CountOf(peer.uid) >= per_uid_max) {
    return Refusal{Status::kUnavailable,
                   absl::StrCat("uid ", peer.uid, " has reached its limit of ", per_uid_max,
                                " connections; try again"),
                   "--max_connections_per_uid"};
  }
  return std::nullopt;
}

}  // namespace objmapper::router
