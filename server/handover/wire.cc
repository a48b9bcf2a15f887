// Messages of the hand-over, with descriptors attached. The other side is trusted to be a server,
// but its messages are checked like any input.
#include "server/handover/wire.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "net/errno_status.h"
#include "net/foreign_fd.h"
#include "net/pass_rights.h"
#include "net/readable.h"
#include "session/http.h"

namespace objmapper::server::handover {
namespace {

constexpr absl::string_view kConnection = "connection ";
// One whose first bytes came in parts. Who does not know the word loses the connection, and not its
// place in it.
constexpr absl::string_view kConnectionInParts = "connection-in-parts ";
// What stands before either where AUTH has said a token: its hash, and a blank. Who does not know
// the word loses the connection too, and takes it for nobody else's.
constexpr absl::string_view kWithToken = "with-token ";
constexpr absl::string_view kPart = "unread\n";
// Of a connection's unread bytes, in one frame: with room for what else it says.
constexpr size_t kPartBytes = kFrameBytesMax / 2;

absl::Status Failed(int error, absl::string_view what) {
  if (error == EAGAIN)
    return absl::DeadlineExceededError(absl::StrCat(what, ": no message for too long"));
  if (error == 0 || error == EPIPE || error == ECONNRESET) {
    return absl::UnavailableError(absl::StrCat(what, ": the other server is gone"));
  }
  return net::ErrnoToStatus(error, what);
}

void SetTimeout(int fd, int option, absl::Duration timeout) {
  const timeval time = absl::ToTimeval(timeout);
  setsockopt(fd, SOL_SOCKET, option, &time, sizeof(time));
}

}  // namespace

Wire::Wire(net::UniqueFd socket) : socket_(std::move(socket)) {
  SetTimeout(fd(), SO_SNDTIMEO, kPatience);
}

Wire::~Wire() {
  // Whoever came may have sent some.
  if (net::AllowsFds(fd())) net::DisposeSocket(std::move(socket_));
}

absl::Status Wire::Send(absl::string_view text, absl::Span<const int> fds) {
  const uint32_t size = static_cast<uint32_t>(text.size());
  std::string frame = {static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                       static_cast<char>(size >> 8), static_cast<char>(size)};
  frame.append(text.data(), text.size());
  std::vector<char> control;
  size_t sent = 0;
  const absl::Time deadline = absl::Now() + kPatience;
  while (sent < frame.size()) {
    const bool late = absl::Now() > deadline;
    iovec part{frame.data() + sent, frame.size() - sent};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (sent == 0 && !fds.empty()) net::AttachFds(fds, &control, &message);
    const ssize_t went = sendmsg(fd(), &message, MSG_NOSIGNAL);
    if (went < 0 && errno == EINTR) continue;
    if (went < 0 && errno == ETOOMANYREFS && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(2));
      continue;
    }
    if (went < 0) return Failed(errno, "send to the other server");
    sent += static_cast<size_t>(went);
    // it takes a byte now and then
    if (late && sent < frame.size()) return Failed(EAGAIN, "send to the other server");
  }
  return absl::OkStatus();
}

absl::Status Wire::ReadExactly(char* to, size_t bytes, absl::Time deadline, Frame* frame) {
  for (size_t have = 0; have < bytes;) {
    // Of each read anew, so that a byte now and then does not prolong it.
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration() && !net::IsReadable(fd()))
      return Failed(EAGAIN, "receive from the other server");
    SetTimeout(fd(), SO_RCVTIMEO, std::max(left, absl::Milliseconds(1)));  // 0 would be for ever
    const absl::StatusOr<net::Received> got = net::RecvWithFds(
        fd(), absl::MakeSpan(to + have, bytes - have), net::kFdsPerMessageMax, &frame->fds);
    if (!got.ok()) {
      // SO_RCVTIMEO
      if (absl::IsResourceExhausted(got.status()))
        return Failed(EAGAIN, "receive from the other server");
      return got.status();
    }
    if (got->bytes == 0) return Failed(0, "receive from the other server");
    if (frame->fds.size() > net::kFdsPerMessageMax) {
      return absl::InternalError("the other server sends too many descriptors");
    }
    frame->fds_lost = frame->fds_lost || got->fds_lost;
    have += got->bytes;
  }
  return absl::OkStatus();
}

