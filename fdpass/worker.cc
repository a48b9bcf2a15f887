#include "fdpass/worker.h"

#include <errno.h>
#include <glog/logging.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "net/errno_status.h"
#include "net/readable.h"
#include "net/scm_rights.h"
#include "session/answers.h"
#include "session/receive.h"

namespace objmapper::fdpass {
namespace {

using protocol::Request;
using protocol::Status;
using session::Burst;
using session::Session;

// One receive brings at most this much: about a thousand pipelined requests.
constexpr size_t kScratchBytes = 64 * 1024;
// How many requests of one connection are served before the others get their turn.
constexpr size_t kRequestsPerTurn = protocol::kFdsPerMessageMax;
// How long to wait when the kernel, not the peer, is out of room.
constexpr absl::Duration kRetryAfter = absl::Milliseconds(5);

// What Interrupt() sends. Its handler does nothing: that a handler ran is what ends a system call
// (signal(7)).
constexpr int kInterruptSignal = SIGUSR2;

void InstallInterruptHandler() {
  struct sigaction action {};
  action.sa_handler = [](int) {};  // without SA_RESTART
  PCHECK(sigaction(kInterruptSignal, &action, nullptr) == 0) << "sigaction";
}

// The server blocks the signal everywhere else: somebody's kill(1) can do what Interrupt() does,
// and no more.
void LetInterruptIn() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, kInterruptSignal);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

}  // namespace

Worker::Worker(const Options& options)
    : options_(options),
      idle_(options.limits->idle_timeout),
      busy_(options.limits->request_timeout),
      retries_(kRetryAfter),
      scratch_(kScratchBytes),
      directories_(options.tree, options.directories, options.cache_valid),
      small_objects_(options.tree, options.small_objects, options.cache_valid),
      tally_(options.board, "fdpass") {
  {
    const net::MutexLock lock(&apart_->mutex);
    apart_->worker = this;
  }
  CHECK_EQ(epoll_.Add(mailbox_.event_fd(), EPOLLIN, nullptr), 0);
  if (options.shared_fds > 0) {
    shared_fds_.emplace(options.tree, options.shared_fds, options.cache_valid);
  }
}

Worker::~Worker() { CHECK(!thread_.joinable()) << "Stop() first"; }

void Worker::Start(int number) {
  InstallInterruptHandler();
  thread_ = std::thread([this, number] {
    pthread_setname_np(pthread_self(), absl::StrCat("fdpass/", number).c_str());
    LetInterruptIn();
    Run();
  });
}

void Worker::Adopt(std::unique_ptr<Session> session) {
  load_.fetch_add(1, std::memory_order_relaxed);
  mailbox_.Put(std::move(session));
}

void Worker::Drain() {
  Phase serving = Phase::kServing;
  phase_.compare_exchange_strong(serving, Phase::kDraining);
  mailbox_.Wake();
}

void Worker::Stop() {
  phase_.store(Phase::kStopping);
  mailbox_.Wake();
  if (thread_.joinable()) thread_.join();
  {
    const net::MutexLock lock(&apart_->mutex);
    apart_->worker = nullptr;
    apart_->opened.clear();
  }
  while (!peers_.empty()) EndPeer(*peers_.begin());
  mailbox_.TakeAll();
}

void Worker::Run() {
  const storage::SlowOpens::Watched watched(&options_.tree->slow_opens());
  while (true) {
    for (const epoll_event& event : WaitForEvents()) {
      if (event.data.ptr == nullptr) {
        for (auto& session : mailbox_.TakeAll()) Welcome(std::move(session));
        TakeOpened();
      } else {
        Turn(static_cast<Peer*>(event.data.ptr));
      }
    }
    std::vector<Peer*> again;
    again.swap(again_);
    for (Peer* peer : again) {
      if (!peers_.contains(peer) || !peer->again) continue;
      peer->again = false;
      Turn(peer);
    }
    Expire();
    pulse_.Answer();
    const Phase phase = phase_.load(std::memory_order_relaxed);
    if (phase == Phase::kStopping) return;
    if (phase == Phase::kDraining && seen_phase_ == Phase::kServing) {
      seen_phase_ = phase;
      const std::vector<Peer*> peers(peers_.begin(), peers_.end());
      for (Peer* peer : peers) Turn(peer);
    }
  }
}

