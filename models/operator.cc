// Operations on the calling thread. A refused body is read and dropped, so that the connection can
// go on.
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "copypath/body_pace.h"
#include "copypath/list_through.h"
#include "copypath/put_body.h"
#include "models/conversation.h"
#include "net/clock.h"
#include "net/readable.h"
#include "protocol/mode.h"
#include "session/intake.h"
#include "session/listing.h"
#include "storage/store/store.h"

namespace objmapper::models {
namespace {

using protocol::Mode;
using protocol::Request;

constexpr size_t kBufferBytes = 256 * 1024;
// What is read at once of a body whose end nobody knows, a line between two chunks included.
constexpr size_t kReadAheadBytes = 16 * 1024;

// 0, or an errno.
int WriteAll(int file, const char* data, size_t bytes, uint64_t offset) {
  while (bytes > 0) {
    const ssize_t written =
        TEMP_FAILURE_RETRY(pwrite(file, data, bytes, static_cast<off_t>(offset)));
    if (written < 0) return errno;
    if (written == 0) return ENOSPC;
    data += written;
    bytes -= static_cast<size_t>(written);
    offset += static_cast<uint64_t>(written);
  }
  return 0;
}

Found ListFolder(copypath::Operand operand, const Context& context) {
  const Request request = operand.request;
  auto listing = std::make_unique<copypath::FolderListing>(std::move(operand));
  Found found(listing->Next());
  if (found.kind == copypath::Outcome::Kind::kPiece) found.rest = std::move(listing);
  if (found.kind != copypath::Outcome::Kind::kObject) return found;
  auto instead = std::make_unique<const Request>(session::AsObject(request, found.answer));
  Found object = Find(*instead, context);
  object.instead = std::move(instead);
  return object;
}

// The origin is waited for; where others need this thread, somebody takes its place.
Found ListThrough(const copypath::Operand& operand, const Context& context) {
  std::optional<StandIns::Waiting> waiting;
  if (context.stand_ins != nullptr) waiting.emplace(context.stand_ins);
  return Found(copypath::ListThrough(operand));
}

}  // namespace

std::optional<Found> Operator::Do(session::Session* session, const Request& request,
                                  net::ForeignFd fd, Missing* missing) {
  copypath::Operand operand;
  operand.store = context_->options.store;
  operand.tree = context_->options.tree;
  operand.dialect = session->dialect();
  operand.request = request;
  operand.uri.assign(request.uri.data(), request.uri.size());
  operand.access = session->limits->access;
  operand.peer = session->peer;
  operand.socket = session->fd();
  if (request.mode == Mode::kPut || request.mode == Mode::kPutFd)
    operand.peer_key = session->PeerKey();
  if (request.mode != Mode::kList) operand.afar = copypath::ChangesAfar(*operand.tree, operand.uri);
  // Who waits for an origin has somebody take this thread's place meanwhile.
  const auto do_it = [&](auto work) {
    std::optional<StandIns::Waiting> waiting;
    if (operand.afar && context_->stand_ins != nullptr) waiting.emplace(context_->stand_ins);
    return Found(work());
  };
  switch (request.mode) {
    case Mode::kPutFd:
      return do_it([&] { return copypath::PutFd(operand, std::move(fd)); });
    case Mode::kDelete:
      return do_it([&] { return copypath::Delete(operand); });
    case Mode::kList:
      if (request.http != nullptr) return ListFolder(std::move(operand), *context_);
      if (request.through()) return ListThrough(operand, *context_);
      return Found(copypath::List(operand, session->limits->access, session->peer, session->fd()));
    default:
      break;
  }
  absl::StatusOr<std::unique_ptr<storage::NewObject>> object = copypath::BeginPut(operand);
  session::BodyReader body(request);
  if (!object.ok()) {
    session::GiveUpBody(session, request, body);
    return Found(copypath::Failed(operand, object.status()));
  }
  absl::Status error;
  std::optional<Missing> stopped;
  if (!body.ended() && session->unread.empty())
    stopped = Invite(session, session::Invitation(request));
  if (!stopped.has_value()) stopped = TakeBody(session, operand, object->get(), &body, &error);
  if (!stopped.has_value() && error.ok())
    return do_it([&] { return copypath::CommitPut(operand, object->get()); });
  if (!stopped.has_value()) {
    session::GiveUpBody(session, request, body);
    return Found(copypath::Failed(operand, error));
  }
  session::CutBody(session, body);
  *missing = *stopped;
  return std::nullopt;
}

std::optional<Operator::Missing> Operator::Invite(session::Session* session,
                                                  absl::string_view words) {
  const int64_t until_ns = DeadlineNs(net::NowNs(), session->limits->request_timeout);
  while (!words.empty()) {
    const ssize_t sent = TEMP_FAILURE_RETRY(
        send(session->fd(), words.data(), words.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
    if (sent > 0) {
      words.remove_prefix(static_cast<size_t>(sent));
    } else if (errno != EAGAIN) {
      return Missing::kBroken;
    } else if (const Phase::Woken woken = context_->phase.Wait(session->fd(), POLLOUT, until_ns);
               woken != Phase::Woken::kReady) {
      return woken == Phase::Woken::kLate ? Missing::kLate : Missing::kBroken;
    }
  }
  return std::nullopt;
}

std::optional<Operator::Missing> Operator::TakeBody(session::Session* session,
                                                    const copypath::Operand& operand,
                                                    storage::NewObject* object,
                                                    session::BodyReader* body,
                                                    absl::Status* error) {
  if (buffer_ == nullptr) buffer_.reset(new char[kBufferBytes]);
  uint64_t offset = 0;
  bool stray = false;
  why_late_.clear();
  copypath::BodyPace pace(*session->limits);
  // What has been read already; then what comes.
  bool ahead = !session->unread.empty();
  while (!body->ended()) {
    // Never a byte behind the body, where that can be told, or few: that stays where it is, so that
    // nothing piles up here that the next turn has no room for.
    const size_t wanted = static_cast<size_t>(
        std::min<uint64_t>(kBufferBytes, body->left().value_or(kReadAheadBytes)));
    size_t have = std::min(session->unread.size(), wanted);
    memcpy(buffer_.get(), session->unread.data(), have);
    if (!ahead) {
      if (session->peer_done) return Missing::kEnded;
      if (pace.too_slow() && !net::IsReadable(session->fd())) {
        why_late_ = pace.Why(operand.uri, body->left());
        return Missing::kLate;
      }
      const int64_t since_ns = net::NowNs();
      const Phase::Woken woken = context_->phase.Wait(
          session->fd(), POLLIN, DeadlineNs(since_ns, session->limits->request_timeout));
      pace.Waited(net::NowNs() - since_ns);
      if (woken == Phase::Woken::kLate) return Missing::kLate;
      if (woken != Phase::Woken::kReady) return Missing::kBroken;
      const ssize_t got =
          Receive(session, absl::MakeSpan(buffer_.get(), wanted), have, session::OnFds::kWait);
      if (got < 0 && errno == EAGAIN) continue;
      if (got < 0) return Missing::kBroken;
      if (got == 0) {
        session->peer_done = true;
        return Missing::kEnded;
      }
      session->received_ns.store(net::NowNs(), std::memory_order_relaxed);
      pace.Came(static_cast<size_t>(got));
      have += static_cast<size_t>(got);
    }
    const absl::string_view input(buffer_.get(), have);
    const session::BodyReader::Piece piece = body->Next(input);
    const absl::string_view data = piece.data;
    body->Took(data.size());
    const size_t taken = piece.skipped + data.size();
    stray = stray || session::HasStrayFds(*session, taken);
    session::KeepUnread(session, ahead ? absl::string_view(session->unread) : input, taken,
                        body->left().value_or(0));
    // A line between chunks that is not whole waits for more.
    ahead = !session->unread.empty() && taken > 0;
    if (piece.broken != nullptr) {
      *error = copypath::UnsoundBody(piece.broken);
      return std::nullopt;
    }
    if (stray || data.empty()) continue;
    if (*error = object->Extend(data.size()); !error->ok()) return std::nullopt;
    if (const int failed = WriteAll(object->fd(), data.data(), data.size(), offset); failed != 0) {
      *error = copypath::BodyError(operand, failed);
      return std::nullopt;
    }
    offset += data.size();
  }
  if (stray) *error = absl::InvalidArgumentError("descriptors arrived with the body of an object");
  return std::nullopt;
}

}  // namespace objmapper::models
