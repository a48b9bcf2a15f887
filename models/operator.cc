// Operations on the calling thread. A refused body is read and dropped, so that the connection can
// go on.
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "copypath/body_pace.h"
#include "models/conversation.h"
#include "net/clock.h"
#include "net/readable.h"
#include "protocol/mode.h"
#include "session/receive.h"
#include "storage/store/store.h"

namespace objmapper::models {
namespace {

using protocol::Mode;
using protocol::Request;

constexpr size_t kBufferBytes = 256 * 1024;

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
  switch (request.mode) {
    case Mode::kPutFd:
      return Found(copypath::PutFd(operand, std::move(fd)));
    case Mode::kDelete:
      return Found(copypath::Delete(operand));
    case Mode::kList:
      return Found(copypath::List(operand, session->limits->access, session->peer, session->fd()));
    default:
      break;
  }
  absl::StatusOr<std::unique_ptr<storage::NewObject>> object = copypath::BeginPut(operand);
  uint64_t left = request.body_length;
  if (!object.ok()) {
    session->parser.SkipBody(left);
    return Found(copypath::Failed(operand, object.status()));
  }
  absl::Status error;
  const std::optional<Missing> stopped = TakeBody(session, operand, object->get(), &left, &error);
  if (!stopped.has_value() && error.ok()) return Found(copypath::CommitPut(operand, object->get()));
  session->parser.SkipBody(left);
  if (!stopped.has_value()) return Found(copypath::Failed(operand, error));
  *missing = *stopped;
  return std::nullopt;
}

std::optional<Operator::Missing> Operator::TakeBody(session::Session* session,
                                                    const copypath::Operand& operand,
                                                    storage::NewObject* object, uint64_t* left,
                                                    absl::Status* error) {
  if (buffer_ == nullptr) buffer_.reset(new char[kBufferBytes]);
  uint64_t offset = 0;
  bool stray = false;
  why_late_.clear();
  copypath::BodyPace pace(*session->limits);
  while (*left > 0) {
    // What has been read already; then what comes. Never a byte behind the body: that stays where
    // it is, so that nothing piles up here that the next turn has no room for.
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(kBufferBytes, *left));
    size_t have = 0;
    if (!session->unread.empty()) {
      have = std::min(session->unread.size(), wanted);
      memcpy(buffer_.get(), session->unread.data(), have);
    } else {
      if (session->peer_done) return Missing::kEnded;
      if (pace.too_slow() && !net::IsReadable(session->fd())) {
        why_late_ = pace.Why(operand.uri, *left);
        return Missing::kLate;
      }
      const int64_t since_ns = net::NowNs();
      const Phase::Woken woken = context_->phase.Wait(
          session->fd(), POLLIN, DeadlineNs(since_ns, session->limits->request_timeout));
      pace.Waited(net::NowNs() - since_ns);
      if (woken == Phase::Woken::kLate) return Missing::kLate;
      if (woken != Phase::Woken::kReady) return Missing::kBroken;
      const ssize_t got =
          Receive(session, absl::MakeSpan(buffer_.get(), wanted), 0, session::OnFds::kWait);
      if (got < 0 && errno == EAGAIN) continue;
      if (got < 0) return Missing::kBroken;
      if (got == 0) {
        session->peer_done = true;
        return Missing::kEnded;
      }
      session->received_ns.store(net::NowNs(), std::memory_order_relaxed);
      have = static_cast<size_t>(got);
    }
    stray = stray || session::HasStrayFds(*session, have);
    session::KeepUnread(
        session, session->unread.empty() ? absl::string_view(buffer_.get(), have) : session->unread,
        have, *left - have);
    pace.Came(have);
    *left -= have;
    if (stray) continue;
    if (*error = object->Extend(have); !error->ok()) return std::nullopt;
    if (const int failed = WriteAll(object->fd(), buffer_.get(), have, offset); failed != 0) {
      *error = copypath::BodyError(operand, failed);
      return std::nullopt;
    }
    offset += have;
  }
  if (stray) *error = absl::InvalidArgumentError("descriptors arrived with the body of an object");
  return std::nullopt;
}

}  // namespace objmapper::models