absl::StatusOr<Frame> Wire::Receive(absl::Duration patience) {
  absl::StatusOr<Frame> frame = ReceiveUpTo(kFrameBytesMax, patience);
  if (!frame.ok()) return frame;
  if (frame->too_long != 0) {
    return absl::InternalError(absl::StrCat("the other server announces ", frame->too_long,
                                            " bytes, which is not a hand-over"));
  }
  if (frame->fds_lost)
    return absl::InternalError("descriptors from the other server were lost (RLIMIT_NOFILE)");
  return frame;
}

absl::StatusOr<Frame> Wire::ReceiveSome(absl::Duration patience) {
  // A predecessor of old puts all that is unread into one.
  return ReceiveUpTo(kUnreadBytesMax + kFrameBytesMax, patience);
}

absl::StatusOr<Frame> Wire::ReceiveUpTo(size_t bytes_max, absl::Duration patience) {
  Frame frame;
  unsigned char size[4];
  char* const rest = reinterpret_cast<char*>(size) + 1;
  if (absl::Status s = ReadExactly(rest - 1, 1, absl::Now() + patience, &frame); !s.ok()) return s;
  const absl::Time deadline = absl::Now() + kPatience;
  if (absl::Status s = ReadExactly(rest, sizeof(size) - 1, deadline, &frame); !s.ok()) return s;
  size_t bytes = size_t{size[0]} << 24 | size_t{size[1]} << 16 | size_t{size[2]} << 8 | size[3];
  if (bytes <= bytes_max) {
    frame.text.resize(bytes);
    if (absl::Status s = ReadExactly(frame.text.data(), bytes, deadline, &frame); !s.ok()) return s;
    return frame;
  }
  frame.too_long = bytes;
  std::string dropped(kPartBytes, '\0');
  for (; bytes > 0; bytes -= std::min(bytes, dropped.size())) {
    if (absl::Status s =
            ReadExactly(dropped.data(), std::min(bytes, dropped.size()), deadline, &frame);
        !s.ok())
      return s;
  }
  return frame;
}

std::vector<std::string> Describe(const session::Session& session, std::vector<int>* fds) {
  fds->assign(1, session.fd());
  // Four numbers for each read that brought descriptors; most connections have none.
  std::string arrivals;
  for (const session::Arrival& arrival : session.arrivals) {
    if (arrival.claimed) continue;
    const bool fits = fds->size() + arrival.fds.size() <= net::kFdsPerMessageMax;
    const int fate =
        (arrival.lost || !fits ? 1 : 0) + (arrival.several ? 2 : 0) + 4 * (arrival.verdict & 0xff);
    absl::StrAppend(&arrivals, " ", arrival.begin, " ", arrival.last, " ", fate, " ",
                    fits ? arrival.fds.size() : 0);
    if (!fits) continue;
    for (const net::ForeignFd& fd : arrival.fds) fds->push_back(fd.get());
  }
  std::vector<std::string> frames;
  absl::string_view unread = session.unread;
  while (unread.size() > kPartBytes) {
    frames.push_back(absl::StrCat(kPart, unread.substr(0, kPartBytes)));
    unread.remove_prefix(kPartBytes);
  }
  const protocol::RequestParser::State state = session.parser.state();
  // What is left of a body that is dropped may be any 64-bit number; successors of old read 63
  // bits. None ever sends so much.
  const uint64_t to_skip = std::min<uint64_t>(state.to_skip, INT64_MAX);
  std::string token;
  if (session.bearer != nullptr) {
    token = absl::StrCat(kWithToken, session::Tokens::HexOf(session.bearer->hash), " ");
  }
  frames.push_back(absl::StrCat(
      token, frames.empty() ? kConnection : kConnectionInParts,
      session.transport == session::Transport::kUnix ? "unix" : "tcp", " ",
      static_cast<int>(session.dialect()), " ", state.capabilities, " ", state.max_pipeline, " ",
      to_skip, " ", session.answered.get(), " ", session.bytes.get(), " ",
      session.fds_at.has_value() ? static_cast<int64_t>(*session.fds_at) : -1, arrivals, "\n",
      unread));
  return frames;
}

namespace {

// Takes kWithToken and what belongs to it off the head. False: it is unsound. `*bearer`: null where
// there is none.
bool ConsumeToken(absl::string_view* head, std::unique_ptr<session::Bearer>* bearer) {
  if (!absl::ConsumePrefix(head, kWithToken)) return true;
  const absl::string_view digits = head->substr(0, head->find(' '));
  const std::optional<session::Tokens::Hash> hash = session::Tokens::ParseHash(digits);
  if (!hash.has_value()) return false;
  *bearer = std::make_unique<session::Bearer>();
  (*bearer)->hash = *hash;
  head->remove_prefix(digits.size());
  return absl::ConsumePrefix(head, " ");
}

}  // namespace

