// Answers with a descriptor. Invariant: each call adds exactly one answer to the message.
#include "fdpass/answer.h"

#include <errno.h>
#include <fcntl.h>

#include <optional>
#include <string>
#include <utility>

#include "net/errno_status.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/metadata.h"
#include "session/answers.h"
#include "session/version.h"
#include "storage/tree/description.h"

namespace objmapper::fdpass {

using protocol::MetadataType;
using protocol::Status;

namespace {

// The header of an OK answer: the length of what is granted where the descriptor rides on it
// (FD_IN_HEADER), else 0; RANGE when the request had one, and SIZE and the version where that is
// told.
void AppendHeader(const session::Session& session, const protocol::Request& request,
                  const session::Extent& extent, const session::ObjectFacts& facts,
                  std::string* out) {
  protocol::MetadataWriter metadata;
  if (request.versions) metadata.AddU64(MetadataType::kSize, facts.size);
  if (request.has_range()) metadata.AddRange(extent.offset, extent.length);
  if (request.versions) session::AddVersion(facts, &metadata);
  const uint64_t length = session.parser.Has(protocol::kFdInHeader) ? extent.length : 0;
  char header[protocol::kResponseBytesMax];
  out->append(header, protocol::EncodeResponse(session.dialect(), request.id, Status::kOk, length,
                                               metadata.bytes(), header));
}

}  // namespace

net::UniqueFd AnswerWithFd(const session::Session& session, const protocol::Request& request,
                           absl::string_view uri, const storage::Tree& tree,
                           absl::StatusOr<Passable> opened, session::Message* message) {
  const bool in_header = session.parser.Has(protocol::kFdInHeader);
  if (opened.ok() && !in_header && opened->shared != nullptr) {
    // The 'X' may have to wait for its turn, and owns what it waits with.
    opened->fd.Reset(fcntl(opened->shared->get(), F_DUPFD_CLOEXEC, 0));
    if (!opened->fd.valid()) opened = net::ErrnoToStatus(errno, "dup");
  }
  if (!opened.ok()) {
    AnswerWithError(session, request, opened.status(), message);
    return net::UniqueFd();
  }
  session::ObjectFacts facts;
  std::string etag;
  facts.size = opened->info.size;
  if (session::NeedsEtag(request)) {
    const int fd = opened->shared != nullptr ? opened->shared->get() : opened->fd.get();
    etag = storage::EtagOf(fd, opened->info, opened->tier);
    facts = {facts.size,    opened->info.mtime_s,   etag,
             /*backend=*/0, opened->info.expires_s, uri,  session::CachedIn(tree, request, uri)};
    if (const Status judged = session::JudgeVersion(request, etag); judged != Status::kOk) {
      AnswerWithError(session, request, judged, session::kNotModifiedText, message);
      return net::UniqueFd();
    }
  }
  const std::optional<session::Extent> extent = session::ResolveExtent(request, facts.size);
  if (!extent.has_value()) {
    AnswerWithError(session, request, Status::kRangeNotSatisfiable,
                    session::RangeMessage(request, facts.size), message);
    return net::UniqueFd();
  }
  if (!in_header) {
    message->BeginAnswer(request, Status::kOk, extent->length);
  } else if (opened->shared != nullptr) {
    message->BeginAnswerWithFd(request, std::move(opened->shared), extent->length);
  } else {
    message->BeginAnswerWithFd(request, std::move(opened->fd), extent->length);
  }
  AppendHeader(session, request, *extent, facts, message->text());
  return in_header ? net::UniqueFd() : std::move(opened->fd);
}

void AnswerWithError(const session::Session& session, const protocol::Request& request,
                     Status status, absl::string_view text, session::Message* message) {
  message->BeginAnswer(request, status);
  session::AppendError(session.dialect(), request, status, text, message->text());
}

void AnswerWithError(const session::Session& session, const protocol::Request& request,
                     const absl::Status& error, session::Message* message) {
  message->BeginAnswer(request, session::WireStatus(error));
  session::AppendError(session.dialect(), request, error, message->text());
}

}  // namespace objmapper::fdpass