void Worker::Interrupt() { pthread_kill(thread_.native_handle(), kInterruptSignal); }

absl::Span<epoll_event> Worker::WaitForEvents() {
  busy_since_ns_.store(0, std::memory_order_relaxed);
  if (now_ns_ != 0) tally_->Worked(session::CountingNowNs() - now_ns_);
  const int64_t next_ns = again_.empty() ? NextDeadlineNs() : 0;
  absl::Span<epoll_event> events;
  if (options_.busy_poll > absl::ZeroDuration() && !peers_.empty()) {
    // A thread that spins sees an event in 0.1 µs; one that sleeps takes 3 to 45 µs to wake.
    const int64_t until_ns =
        std::min(next_ns, net::NowNs() + absl::ToInt64Nanoseconds(options_.busy_poll));
    now_ns_ = net::NowNs();
    do {
      looked_ns_ = now_ns_;
      events = epoll_.Wait(0);
      now_ns_ = net::NowNs();
    } while (events.empty() && now_ns_ < until_ns);
    if (!events.empty()) {
      busy_since_ns_.store(now_ns_, std::memory_order_relaxed);
      return events;
    }
  }
  looked_ns_ = net::NowNs();
  events = epoll_.Wait(next_ns == net::kNever ? -1 : net::SleepMs(next_ns, looked_ns_));
  now_ns_ = net::NowNs();
  busy_since_ns_.store(now_ns_, std::memory_order_relaxed);
  return events;
}

