#include "tools/bench/load/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "net/scm_rights.h"
#include "net/tcp.h"

namespace objmapper::bench {

absl::StatusOr<Target> TargetOf(const Endpoint& endpoint) {
  Target target;
  if (endpoint.transport == Transport::kTcp) {
    auto* address = reinterpret_cast<sockaddr_in*>(&target.address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address->sin_port = htons(endpoint.port);
    target.address_bytes = sizeof(*address);
    target.url = absl::StrCat("127.0.0.1:", endpoint.port);
    return target;
  }
  auto* address = reinterpret_cast<sockaddr_un*>(&target.address);
  if (endpoint.path.empty() || endpoint.path.size() >= sizeof(address->sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("unix:", endpoint.path,
                                                   ": a socket's path has 1 to ",
                                                   sizeof(address->sun_path) - 1, " bytes"));
  }
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, endpoint.path.data(), endpoint.path.size());
  target.address_bytes = sizeof(*address);
  target.url = absl::StrCat("unix:", endpoint.path);
  return target;
}

int StartConnect(const Target& target, net::UniqueFd* socket) {
  const sa_family_t family = target.address.ss_family;
  net::UniqueFd made(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!made.valid()) return errno;
  if (family == AF_INET) net::SendAtOnce(made.get());
  const auto* address = reinterpret_cast<const sockaddr*>(&target.address);
  const int error = connect(made.get(), address, target.address_bytes) == 0 ? 0 : errno;
  if (error == 0 || error == EINPROGRESS) *socket = std::move(made);
  return error;
}

void Workbench::Fail(absl::string_view what) {
  if (result.errors++ == 0) result.first_error = absl::StrCat(target.url, ": ", what);
}

Connection::Connection(Workbench* bench, int index)
    : bench_(*bench), index_(index), turn_(bench->plan, index), asked_(bench->options.depth) {}

void Connection::Rewind() {
  answered_ = due_ = scheduled_ = 0;
  wanted_ns_ = open() ? 0 : bench_.start_ns;
}

// ---- Connecting ----

int Connection::StartConnect() {
  Disconnect();
  const int error = bench::StartConnect(bench_.target, &socket_);
  if (error != 0 && error != EINPROGRESS) return error;
  if (wanted_ns_ == 0) wanted_ns_ = bench_.now_ns;
  state_ = error == 0 ? State::kOpening : State::kConnecting;
  Watch(error == 0 ? EPOLLIN : EPOLLOUT);
  if (state_ != State::kOpening) return 0;
  // Whatever went wrong shows again at the next event.
  static_cast<void>(Opened());
  return 0;
}

Connection::Next Connection::FinishConnect() {
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return Break(absl::StrCat("connect: ", strerror(error)));
  Watch(EPOLLIN);
  return Opened();
}

// The socket is connected: speak first, where the language wants it.
Connection::Next Connection::Opened() {
  unsent_ = bench_.driver.Opening();
  state_ = unsent_.empty() ? State::kOpen : State::kOpening;
  return state_ == State::kOpen ? Pump() : Flush();
}

void Connection::Disconnect() {
  socket_.Reset();  // leaves the epoll set too: no other descriptor names this socket
  state_ = State::kClosed;
  watched_ = 0;
  bench_.outstanding -= sent_;
  sent_ = stage_ = fds_ = 0;
  skip_ = sent_here_ = answered_here_ = 0;
  last_ = false;
  carry_.clear();
  ForgetUnsent();
}

void Connection::ForgetUnsent() {
  unsent_.clear();
  unsent_from_ = 0;
}

Connection::Next Connection::Break(absl::string_view why) {
  bench_.Fail(why);
  Disconnect();
  count_ = 0;
  return Next::kBroken;
}

void Connection::Watch(uint32_t events) {
  if (events == watched_) return;
  epoll_event event{};
  event.events = events;
  event.data.ptr = this;
  const int operation = watched_ == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (epoll_ctl(bench_.epoll.get(), operation, socket_.get(), &event) == 0) watched_ = events;
}

// ---- Asking ----

// Puts requests that are wanted now into the ring.
void Connection::AskMore() {
  const uint64_t limit = bench_.options.requests_per_conn;
  while (bench_.asking && bench_.to_ask > 0 && count_ < bench_.options.depth) {
    if (limit != 0 && sent_here_ + (count_ - sent_) >= limit) return;
    int64_t due_ns = wanted_ns_ != 0 ? wanted_ns_ : bench_.now_ns;
    if (bench_.interval_ns > 0) {
      if (scheduled_ == due_) return;
      const uint64_t number = scheduled_++ * bench_.options.connections + index_;
      due_ns = bench_.start_ns + static_cast<int64_t>(number * bench_.interval_ns);
    }
    --bench_.to_ask;
    At(count_++) = {due_ns, turn_.Next(), 0};
  }
}

Connection::Next Connection::Pump() {
  if (state_ != State::kOpen || !unsent_.empty()) return Next::kGoesOn;
  AskMore();
  wanted_ns_ = 0;
  const uint64_t limit = bench_.options.requests_per_conn;
  std::string& out = bench_.outbox;
  out.clear();
  for (; sent_ < count_ && (limit == 0 || sent_here_ < limit); ++sent_, ++sent_here_) {
    Asked& asked = At(sent_);
    // A descriptor rides on the first byte of a message: its request begins one.
    if (bench_.plan.item(asked.item).fd >= 0) {
      if (!out.empty()) break;
      if (!GiveFd(&asked)) return Next::kGoesOn;
      continue;
    }
    asked.id = next_id_;
    next_id_ = next_id_ == UINT32_MAX ? 2 : next_id_ + 1;
    const size_t at = out.size();
    out += bench_.plan.item(asked.item).request;
    bench_.driver.SetId(out.data() + at, asked.id);
    ++bench_.outstanding;
  }
  if (out.empty()) return Next::kGoesOn;
  const ssize_t sent = send(socket_.get(), out.data(), out.size(), MSG_NOSIGNAL);
  if (sent == static_cast<ssize_t>(out.size())) return Next::kGoesOn;
  unsent_.assign(out, std::max<ssize_t>(sent, 0));
  return Flush();
}

// Sends one request with its descriptor. False: there is no room yet, or the connection is over, as
// the next event tells.
bool Connection::GiveFd(Asked* asked) {
  const Plan::Item& item = bench_.plan.item(asked->item);
  bench_.outbox = item.request;
  bench_.driver.SetId(bench_.outbox.data(), next_id_);
  const ssize_t sent =
      net::SendWithFds(socket_.get(), bench_.outbox, absl::MakeConstSpan(&item.fd, 1));
  const bool gone = sent == static_cast<ssize_t>(bench_.outbox.size());
  bench_.outbox.clear();
  Watch(gone ? EPOLLIN : EPOLLIN | EPOLLOUT);
  if (!gone) return false;  // so short a message goes whole or not at all
  asked->id = next_id_;
  next_id_ = next_id_ == UINT32_MAX ? 2 : next_id_ + 1;
  ++bench_.outstanding;
  return true;
}

Connection::Next Connection::Flush() {
  const ssize_t sent = send(socket_.get(), unsent_.data() + unsent_from_,
                            unsent_.size() - unsent_from_, MSG_NOSIGNAL);
  if (sent > 0) unsent_from_ += static_cast<size_t>(sent);
  // What the server said before it closed is worth more than EPIPE: it is read at the next event.
  const bool over = sent < 0 && errno != EAGAIN && errno != EINTR;
  if (over || unsent_from_ == unsent_.size()) ForgetUnsent();
  Watch(unsent_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
  return Next::kGoesOn;
}

// ---- Answers ----

Connection::Next Connection::OnEvents(uint32_t events) {
  if (state_ == State::kClosed) return Next::kGoesOn;
  if (state_ == State::kConnecting) return FinishConnect();
  if ((events & EPOLLOUT) != 0 && !unsent_.empty()) {
    const Next next = Flush();
    if (next != Next::kGoesOn) return next;
  }
  const Next next = (events & ~EPOLLOUT) != 0 ? Receive() : Next::kGoesOn;
  return next == Next::kGoesOn ? Pump() : next;
}

Connection::Next Connection::Receive() {
  const ssize_t received = bench_.inbox.Receive(socket_.get(), carry_, bench_.descriptors);
  const int error = errno;
  bench_.now_ns = net::NowNs();
  if (received == 0) return AtEnd();
  if (received < 0) {
    if (error == EAGAIN || error == EINTR) return Next::kGoesOn;
    if (error == EOVERFLOW) return Break("descriptors were lost (MSG_CTRUNC): RLIMIT_NOFILE?");
    if (error == ECONNRESET) return AtEnd();
    return Break(absl::StrCat("receive: ", strerror(error)));
  }
  fds_ += bench_.inbox.fds();
  const Next next = Read(bench_.inbox.bytes());
  if (next != Next::kGoesOn) return next;
  if (fds_ != 0 && sent_ == 0) return Break("more descriptors came than answers that bring one");
  return next;
}

// A server may close while nothing is asked of it, and says so beforehand in most languages.
Connection::Next Connection::AtEnd() {
  if (state_ == State::kOpen && sent_ == 0 && carry_.empty()) return Next::kReconnect;
  return Break(absl::StrCat("the server closed the connection with ", sent_, " requests unanswered",
                            state_ == State::kOpening ? ", while it was opening" : ""));
}

Connection::Next Connection::Read(absl::string_view input) {
  while (!input.empty()) {
    if (skip_ > 0) {
      const uint64_t taken = std::min<uint64_t>(skip_, input.size());
      input.remove_prefix(taken);
      skip_ -= taken;
      if (skip_ > 0) break;
      if (const Next next = Complete(); next != Next::kGoesOn) return next;
      continue;
    }
    const Asked& oldest = At(0);
    const Head head = state_ == State::kOpening
                          ? bench_.driver.NextOpening(input, stage_)
                          : bench_.driver.Next(input, bench_.plan.item(oldest.item).ask, oldest.id);
    if (head.kind == Head::Kind::kNeedMore) break;
    if (const Next next = Take(head); next != Next::kGoesOn) return next;
    input.remove_prefix(head.consumed);
  }
  if (input.size() >= kHeadBytesMax) return Break("an answer's head does not end");
  carry_.assign(input.data(), input.size());
  return Next::kGoesOn;
}

Connection::Next Connection::Take(const Head& head) {
  if (head.kind == Head::Kind::kBroken) return Break(head.message);
  if (head.kind == Head::Kind::kGoAway) return Next::kReconnect;
  if (state_ == State::kOpening) {
    ++stage_;
    if (head.kind == Head::Kind::kAnswer) state_ = State::kOpen;
    return Next::kGoesOn;
  }
  if (head.kind == Head::Kind::kNotice) return Next::kGoesOn;
  if (sent_ == 0) return Break("an answer came that nothing had asked for");
  if (!head.ok) bench_.Fail(absl::StrCat("the answer is not OK: ", head.message));
  if (head.ok && head.brings_fd && --fds_ < 0) return Break("an OK answer brought no descriptor");
  ok_ = head.ok;
  last_ = head.last;
  body_bytes_ = head.body_bytes;
  skip_ = head.body_bytes + head.trailer_bytes;
  return skip_ == 0 ? Complete() : Next::kGoesOn;
}

Connection::Next Connection::Complete() {
  const Asked& oldest = At(0);
  if (ok_ && bench_.now_ns >= bench_.start_ns && bench_.now_ns <= bench_.end_ns) {
    LoadResult& result = bench_.result;
    SideResult& side = bench_.plan.item(oldest.item).first ? result.first : result.second;
    ++side.requests;
    side.bytes += body_bytes_ + bench_.plan.item(oldest.item).stored_bytes;
    side.latency.Record(bench_.now_ns - oldest.due_ns);
  }
  ++answered_;
  ++answered_here_;
  head_ = (head_ + 1) % asked_.size();
  --count_;
  --sent_;
  --bench_.outstanding;
  const bool used_up = answered_here_ == bench_.options.requests_per_conn;
  return used_up || last_ ? Next::kReconnect : Next::kGoesOn;
}

}  // namespace objmapper::bench
