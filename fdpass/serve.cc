// The answering half of Worker: one request at a time, start to finish on this thread: open, send,
// next.
#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>

#include <algorithm>
#include <string>

#include "fdpass/worker.h"
#include "net/clock.h"
#include "net/errno_status.h"
#include "net/scm_rights.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/metadata.h"
#include "session/account.h"
#include "session/answers.h"
#include "storage/tree/find_description.h"

namespace objmapper::fdpass {
namespace {

using protocol::Mode;
using protocol::Request;
using protocol::Status;
using session::Session;

// How many bytes of answers are gathered before they are sent.
constexpr size_t kInPlaceBytes = 64 * 1024;

}  // namespace

ssize_t Worker::Serve(Peer* peer, absl::Span<const Request> requests) {
  Session* session = peer->session.get();
  const protocol::Dialect dialect = session->dialect();
  const bool in_header = session->parser.Has(protocol::kFdInHeader);
  const bool batch = session->parser.Has(protocol::kFdBatch);
  requests = requests.first(std::min<uint64_t>(requests.size(), session->allowance()));
  if (requests.empty()) return 0;

  // Sends message_, which holds the answers to requests[sent..i]. True: go on with the next.
  size_t sent = 0;
  bool gone = false;
  const auto settle = [&](Sent result) {
    if (result == Sent::kGone) gone = true;
    if (result == Sent::kAll || result == Sent::kPart) {
      const int64_t now_ns = session::CountingNowNs();
      for (const session::Receipt& receipt : message_.receipts()) {
        session::Account(receipt, now_ns, session, &tally_);
      }
      const size_t count = message_.answer_count();
      sent += count;
      session->answered.Add(count);
      counters_.requests.Add(count);
    }
    message_.Clear();
    return result == Sent::kAll;
  };
  const auto flush = [&] { return settle(SendMessage(peer)); };

  for (const Request& request : requests) {
    if (request.refusal != Status::kOk) {
      AnswerError(*session, request, request.refusal, request.reason);
      continue;
    }
    if (request.mode == Mode::kStat) {
      AnswerStat(*session, request);
      continue;
    }
    if (request.mode != Mode::kFdPass) {
      if (message_.bytes().size() >= kInPlaceBytes && !flush()) break;
      AnswerWithBytes(*session, request);
      continue;
    }
    absl::StatusOr<Passed> passed = OpenToPass(peer, request.uri);
    if (absl::IsUnavailable(passed.status())) {
      // What comes before it goes first.
      if (!message_.empty() && !flush()) break;
      OpenApart(peer, request.uri);
      break;
    }
    if (!passed.ok()) {
      AnswerError(*session, request, session::WireStatus(passed.status()),
                  passed.status().message());
      continue;
    }
    const std::optional<session::Extent> extent =
        session::ResolveExtent(request, passed->object_size);
    if (!extent.has_value()) {
      AnswerError(*session, request, Status::kRangeNotSatisfiable,
                  session::RangeMessage(request, passed->object_size));
      continue;
    }
    char header[protocol::kResponseBytesMax];
    const size_t header_bytes =
        session::EncodeFdHeader(dialect, in_header, request, *extent, header);
    if (!in_header) {
      // The 'X' may have to wait for its turn: then the peer owns the descriptor.
      net::UniqueFd fd = std::move(passed->fd);
      if (passed->shared != nullptr) fd.Reset(fcntl(passed->shared->fd.get(), F_DUPFD_CLOEXEC, 0));
      if (!fd.valid()) {
        const absl::Status error = net::ErrnoToStatus(errno, "dup");
        AnswerError(*session, request, session::WireStatus(error), error.message());
        continue;
      }
      message_.BeginAnswer(request, Status::kOk, extent->length);
      message_.text()->append(header, header_bytes);
      if (!settle(SendMessageThenX(peer, std::move(fd)))) break;
      continue;
    }
    if (!batch && !message_.empty() && !flush()) break;  // a descriptor's answer starts a message
    if (passed->apart) {
      const auto close_apart = [run = options_.run_slowly](net::UniqueFd* fd) {
        run([fd] { delete fd; });
      };
      message_.BeginAnswerWithFd(request,
                                 std::shared_ptr<const net::UniqueFd>(
                                     new net::UniqueFd(std::move(passed->fd)), close_apart),
                                 extent->length);
    } else if (passed->shared == nullptr) {
      message_.BeginAnswerWithFd(request, std::move(passed->fd), extent->length);
    } else {
      const net::UniqueFd* fd = &passed->shared->fd;
      message_.BeginAnswerWithFd(
          request, std::shared_ptr<const net::UniqueFd>(std::move(passed->shared), fd),
          extent->length);
    }
    message_.text()->append(header, header_bytes);
    if ((!batch || message_.fds().size() == protocol::kFdsPerMessageMax) && !flush()) break;
  }
  if (!gone && peer->blocked == Peer::Blocked::kNo && !message_.empty()) flush();
  message_.Clear();
  return gone ? -1 : static_cast<ssize_t>(sent);
}

absl::StatusOr<Worker::Passed> Worker::OpenToPass(Peer* peer, absl::string_view uri) {
  Passed passed;
  const bool slowly = options_.run_slowly != nullptr && options_.tree->slow_opens().any();
  if (peer->opened.has_value() || slowly) {
    absl::StatusOr<storage::OpenedObject> object = absl::UnavailableError("");
    passed.apart = peer->opened.has_value();
    if (passed.apart) {
      object = *std::exchange(peer->opened, std::nullopt);
      if (absl::IsUnavailable(object.status()))
        object = absl::ResourceExhaustedError(object.status().message());
    } else {
      object = directories_.OpenObject(uri, now_ns_, storage::Wait::kCachedOnly);
    }
    if (!object.ok()) return std::move(object).status();
    passed.fd = std::move(object->fd);
    passed.object_size = object->info.size;
    return passed;
  }
  if (shared_fds_.has_value()) {
    auto shared = shared_fds_->Open(uri, now_ns_);
    if (!shared.ok()) return std::move(shared).status();
    passed.shared = *std::move(shared);
    passed.object_size = passed.shared->info.size;
    return passed;
  }
  absl::StatusOr<storage::OpenedObject> object = directories_.OpenObject(uri, now_ns_);
  if (!object.ok()) return std::move(object).status();
  passed.fd = std::move(object->fd);
  passed.object_size = object->info.size;
  return passed;
}

void Worker::OpenApart(Peer* peer, absl::string_view uri) {
  Block(peer, Peer::Blocked::kOpening);
  peer->ticket = ++last_ticket_;
  opening_.emplace(peer->ticket, peer);
  options_.run_slowly(
      [apart = apart_, tree = options_.tree, ticket = peer->ticket, uri = std::string(uri)] {
        absl::StatusOr<storage::OpenedObject> object = absl::UnknownError("not opened yet");
        {
          const storage::SlowOpens::Elsewhere elsewhere(&tree->slow_opens());
          object = tree->OpenObject(uri, storage::Wait::kMayBlock);
        }
        const net::MutexLock lock(&apart->mutex);
        if (apart->worker == nullptr) return;
        apart->opened.emplace_back(ticket, std::move(object));
        apart->worker->mailbox_.Wake();
      });
}

void Worker::TakeOpened() {
  std::vector<std::pair<uint64_t, absl::StatusOr<storage::OpenedObject>>> opened;
  {
    const net::MutexLock lock(&apart_->mutex);
    opened.swap(apart_->opened);
  }
  for (auto& [ticket, object] : opened) {
    const auto waits = opening_.find(ticket);
    if (waits == opening_.end()) {
      if (object.ok())
        options_.run_slowly([fd = std::make_shared<net::UniqueFd>(std::move(object->fd))] {});
      continue;
    }
    Peer* const peer = waits->second;
    opening_.erase(waits);
    peer->opened = std::move(object);
    Turn(peer);
  }
}

void Worker::AnswerError(const Session& session, const Request& request, Status status,
                         absl::string_view message) {
  counters_.errors.Add();
  message_.BeginAnswer(request, status);
  session::AppendError(session.dialect(), request.id, status, message, message_.text(),
                       request.retry_after_ms);
}

// OP_COPY, and OP_SPLICE where splicing would not pay, of an object that is small and at hand.
void Worker::AnswerWithBytes(const Session& session, const Request& request) {
  const storage::SmallObject* object = small_objects_.Find(request.uri, now_ns_);
  if (object == nullptr) {
    // It was there when the request was taken, but the answer had to wait for the client to read.
    AnswerError(session, request, Status::kUnavailable,
                "the object changed while its answer waited to be sent; ask again");
    return;
  }
  const std::optional<session::Extent> extent = session::ResolveExtent(request, object->info.size);
  if (!extent.has_value()) {
    AnswerError(session, request, Status::kRangeNotSatisfiable,
                session::RangeMessage(request, object->info.size));
    return;
  }
  message_.BeginAnswer(request, Status::kOk, extent->length);
  char header[protocol::kResponseBytesMax];
  const size_t header_bytes =
      session::EncodeBodyHeader(session.dialect(), request, *extent, object->info.size, header);
  message_.text()->append(header, header_bytes);
  message_.text()->append(object->bytes.get() + extent->offset, extent->length);
}

bool Worker::AnswersInPlace(const Request& request) {
  if (session::IsOperation(request.mode)) return false;
  const storage::SmallObject* object = small_objects_.Find(request.uri, now_ns_);
  return object != nullptr &&
         (request.mode == Mode::kCopy || object->info.size < options_.splice_bytes_min);
}

void Worker::AnswerStat(const Session& session, const Request& request) {
  const absl::StatusOr<storage::Description> found = storage::FindDescription(
      *options_.tree, options_.index, request.uri, now_ns_, storage::Wait::kMayBlock);
  if (!found.ok()) {
    AnswerError(session, request, session::WireStatus(found.status()), found.status().message());
    return;
  }
  message_.BeginAnswer(request);
  session::AppendStatOf(session.dialect(), request.id, *found, message_.text());
}

// ---- Sending ----

Worker::Sent Worker::SendMessage(Peer* peer) {
  for (int attempt = 0;; ++attempt) {
    const ssize_t sent = net::SendWithFds(peer->session->fd(), message_.bytes(), message_.fds());
    if (sent == static_cast<ssize_t>(message_.bytes().size())) {
      counters_.messages.Add();
      return Sent::kAll;
    }
    counters_.blocked.Add();
    if (sent > 0) {
      // The descriptors went with the first byte; the rest of the bytes is owed.
      peer->out.assign(message_.bytes().data() + sent, message_.bytes().size() - sent);
      Block(peer, Peer::Blocked::kSocketFull);
      return Sent::kPart;
    }
    switch (errno) {
      case EAGAIN:
        Block(peer, Peer::Blocked::kSocketFull);
        return Sent::kNothing;
      case ETOOMANYREFS:
        // unix(7): too many descriptors of this user are in flight, sent and not yet received. The
        // client is told, rather than kept waiting for what others must take first.
        CHECK_EQ(attempt, 0) << "ETOOMANYREFS without descriptors";
        counters_.errors.Add(message_.fds().size());
        message_.RefuseFds(peer->session->dialect(),
                           "too many descriptors in flight (ETOOMANYREFS); try again");
        continue;
      case ENOBUFS:
      case ENOMEM:
        Block(peer, Peer::Blocked::kKernelFull);
        return Sent::kNothing;
      default:
        return Sent::kGone;
    }
  }
}

// Sends message_ and the 'X' with its descriptor behind it. What the socket does not take of either
// is the peer's to wait for, once any byte has gone.
Worker::Sent Worker::SendMessageThenX(Peer* peer, net::UniqueFd fd) {
  size_t bytes_sent = 0;
  switch (net::SendThenX(peer->session->fd(), message_.bytes(), fd.get(), &bytes_sent)) {
    case 2:
      counters_.messages.Add(2);
      return Sent::kAll;
    case 1:
      if (bytes_sent == message_.bytes().size()) {
        counters_.messages.Add();
        // Again, to learn why: the socket may be full, the kernel, or the peer gone.
        const Sent x = SendX(peer, std::move(fd));
        return x == Sent::kNothing ? Sent::kPart : x;
      }
      peer->out.assign(message_.bytes().data() + bytes_sent, message_.bytes().size() - bytes_sent);
      peer->out_fd = std::move(fd);
      counters_.blocked.Add();
      Block(peer, Peer::Blocked::kSocketFull);
      return Sent::kPart;
    default:
      break;
  }
  const Sent first = SendMessage(peer);  // says what is wrong
  if (first == Sent::kPart) peer->out_fd = std::move(fd);
  if (first != Sent::kAll) return first;
  const Sent x = SendX(peer, std::move(fd));
  return x == Sent::kNothing ? Sent::kPart : x;
}

Worker::Sent Worker::SendX(Peer* peer, net::UniqueFd fd) {
  const int number = fd.get();
  const ssize_t sent =
      net::SendWithFds(peer->session->fd(), "X", absl::Span<const int>(&number, 1));
  if (sent == 1) {
    counters_.messages.Add();
    return Sent::kAll;
  }
  counters_.blocked.Add();
  switch (errno) {
    case EAGAIN:
      Block(peer, Peer::Blocked::kSocketFull);
      break;
    case ETOOMANYREFS:  // the header has promised a descriptor: it must wait
    case ENOBUFS:
    case ENOMEM:
      Block(peer, Peer::Blocked::kKernelFull);
      break;
    default:
      return Sent::kGone;
  }
  peer->out_fd = std::move(fd);
  return Sent::kNothing;
}

void Worker::Block(Peer* peer, Peer::Blocked how) {
  DCHECK(peer->blocked == Peer::Blocked::kNo);
  peer->blocked = how;
  if (how == Peer::Blocked::kOpening) {
    // It is we who are late: nothing it does, nor its time, counts until then.
    epoll_.Remove(peer->session->fd());
    idle_.Stop(peer);
    busy_.Stop(peer);
    return;
  }
  // Nothing is read from a peer that does not take its answers.
  const uint32_t events = how == Peer::Blocked::kSocketFull ? uint32_t{EPOLLOUT} : 0;
  epoll_.Modify(peer->session->fd(), events, peer);
  if (how == Peer::Blocked::kKernelFull) {
    retries_.Start(peer, now_ns_);
  } else {
    peer->queue.Watch(peer->session->fd());
  }
  if (!busy_.Has(peer)) {
    idle_.Stop(peer);
    busy_.Start(peer, now_ns_);
  }
}

bool Worker::Unblock(Peer* peer) {
  if (peer->blocked == Peer::Blocked::kNo) return true;
  const bool in_epoll = peer->blocked != Peer::Blocked::kOpening;
  retries_.Stop(peer);
  if (in_epoll) {
    peer->blocked = Peer::Blocked::kNo;
    epoll_.Modify(peer->session->fd(), EPOLLIN, peer);
    return true;
  }
  const int error = epoll_.Add(peer->session->fd(), EPOLLIN, peer);
  if (error != 0) {
    LOG(WARNING) << peer->session->PeerName() << ": "
                 << net::ErrnoToStatus(error, "epoll_ctl").message();
    EndPeer(peer);
    return false;
  }
  peer->blocked = Peer::Blocked::kNo;
  UpdateDeadline(peer, /*progress=*/true);
  return true;
}

}  // namespace objmapper::fdpass
