// The rest of a connection's life in a round: what it owes while it is blocked, when it is late,
// and how it leaves.
//
// Invariant: a blocked peer is waited for what it is blocked by, and has nothing else done for it;
// one that leaves owes nothing, or its socket is closed.
#include "fdpass/life.h"

#include <errno.h>
#include <glog/logging.h>

#include <utility>

#include "net/clock.h"
#include "net/errno_status.h"
#include "net/readable.h"
#include "net/scm_rights.h"
#include "session/ending.h"

namespace objmapper::fdpass {
namespace {

using protocol::Mode;
using protocol::Status;
using session::Burst;
using session::Session;

// Of one peer, how many of its objects are opened apart at once: they stay open until their turn
// comes, whether it reads or not.
constexpr size_t kApartAheadMax = 8;

}  // namespace

Life::Life(const Options* options, Kernel* kernel, Opener* opener, WorkerCounters* counters,
           std::atomic<size_t>* load, session::TallyLease* tally, const Now* now)
    : options_(*options),
      kernel_(kernel),
      opener_(opener),
      counters_(counters),
      load_(load),
      tally_(*tally),
      now_(now),
      idle_(options->limits->idle_timeout),
      busy_(options->limits->request_timeout),
      // How long to wait when the kernel, not the peer, is out of room.
      retries_(absl::Milliseconds(5)) {}

Life::~Life() {
  while (!peers_.empty()) Release(*peers_.begin());
}

void Life::Welcome(std::unique_ptr<Session> session) {
  auto peer = std::make_unique<Peer>(std::move(session));
  const int error = kernel_->Add(peer.get());
  if (error != 0) {
    LOG(WARNING) << peer->session->PeerName() << ": "
                 << net::ErrnoToStatus(error, "epoll_ctl").message();
    load_->fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  peer->session->lane.store("fdpass", std::memory_order_relaxed);
  tally_->TookUp(now_->now_ns - peer->session->handed_ns);
  Peer* p = peer.release();
  peers_.insert(p);
  UpdateDeadline(p, /*progress=*/true);
  if (draining_) kernel_->Exact(p);
  Again(p);  // it may bring its request along
}

size_t Life::GiveAway(size_t most, absl::FunctionRef<void(std::unique_ptr<Session>)> take) {
  if (draining_) return 0;
  std::vector<Peer*> free;
  for (Peer* peer : peers_) {
    if (free.size() == most) break;
    if (peer->blocked == Peer::Blocked::kNo && peer->stored.empty() && !peer->ending &&
        !peer->session->peer_done && !peer->session->fds_wait)
      free.push_back(peer);
  }
  for (Peer* peer : free) {
    std::unique_ptr<Session> session = Release(peer);
    session->handed_ns = now_->now_ns;
    take(std::move(session));
  }
  return free.size();
}

void Life::Drain() {
  draining_ = true;
  for (Peer* peer : peers_) {
    if (peer->blocked == Peer::Blocked::kNo) kernel_->Exact(peer);
    Again(peer);
  }
}

void Life::Again(Peer* peer) {
  if (std::exchange(peer->again, true)) return;
  again_.push_back(peer);
}

// ---- Debts ----

void Life::Block(Peer* peer, Peer::Blocked how) {
  peer->blocked = how;
  // Nothing is read from a peer that does not take its answers.
  const bool for_room = how == Peer::Blocked::kSocketFull;
  kernel_->SetInterest(peer, for_room ? Interest::kRoom : Interest::kNothing);
  if (how == Peer::Blocked::kOpening) {
    // It is we who are late: nothing it does, nor its time, counts until then.
    idle_.Stop(peer);
    busy_.Stop(peer);
    return;
  }
  if (how == Peer::Blocked::kKernelFull) {
    retries_.Start(peer, now_->now_ns);
  } else {
    peer->queue.Watch(peer->session->fd());
  }
  if (!busy_.Has(peer)) {
    idle_.Stop(peer);
    busy_.Start(peer, now_->now_ns);
  }
}

void Life::BlockFor(Peer* peer, int error) {
  Block(peer, error == EAGAIN ? Peer::Blocked::kSocketFull : Peer::Blocked::kKernelFull);
}

void Life::OpenApart(Peer* peer) {
  size_t ahead = 0;
  for (StoredRequest& stored : peer->stored) {
    if (++ahead > kApartAheadMax) break;
    // A STAT needs it only where it is what the peer is blocked by.
    const bool wants =
        stored.request.mode == Mode::kFdPass || (stored.request.mode == Mode::kStat && ahead == 1);
    if (stored.opening.ticket != 0 || !wants || stored.request.refusal != Status::kOk) continue;
    stored.opening.ticket =
        opener_->OpenApart(stored.uri, /*only_asks=*/stored.request.mode == Mode::kStat);
    opening_.emplace(stored.opening.ticket, peer);
  }
}

void Life::TakeOpened() {
  for (Opener::Opened& one : opener_->TakeOpened()) {
    const auto waits = opening_.find(one.ticket);
    if (waits == opening_.end()) {
      opener_->DropApart(std::move(one.object));
      continue;
    }
    Peer* const peer = waits->second;
    opening_.erase(waits);
    for (StoredRequest& stored : peer->stored) {
      if (stored.opening.ticket != one.ticket) continue;
      stored.opening.apart = std::move(one.object);
      stored.opening.described = std::move(one.described);
    }
    Again(peer);
  }
}

bool Life::Unblock(Peer* peer) {
  if (peer->blocked == Peer::Blocked::kOpening) {
    if (!peer->stored.front().opening.apart.has_value()) return false;
  } else if (!PayDebts(peer)) {
    return false;
  }
  peer->blocked = Peer::Blocked::kNo;
  UpdateDeadline(peer, /*progress=*/true);
  return !peer->stored.empty() || peer->ending || Listen(peer);
}

bool Life::PayDebts(Peer* peer) {
  retries_.Stop(peer);
  const auto unpaid = [&](int error) {
    const bool full =
        error == EAGAIN || error == ETOOMANYREFS || error == ENOBUFS || error == ENOMEM;
    if (full) {
      BlockFor(peer, error);
    } else {
      Release(peer);
    }
    return false;
  };
  const int socket = peer->session->fd();
  if (!peer->out.empty()) {
    const ssize_t sent = net::SendWithFds(socket, peer->out, {});
    if (sent < 0) return unpaid(errno);
    peer->out.erase(0, static_cast<size_t>(sent));
    UpdateDeadline(peer, /*progress=*/true);
    if (!peer->out.empty()) return unpaid(EAGAIN);
    std::string().swap(peer->out);
  }
  if (peer->out_fd.valid()) {
    const int number = peer->out_fd.get();
    if (net::SendWithFds(socket, "X", absl::MakeConstSpan(&number, 1)) != 1) {
      const int error = errno;
      counters_->blocked.Add();
      return unpaid(error);  // the header has promised a descriptor: it must wait
    }
    counters_->messages.Add();
    kernel_->Close(std::move(peer->out_fd));
    UpdateDeadline(peer, /*progress=*/true);
  }
  return true;
}

bool Life::Listen(Peer* peer) {
  const int error = kernel_->SetInterest(peer, Interest::kRequests);
  if (error == 0) return true;
  LOG(WARNING) << peer->session->PeerName() << ": "
               << net::ErrnoToStatus(error, "epoll_ctl").message();
  Release(peer);
  return false;
}

// ---- The end of a turn ----

void Life::Conclude(Peer* peer, Burst::End how, const protocol::RequestParser::Result& fatal) {
  CHECK(how != Burst::End::kOperation) << "operations are the copypath's";
  const bool free = peer->blocked == Peer::Blocked::kNo;
  if (free && peer->stored.empty() && !Listen(peer)) return;
  if (!peer->ending) {  // else what was stored before is answered now
    session::Ending ending = session::EndingOf(*peer->session, how, fatal, draining_,
                                               draining_ && options_.switchboard->Departing());
    switch (ending.next) {
      case session::Ending::Next::kGoOn:
        return;
      case session::Ending::Next::kAgain:
        if (free) Again(peer);
        return;
      case session::Ending::Next::kRoute:
        if (free) options_.switchboard->Route(Release(peer));  // else what is owed goes out first
        return;
      case session::Ending::Next::kRetire:
        peer->farewell = std::move(ending.farewell);
        peer->ending = true;
    }
  }
  if (free) Finish(peer);
}

void Life::Finish(Peer* peer) {
  if (!peer->farewell.empty()) peer->out = std::exchange(peer->farewell, std::string());
  if (PayDebts(peer)) options_.switchboard->Retire(Release(peer));
}

std::unique_ptr<Session> Life::Release(Peer* peer) {
  kernel_->Remove(peer);
  if (!opening_.empty()) {
    absl::erase_if(opening_, [peer](const auto& one) { return one.second == peer; });
    for (StoredRequest& stored : peer->stored) {
      if (stored.opening.apart.has_value()) opener_->DropApart(*std::move(stored.opening.apart));
    }
  }
  if (peer->again) std::erase(again_, peer);
  idle_.Stop(peer);
  busy_.Stop(peer);
  retries_.Stop(peer);
  peers_.erase(peer);
  load_->fetch_sub(1, std::memory_order_relaxed);
  gone_.emplace_back(peer);
  return std::move(peer->session);
}

// ---- Time ----

void Life::FindLate() {
  while (Peer* peer = retries_.PopExpired(now_->now_ns)) Again(peer);
  while (Peer* peer = idle_.PopLate(now_->looked_ns)) {
    if (!HasMoreToSay(peer, &idle_)) EndLate(peer, /*half_said=*/false);
  }
  while (Peer* peer = busy_.PopLate(now_->looked_ns)) {
    if (HasMoreToSay(peer, &busy_)) continue;
    if (peer->blocked == Peer::Blocked::kSocketFull && peer->queue.Shrank(peer->session->fd())) {
      UpdateDeadline(peer, /*progress=*/true);  // it reads, though not so much that there is room
      continue;
    }
    if (peer->blocked == Peer::Blocked::kNo) {
      EndLate(peer, /*half_said=*/true);
      continue;
    }
    options_.connections->timed_out.fetch_add(1, std::memory_order_relaxed);
    LOG_EVERY_T(WARNING, 1)
        << peer->session->PeerName() << ": closed, "
        << (peer->blocked == Peer::Blocked::kSocketFull
                ? "it did not read its answers in time"
                : "the kernel took no more descriptors (ETOOMANYREFS) or memory in time");
    Release(peer);
  }
}

// Ends one that did not say in time what it was to say.
void Life::EndLate(Peer* peer, bool half_said) {
  options_.connections->timed_out.fetch_add(1, std::memory_order_relaxed);
  peer->farewell = session::LateFarewell(*peer->session, half_said);
  peer->ending = true;
  Finish(peer);
}

// Whether one whose time is up, and that is to speak, has more in its socket than this round took;
// then it may go on a while.
bool Life::HasMoreToSay(Peer* peer, Deadlines* deadlines) {
  return peer->blocked == Peer::Blocked::kNo && !peer->session->peer_done &&
         net::IsReadable(peer->session->fd()) && deadlines->Excuse(peer, now_->now_ns);
}

}  // namespace objmapper::fdpass
