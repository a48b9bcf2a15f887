// Answers with a descriptor. Invariant: each call adds exactly one answer to the message.
#include "fdpass/answer.h"

#include <errno.h>
#include <fcntl.h>

#include <optional>
#include <utility>

#include "net/errno_status.h"
#include "protocol/objm/encode.h"
#include "session/answers.h"

namespace objmapper::fdpass {

using protocol::Status;

net::UniqueFd AnswerWithFd(const session::Session& session, const protocol::Request& request,
                           absl::StatusOr<Passable> opened, session::Message* message) {
  const bool in_header = session.parser.Has(protocol::kFdInHeader);
  if (opened.ok() && !in_header && opened->shared != nullptr) {
    // The 'X' may have to wait for its turn, and owns what it waits with.
    opened->fd.Reset(fcntl(opened->shared->get(), F_DUPFD_CLOEXEC, 0));
    if (!opened->fd.valid()) opened = net::ErrnoToStatus(errno, "dup");
  }
  if (!opened.ok()) {
    AnswerWithError(session, request, session::WireStatus(opened.status()),
                    opened.status().message(), message);
    return net::UniqueFd();
  }
  const std::optional<session::Extent> extent =
      session::ResolveExtent(request, opened->object_size);
  if (!extent.has_value()) {
    AnswerWithError(session, request, Status::kRangeNotSatisfiable,
                    session::RangeMessage(request, opened->object_size), message);
    return net::UniqueFd();
  }
  if (!in_header) {
    message->BeginAnswer(request, Status::kOk, extent->length);
  } else if (opened->shared != nullptr) {
    message->BeginAnswerWithFd(request, std::move(opened->shared), extent->length);
  } else {
    message->BeginAnswerWithFd(request, std::move(opened->fd), extent->length);
  }
  char header[protocol::kResponseBytesMax];
  const size_t header_bytes =
      session::EncodeFdHeader(session.dialect(), in_header, request, *extent, header);
  message->text()->append(header, header_bytes);
  return in_header ? net::UniqueFd() : std::move(opened->fd);
}

void AnswerWithError(const session::Session& session, const protocol::Request& request,
                     Status status, absl::string_view text, session::Message* message) {
  message->BeginAnswer(request, status);
  session::AppendError(session.dialect(), request, status, text, message->text());
}

}  // namespace objmapper::fdpass
