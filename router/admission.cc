// The checks of a new connection: the limits first, then the user. A refusal names the flag that
// caused it.
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

std::optional<Admission::Refusal> Admission::Judge(int socket, session::Transport transport,
                                                   const session::ConnectionCounters& counters,
                                                   uint64_t counted) const {
  if (counters.open.load(std::memory_order_relaxed) >= connections_max + counted) {
    return Refusal{protocol::Status::kUnavailable,
                   absl::StrCat("the server has reached its limit of ", connections_max,
                                " connections; try again"),
                   "--max_connections"};
  }
  return transport == session::Transport::kUnix ? JudgeUser(socket, counters, counted)
                                                : std::nullopt;
}

std::optional<Admission::Refusal> Admission::JudgeArrival(
    const session::Session& session, const session::ConnectionCounters& counters) const {
  std::optional<Refusal> refusal = Judge(session.fd(), session.transport, counters, 1);
  const bool known = session.transport == session::Transport::kUnix;
  if (refusal.has_value() || known || (uids.empty() && gids.empty())) return refusal;
  return Refusal{protocol::Status::kPermissionDenied,
                 "the server only serves known users, and for TCP the kernel knows no user",
                 "--allow_uids, --allow_gids"};
}

std::optional<Admission::Refusal> Admission::JudgeUser(int socket,
                                                       const session::ConnectionCounters& counters,
                                                       uint64_t counted) const {
  using protocol::Status;
  const bool anybody = uids.empty() && gids.empty();
  if (anybody && per_uid_max == 0) return std::nullopt;
  const net::PeerCredentials peer = net::PeerCredentialsOf(socket);
  const bool named = (net::IdNames::Users().Tells(peer.uid) && Has(uids, peer.uid)) ||
                     (net::IdNames::Groups().Tells(peer.gid) && Has(gids, peer.gid));
  if (!anybody && !named) {
    const std::vector<gid_t> groups =
        gids.empty() ? std::vector<gid_t>() : net::PeerGroupsOf(socket);
    if (std::none_of(groups.begin(), groups.end(), [&](gid_t gid) { return Has(gids, gid); })) {
      return Refusal{
          Status::kPermissionDenied,
          absl::StrCat("uid ", peer.uid, " is not among the users that the server serves"),
          "--allow_uids, --allow_gids"};
    }
  }
  if (per_uid_max != 0 && counters.list.CountOf(peer.uid) >= per_uid_max + counted) {
    return Refusal{Status::kUnavailable,
                   absl::StrCat("uid ", peer.uid, " has reached its limit of ", per_uid_max,
                                " connections; try again"),
                   "--max_connections_per_uid"};
  }
  return std::nullopt;
}

}  // namespace objmapper::router
