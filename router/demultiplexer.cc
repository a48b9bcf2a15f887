// The router's loop. A connection belongs to this thread until its session is moved to a lane or it
// is closed.
#include "router/demultiplexer.h"

#include <glog/logging.h>

#include <algorithm>

#include "net/clock.h"
#include "net/pass_rights.h"
#include "router/opening.h"
#include "router/short_io.h"
#include "session/answers.h"
#include "session/ending.h"

namespace objmapper::router {
namespace {

// Says why to one that is not counted among the connections, in the dialect that its first bytes
// tell. The result is DropInput()'s.
bool TurnAway(const session::Session& session, protocol::Status status, absl::string_view why) {
  const bool http = PeekOpening(session) == protocol::Opening::kHttp;
  std::string answer;
  session::AppendError(http ? protocol::Dialect::kHttp : protocol::Dialect::kV1, 0, status, why,
                       &answer);
  SendShort(session.fd(), answer);
  return ShutDown(session);
}

}  // namespace

Demultiplexer::Demultiplexer(Options options)
    : limits_(options.limits),
      counters_(options.counters),
      admission_(std::move(options.admission)),
      congestion_(options.tcp_local_congestion),
      listeners_(&epoll_, std::move(options.listeners), congestion_,
                 [this](net::UniqueFd socket, session::Transport transport, bool last) {
                   Admit(std::move(socket), transport, last);
                 }),
      guests_(&epoll_, options.limits->idle_timeout, options.limits->request_timeout) {
  CHECK_EQ(epoll_.Add(thread_.event_fd(), EPOLLIN, &mailbox_source_), 0);
}

void Demultiplexer::Start(session::Lane* fdpass, session::Lane* copypath) {
  signpost_ = Signpost(fdpass, copypath, limits_->writable);
  listeners_.Start();
  thread_.Start("router", [this] { Run(); });
}

void Demultiplexer::Depart() {
  departing_.store(true, std::memory_order_release);
  Drain();
}

void Demultiplexer::Stop() {
  thread_.Stop();
  guests_.Clear();
  departed_.TakeAll();
}

void Demultiplexer::Route(std::unique_ptr<session::Session> session) {
  if (Departing()) {
    departed_.Put(std::move(session));
    return;
  }
  counters_->migrated.fetch_add(1, std::memory_order_relaxed);
  signpost_.SendByUnread(std::move(session));
}

void Demultiplexer::Arrive(std::unique_ptr<session::Session> session) {
  const std::optional<Admission::Refusal> refusal = admission_.JudgeArrival(*session, *counters_);
  if (!refusal.has_value()) {
    thread_.Put({Source::Kind::kOpener, std::move(session)});
    return;
  }
  counters_->refused.fetch_add(1, std::memory_order_relaxed);
  LOG_EVERY_T(WARNING, 1) << "hand-over: refused " << session->PeerName() << ": "
                          << refusal->message << " (" << refusal->flag << ")";
  // Nothing is owed on it: an HTTP connection that rests is simply closed; to V1 this is the answer
  // to its next request, to V2, with no request's number, to all.
  const protocol::Dialect dialect = session->v2() ? protocol::Dialect::kV2 : protocol::Dialect::kV1;
  std::string farewell;
  session::AppendError(dialect, 0, refusal->status, refusal->message, &farewell);
  session::AppendClose(dialect, protocol::CloseReason::kShuttingDown, &farewell);
  if (session->http == nullptr) SendShort(session->fd(), farewell);
  // Counted no longer, so that it takes nobody's place while it lingers.
  Retire(std::make_unique<session::Session>(session::ConnectionSlot(), std::move(session->socket),
                                            session->transport, limits_));
}

void Demultiplexer::Retire(std::unique_ptr<session::Session> session) {
  // Most peers have said all they had to say: then nothing is left to wait for.
  if (ShutDown(*session)) thread_.Put({Source::Kind::kLingerer, std::move(session)});
}

void Demultiplexer::Run() {
  while (true) {
    for (const epoll_event& event : epoll_.Wait(SleepMs())) {
      auto* source = static_cast<Source*>(event.data.ptr);
      switch (source->kind) {
        case Source::Kind::kListener:
          listeners_.Accept(static_cast<ListenerSource*>(source));
          break;
        case Source::Kind::kMailbox:
          TakeMail();
          break;
        case Source::Kind::kOpener:
          OnOpener(static_cast<Guest*>(source),
                   (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
          break;
        case Source::Kind::kUntold:
          if (auto* guest = static_cast<Guest*>(source);
              PeekOpening(*guest->session) != protocol::Opening::kNeedMore)
            Tell(guest);
          break;
        case Source::Kind::kLingerer:
        case Source::Kind::kRefused:
          if (auto* guest = static_cast<Guest*>(source); !DropInput(*guest->session))
            guests_.Remove(guest);
          break;
      }
    }
    Expire();
    listeners_.TakeRenewed();
    const net::ServingPhase asked = thread_.Beat();
    if (asked == net::ServingPhase::kStopping) break;
    if (asked == net::ServingPhase::kDraining && thread_.Enter(asked)) {
      // A client whose connect() succeeded may have asked already: it is in the backlog.
      if (!Departing()) listeners_.AcceptAll();
      listeners_.Close(Departing(), take_over_files_.load(std::memory_order_acquire));
      EndOpeners();
    }
  }
  listeners_.Close(Departing(), take_over_files_.load(std::memory_order_acquire));
}

void Demultiplexer::TakeMail() {
  for (auto& [becomes, session] : thread_.TakeAll()) {
    if (becomes == Source::Kind::kOpener && !session->unread.empty()) {
      Route(std::move(session));
    } else {
      // an arrival that has said nothing shows with its next request where it belongs
      guests_.Add(becomes, std::move(session));
    }
  }
}

void Demultiplexer::Admit(net::UniqueFd socket, session::Transport transport, bool last) {
  if (last) {
    counters_->refused.fetch_add(1, std::memory_order_relaxed);
    if (!socket.valid()) return;
    TurnAway(session::Session(session::ConnectionSlot(), std::move(socket), transport, limits_),
             protocol::Status::kUnavailable, "the server is out of file descriptors; try again");
    return;
  }
  if (transport == session::Transport::kTcp) {
    net::SendAtOnce(socket.get());
    congestion_.Prepare(socket.get());
  }
  const std::optional<Admission::Refusal> refusal =
      admission_.Judge(socket.get(), transport, *counters_);
  auto session = std::make_unique<session::Session>(
      refusal.has_value() ? session::ConnectionSlot() : session::ConnectionSlot(counters_),
      std::move(socket), transport, limits_);
  if (!refusal.has_value()) {
    counters_->accepted.fetch_add(1, std::memory_order_relaxed);
    // Of a listener that somebody else has made: it may have been connected to before we came.
    if (session->may_bring_fds) net::AllowFds(session->fd(), false);
    guests_.Add(Source::Kind::kOpener, std::move(session));
    return;
  }
  counters_->refused.fetch_add(1, std::memory_order_relaxed);
  LOG_EVERY_T(WARNING, 1) << "refused " << session->PeerName() << ": " << refusal->message << " ("
                          << refusal->flag << ")";
  if (PeekOpening(*session) == protocol::Opening::kNeedMore &&
      guests_.HasRoomFor(Source::Kind::kUntold)) {
    Guest* const guest = guests_.Add(Source::Kind::kUntold, std::move(session));
    if (guest == nullptr) return;
    guest->status = refusal->status;
    guest->why = refusal->message;
    return;
  }
  if (TurnAway(*session, refusal->status, refusal->message))
    guests_.Add(Source::Kind::kRefused, std::move(session));
}

void Demultiplexer::Tell(Guest* guest) {
  const protocol::Status status = guest->status;
  const std::string why = std::move(guest->why);
  std::unique_ptr<session::Session> session = guests_.Remove(guest);
  if (TurnAway(*session, status, why)) guests_.Add(Source::Kind::kRefused, std::move(session));
}

void Demultiplexer::OnOpener(Guest* guest, bool peer_done) {
  const Opening opening = LookAtOpening(guest->session.get(), peer_done);
  if (opening.greeted) guests_.Greeted(guest);
  switch (opening.kind) {
    case Opening::Kind::kSilent:
      return;
    case Opening::Kind::kHalfSaid:
      return guests_.HalfSaid(guest);
    case Opening::Kind::kMode:
      return signpost_.SendFor(opening.mode, guests_.Remove(guest));
    case Opening::Kind::kAny:
      return signpost_.SendHome(guests_.Remove(guest));
    case Opening::Kind::kOver:
      guests_.Remove(guest);
      return;
    case Opening::Kind::kFarewell:
      return SayFarewell(guest, opening.farewell);
  }
}

void Demultiplexer::SayFarewell(Guest* guest, absl::string_view farewell) {
  SendShort(guest->session->fd(), farewell);
  Retire(guests_.Remove(guest));
}

void Demultiplexer::EndOpeners() {
  for (Guest* guest : guests_.Openers()) {
    if (Departing()) {
      departed_.Put(guests_.Remove(guest));
      continue;
    }
    OnOpener(guest, /*peer_done=*/false);  // what it has just asked is still answered
    if (!guests_.Has(guest)) continue;
    std::string farewell;
    session::AppendClose(guest->session->dialect(), protocol::CloseReason::kShuttingDown,
                         &farewell);
    SayFarewell(guest, farewell);
  }
}

void Demultiplexer::Expire() {
  if (looked_ns_ >= listeners_.resume_ns()) listeners_.Resume();
  while (Guest* guest = guests_.PopLeft(looked_ns_)) {
    DropInput(*guest->session);  // to close over unread bytes would take back what was said last
    guests_.Remove(guest);
  }
  while (Guest* guest = guests_.PopUntold(looked_ns_)) Tell(guest);
  for (const bool half_said : {false, true}) {
    while (Guest* guest = guests_.PopLate(half_said, looked_ns_)) {
      if (HasSpoken(guest, half_said)) continue;
      counters_->timed_out.fetch_add(1, std::memory_order_relaxed);
      const protocol::Dialect dialect = guest->session->dialect();
      std::string farewell;
      if (half_said) {
        session::AppendFatal(dialect, 0, protocol::Status::kTimeout, session::kLateHalfSaid,
                             &farewell);
      } else {
        session::AppendClose(dialect, protocol::CloseReason::kIdleTimeout, &farewell);
      }
      SayFarewell(guest, farewell);
    }
  }
}

// Looks once more at an opener whose time is up; half_said: with the rest of its first request.
// True: it has said something that takes it further. More of half a request does not.
bool Demultiplexer::HasSpoken(Guest* guest, bool half_said) {
  OnOpener(guest, /*peer_done=*/false);
  if (!guests_.Has(guest) || guests_.IsSilent(guest)) return true;  // a request, the end; HELLO
  return !half_said && guests_.IsHalfSaid(guest);
}

// Also notes when the thread begins to look.
int Demultiplexer::SleepMs() {
  looked_ns_ = net::NowNs();
  const int64_t next = std::min(guests_.NextExpiryNs(), listeners_.resume_ns());
  return next == net::kNever ? -1 : net::SleepMs(next, looked_ns_);
}

}  // namespace objmapper::router
