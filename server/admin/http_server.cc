// The HTTP loop. Its thread never waits for a client or for a page; pages are made by a second
// thread, and every buffer has a limit.
#include "server/admin/http_server.h"

#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "net/address.h"
#include "net/clock.h"
#include "net/foreign_fd.h"
#include "net/readable.h"
#include "net/scm_rights.h"
#include "protocol/http/answer.h"
#include "protocol/opening.h"

namespace objmapper::server {
namespace {

namespace http = protocol::http;
using http::kHeadBytesMax;

constexpr size_t kLeaveBytesMax = 256 << 10;
constexpr int kAnswersMax = 1000;
constexpr int kAcceptsPerTurn = 16;
constexpr int64_t kRestNs = 100'000'000;

HttpAnswer Text(int status, absl::string_view text) {
  HttpAnswer answer;
  answer.status = status;
  answer.body = absl::StrCat(text, "\n");
  if (status == 405) answer.headers = "Allow: GET, HEAD, POST\r\n";
  if (status == 503) answer.headers = "Retry-After: 1\r\n";
  return answer;
}

net::UniqueFd OpenReserve() { return net::UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

// What a visitor says. A descriptor that rides on its bytes would be closed by the loop's thread,
// and some wait when they are: the kernel refuses to send them (net/listener.h), or, where it
// cannot, they stay in the socket and the visit is over (EBADMSG).
ssize_t Hear(int fd, char* buffer, size_t bytes) {
  size_t with_fds;
  return net::RecvBeforeFds(fd, absl::MakeSpan(buffer, bytes), &with_fds);
}

void* TagOf(uint64_t id) { return reinterpret_cast<void*>(static_cast<uintptr_t>(id)); }

}  // namespace

HttpServer::HttpServer(net::Listener listener, Options options)
    : listener_(std::move(listener)), options_(std::move(options)), reserve_(OpenReserve()) {
  CHECK_EQ(epoll_.Add(listener_.fd(), EPOLLIN, TagOf(kListenerTag)), 0);
  CHECK_EQ(epoll_.Add(loop_thread_.event_fd(), EPOLLIN, TagOf(kMadeTag)), 0);
  page_thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "admin/pages");
    MakePages();
  });
  loop_thread_.Start("admin/http", [this] { Run(); });
}

HttpServer::~HttpServer() {
  loop_thread_.Stop();
  {
    const net::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  page_thread_.join();
}

void HttpServer::Run() {
  while (loop_thread_.Beat() != net::ServingPhase::kStopping) {
    for (const epoll_event& event : epoll_.Wait(SleepMs())) {
      const uint64_t id = reinterpret_cast<uintptr_t>(event.data.ptr);
      if (id == kListenerTag) {
        Accept();
      } else if (id == kMadeTag) {
        for (Made& made : loop_thread_.TakeAll()) {
          // Who has gone meanwhile is not waited for by anybody.
          const auto visitor = visitors_.find(made.visitor);
          if (visitor == visitors_.end() || visitor->second->state != State::kWaiting) continue;
          Answer(visitor->second.get(), made.answer);
        }
      } else {
        OnEvent(id, event.events);
      }
    }
    std::vector<uint64_t> again;
    again.swap(again_);
    for (const uint64_t id : again) {
      const auto visitor = visitors_.find(id);
      if (visitor != visitors_.end() && visitor->second->state == State::kReading) {
        Advance(visitor->second.get());
      }
    }
    Expire();
  }
}

void HttpServer::Accept() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    net::UniqueFd socket(accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) {
      const int error = errno;
      if (error == EAGAIN) return;
      if (error != EMFILE && error != ENFILE && error != ENOMEM && error != ENOBUFS)
        continue;  // the visitor's own
      // accept(2) wants a number before it looks whether anybody waits.
      pollfd waits{listener_.fd(), POLLIN, 0};
      if (poll(&waits, 1, 0) == 0) return;
      // Others have used up all descriptors: one of ours is given up for this visitor.
      if (reserve_.valid()) {
        reserve_.Reset();
        continue;
      }
      if (MakeRoom(nullptr, /*writers_alone=*/false, kRestNs)) continue;
      if (visitors_.empty()) {
        LOG_EVERY_T(WARNING, 1)
            << "--admin_listen: cannot accept: out of descriptors (RLIMIT_NOFILE)";
      }
      epoll_.Remove(listener_.fd());
      resting_ = true;
      rest_until_ns_ = net::NowNs() + kRestNs;
      return;
    }
    if (visitors_.size() >= kVisitorsMax) {
      LOG_EVERY_T(WARNING, 1) << "--admin_listen: there are " << kVisitorsMax
                              << " connections; for each new one, the one that has kept the server "
                                 "waiting longest is closed";
      MakeRoom(nullptr, /*writers_alone=*/false, 0);
    }
    auto visitor = std::make_unique<Visitor>();
    visitor->id = next_id_++;
    visitor->socket = std::move(socket);
    visitor->events = EPOLLIN;
    if (epoll_.Add(visitor->socket.get(), visitor->events, TagOf(visitor->id)) != 0) continue;
    Visitor* const added = visitor.get();
    visitors_.emplace(added->id, std::move(visitor));
    Enter(added, State::kReading);
    Read(added);  // what it asks has mostly come along
  }
}

