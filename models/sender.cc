// Builds and sends messages on the calling thread, which waits in poll(2) while the socket is full.
#include <errno.h>
#include <glog/logging.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "copypath/transfer.h"
#include "fdpass/answer.h"
#include "models/conversation.h"
#include "net/clock.h"
#include "net/scm_rights.h"
#include "net/send_queue.h"
#include "protocol/capabilities.h"
#include "protocol/dialect.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/metadata.h"
#include "session/account.h"

namespace objmapper::models {
namespace {

using protocol::Mode;
using protocol::Request;
using protocol::Status;

// Bodies are read and sent in pieces of this size.
constexpr size_t kBodyBytes = 256 * 1024;
// Bodies up to this size are gathered with their headers and with other answers.
constexpr size_t kGatheredBodyMax = 16 * 1024;
// A message that has grown to this size is sent.
constexpr size_t kGatheredBytes = 64 * 1024;
// How long to wait when the kernel, not the peer, is out of room.
constexpr int64_t kPauseNs = 5'000'000;

// As send(2) of both, one behind the other; never blocks.
ssize_t SendTwo(int socket, absl::string_view first, absl::string_view second) {
  iovec pieces[2] = {{const_cast<char*>(first.data()), first.size()},
                     {const_cast<char*>(second.data()), second.size()}};
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  return TEMP_FAILURE_RETRY(sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

// An object shrank, or the disk failed, when its header had promised more: only the end of the
// connection can say so now.
bool CutShort(const session::Session& session, ssize_t got) {
  LOG_EVERY_T(WARNING, 1) << session.PeerName() << ": closed in the middle of an answer: "
                          << (got == 0 ? "the object has become smaller" : strerror(errno));
  return false;
}

}  // namespace

Sender::Sender(const Context* context)
    : context_(context), tally_(context->options.board, "model"), body_(new char[kBodyBytes]) {}

Sender::Work::Work(Sender* sender, Connection* connection)
    : sender_(sender), since_ns_(net::NowNs()) {
  connection->session->lane.store("model", std::memory_order_relaxed);
  if (connection->ready_ns != 0) sender->tally_->TookUp(since_ns_ - connection->ready_ns);
  connection->ready_ns = 0;
}

Sender::Work::~Work() { sender_->tally_->Worked(net::NowNs() - since_ns_); }

void Sender::Count(session::Session* session, const std::vector<session::Receipt>& receipts) {
  const int64_t now_ns = net::NowNs();
  for (const session::Receipt& receipt : receipts)
    session::Account(receipt, now_ns, session, &tally_);
}

bool Sender::Answer(session::Session* session, const Request& request, Found found) {
  if (found.instead != nullptr) {
    const std::unique_ptr<const Request> instead = std::move(found.instead);
    return Answer(session, *instead, std::move(found));
  }
  if (found.passing != nullptr) return AnswerThrough(session, request, std::move(found));
  session->answered.Add();
  if (found.rest != nullptr) return SendPieces(session, request, std::move(found));
  const protocol::Dialect dialect = session->dialect();
  if (found.answer.size() > kGatheredBytes) {
    // A listing, sent as it is: each thread of ours would keep a copy's memory.
    if (!message_.fds().empty() && !Flush(session)) return false;
    message_.BeginAnswer(request, found.status, found.bytes);
    body_receipts_ = message_.receipts();
    const bool all = SendAll(session, message_.bytes(), found.answer, {}) == Sent::kAll;
    message_.Clear();
    if (all) Count(session, body_receipts_);
    return all;
  }
  if (!found.answer.empty() || found.status != Status::kOk || request.mode == Mode::kStat) {
    if (found.status == Status::kOk && found.answer.empty())
      found.status = session::JudgeVersion(request, found.description.etag);
    message_.BeginAnswer(request, found.status, found.bytes);
    if (!found.answer.empty()) {
      message_.text()->append(found.answer);
    } else if (found.status != Status::kOk && found.status != Status::kNotModified) {
      protocol::Request refused = request;
      if (found.retry_after_ms != 0) refused.retry_after_ms = found.retry_after_ms;
      session::AppendError(dialect, refused, found.status, found.message, message_.text());
    } else {
      session::ObjectFacts facts = session::FactsOf(found.description, request.uri);
      facts.cached = session::CachedIn(*context_->options.tree, request, request.uri);
      session::AppendStat(dialect, request, facts, message_.text());
    }
    return FlushIfLong(session);
  }
  if (request.mode == Mode::kFdPass) return PassFd(session, request, std::move(found));

  // Descriptors ride on the first byte of their message, and a body must not be in their way.
  if (!message_.fds().empty() && !Flush(session)) return false;
  session::MakeReply(dialect, request,
                     {found.size, found.info.mtime_s, found.description.etag, /*backend=*/0,
                      found.info.expires_s, request.uri,
                      session::CachedIn(*context_->options.tree, request, request.uri,
                                        found.fd.get(), found.asked_remote)},
                     &reply_);
  message_.BeginAnswer(request, reply_.status, reply_.bytes());
  message_.text()->append(reply_.head);
  for (size_t i = 0; i < reply_.parts.size(); ++i) {
    const session::Extent& part = reply_.parts[i];
    const bool splice =
        request.mode == Mode::kSplice && part.length >= context_->options.splice_bytes_min;
    if (!(splice ? Splice(session, found.fd.get(), part) : Copy(session, found.fd.get(), part)))
      return false;
    if (!reply_.behind.empty()) message_.text()->append(reply_.behind[i]);
  }
  return FlushIfLong(session);
}

bool Sender::PassFd(session::Session* session, const Request& request, Found found) {
  const bool in_header = session->parser.Has(protocol::kFdInHeader);
  const bool batch = session->parser.Has(protocol::kFdBatch);
  // A message with descriptors begins with an answer that has one.
  if (in_header && !message_.empty() && (!batch || message_.fds().empty()) && !Flush(session))
    return false;
  fdpass::Passable passable;
  passable.fd = std::move(found.fd);
  passable.info = found.info;
  passable.tier = found.description.tier;
  found.fd = fdpass::AnswerWithFd(*session, request, request.uri, *context_->options.tree,
                                  std::move(passable), &message_);
  if (found.fd.valid()) return SendThenX(session, found.fd.get());
  const bool full = !batch || message_.fds().size() == protocol::kFdsPerMessageMax;
  return !full || Flush(session);
}

bool Sender::Copy(session::Session* session, int file, session::Extent rest) {
  std::string* text = message_.text();
  if (rest.length <= kGatheredBodyMax) {
    const size_t begin = text->size();
    text->resize(begin + rest.length);
    size_t have = 0;
    while (have < rest.length) {
      const ssize_t got = pread(file, text->data() + begin + have, rest.length - have,
                                static_cast<off_t>(rest.offset + have));
      if (got <= 0) {
        text->resize(begin + have);
        Flush(session);
        return CutShort(*session, got);
      }
      have += static_cast<size_t>(got);
    }
    return FlushIfLong(session);
  }
  body_receipts_ = message_.receipts();
  return SendBody(session, file, rest);
}

// Sends what is gathered and the body behind it, piece by piece.
bool Sender::SendBody(session::Session* session, int file, session::Extent rest) {
  while (rest.length > 0) {
    if (context_->phase.stopping()) return false;
    const ssize_t got = pread(file, body_.get(), std::min<uint64_t>(rest.length, kBodyBytes),
                              static_cast<off_t>(rest.offset));
    if (got <= 0) {
      Flush(session);
      return CutShort(*session, got);
    }
    // The first piece shares its call with the header.
    const absl::string_view piece(body_.get(), static_cast<size_t>(got));
    const Sent sent = SendAll(session, message_.bytes(), piece, {});
    message_.Clear();
    if (sent != Sent::kAll) return false;
    rest.offset += piece.size();
    rest.length -= piece.size();
  }
  Count(session, body_receipts_);
  return true;
}

bool Sender::Splice(session::Session* session, int file, session::Extent rest) {
  using Outcome = copypath::Transfer::Outcome;
  copypath::Transfer transfer;
  transfer.socket = session->fd();
  transfer.file = file;
  transfer.unix_socket = session->transport == session::Transport::kUnix;
  transfer.header = std::string(message_.bytes());
  body_receipts_ = message_.receipts();
  transfer.offset = rest.offset;
  transfer.remaining = rest.length;
  message_.Clear();
  int64_t until_ns = 0;
  while (!context_->phase.stopping()) {
    const uint64_t owed = transfer.header.size() - transfer.header_sent + transfer.remaining;
    const Outcome outcome = transfer.Run();
    if (transfer.header.size() - transfer.header_sent + transfer.remaining < owed) until_ns = 0;
    switch (outcome) {
      case Outcome::kDone:
        Count(session, body_receipts_);
        return true;
      case Outcome::kYield:
        continue;  // no other transfer waits for this thread
      case Outcome::kSocketFull:
        if (!WaitToSend(session, EAGAIN, &until_ns)) return false;
        continue;
      case Outcome::kFailed:  // no pipe to be had, or a file system that does not splice
        message_.text()->assign(transfer.header, transfer.header_sent);
        return SendBody(session, file, {transfer.offset, transfer.remaining});
      case Outcome::kShrunk:
        return CutShort(*session, 0);
      case Outcome::kGone:
        return false;
    }
  }
  return false;
}

bool Sender::Flush(session::Session* session) {
  if (message_.empty()) return true;
  Sent sent = SendAll(session, message_.bytes(), {}, message_.fds());
  if (sent == Sent::kTooManyFds) {
    message_.RefuseFds(session->dialect());
    sent = SendAll(session, message_.bytes(), {}, {});
  }
  if (sent == Sent::kAll) Count(session, message_.receipts());
  message_.Clear();
  return sent == Sent::kAll;
}

// An answer that is made as it goes.
bool Sender::SendPieces(session::Session* session, const Request& request, Found found) {
  message_.BeginAnswer(request, found.status, found.bytes);
  body_receipts_ = message_.receipts();
  const std::unique_ptr<copypath::FolderListing> rest = std::move(found.rest);
  copypath::Outcome piece = std::move(found);
  while (true) {
    const bool sent = SendAll(session, message_.bytes(), piece.answer, {}) == Sent::kAll;
    message_.Clear();
    if (!sent || context_->phase.stopping()) return false;
    if (piece.kind != copypath::Outcome::Kind::kPiece) break;
    piece = rest->Next();
    if (piece.kind == copypath::Outcome::Kind::kBroken) {
      LOG_EVERY_T(WARNING, 1) << session->PeerName()
                              << ": closed in the middle of an answer: " << piece.answer;
      return false;
    }
  }
  Count(session, body_receipts_);
  return true;
}

bool Sender::FlushIfLong(session::Session* session) {
  return message_.bytes().size() < kGatheredBytes || Flush(session);
}

bool Sender::Say(session::Session* session, absl::string_view bytes) {
  return Flush(session) && SendAll(session, bytes, {}, {}) == Sent::kAll;
}

Sender::Sent Sender::SendAll(session::Session* session, absl::string_view first,
                             absl::string_view second, absl::Span<const int> fds) {
  int64_t until_ns = 0;
  while (!first.empty() || !second.empty()) {
    const ssize_t sent = fds.empty() ? SendTwo(session->fd(), first, second)
                                     : net::SendWithFds(session->fd(), first, fds);
    if (sent > 0) {
      const size_t of_first = std::min(first.size(), static_cast<size_t>(sent));
      first.remove_prefix(of_first);
      second.remove_prefix(static_cast<size_t>(sent) - of_first);
      fds = {};  // they went with the first byte
      until_ns = 0;
    } else if (errno == ETOOMANYREFS) {
      return Sent::kTooManyFds;
    } else if (!WaitToSend(session, errno, &until_ns)) {
      return Sent::kOver;
    }
  }
  return Sent::kAll;
}

// Sends what is gathered, which ends with the header of `fd`'s answer, and 'X' with `fd` behind it.
bool Sender::SendThenX(session::Session* session, int fd) {
  size_t bytes_sent = 0;
  const int sent = net::SendThenX(session->fd(), message_.bytes(), fd, &bytes_sent);
  bool ok = true;
  if (sent < 2) {
    const absl::string_view rest = message_.bytes().substr(sent == 0 ? 0 : bytes_sent);
    ok = SendAll(session, rest, {}, {}) == Sent::kAll;
    // The header has promised a descriptor, so it waits, whatever the kernel is short of.
    int64_t until_ns = 0;
    while (ok && net::SendWithFds(session->fd(), "X", absl::MakeConstSpan(&fd, 1)) != 1) {
      ok = WaitToSend(session, errno, &until_ns);
    }
  }
  if (ok) Count(session, message_.receipts());
  message_.Clear();
  return ok;
}

// Waits until what failed with `error` is worth another try.
bool Sender::WaitToSend(session::Session* session, int error, int64_t* until_ns) {
  const bool kernel_full = error == ETOOMANYREFS || error == ENOBUFS || error == ENOMEM;
  if (error != EAGAIN && !kernel_full) return false;
  const int64_t now_ns = net::NowNs();
  if (*until_ns == 0) *until_ns = DeadlineNs(now_ns, session->limits->request_timeout);
  Phase::Woken woken;
  if (kernel_full) {
    woken = context_->phase.Wait(-1, 0, std::min(*until_ns, now_ns + kPauseNs));
    // once more after its end, too
    if (woken == Phase::Woken::kLate && now_ns < *until_ns) return true;
  } else {
    net::SendQueue queue;
    queue.Watch(session->fd());
    woken = context_->phase.Wait(session->fd(), POLLOUT, *until_ns);
    while (woken == Phase::Woken::kLate && queue.Shrank(session->fd())) {
      // it reads, though not so much that there is room
      *until_ns = DeadlineNs(net::NowNs(), session->limits->request_timeout);
      woken = context_->phase.Wait(session->fd(), POLLOUT, *until_ns);
    }
  }
  if (woken == Phase::Woken::kLate) {
    context_->options.connections->timed_out.fetch_add(1, std::memory_order_relaxed);
    LOG_EVERY_T(WARNING, 1)
        << session->PeerName() << ": closed, "
        << (kernel_full ? "the kernel took no more descriptors (ETOOMANYREFS) or memory in time"
                        : "it did not read its answers in time");
  }
  return woken == Phase::Woken::kReady;
}

}  // namespace objmapper::models