void Worker::Welcome(std::unique_ptr<Session> session) {
  auto peer = std::make_unique<Peer>(std::move(session));
  const int error = epoll_.Add(peer->session->fd(), EPOLLIN, peer.get());
  if (error != 0) {
    LOG(WARNING) << peer->session->PeerName() << ": "
                 << net::ErrnoToStatus(error, "epoll_ctl").message();
    load_.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  peer->session->lane.store("fdpass", std::memory_order_relaxed);
  tally_->TookUp(now_ns_ - peer->session->handed_ns);
  Peer* p = peer.release();
  peers_.insert(p);
  UpdateDeadline(p, /*progress=*/true);
  Turn(p);  // a migrated session brings its request along in `unread`
}

// ---- One peer's turn ----

bool Worker::Turn(Peer* peer) {
  if (peer->blocked == Peer::Blocked::kOpening && !peer->opened.has_value()) return true;
  if (peer->blocked != Peer::Blocked::kNo && !PayDebts(peer)) return false;
  if (peer->blocked != Peer::Blocked::kNo) return true;
  if (peer->ending) return Finish(peer);
  return ReadAndServe(peer);
}

bool Worker::PayDebts(Peer* peer) {
  if (!Unblock(peer)) return false;
  if (!peer->out.empty()) {
    const ssize_t sent = net::SendWithFds(peer->session->fd(), peer->out, {});
    if (sent < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) {
      EndPeer(peer);
      return false;
    }
    const int error = sent < 0 ? errno : 0;
    if (sent > 0) {
      peer->out.erase(0, static_cast<size_t>(sent));
      UpdateDeadline(peer, /*progress=*/true);
    }
    if (!peer->out.empty()) {
      Block(peer, error == ENOBUFS || error == ENOMEM ? Peer::Blocked::kKernelFull
                                                      : Peer::Blocked::kSocketFull);
      return true;
    }
    std::string().swap(peer->out);
  }
  if (peer->out_fd.valid()) {
    const Sent sent = SendX(peer, std::move(peer->out_fd));
    if (sent == Sent::kGone) {
      EndPeer(peer);
      return false;
    }
    if (sent != Sent::kAll) return true;
    UpdateDeadline(peer, /*progress=*/true);
  }
  if (!peer->stored.empty()) {
    std::vector<StoredRequest> stored = std::move(peer->stored);
    peer->stored.clear();
    std::vector<Request> requests;
    requests.reserve(stored.size());
    for (StoredRequest& s : stored) {
      s.request.uri = s.uri;
      requests.push_back(s.request);
    }
    const ssize_t served = Serve(peer, requests);
    if (served < 0) {
      EndPeer(peer);
      return false;
    }
    if (served > 0) UpdateDeadline(peer, /*progress=*/true);
    if (peer->blocked != Peer::Blocked::kNo) {
      peer->stored.assign(std::make_move_iterator(stored.begin() + served),
                          std::make_move_iterator(stored.end()));
      return true;
    }
  }
  return true;
}

bool Worker::ReadAndServe(Peer* peer) {
  Session* session = peer->session.get();
  absl::string_view input = session->unread;
  ssize_t got = -1;
  // More than half a scratch buffer unread means complete requests: serve those first.
  if (!session->peer_done && input.size() <= kScratchBytes / 2) {
    size_t have = input.size();
    std::copy(input.begin(), input.end(), scratch_.begin());
    got = session::Receive(session, absl::MakeSpan(scratch_), have, session::OnFds::kLeave);
    if (got > 0) {
      session->received_ns.store(now_ns_, std::memory_order_relaxed);
      have += static_cast<size_t>(got);
    } else if (got == 0) {
      session->peer_done = true;
    } else if (errno != EAGAIN && !session->fds_wait) {
      EndPeer(peer);
      return false;
    }
    input = absl::string_view(scratch_.data(), have);
  }
  const auto answers_in_place = [this](const Request& r) { return AnswersInPlace(r); };
  const session::InPlace in_place = answers_in_place;
  session::TakeBurst(session, input, session::LaneKind::kFdPass, /*outstanding=*/0,
                     kRequestsPerTurn, &burst_, options_.small_objects > 0 ? &in_place : nullptr);
  session::OrderForService(*session, &burst_.requests);
  const ssize_t served = Serve(peer, burst_.requests);
  if (served < 0) {
    EndPeer(peer);
    return false;
  }
  if (static_cast<size_t>(served) < burst_.requests.size() && !session->exhausted()) {
    for (size_t i = static_cast<size_t>(served); i < burst_.requests.size(); ++i) {
      peer->stored.push_back({burst_.requests[i], std::string(burst_.requests[i].uri)});
    }
  }
  session::KeepUnread(session, input, burst_.consumed);
  // Half a request is no progress: a byte now and then does not extend its time. A body that is
  // dropped may be slow.
  if (got > 0 || served > 0) UpdateDeadline(peer, served > 0 || burst_.dropped);
  if (got > 0 && seen_phase_ != Phase::kServing && burst_.end == Burst::End::kNeedMore &&
      !options_.switchboard->Departing()) {
    burst_.end = Burst::End::kFull;  // draining: read until the socket is empty
  }
  // Descriptors come next: the copypath's to take, once what has been asked is answered.
  if (session->fds_wait && burst_.end == Burst::End::kNeedMore) burst_.end = Burst::End::kOtherLane;
  return Settle(peer, burst_.end);
}

// Acts on how the burst ended.
bool Worker::Settle(Peer* peer, Burst::End end) {
  Session* session = peer->session.get();
  if (session->exhausted()) {
    session::AppendClose(session->dialect(), protocol::CloseReason::kNormal, &peer->farewell);
    peer->ending = true;
  } else {
    const bool goes_on = end == Burst::End::kNeedMore || end == Burst::End::kFull;
    if (goes_on && seen_phase_ != Phase::kServing && !session->peer_done &&
        options_.switchboard->Departing()) {
      end = Burst::End::kOtherLane;  // whatever it wants next, somebody else answers it
    }
    switch (end) {
      case Burst::End::kFatal: {
        LOG_EVERY_T(WARNING, 1) << session->PeerName() << ": " << burst_.fatal.reason;
        session::AppendFatal(session->dialect(), burst_.fatal.id, burst_.fatal.status,
                             burst_.fatal.reason, &peer->farewell);
        peer->ending = true;
        break;
      }
      case Burst::End::kClose:
        session::AppendCloseAck(session->dialect(), &peer->farewell);
        peer->ending = true;
        break;
      case Burst::End::kFull:
        if (!peer->again && peer->blocked == Peer::Blocked::kNo) {
          peer->again = true;
          again_.push_back(peer);
        }
        break;
      case Burst::End::kOperation:
        LOG(FATAL) << "operations are the copypath's";
        break;
      case Burst::End::kOtherLane:
        if (peer->blocked != Peer::Blocked::kNo) break;  // what is owed goes out here first
        options_.switchboard->Route(Release(peer));
        return false;
      case Burst::End::kNeedMore:
        if (session->peer_done) {
          if (!session->unread.empty() || session->parser.skipping()) {
            session::AppendFatal(session->dialect(), 0, Status::kProtocolError,
                                 "the connection ended in the middle of a request",
                                 &peer->farewell);
          }
          peer->ending = true;
        } else if (seen_phase_ != Phase::kServing) {
          session::AppendClose(session->dialect(), protocol::CloseReason::kShuttingDown,
                               &peer->farewell);
          peer->ending = true;
        }
        break;
    }
  }
  if (peer->ending && peer->blocked == Peer::Blocked::kNo) return Finish(peer);
  return true;
}

bool Worker::Finish(Peer* peer) {
  if (!peer->farewell.empty()) {
    peer->out = std::move(peer->farewell);
    peer->farewell.clear();
    if (!PayDebts(peer)) return false;
    if (peer->blocked != Peer::Blocked::kNo) return true;
  }
  options_.switchboard->Retire(Release(peer));
  return false;
}

// ---- Time and life ----

void Worker::UpdateDeadline(Peer* peer, bool progress) {
  if (peer->blocked == Peer::Blocked::kOpening) return;  // its time begins again after that
  const bool owes_or_waits = peer->blocked != Peer::Blocked::kNo ||
                             !peer->session->unread.empty() || peer->session->parser.skipping();
  if (!owes_or_waits) {
    busy_.Stop(peer);
    idle_.Start(peer, now_ns_);
  } else if (progress || !busy_.Has(peer)) {
    idle_.Stop(peer);
    busy_.Start(peer, now_ns_);
  }
}

void Worker::Expire() {
  while (Peer* peer = retries_.PopExpired(now_ns_)) Turn(peer);
  while (Peer* peer = idle_.PopLate(looked_ns_)) {
    if (HasMoreToSay(peer, &idle_)) continue;
    options_.connections->timed_out.fetch_add(1, std::memory_order_relaxed);
    session::AppendClose(peer->session->dialect(), protocol::CloseReason::kIdleTimeout,
                         &peer->farewell);
    peer->ending = true;
    Finish(peer);
  }
  while (Peer* peer = busy_.PopLate(looked_ns_)) {
    if (HasMoreToSay(peer, &busy_)) continue;
    if (peer->blocked == Peer::Blocked::kSocketFull && peer->queue.Shrank(peer->session->fd())) {
      UpdateDeadline(peer, /*progress=*/true);  // it reads, though not so much that there is room
      continue;
    }
    options_.connections->timed_out.fetch_add(1, std::memory_order_relaxed);
    if (peer->blocked != Peer::Blocked::kNo) {
      LOG_EVERY_T(WARNING, 1)
          << peer->session->PeerName() << ": closed, "
          << (peer->blocked == Peer::Blocked::kSocketFull
                  ? "it did not read its answers in time"
                  : "the kernel took no more descriptors (ETOOMANYREFS) or memory in time");
      EndPeer(peer);
      continue;
    }
    LOG_EVERY_T(WARNING, 1) << peer->session->PeerName()
                            << ": closed, the rest of its request did not arrive in time";
    session::AppendFatal(peer->session->dialect(), 0, Status::kTimeout,
                         "the rest of the request did not arrive in time", &peer->farewell);
    peer->ending = true;
    Finish(peer);
  }
}

// Whether one whose time is up, and that is to speak, has more in its socket than this round took;
// then it may go on a while.
bool Worker::HasMoreToSay(Peer* peer, Deadlines* deadlines) {
  return peer->blocked == Peer::Blocked::kNo && !peer->session->peer_done &&
         net::IsReadable(peer->session->fd()) && deadlines->Excuse(peer, now_ns_);
}

int64_t Worker::NextDeadlineNs() const {
  return std::min({idle_.NextExpiryNs(), busy_.NextExpiryNs(), retries_.NextExpiryNs()});
}

std::unique_ptr<Session> Worker::Release(Peer* peer) {
  if (peer->blocked != Peer::Blocked::kOpening) epoll_.Remove(peer->session->fd());
  opening_.erase(peer->ticket);
  idle_.Stop(peer);
  busy_.Stop(peer);
  retries_.Stop(peer);
  peers_.erase(peer);
  load_.fetch_sub(1, std::memory_order_relaxed);
  std::unique_ptr<Session> session = std::move(peer->session);
  delete peer;
  return session;
}

void Worker::EndPeer(Peer* peer) { Release(peer); }

}  // namespace objmapper::fdpass