bool AddPart(const Frame& frame, std::string* unread) {
  absl::string_view text = frame.text;
  if (!absl::ConsumePrefix(&text, kPart)) return false;
  unread->append(
      text.data(),
      std::min(text.size(), kUnreadBytesMax + 1 - std::min(unread->size(), kUnreadBytesMax + 1)));
  return true;
}

absl::StatusOr<std::unique_ptr<session::Session>> Revive(Frame frame,
                                                         session::ConnectionCounters* counters,
                                                         const session::SessionLimits* limits) {
  const absl::Status wrong =
      absl::InternalError("the other server describes a connection in a different format");
  if (frame.too_long != 0) {
    return absl::InternalError(absl::StrCat("the other server describes it in ", frame.too_long,
                                            " bytes, which is too much"));
  }
  const absl::string_view text = frame.text;
  const size_t line = text.find('\n');
  absl::string_view head = text.substr(0, line);
  if (frame.fds.empty()) {
    return absl::InternalError(frame.fds_lost ? "no descriptor left for its socket (RLIMIT_NOFILE)"
                                              : "its socket is missing");
  }
  const absl::string_view wanted = frame.unread.empty() ? kConnection : kConnectionInParts;
  std::unique_ptr<session::Bearer> bearer;
  if (line == text.npos || !ConsumeToken(&head, &bearer) || !absl::ConsumePrefix(&head, wanted))
    return wrong;
  if (frame.unread.size() > kUnreadBytesMax) {
    return absl::InternalError(
        absl::StrCat("more than ", kUnreadBytesMax, " of its bytes are unread"));
  }
  const std::vector<absl::string_view> words = absl::StrSplit(head, ' ');
  bool sound =
      words.size() >= 8 && words.size() % 4 == 0 && (words[0] == "unix" || words[0] == "tcp");
  // The numbers behind that word, one after the other.
  size_t at = 1;
  const auto next = [&](int64_t least = INT64_MIN, int64_t most = INT64_MAX) {
    int64_t number = 0;
    sound = sound && absl::SimpleAtoi(words[at++], &number) && number >= least && number <= most;
    return number;
  };
  protocol::RequestParser::State state;
  state.dialect = static_cast<protocol::Dialect>(next(0, 3));
  state.capabilities = static_cast<uint16_t>(next(0, UINT16_MAX));
  state.max_pipeline = static_cast<uint16_t>(next(1, UINT16_MAX));
  // What is left of a body: a predecessor may say all of its 64 bits.
  sound = sound && absl::SimpleAtoi(words[at++], &state.to_skip);
  const int64_t answered = next(), bytes = next(), fds_at = next();
  if (!sound) return wrong;
  const auto transport = words[0] == "unix" ? session::Transport::kUnix : session::Transport::kTcp;
  auto session = std::make_unique<session::Session>(session::ConnectionSlot(counters),
                                                    std::move(frame.fds[0]), transport, limits);
  if (state.dialect == protocol::Dialect::kHttp) {
    session::BeginHttp(session.get());
  } else {
    session->parser.Restore(state);
    session->bearer = std::move(bearer);
    session->AllowFds();  // as this server wants it
  }
  session->answered.Add(static_cast<uint64_t>(std::max<int64_t>(answered, 0)));
  session->bytes.Add(static_cast<uint64_t>(std::max<int64_t>(bytes, 0)));
  session->unread = std::move(frame.unread);
  session->unread.append(text.data() + line + 1, text.size() - line - 1);
  if (fds_at >= 0) session->fds_at = static_cast<size_t>(fds_at);
  size_t next_fd = 1;
  while (at < words.size()) {
    session::Arrival arrival;
    const int64_t begin = next(0), last = next(begin), fate = next();
    const auto count = static_cast<uint64_t>(next());
    const bool all = count <= frame.fds.size() - next_fd;
    if (!sound || !(all || frame.fds_lost)) return wrong;
    arrival.begin = static_cast<size_t>(begin);
    arrival.last = static_cast<size_t>(last);
    arrival.lost = (fate & 1) != 0 || !all;
    arrival.several = (fate & 2) != 0;
    arrival.verdict = static_cast<int8_t>(fate >> 2);
    for (uint64_t fd = 0; all && fd < count; ++fd)
      arrival.fds.push_back(std::move(frame.fds[next_fd++]));
    session->NoteArrival(std::move(arrival));
  }
  return session;
}

}  // namespace objmapper::server::handover