void HttpServer::OnEvent(uint64_t id, uint32_t events) {
  const auto found = visitors_.find(id);
  if (found == visitors_.end()) return;  // closed earlier in this round
  Visitor* const visitor = found->second.get();
  switch (visitor->state) {
    case State::kReading:
      return Read(visitor);
    case State::kWaiting:
      // Nothing is asked for: it is EPOLLERR or EPOLLHUP, which nobody can turn off.
      return End(visitor);
    case State::kWriting:
      if ((events & EPOLLERR) != 0) return End(visitor);
      return Write(visitor);
    case State::kLeaving:
      return HearOut(visitor);
  }
}

void HttpServer::Read(Visitor* visitor) {
  char buffer[kHeadBytesMax];
  while (visitor->input.size() < kHeadBytesMax) {
    const ssize_t got = Hear(visitor->socket.get(), buffer, kHeadBytesMax - visitor->input.size());
    if (got < 0 && errno == EAGAIN) break;
    if (got < 0) return End(visitor);
    if (got == 0) {
      visitor->peer_done = true;
      break;
    }
    // A request that begins has its time from now on.
    if (!visitor->begun && visitor->answers > 0) Enter(visitor, State::kReading);
    visitor->begun = true;
    visitor->input.append(buffer, static_cast<size_t>(got));
  }
  Advance(visitor);
}

void HttpServer::Advance(Visitor* visitor) {
  // Lines that are empty before a request are somebody's left-overs (RFC 9112, 2.2).
  visitor->input.erase(0,
                       std::min(visitor->input.find_first_not_of("\r\n"), visitor->input.size()));
  HttpRequest request;
  http::Head head;
  auto [consumed, refusal] = visitor->reader.Read(visitor->input, &head);
  if (consumed > 0 && refusal.status == 0) {
    refusal = ReadRequest(head, &request);
  } else if (!visitor->input.empty() &&
             protocol::OpeningOf(visitor->input) == protocol::Opening::kOwn) {
    // Nobody who speaks something else waits for the rest of a line that never comes.
    refusal = {400, "this is not an HTTP request"};
  }
  if (refusal.status != 0) {
    visitor->close = true;
    return Answer(visitor, Text(refusal.status, refusal.reason));
  }
  if (consumed > 0) {
    visitor->input.erase(0, consumed);
    return Dispatch(visitor, std::move(request));
  }
  if (visitor->peer_done) return End(visitor);
  Watch(visitor, EPOLLIN);
}

void HttpServer::Dispatch(Visitor* visitor, HttpRequest request) {
  visitor->head = request.head;
  visitor->close = !request.keep_alive || ++visitor->answers >= kAnswersMax;
  if (!request.host.empty() && !options_.hosts.empty() &&
      !IsAmongHosts(request.host, options_.hosts)) {
    visitor->close = true;
    return Answer(visitor, Text(421, absl::StrCat("the name in Host is not one of this server; ",
                                                  options_.hosts_flag, " adds names")));
  }
  if (std::optional<HttpAnswer> answer = options_.quick(request); answer.has_value()) {
    return Answer(visitor, *answer);
  }
  bool full = false;
  {
    const net::MutexLock lock(&mutex_);
    full = pages_.size() >= kPagesMax;
    if (!full) pages_.push_back({visitor->id, std::move(request)});
  }
  if (full)
    return Answer(visitor,
                  Text(503, absl::StrCat(kPagesMax, " pages are waiting to be made; try again")));
  wake_.notify_one();
  Enter(visitor, State::kWaiting);
  Watch(visitor, 0);
}

void HttpServer::Answer(Visitor* visitor, const HttpAnswer& answer) {
  visitor->output =
      absl::StrCat("HTTP/1.1 ", answer.status, " ", http::ReasonPhrase(answer.status),
                   "\r\nContent-Type: ", answer.type, "\r\nContent-Length: ", answer.body.size(),
                   "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                   "Cross-Origin-Resource-Policy: same-origin\r\n",
                   answer.headers, "Connection: ", visitor->close ? "close" : "keep-alive",
                   "\r\n\r\n", visitor->head ? "" : answer.body);
  visitor->sent = 0;
  output_bytes_ += visitor->output.size();
  Enter(visitor, State::kWriting);
  while (output_bytes_ > kAnswerBytesMax && MakeRoom(visitor, /*writers_alone=*/true, 0)) {
  }
  Write(visitor);
}

