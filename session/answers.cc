// Encodes answers and errors. The table from absl::StatusCode to the status on the wire is here,
// and nowhere else.
#include "session/answers.h"

#include <time.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "net/retry_after.h"
#include "protocol/http/answer.h"
#include "protocol/http/ask.h"
#include "protocol/http/credentials.h"
#include "protocol/http/listing.h"
#include "protocol/objm/metadata.h"

namespace objmapper::session {

using protocol::Dialect;
using protocol::MetadataType;
using protocol::MetadataWriter;
using protocol::Status;
namespace http = protocol::http;

Status WireStatus(const absl::Status& status) {
  using Code = absl::StatusCode;
  constexpr struct {
    Code code;
    Status status;
  } kMeanings[] = {
      {Code::kOk, Status::kOk},
      {Code::kNotFound, Status::kNotFound},
      {Code::kPermissionDenied, Status::kPermissionDenied},
      {Code::kInvalidArgument, Status::kInvalidRequest},
      {Code::kOutOfRange, Status::kUriTooLong},
      {Code::kResourceExhausted, Status::kUnavailable},
      {Code::kUnavailable, Status::kUnavailable},
      {Code::kDataLoss, Status::kStorageError},
      {Code::kAlreadyExists, Status::kConflict},
      {Code::kFailedPrecondition, Status::kConflict},
      {Code::kAborted, Status::kPreconditionFailed},
      {Code::kUnimplemented, Status::kUnsupportedOp},
      {Code::kDeadlineExceeded, Status::kTimeout},
  };
  for (const auto& meaning : kMeanings) {
    if (meaning.code == status.code()) return meaning.status;
  }
  return Status::kInternalError;
}

namespace {

uint32_t InSeconds(uint32_t milliseconds) { return (milliseconds + 999) / 1000; }

// The header of an OK answer whose body, if it has one, follows.
void AppendOk(Dialect dialect, uint32_t id, uint64_t content_length, absl::string_view metadata,
              std::string* out) {
  char buffer[protocol::kResponseBytesMax];
  out->append(buffer,
              protocol::EncodeResponse(dialect, id, Status::kOk, content_length, metadata, buffer));
}

}  // namespace

void AppendError(Dialect dialect, uint32_t id, Status status, absl::string_view message,
                 std::string* out, uint32_t retry_after_ms) {
  if (status != Status::kUnavailable) {
    retry_after_ms = 0;
  } else if (retry_after_ms == 0) {
    retry_after_ms = kRetryAfterMs;
  }
  if (dialect == Dialect::kHttp) {
    http::AppendNote({.status = http::StatusOf(status),
                      .text = message,
                      .retry_after_s = InSeconds(retry_after_ms)},
                     nullptr, time(nullptr), out);
    return;
  }
  char buffer[protocol::kResponseBytesMax];
  out->append(buffer, protocol::EncodeError(dialect, id, status, message, retry_after_ms, buffer));
}

void AppendError(Dialect dialect, const protocol::Request& request, Status status,
                 absl::string_view message, std::string* out) {
  if (request.http == nullptr) {
    AppendError(dialect, request.id, status, message, out, request.retry_after_ms);
    return;
  }
  const http::Ask& ask = *request.http;
  http::Note note{.status = ask.refusal != 0 ? ask.refusal : http::StatusOf(status),
                  .text = message};
  if (status == Status::kUnavailable)
    note.retry_after_s = InSeconds(std::max(request.retry_after_ms, kRetryAfterMs));
  // What is here does not do, and no origin may be asked (RFC 9111, 5.2.1.7).
  if (status == Status::kUnavailable && ask.only_if_cached) note.status = 504;
  std::string location;
  if (ask.reads() && !ask.is_folder() && status == Status::kConflict &&
      (ask.lists || ask.indexes)) {
    // What is no object but a folder.
    location = http::FolderLocation(ask);
    note.status = 301;
    note.text = "a folder's name ends with '/'";
    note.location = location;
  }
  // Of what the rules do not allow, and no other, some token may be what it lacks.
  if (ask.lacks_token && request.refusal == Status::kPermissionDenied && note.status == 403) {
    note.status = 401;
    note.text = "the server's rules do not allow this without a token (Authorization)";
  }
  if (note.status == 401) note.challenge = ask.lacks_token ? http::kChallenge : http::kInvalidToken;
  if (note.status == 405 || note.status == 204) note.allow = http::Allow(ask.writable);
  http::AppendNote(note, &ask, time(nullptr), out);
}

void AppendError(Dialect dialect, const protocol::Request& request, const absl::Status& error,
                 std::string* out) {
  const uint32_t retry_after_ms = net::RetryAfterMs(error);
  if (retry_after_ms == 0)
    return AppendError(dialect, request, WireStatus(error), error.message(), out);
  protocol::Request later = request;
  later.retry_after_ms = retry_after_ms;
  AppendError(dialect, later, WireStatus(error), error.message(), out);
}

std::string RangeMessage(const protocol::Request& request, uint64_t size) {
  return absl::StrCat("offset ", request.offset, " is past the end of an object of ", size,
                      " bytes");
}

size_t EncodeBodyHeader(Dialect dialect, const protocol::Request& request, const Extent& extent,
                        const ObjectFacts& facts, char* out) {
  MetadataWriter metadata;
  if (dialect == Dialect::kV2) {
    metadata.AddU64(MetadataType::kSize, facts.size);
    if (request.has_range()) metadata.AddRange(extent.offset, extent.length);
    if (request.versions) AddVersion(facts, &metadata);
  }
  return protocol::EncodeResponse(dialect, request.id, Status::kOk, extent.length, metadata.bytes(),
                                  out);
}

void AppendStat(Dialect dialect, const protocol::Request& request, const ObjectFacts& facts,
                std::string* out) {
  if (const Status judged = JudgeVersion(request, facts.etag); judged != Status::kOk)
    return AppendError(dialect, request, judged, kNotModifiedText, out);
  MetadataWriter metadata;
  metadata.AddU64(MetadataType::kSize, facts.size);
  metadata.AddU64(MetadataType::kMtime, static_cast<uint64_t>(facts.mtime_s));
  metadata.AddText(MetadataType::kEtag, facts.etag);
  if (facts.backend != 0) metadata.AddU8(MetadataType::kBackend, facts.backend);
  if (request.versions) AddLifeAndType(facts, &metadata);
  AppendOk(dialect, request.id, 0, metadata.bytes(), out);
}

void AppendDone(Dialect dialect, uint32_t id, std::string* out) {
  AppendOk(dialect, id, 0, "", out);
}

void AppendList(Dialect dialect, uint32_t id, absl::string_view cursor, absl::string_view body,
                std::string* out) {
  MetadataWriter metadata;
  if (!cursor.empty()) metadata.AddText(MetadataType::kCursor, cursor);
  AppendOk(dialect, id, body.size(), metadata.bytes(), out);
  out->append(body.data(), body.size());
}

void AppendClose(Dialect dialect, protocol::CloseReason reason, std::string* out) {
  if (dialect != Dialect::kV2) return;
  char buffer[protocol::kCloseBytes];
  out->append(buffer, protocol::EncodeClose(reason, buffer));
}

void AppendCloseAck(Dialect dialect, std::string* out) {
  if (dialect != Dialect::kV2) return;
  char buffer[protocol::kCloseAckBytes];
  // Everything owed has gone out before this message, so nothing is outstanding.
  out->append(buffer, protocol::EncodeCloseAck(0, buffer));
}

void AppendFatal(Dialect dialect, uint32_t id, Status status, absl::string_view message,
                 std::string* out) {
  AppendError(dialect, id, status, message, out);
  AppendClose(dialect, protocol::CloseReason::kProtocolError, out);
}

}  // namespace objmapper::session
