// Answers of one head each.
#include "session/stored.h"

#include <time.h>

#include "absl/strings/str_cat.h"
#include "protocol/http/answer.h"
#include "protocol/http/ask.h"
#include "protocol/http/preconditions.h"

namespace objmapper::session {

using protocol::Dialect;
namespace http = protocol::http;

namespace {

absl::Status JudgeChange(const protocol::Conditions& conditions, const ObjectFacts* there) {
  if (conditions.if_absent) {
    if (there == nullptr) return absl::OkStatus();
    return absl::AbortedError(
        absl::StrCat("there is such an object already: \"", there->etag, "\""));
  }
  if (conditions.if_match.empty()) return absl::OkStatus();
  if (there == nullptr) return absl::AbortedError("there is no such object");
  if (there->etag == conditions.if_match) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("the object is another version: \"", there->etag, "\""));
}

}  // namespace

Precondition PreconditionOf(const protocol::Request& request) {
  if (request.conditions != nullptr) {
    return [conditions = request.conditions](const ObjectFacts* there) {
      return JudgeChange(*conditions, there);
    };
  }
  if (request.http == nullptr || request.http->conditions == nullptr) return {};
  return [ask = request.http](const ObjectFacts* there) {
    std::string etag;
    http::Selected selected;
    if (there != nullptr) {
      etag = absl::StrCat("\"", there->etag, "\"");
      selected = {true, etag, there->mtime_s};
    }
    if (http::EvaluatePreconditions(*ask->conditions, /*reads=*/false, selected, time(nullptr)) ==
        http::Verdict::kProceed)
      return absl::OkStatus();
    return absl::AbortedError(
        there == nullptr
            ? "a precondition of the request does not hold: there is no such object"
            : absl::StrCat("a precondition of the request does not hold: the object is ", etag));
  };
}

void AppendStored(Dialect dialect, const protocol::Request& request, const ObjectFacts* stored,
                  bool replaced, std::string* out) {
  if (request.http == nullptr) {
    if (stored == nullptr) return AppendDone(dialect, request.id, out);
    return AppendStat(dialect, request, *stored, out);
  }
  const int status = replaced ? 204 : 201;
  http::AnswerHead head(status, time(nullptr), out);
  if (!replaced) head.Add("Content-Length", 0);
  if (stored != nullptr) {
    head.Add("ETag", absl::StrCat("\"", stored->etag, "\""));
    head.AddLastModified(stored->mtime_s);
  }
  head.AddCors(*request.http).End(request.http->persists(), request.http->minor);
  request.http->Answered(status, 0);
}

void AppendRemoved(Dialect dialect, const protocol::Request& request, std::string* out) {
  if (request.http == nullptr) return AppendDone(dialect, request.id, out);
  http::AnswerHead head(204, time(nullptr), out);
  head.AddCors(*request.http).End(request.http->persists(), request.http->minor);
  request.http->Answered(204, 0);
}

void AppendNoRoom(Dialect dialect, const protocol::Request& request, absl::string_view message,
                  std::string* out) {
  if (request.http == nullptr)
    return AppendError(dialect, request, protocol::Status::kUnavailable, message, out);
  http::AppendNote({.status = 507, .text = message}, request.http.get(), time(nullptr), out);
}

}  // namespace objmapper::session
