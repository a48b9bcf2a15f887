// The router's loop. A connection belongs to this thread until its session is moved to a lane or it
// is closed; bytes are looked at with MSG_PEEK and stay in the socket, except for HELLO.
#include "router/demultiplexer.h"

#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "net/errno_status.h"
#include "net/pass_rights.h"
#include "net/scm_rights.h"
#include "protocol/objm/encode.h"
#include "session/answers.h"
#include "session/ending.h"

namespace objmapper::router {
namespace {

using protocol::RequestParser;

// How long a retired connection is read and dropped before it is closed.
constexpr absl::Duration kLinger = absl::Seconds(1);
// How many retired connections may linger; beyond it they are closed at once.
constexpr size_t kLingerersMax = 1024;
// The same for those that were not let in. They are in nobody's limits, so a flood of them is to
// take few descriptors for a short time; a client reads why as long as it is closed behind the
// answer rather than over what it has sent.
constexpr absl::Duration kRefusedLinger = absl::Milliseconds(200);
constexpr size_t kRefusedMax = 64;
// How many connections one turn accepts before it looks at the others again.
constexpr int kAcceptsPerTurn = 64;
// How long listeners rest when the process can open no descriptor.
constexpr int64_t kPauseNs = 100'000'000;
// Enough for the bytes up to the mode byte, in either dialect.
constexpr size_t kPeekBytes = protocol::kHelloBytes + 16;

// Sends a few bytes to a peer whose socket buffer must be nearly empty. False: it is not, or the
// peer has gone; the conversation is over.
bool SendShort(int fd, absl::string_view bytes) {
  if (bytes.empty()) return true;
  return net::SendWithFds(fd, bytes, {}) == static_cast<ssize_t>(bytes.size());
}

net::UniqueFd OpenReserve() { return net::UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

// Takes `bytes` that have been looked at off the socket. False: descriptors ride on them.
bool DropBytes(const session::Session& session, size_t bytes) {
  char buffer[kPeekBytes];
  while (bytes > 0) {
    size_t with_fds = 0;
    const absl::Span<char> room(buffer, std::min(bytes, sizeof(buffer)));
    const ssize_t got = session.may_bring_fds
                            ? net::RecvBeforeFds(session.fd(), room, &with_fds)
                            : recv(session.fd(), room.data(), room.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (with_fds > 0) return false;
    if (got <= 0) return true;  // reset meanwhile: the next look at the socket says so
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

// Reads and drops what has arrived. True: the peer may send more; false: it has finished or gone.
bool DropInput(const session::Session& session) {
  char buffer[16384];
  // Bounded: a peer that sends for ever is cut off by the linger deadline instead.
  for (int i = 0; i < 16; ++i) {
    size_t with_fds = 0;
    const ssize_t got = session.may_bring_fds
                            ? net::RecvBeforeFds(session.fd(), absl::MakeSpan(buffer), &with_fds)
                            : recv(session.fd(), buffer, sizeof(buffer), MSG_DONTWAIT);
    if (got > 0) continue;
    // With descriptors: it is closed unread, by somebody else (net::DisposeSocket()).
    return got < 0 && (errno == EAGAIN || errno == EINTR);
  }
  return true;
}

}  // namespace

Demultiplexer::Demultiplexer(Options options)
    : limits_(options.limits),
      counters_(options.counters),
      admission_(std::move(options.admission)),
      congestion_(options.tcp_local_congestion),
      silent_(options.limits->idle_timeout),
      half_said_(options.limits->request_timeout),
      leaving_(kLinger),
      turned_away_(kRefusedLinger),
      reserve_(OpenReserve()) {
  CHECK_EQ(epoll_.Add(thread_.event_fd(), EPOLLIN, &mailbox_source_), 0);
  for (net::Listener& listener : options.listeners) {
    if (listener.address().kind == net::Address::Kind::kTcp)
      congestion_.PrepareListener(listener.fd());
    listeners_.push_back(std::make_unique<ListenerSource>(std::move(listener)));
  }
}

void Demultiplexer::Start(session::Lane* fdpass, session::Lane* copypath) {
  fdpass_ = fdpass;
  copypath_ = copypath;
  for (const auto& listener : listeners_) {
    CHECK_EQ(epoll_.Add(listener->listener.fd(), EPOLLIN, listener.get()), 0);
  }
  thread_.Start("router", [this] { Run(); });
}

void Demultiplexer::Depart() {
  departing_.store(true, std::memory_order_release);
  Drain();
}

std::vector<Demultiplexer::Listening> Demultiplexer::listening() const {
  std::vector<Listening> listening;
  const net::MutexLock lock(&listeners_mutex_);
  for (const auto& source : listeners_) {
    const net::Listener& listener = source->listener;
    listening.push_back({listener.fd(), listener.address().ToUrl(),
                         listener.file() != net::Listener::File::kTheirs, listener.address(),
                         listener.file_identity()});
  }
  return listening;
}

void Demultiplexer::Renew(net::Listener listener) {
  {
    const net::MutexLock lock(&listeners_mutex_);
    renewed_.push_back(std::move(listener));
  }
  thread_.Wake();
}

// Between rounds of events, none of which then means a listener that has gone.
void Demultiplexer::TakeRenewed() {
  std::vector<net::Listener> renewed;
  {
    const net::MutexLock lock(&listeners_mutex_);
    renewed.swap(renewed_);
  }
  for (net::Listener& listener : renewed) {
    for (auto& source : listeners_) {
      if (source->listener.address().ToUrl() != listener.address().ToUrl()) continue;
      while (AcceptFrom(source.get())) {
      }
      auto fresh = std::make_unique<ListenerSource>(std::move(listener));
      if (!source->paused) epoll_.Remove(source->listener.fd());
      fresh->paused = source->paused;
      if (!fresh->paused) CHECK_EQ(epoll_.Add(fresh->listener.fd(), EPOLLIN, fresh.get()), 0);
      source->before.reset();
      fresh->before = std::move(source);
      const net::MutexLock lock(&listeners_mutex_);
      source = std::move(fresh);
      break;
    }
  }
}

void Demultiplexer::Stop() {
  thread_.Stop();
  while (!guests_.empty()) RemoveGuest(*guests_.begin());
  departed_.TakeAll();
}

session::Lane* Demultiplexer::DefaultLane(session::Transport transport) const {
  return transport == session::Transport::kUnix && fdpass_ != nullptr ? fdpass_ : copypath_;
}

session::Lane* Demultiplexer::LaneFor(protocol::Mode mode, session::Transport transport) const {
  const std::optional<session::LaneKind> kind = session::LaneOf(mode, transport, limits_->writable);
  if (!kind.has_value()) return DefaultLane(transport);
  return *kind == session::LaneKind::kFdPass && fdpass_ != nullptr ? fdpass_ : copypath_;
}

void Demultiplexer::HandTo(session::Lane* lane, std::unique_ptr<session::Session> session) {
  session->handed_ns = net::NowNs();
  lane->Adopt(std::move(session));
}

void Demultiplexer::Route(std::unique_ptr<session::Session> session) {
  if (Departing()) {
    departed_.Put(std::move(session));
    return;
  }
  protocol::Mode mode;
  session::Lane* lane = DefaultLane(session->transport);
  if (session->fds_wait) {
    lane = copypath_;
  } else if (session->parser.PeekMode(session->unread, &mode) == RequestParser::Peek::kKnown) {
    lane = LaneFor(mode, session->transport);
  }
  counters_->migrated.fetch_add(1, std::memory_order_relaxed);
  HandTo(lane, std::move(session));
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
  // Nothing is owed on it: to V1 this is the answer to its next request, to V2, with no request's
  // number, to all.
  const protocol::Dialect dialect = session->v2() ? protocol::Dialect::kV2 : protocol::Dialect::kV1;
  std::string farewell;
  session::AppendError(dialect, 0, refusal->status, refusal->message, &farewell);
  session::AppendClose(dialect, protocol::CloseReason::kShuttingDown, &farewell);
  SendShort(session->fd(), farewell);
  // Counted no longer, so that it takes nobody's place while it lingers.
  Retire(std::make_unique<session::Session>(session::ConnectionSlot(), std::move(session->socket),
                                            session->transport, limits_));
}

void Demultiplexer::Retire(std::unique_ptr<session::Session> session) {
  shutdown(session->fd(), SHUT_WR);
  // Most peers have said all they had to say: then nothing is left to wait for.
  if (!DropInput(*session)) return;
  thread_.Put({Source::Kind::kLingerer, std::move(session)});
}

void Demultiplexer::Run() {
  while (true) {
    for (const epoll_event& event : epoll_.Wait(SleepMs())) {
      auto* source = static_cast<Source*>(event.data.ptr);
      switch (source->kind) {
        case Source::Kind::kListener:
          AcceptFrom(static_cast<ListenerSource*>(source));
          break;
        case Source::Kind::kMailbox:
          for (auto& [becomes, session] : thread_.TakeAll()) {
            if (becomes == Source::Kind::kOpener && !session->unread.empty()) {
              Route(std::move(session));
            } else {
              // an arrival that has said nothing shows with its next request where it belongs
              AddGuest(becomes, std::move(session));
            }
          }
          break;
        case Source::Kind::kOpener:
          OnOpener(static_cast<Guest*>(source),
                   (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
          break;
        case Source::Kind::kLingerer:
        case Source::Kind::kRefused:
          OnLingerer(static_cast<Guest*>(source));
          break;
      }
    }
    Expire();
    TakeRenewed();
    const net::ServingPhase asked = thread_.Beat();
    if (asked == net::ServingPhase::kStopping) break;
    if (asked == net::ServingPhase::kDraining && thread_.Enter(asked)) {
      // A client whose connect() succeeded may have asked already: it is in the backlog.
      for (const auto& listener : listeners_) {
        while (!Departing() && AcceptFrom(listener.get())) {
        }
      }
      CloseListeners();
      EndOpeners();
    }
  }
  CloseListeners();
}

session::Transport Demultiplexer::TransportOf(const ListenerSource& source) {
  return source.listener.address().kind == net::Address::Kind::kUnix ? session::Transport::kUnix
                                                                     : session::Transport::kTcp;
}

bool Demultiplexer::AcceptFrom(ListenerSource* source) {
  const session::Transport transport = TransportOf(*source);
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    // Blocking sockets: io_uring waits by itself only on those, and other calls say MSG_DONTWAIT.
    net::UniqueFd socket(accept4(source->listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket.valid()) {
      Admit(std::move(socket), transport);
      continue;
    }
    switch (errno) {
      case EAGAIN:
        return false;
      case EMFILE:
      case ENFILE:
        RefuseForLackOfDescriptors(source);
        return false;
      case ENOMEM:
      case ENOBUFS:
        PLOG(WARNING) << "accept on " << source->listener.address().ToUrl();
        PauseListeners();
        return false;
      default:
        // EINTR, ECONNABORTED, and what accept(2) lists as the new connection's own errors.
        continue;
    }
  }
  return true;
}

void Demultiplexer::Admit(net::UniqueFd socket, session::Transport transport) {
  if (transport == session::Transport::kTcp) {
    net::SendAtOnce(socket.get());
    congestion_.Prepare(socket.get());
  }
  const std::optional<Admission::Refusal> refusal =
      admission_.Judge(socket.get(), transport, *counters_);
  if (!refusal.has_value()) {
    counters_->accepted.fetch_add(1, std::memory_order_relaxed);
    auto session = std::make_unique<session::Session>(session::ConnectionSlot(counters_),
                                                      std::move(socket), transport, limits_);
    // Of a listener that somebody else has made: it may have been connected to before we came.
    if (session->may_bring_fds) net::AllowFds(session->fd(), false);
    AddGuest(Source::Kind::kOpener, std::move(session));
    return;
  }
  counters_->refused.fetch_add(1, std::memory_order_relaxed);
  auto session = std::make_unique<session::Session>(session::ConnectionSlot(), std::move(socket),
                                                    transport, limits_);
  LOG_EVERY_T(WARNING, 1) << "refused " << session->PeerName() << ": " << refusal->message << " ("
                          << refusal->flag << ")";
  std::string answer;
  session::AppendError(protocol::Dialect::kV1, 0, refusal->status, refusal->message, &answer);
  SendShort(session->fd(), answer);
  shutdown(session->fd(), SHUT_WR);
  if (DropInput(*session)) AddGuest(Source::Kind::kRefused, std::move(session));
}

void Demultiplexer::RefuseForLackOfDescriptors(ListenerSource* source) {
  LOG_EVERY_T(WARNING, 1) << "out of descriptors (RLIMIT_NOFILE): refusing connections on "
                          << source->listener.address().ToUrl();
  counters_->refused.fetch_add(1, std::memory_order_relaxed);
  // Left in the backlog the client would wait for nothing. The reserve makes room to tell it.
  reserve_.Reset();
  net::UniqueFd socket(accept4(source->listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  if (socket.valid()) {
    std::string answer;
    session::AppendError(protocol::Dialect::kV1, 0, protocol::Status::kUnavailable,
                         "the server is out of file descriptors; try again", &answer);
    SendShort(socket.get(), answer);
    shutdown(socket.get(), SHUT_WR);
    const session::Session session(session::ConnectionSlot(), std::move(socket),
                                   TransportOf(*source), limits_);
    DropInput(session);
  }
  reserve_ = OpenReserve();
  if (!reserve_.valid()) PauseListeners();
}

void Demultiplexer::PauseListeners() {
  for (const auto& listener : listeners_) {
    if (!listener->paused) epoll_.Remove(listener->listener.fd());
    listener->paused = true;
  }
  resume_ns_ = net::NowNs() + kPauseNs;
}

void Demultiplexer::ResumeListeners() {
  if (!reserve_.valid()) reserve_ = OpenReserve();
  for (const auto& listener : listeners_) {
    if (listener->paused) CHECK_EQ(epoll_.Add(listener->listener.fd(), EPOLLIN, listener.get()), 0);
    listener->paused = false;
  }
  resume_ns_ = net::kNever;
}

void Demultiplexer::CloseListeners() {
  // Files that are somebody else's by now, with what waits in the backlog.
  if (Departing()) {
    for (const auto& listener : listeners_) listener->listener.LeaveFile();
  }
  if (take_over_files_.load(std::memory_order_acquire)) {
    for (const auto& listener : listeners_) listener->listener.TakeOverFile();
  }
  // A socket that another process has too goes on after our close(2), and so would its place in the
  // epoll set.
  for (const auto& listener : listeners_) {
    if (!listener->paused) epoll_.Remove(listener->listener.fd());
  }
  std::vector<std::unique_ptr<ListenerSource>> closing;
  {
    const net::MutexLock lock(&listeners_mutex_);
    closing.swap(listeners_);
    renewed_.clear();
  }
  closing.clear();  // removes the socket files
  resume_ns_ = net::kNever;
}

void Demultiplexer::AddGuest(Source::Kind kind, std::unique_ptr<session::Session> session) {
  if (kind == Source::Kind::kLingerer && lingerers_ >= kLingerersMax) return;
  if (kind == Source::Kind::kRefused && refused_ >= kRefusedMax) return;
  const int fd = session->fd();
  auto guest = std::make_unique<Guest>(kind, std::move(session));
  // Edge-triggered: bytes that are peeked at stay in the socket, and would be reported for ever.
  const int error = epoll_.Add(fd, EPOLLIN | EPOLLRDHUP | EPOLLET, guest.get());
  if (error != 0) {
    LOG(WARNING) << net::ErrnoToStatus(error, "epoll_ctl for a new connection").message();
    return;
  }
  if (kind == Source::Kind::kLingerer) ++lingerers_;
  if (kind == Source::Kind::kRefused) ++refused_;
  Deadlines& deadlines = kind == Source::Kind::kOpener     ? silent_
                         : kind == Source::Kind::kLingerer ? leaving_
                                                           : turned_away_;
  deadlines.Start(guest.get(), net::NowNs());
  guests_.insert(guest.release());
}

std::unique_ptr<session::Session> Demultiplexer::RemoveGuest(Guest* guest) {
  epoll_.Remove(guest->session->fd());
  silent_.Stop(guest);
  half_said_.Stop(guest);
  leaving_.Stop(guest);
  turned_away_.Stop(guest);
  if (guest->kind == Source::Kind::kLingerer) --lingerers_;
  if (guest->kind == Source::Kind::kRefused) --refused_;
  guests_.erase(guest);
  std::unique_ptr<session::Session> session = std::move(guest->session);
  delete guest;
  return session;
}

void Demultiplexer::OnOpener(Guest* guest, bool peer_done) {
  session::Session* session = guest->session.get();
  while (true) {
    char buffer[kPeekBytes];
    const ssize_t got = recv(session->fd(), buffer, sizeof(buffer), MSG_PEEK | MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
      RemoveGuest(guest);  // it came and went without a word, or was reset
      return;
    }
    if (got < 0 && errno == EINTR) continue;  // edge-triggered: nobody will tell again
    if (got < 0) return;
    const absl::string_view input(buffer, static_cast<size_t>(got));
    protocol::Mode mode;
    switch (session->parser.PeekMode(input, &mode)) {
      case RequestParser::Peek::kKnown: {
        session::Lane* lane = LaneFor(mode, session->transport);
        HandTo(lane, RemoveGuest(guest));
        return;
      }
      case RequestParser::Peek::kNeedMore:
        break;
      case RequestParser::Peek::kOther: {
        if (session->dialect() != protocol::Dialect::kUnknown) {
          session::Lane* lane = DefaultLane(session->transport);
          HandTo(lane, RemoveGuest(guest));
          return;
        }
        const RequestParser::Result result = session->parser.Next(input);
        if (result.kind == RequestParser::Kind::kHello) {
          if (!DropBytes(*session, result.consumed)) {
            LOG_EVERY_T(WARNING, 1)
                << session->PeerName() << ": closed, it sent descriptors with HELLO";
            RemoveGuest(guest);
            return;
          }
          session->AllowFds();
          char ack[protocol::kHelloAckBytes];
          const size_t size =
              protocol::EncodeHelloAck(session->parser.capabilities(),
                                       session->parser.max_pipeline(), limits_->parallelism, ack);
          if (!SendShort(session->fd(), absl::string_view(ack, size))) {
            RemoveGuest(guest);
            return;
          }
          half_said_.Stop(guest);
          silent_.Start(guest, net::NowNs());
          continue;  // the first request may be here already
        }
        if (result.kind == RequestParser::Kind::kFatal) {
          std::string answer;
          session::AppendError(protocol::Dialect::kV1, 0, result.status, result.reason, &answer);
          LOG_EVERY_T(WARNING, 1) << session->PeerName() << ": " << result.reason;
          SendShort(session->fd(), answer);
          Retire(RemoveGuest(guest));
          return;
        }
        CHECK(result.kind == RequestParser::Kind::kNeedMore);
        break;
      }
    }
    // A part of the first message is here.
    int queued = 0;
    if (session->v2() && ioctl(session->fd(), FIONREAD, &queued) == 0 && queued > got) {
      // A look ends at the first message that carries descriptors; only a reader gets past it.
      session::Lane* lane = DefaultLane(session->transport);
      HandTo(lane, RemoveGuest(guest));
      return;
    }
    if (peer_done) {
      std::string answer;
      session::AppendFatal(session->dialect(), 0, protocol::Status::kProtocolError,
                           session::kEndedHalfSaid, &answer);
      SendShort(session->fd(), answer);
      Retire(RemoveGuest(guest));
      return;
    }
    // The time runs from the first byte: a byte now and then does not extend it.
    if (!half_said_.Has(guest)) {
      silent_.Stop(guest);
      half_said_.Start(guest, net::NowNs());
    }
    return;
  }
}

void Demultiplexer::OnLingerer(Guest* guest) {
  if (!DropInput(*guest->session)) RemoveGuest(guest);
}

void Demultiplexer::EndOpeners() {
  const std::vector<Guest*> guests(guests_.begin(), guests_.end());
  for (Guest* guest : guests) {
    if (guest->kind != Source::Kind::kOpener) continue;
    if (Departing()) {
      departed_.Put(RemoveGuest(guest));
      continue;
    }
    OnOpener(guest, /*peer_done=*/false);  // what it has just asked is still answered
    if (!guests_.contains(guest)) continue;
    std::string farewell;
    session::AppendClose(guest->session->dialect(), protocol::CloseReason::kShuttingDown,
                         &farewell);
    SendShort(guest->session->fd(), farewell);
    Retire(RemoveGuest(guest));
  }
}

void Demultiplexer::Expire() {
  if (looked_ns_ >= resume_ns_) ResumeListeners();
  for (Deadlines* leaving : {&leaving_, &turned_away_}) {
    while (Guest* guest = leaving->PopExpired(looked_ns_)) {
      DropInput(*guest->session);  // to close over unread bytes would take back what was said last
      RemoveGuest(guest);
    }
  }
  while (Guest* guest = silent_.PopLate(looked_ns_)) {
    if (HasSpoken(guest, /*half_said=*/false)) continue;
    counters_->timed_out.fetch_add(1, std::memory_order_relaxed);
    std::string farewell;
    session::AppendClose(guest->session->dialect(), protocol::CloseReason::kIdleTimeout, &farewell);
    SendShort(guest->session->fd(), farewell);
    Retire(RemoveGuest(guest));
  }
  while (Guest* guest = half_said_.PopLate(looked_ns_)) {
    if (HasSpoken(guest, /*half_said=*/true)) continue;
    counters_->timed_out.fetch_add(1, std::memory_order_relaxed);
    std::string answer;
    session::AppendFatal(guest->session->dialect(), 0, protocol::Status::kTimeout,
                         session::kLateHalfSaid, &answer);
    SendShort(guest->session->fd(), answer);
    Retire(RemoveGuest(guest));
  }
}

// Looks once more at an opener whose time is up; half_said: with the rest of its first request.
// True: it has said something that takes it further. More of half a request does not.
bool Demultiplexer::HasSpoken(Guest* guest, bool half_said) {
  OnOpener(guest, /*peer_done=*/false);
  if (!guests_.contains(guest) || silent_.Has(guest)) return true;  // a request, the end; HELLO
  if (!half_said_.Has(guest)) return false;
  if (!half_said) return true;
  half_said_.Stop(guest);
  return false;
}

// Also notes when the thread begins to look.
int Demultiplexer::SleepMs() {
  looked_ns_ = net::NowNs();
  const int64_t next = std::min({silent_.NextExpiryNs(), half_said_.NextExpiryNs(),
                                 leaving_.NextExpiryNs(), turned_away_.NextExpiryNs(), resume_ns_});
  return next == net::kNever ? -1 : net::SleepMs(next, looked_ns_);
}

}  // namespace objmapper::router