void HttpServer::Write(Visitor* visitor) {
  while (visitor->sent < visitor->output.size()) {
    const ssize_t sent = send(visitor->socket.get(), visitor->output.data() + visitor->sent,
                              visitor->output.size() - visitor->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return Watch(visitor, EPOLLOUT);
    if (sent < 0) return End(visitor);
    visitor->sent += static_cast<size_t>(sent);
  }
  output_bytes_ -= visitor->output.size();
  visitor->output = std::string();
  if (visitor->close) {
    shutdown(visitor->socket.get(), SHUT_WR);
    if (visitor->peer_done) return End(visitor);
    Enter(visitor, State::kLeaving);
    return HearOut(visitor);
  }
  visitor->head = false;
  visitor->begun = !visitor->input.empty();
  Enter(visitor, State::kReading);
  Watch(visitor, EPOLLIN);
  if (visitor->begun || visitor->peer_done) again_.push_back(visitor->id);
}

void HttpServer::HearOut(Visitor* visitor) {
  char buffer[16384];
  while (visitor->dropped < kLeaveBytesMax) {
    const ssize_t got = Hear(visitor->socket.get(), buffer, sizeof(buffer));
    if (got < 0 && errno == EAGAIN) return Watch(visitor, EPOLLIN);
    if (got <= 0) break;
    visitor->dropped += static_cast<size_t>(got);
  }
  End(visitor);
}

void HttpServer::Enter(Visitor* visitor, State state) {
  DeadlinesOf(*visitor).Stop(visitor);
  visitor->state = state;
  visitor->since_ns = net::NowNs();
  DeadlinesOf(*visitor).Start(visitor, visitor->since_ns);
}

void HttpServer::Watch(Visitor* visitor, uint32_t events) {
  if (visitor->events == events) return;
  visitor->events = events;
  epoll_.Modify(visitor->socket.get(), events, TagOf(visitor->id));
}

void HttpServer::End(Visitor* visitor) {
  output_bytes_ -= visitor->output.size();
  if (visitor->state == State::kWaiting) {
    // A page that nobody waits for is not made.
    const net::MutexLock lock(&mutex_);
    const auto is_its = [visitor](const HttpServer::Page& page) {
      return page.visitor == visitor->id;
    };
    pages_.erase(std::remove_if(pages_.begin(), pages_.end(), is_its), pages_.end());
  }
  DeadlinesOf(*visitor).Stop(visitor);
  epoll_.Remove(visitor->socket.get());
  // On what is unread of a Unix socket descriptors may ride.
  if (listener_.address().kind == net::Address::Kind::kUnix)
    net::DisposeSocket(std::move(visitor->socket));
  visitors_.erase(visitor->id);  // closes
}

bool HttpServer::MakeRoom(const Visitor* but, bool writers_alone, int64_t least_ns) {
  Visitor* longest = nullptr;
  for (const auto& [id, visitor] : visitors_) {
    if (visitor.get() == but || (writers_alone && visitor->state != State::kWriting)) continue;
    if (longest == nullptr || std::pair(visitor->state, visitor->since_ns) <
                                  std::pair(longest->state, longest->since_ns)) {
      longest = visitor.get();
    }
  }
  if (longest == nullptr || net::NowNs() - longest->since_ns < least_ns) return false;
  End(longest);
  return true;
}

void HttpServer::Expire() {
  // Somebody else may have been quicker when it was given up.
  if (!reserve_.valid()) reserve_ = OpenReserve();
  if (resting_ && looked_ns_ >= rest_until_ns_) {
    resting_ = epoll_.Add(listener_.fd(), EPOLLIN, TagOf(kListenerTag)) != 0;
    rest_until_ns_ = looked_ns_ + kRestNs;
  }
  for (Deadlines& deadlines : deadlines_) {
    while (Visitor* const visitor = deadlines.PopLate(looked_ns_)) {
      // Something to read that no round has taken gives it its time again, once.
      const bool reading = visitor->state == State::kReading;
      if (reading && net::IsReadable(visitor->socket.get()) &&
          deadlines.Excuse(visitor, looked_ns_)) {
        continue;
      }
      visitor->close = true;
      if (reading && !visitor->input.empty()) {
        Answer(visitor, Text(408, "the rest of the request did not arrive in time"));
      } else if (visitor->state == State::kWaiting) {
        Answer(visitor, Text(503, "the page was not made in time: a part of the server hangs"));
      } else {
        End(visitor);
      }
    }
  }
}

// Also notes when the loop begins to look.
int HttpServer::SleepMs() {
  looked_ns_ = net::NowNs();
  if (!again_.empty()) return 0;
  int64_t next_ns = resting_ ? rest_until_ns_ : net::kNever;
  for (const Deadlines& deadlines : deadlines_)
    next_ns = std::min(next_ns, deadlines.NextExpiryNs());
  return next_ns == net::kNever ? -1 : net::SleepMs(next_ns, looked_ns_);
}

void HttpServer::MakePages() {
  while (true) {
    Page page;
    {
      const net::MutexLock lock(&mutex_);
      while (pages_.empty() && !stopping_) wake_.wait(mutex_);
      if (stopping_) return;
      page = std::move(pages_.front());
      pages_.pop_front();
    }
    loop_thread_.Put({page.visitor, options_.page(page.request)});
  }
}

}  // namespace objmapper::server
