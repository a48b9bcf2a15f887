// Heads to requests. Bodies that nobody asked for are waited for, and dropped with their request:
// so that what is behind them is found where it is, and is answered only when all before it was
// sound.
#include "session/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "protocol/http/chunked.h"
#include "session/caller.h"

namespace objmapper::session {
namespace {

using protocol::Mode;
using protocol::Request;
using protocol::Status;
namespace http = protocol::http;

// With a request that takes none, a body is at most so long.
constexpr size_t kUnwantedBodyMax = 4 * 1024;
// Of one that was refused so much is dropped at most; who sends more is disconnected.
constexpr size_t kDroppedBodyMax = 64 * 1024;

bool IsLoopback(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return false;
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
  }
  if (address.ss_family != AF_INET6) return false;
  const in6_addr& v6 = reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

// Whether a page of a stranger's cannot have made a browser send this: its author names hosts, and
// no addresses.
bool MeansThisMachine(absl::string_view host, const std::vector<std::string>& also) {
  absl::string_view name = host;
  if (!name.empty() && name[0] == '[') return true;  // an address, as the head's reader knows
  if (const size_t colon = name.find(':'); colon != absl::string_view::npos)
    name = name.substr(0, colon);
  in_addr address;
  if (name.empty() || inet_pton(AF_INET, std::string(name).c_str(), &address) == 1 ||
      absl::EqualsIgnoreCase(name, "localhost"))
    return true;
  for (const std::string& one : also) {
    if (absl::EqualsIgnoreCase(name, one) || absl::EqualsIgnoreCase(host, one)) return true;
  }
  return false;
}

Mode ModeFor(const http::Ask& ask) {
  if (ask.refusal != 0) return Mode::kCopy;
  if (ask.method == http::Ask::Method::kPut) return Mode::kPut;
  // Judged entry by entry, as OP_LIST is, by whoever may wait for the disk.
  if (ask.is_folder()) return Mode::kList;
  return ask.method == http::Ask::Method::kDelete ? Mode::kDelete : Mode::kCopy;
}

// The status that is counted for one that only HTTP has.
Status CountedAs(int status) {
  switch (status) {
    case 405:
    case 501:
      return Status::kUnsupportedOp;
    case 414:
      return Status::kUriTooLong;
    case 413:
      return Status::kTooLarge;
    case 409:
      return Status::kConflict;
    case 401:
    case 421:
      return Status::kPermissionDenied;
    default:
      return Status::kInvalidRequest;
  }
}

// Where a body that is dropped ends.
struct Unwanted {
  enum class Kind : uint8_t { kNeedMore, kWhole, kTooLong, kBroken };
  Kind kind = Kind::kWhole;
  size_t bytes = 0;  // of the input
  const char* reason = "";
};
Unwanted FindEnd(const http::Head& head, absl::string_view input) {
  using Kind = Unwanted::Kind;
  if (!head.chunked) {
    const uint64_t length = head.content_length.value_or(0);
    if (length > kUnwantedBodyMax) return {Kind::kTooLong};
    if (length > input.size()) return {Kind::kNeedMore};
    return {Kind::kWhole, static_cast<size_t>(length)};
  }
  // Of its first bytes alone, so that it does not matter how many more are here already.
  const absl::string_view allowed = input.substr(0, kUnwantedBodyMax);
  http::ChunkReader chunks;
  size_t consumed = 0;
  while (true) {
    const http::ChunkReader::Result result = chunks.Next(allowed.substr(consumed));
    consumed += result.consumed;
    switch (result.kind) {
      case http::ChunkReader::Kind::kEnd:
        return {Kind::kWhole, consumed};
      case http::ChunkReader::Kind::kBroken:
        return {Kind::kBroken, consumed, result.reason};
      case http::ChunkReader::Kind::kNeedMore:
        return {allowed.size() < kUnwantedBodyMax ? Kind::kNeedMore : Kind::kTooLong};
      case http::ChunkReader::Kind::kData:
        break;
    }
  }
}

// Drops what of the input is of state->dropped, which is empty when all of it has come. Returns how
// many bytes that were.
size_t DropFrom(Http* state, absl::string_view input) {
  size_t done = 0;
  while (!state->dropped->ended()) {
    const BodyReader::Piece piece = state->dropped->Next(input.substr(done));
    state->dropped->Took(piece.data.size());
    const size_t bytes = piece.skipped + piece.data.size();
    done += bytes;
    if (piece.broken != nullptr || bytes > state->drop_max) {
      state->over = true;
      return done;
    }
    state->drop_max -= bytes;
    if (piece.data.empty() && !state->dropped->ended()) return done;
  }
  state->dropped.reset();
  return done;
}

}  // namespace

void BeginHttp(Session* session) {
  session->http = std::make_unique<Http>();
  session->http->taken = session->answered;
  session->http->connection->cache_control = session->limits->http_cache_control;
  session->http->judges_hosts = session->transport == Transport::kTcp && IsLoopback(session->fd());
}

void AnnounceEnd(Session* session) {
  if (session->http != nullptr) session->http->connection->ends = true;
}

void EndAfterAnswer(Session* session) {
  AnnounceEnd(session);
  session->http->over = true;
}

bool IsOver(const Session& session) {
  return session.http != nullptr && session.http->over && !session.http->cut;
}

bool LacksBody(const Session& session) { return session.http != nullptr && session.http->cut; }

void DropBody(Session* session, const BodyReader& body, bool expected) {
  if (body.ended()) return;
  if (expected || body.broken() || body.left().value_or(0) > kDroppedBodyMax)
    return EndAfterAnswer(session);
  session->http->dropped = body;
  session->http->drop_max = kDroppedBodyMax;
}

bool DropsBody(const Session& session) {
  return session.http != nullptr && session.http->dropped.has_value();
}

void TakeHttpBurst(Session* session, absl::string_view input, size_t requests_max, Burst* burst) {
  Http* const state = session->http.get();
  // Judges it. The ask may be changed as long as the request is not answered.
  const auto push = [&](http::Ask ask) {
    ask.connection = state->connection;
    const uint64_t requests_max = session->limits->requests_max;
    if (requests_max != 0 && ++state->taken >= requests_max) ask.keep_alive = false;
    auto kept = std::make_shared<http::Ask>(std::move(ask));
    http::Ask* const pushed = kept.get();
    Request request;
    request.mode = ModeFor(*kept);
    request.body_length = kept->content_length;
    request.ttl_s = kept->ttl_s;
    request.received_ns = session->received_ns.load(std::memory_order_relaxed);
    request.uri = kept->path;
    if (kept->refusal != 0) {
      request.refusal = CountedAs(kept->refusal);
      request.reason = kept->reason;
    }
    request.http = std::move(kept);
    JudgeRequest(session, &request);
    burst->requests.push_back(std::move(request));
    return pushed;
  };
  if (state->over) {
    burst->end = Burst::End::kClose;
    return;
  }
  if (state->dropped.has_value()) {
    const size_t done = DropFrom(state, input);
    burst->consumed = done;
    burst->dropped = done > 0;
    if (state->dropped.has_value()) {
      burst->end = state->over ? Burst::End::kClose : Burst::End::kNeedMore;
      return;
    }
  }
  while (burst->requests.size() < requests_max) {
    const absl::string_view rest = input.substr(burst->consumed);
    if (rest.empty()) {
      burst->end = Burst::End::kNeedMore;
      return;
    }
    http::Head head;
    const http::HeadReader::Result read = state->heads.Read(rest, &head);
    if (read.refusal.status != 0) {
      http::Ask ask;
      ask.method = http::MethodOf(head.method);
      ask.keep_alive = false;
      ask.Refuse(read.refusal);
      if (session->limits->access_log != nullptr) ask.logged = http::LoggedOf(head);
      push(std::move(ask));
      burst->end = Burst::End::kClose;
      return;
    }
    if (read.consumed == 0) {
      burst->end = Burst::End::kNeedMore;
      return;
    }
    const SessionLimits& limits = *session->limits;
    http::Ask ask = http::AskOf(&head, limits.writable);
    ask.lists = limits.http_listing;
    ask.indexes = limits.http_index;
    if (session->limits->access_log != nullptr) ask.logged = http::LoggedOf(head);
    if (!session->limits->http_cors_origins.empty())
      http::AllowOrigins(head, session->limits->http_cors_origins, &ask);
    if (state->judges_hosts && !MeansThisMachine(head.host, limits.http_hosts))
      ask.Refuse({421, "this server does not go by the name that Host says (--http_hosts)"});
    if (ask.writes() && (ask.path.empty() || ask.path.back() == '/'))
      ask.Refuse({409, "a folder's name ends with '/', and an object's does not"});
    Identify(session->limits->access, head, &ask);
    if (ask.logged != nullptr) ask.logged->caller = ask.caller;
    const Unwanted body = FindEnd(head, rest.substr(read.consumed));
    const bool body_is_here = body.kind == Unwanted::Kind::kWhole;
    const bool takes_body = ask.method == http::Ask::Method::kPut && ask.refusal == 0;
    if (!takes_body && !body_is_here) {
      // Who asks first is told at once; so is whose body is longer than what anybody sends here.
      if (body.kind == Unwanted::Kind::kNeedMore && !head.expects_continue) {
        burst->end = Burst::End::kNeedMore;
        return;
      }
      ask.keep_alive = false;
      if (body.kind == Unwanted::Kind::kTooLong) ask.Refuse({413, "the request takes no body"});
      if (body.kind == Unwanted::Kind::kBroken) ask.Refuse({400, body.reason});
    }
    if (ask.writes() && ask.refusal == 0) {
      // It is the first of its burst, and the last.
      if (!burst->requests.empty()) {
        burst->end = Burst::End::kFull;
        return;
      }
      http::Ask* const pushed = push(std::move(ask));
      burst->consumed += read.consumed;
      if (burst->requests.back().refusal == Status::kOk) {
        if (!takes_body) burst->consumed += body.bytes;
        if (!pushed->keep_alive) state->over = true;
        burst->end = Burst::End::kOperation;
        return;
      }
      // Its sender is told at once.
      DropBody(session, BodyReader(burst->requests.back()), pushed->expects_continue);
      if (state->over) pushed->keep_alive = false;
      if (state->dropped.has_value())
        burst->consumed += DropFrom(state, input.substr(burst->consumed));
      if (!pushed->keep_alive || state->dropped.has_value()) {
        burst->end = pushed->keep_alive ? Burst::End::kNeedMore : Burst::End::kClose;
        return;
      }
      continue;
    }
    if (ask.is_folder() && !ask.lists && !ask.indexes)
      ask.Refuse({403, "folders are not listed (--http_listing)"});
    const bool is_operation = ask.is_folder() && ask.refusal == 0;
    if (is_operation) {
      // It is the first of its burst, and the last.
      if (!burst->requests.empty()) {
        burst->end = Burst::End::kFull;
        return;
      }
      // HTTP/1.0 knows the end of a body whose length is not told by that of the connection.
      if (ask.minor == 0) ask.keep_alive = false;
    }
    burst->consumed += read.consumed + body.bytes;
    const bool goes_on = push(std::move(ask))->keep_alive;
    if (is_operation && burst->requests.back().refusal == Status::kOk) {
      if (!goes_on) state->over = true;
      burst->end = Burst::End::kOperation;
      return;
    }
    if (!goes_on) {
      burst->end = Burst::End::kClose;
      return;
    }
  }
  burst->end = Burst::End::kFull;
}

}  // namespace objmapper::session
