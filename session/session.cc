// A connection's identity, limits and counters. The list of all connections has a lock; everything
// else belongs to the thread that holds the session.
#include "session/session.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "net/expendable.h"
#include "net/pass_rights.h"
#include "net/socket_option.h"
#include "session/http.h"

namespace objmapper::session {
namespace {

Session::Peer PeerOf(int fd, Transport transport) {
  return transport == Transport::kUnix ? net::PeerCredentialsOf(fd) : Session::Peer();
}

// Else the kernel would throw away such a byte, and what rides on it, while we read the next
// (manage_oob() in net/unix/af_unix.c).
void ReadOutOfBandInline(int fd) { net::SetOption(fd, SOL_SOCKET, SO_OOBINLINE, 1); }

// The peer's; false: there is none any more.
bool AddressOf(int fd, sockaddr_storage* address) {
  socklen_t size = sizeof(*address);
  return getpeername(fd, reinterpret_cast<sockaddr*>(address), &size) == 0;
}

std::string TextOf(int family, const void* host) {
  char text[INET6_ADDRSTRLEN] = "?";
  inet_ntop(family, host, text, sizeof(text));
  return text;
}

// Without the port.
std::string HostOf(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET6)
    return TextOf(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr);
  return TextOf(AF_INET, &reinterpret_cast<const sockaddr_in*>(&address)->sin_addr);
}

// The class of connections that end after so many answers.
size_t ClassOf(uint64_t answered) {
  size_t index = 0;
  for (uint64_t most = 0; answered > most; most = most == 0 ? 1 : most * 10) {
    if (++index == ConnectionCounters::kByAnswers - 1) break;
  }
  return index;
}

}  // namespace

void ConnectionList::ForEach(absl::FunctionRef<void(const Session&)> look) const {
  const net::MutexLock lock(&mutex_);
  for (const Session* session = first_; session != nullptr; session = session->next_)
    look(*session);
}

void ConnectionList::Enter(Session* session) {
  const net::MutexLock lock(&mutex_);
  session->next_ = first_;
  if (first_ != nullptr) first_->previous_ = session;
  first_ = session;
  if (session->peer.known()) ++by_uid_[session->peer.uid];
}

void ConnectionList::Leave(Session* session) {
  const net::MutexLock lock(&mutex_);
  (session->previous_ == nullptr ? first_ : session->previous_->next_) = session->next_;
  if (session->next_ != nullptr) session->next_->previous_ = session->previous_;
  if (!session->peer.known()) return;
  const auto count = by_uid_.find(session->peer.uid);
  if (--count->second == 0) by_uid_.erase(count);
}

uint64_t ConnectionList::CountOf(uid_t uid) const {
  const net::MutexLock lock(&mutex_);
  const auto count = by_uid_.find(uid);
  return count == by_uid_.end() ? 0 : count->second;
}

Session::Session(ConnectionSlot slot_in, net::UniqueFd socket_in, Transport transport_in,
                 const SessionLimits* limits_in)
    : slot(std::move(slot_in)),
      socket(std::move(socket_in)),
      transport(transport_in),
      limits(limits_in),
      parser({.capabilities = CapabilitiesOn(transport_in, limits_in->access),
              .max_pipeline = limits_in->max_pipeline}),
      peer(PeerOf(socket.get(), transport_in)),
      opened_ns(net::NowNs()),
      received_ns(opened_ns) {
  if (transport == Transport::kUnix && net::AllowsFds(fd())) {
    may_bring_fds = true;
    ReadOutOfBandInline(fd());
  }
  if (slot.counters() != nullptr) slot.counters()->list.Enter(this);
}

Session::~Session() {
  if (may_bring_fds) net::DisposeSocket(std::move(socket));
  ConnectionCounters* const counters = slot.counters();
  if (counters == nullptr) return;
  counters->list.Leave(this);
  counters->ended_by_answers[ClassOf(answered)].fetch_add(1, std::memory_order_relaxed);
  counters->ended_answers.fetch_add(answered, std::memory_order_relaxed);
}

void Session::AllowFds() {
  if (transport != Transport::kUnix) return;
  // At the bound (net/expendable.h) their sender is told so by EPERM.
  const bool wanted = takes_fds() && !net::ExpendableFull();
  if (!net::AllowFds(fd(), wanted) || !wanted) return;
  may_bring_fds = true;
  ReadOutOfBandInline(fd());
}

void Session::NoteArrival(Arrival arrival) {
  if (net::ExpendableFull()) {
    arrival.lost = true;
    arrival.fds.clear();
  }
  // A client that has max_pipeline requests under way, and what a ring has received before it could
  // be stopped.
  constexpr size_t kArrivalsMax = 192;
  if (arrivals.size() < kArrivalsMax) {
    arrivals.push_back(std::move(arrival));
  } else if (!fds_at.has_value()) {
    fds_at = arrival.last;
  }
}

void Session::NoteArrival(size_t begin, net::ReceivedElsewhere* received) {
  if (received->fds == 0 && !received->lost) return;
  Arrival arrival;
  arrival.begin = begin;
  arrival.last = begin + received->bytes.size() - 1;
  arrival.lost = received->lost;
  arrival.several = received->fds > 1;
  arrival.verdict = received->verdict;
  if (received->fd.valid()) arrival.fds.emplace_back(std::move(received->fd));
  NoteArrival(std::move(arrival));
}

uint16_t Session::CapabilitiesOn(Transport transport, const Access* access) {
  uint16_t all = protocol::kAllCapabilities;
  // A client keeps its secret to itself where nobody wants to know it.
  if (access == nullptr || !access->knows_tokens()) all &= ~protocol::kAuth;
  if (transport == Transport::kTcp) all &= ~(protocol::kFdInHeader | protocol::kFdBatch);
  return all;
}

std::string Session::PeerKey() const {
  if (transport == Transport::kUnix)
    return peer.known() ? absl::StrCat("uid ", peer.uid) : "a unix peer";
  sockaddr_storage address{};
  if (!AddressOf(fd(), &address)) return "a tcp peer";
  if (address.ss_family != AF_INET6) return absl::StrCat("tcp ", HostOf(address));
  in6_addr& network = reinterpret_cast<sockaddr_in6*>(&address)->sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&network))
    return absl::StrCat("tcp ", TextOf(AF_INET, &network.s6_addr[12]));
  const bool whole = IN6_IS_ADDR_LOOPBACK(&network);
  if (!whole) std::fill(&network.s6_addr[8], &network.s6_addr[16], 0);
  return absl::StrCat("tcp ", HostOf(address), whole ? "" : "/64");
}

std::string Session::PeerHost() const {
  if (transport == Transport::kUnix) return "unix:";
  sockaddr_storage address{};
  return AddressOf(fd(), &address) ? HostOf(address) : "-";
}

std::string Session::PeerName() const {
  if (transport == Transport::kUnix) {
    if (!peer.known()) return "unix peer";
    return absl::StrCat("unix peer (pid ", peer.pid, ", uid ", peer.uid, ")");
  }
  sockaddr_storage address{};
  if (!AddressOf(fd(), &address)) return "tcp peer";
  if (address.ss_family == AF_INET6) {
    return absl::StrCat("tcp peer [", HostOf(address),
                        "]:", ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port));
  }
  return absl::StrCat("tcp peer ", HostOf(address), ":",
                      ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port));
}

}  // namespace objmapper::session
