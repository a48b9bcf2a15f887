// Status lines, dates that are made once a second, and notes.
#include "protocol/http/answer.h"

#include <algorithm>

#include "protocol/http/credentials.h"
#include "protocol/http/date.h"

namespace objmapper::protocol::http {
namespace {

// A note's text is at most so long: Bazel, for one, drops a connection that says much more.
constexpr size_t kNoteBytesMax = 1024;

// "Date: ...\r\n" of this second.
absl::string_view DateField(int64_t now_s) {
  struct Cached {
    int64_t second = INT64_MIN;
    char text[6 + kDateBytes + 2];
  };
  thread_local Cached cached;
  if (cached.second != now_s) {
    std::copy_n("Date: ", 6, cached.text);
    FormatDate(now_s, cached.text + 6);
    std::copy_n("\r\n", 2, cached.text + 6 + kDateBytes);
    cached.second = now_s;
  }
  return {cached.text, sizeof(cached.text)};
}

}  // namespace

absl::string_view ReasonPhrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 416:
      return "Range Not Satisfiable";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
  }
  return "Unknown";
}

int StatusOf(Status status) {
  switch (status) {
    case Status::kOk:
      return 200;
    case Status::kNotFound:
      return 404;
    case Status::kInvalidRequest:
    case Status::kInvalidMode:
    case Status::kProtocolError:
    case Status::kVersionMismatch:
    case Status::kCapabilityError:
      return 400;
    case Status::kUriTooLong:
      return 414;
    case Status::kUnsupportedOp:
      return 405;
    case Status::kPermissionDenied:
      return 403;
    case Status::kRangeNotSatisfiable:
      return 416;
    case Status::kTooLarge:
      return 413;
    case Status::kConflict:
      return 409;
    case Status::kPreconditionFailed:
      return 412;
    case Status::kNotModified:
      return 304;
    case Status::kTimeout:
      return 408;
    case Status::kUnavailable:
    case Status::kOutOfMemory:
      return 503;
    case Status::kInternalError:
    case Status::kStorageError:
      break;
  }
  return 500;
}

AnswerHead::AnswerHead(int status, int64_t now_s, std::string* out) : now_s_(now_s), out_(out) {
  Append("HTTP/1.1 ");
  Append(absl::AlphaNum(status).Piece()).append(" ");
  Append(ReasonPhrase(status)).append("\r\n");
  Append(DateField(now_s)).append("Server: objmapper\r\n");
}

AnswerHead& AnswerHead::AddLastModified(int64_t mtime_s) {
  // Much that is asked for is asked for again, or is as old as what was asked for before.
  struct Cached {
    int64_t second = INT64_MIN;
    char text[kDateBytes];
  };
  thread_local Cached cached;
  if (const int64_t second = std::min(mtime_s, now_s_); cached.second != second) {
    FormatDate(second, cached.text);
    cached.second = second;
  }
  return Add("Last-Modified", absl::string_view(cached.text, kDateBytes));
}

void AnswerHead::End(bool keep_alive, int minor) {
  // Each says what its version does not take for granted.
  if (!keep_alive) {
    out_->append("Connection: close\r\n");
  } else if (minor == 0) {
    out_->append("Connection: keep-alive\r\n");
  }
  out_->append("\r\n");
}

AnswerHead& AnswerHead::AddCors(const Ask& ask) {
  if (ask.allow_origin.empty()) return *this;
  Add("Access-Control-Allow-Origin", ask.allow_origin);
  if (ask.allow_origin != "*") Add("Vary", "Origin");
  if (!ask.preflight) {
    return Add("Access-Control-Expose-Headers",
               "Accept-Ranges, Content-Length, Content-Range, ETag, Last-Modified");
  }
  return Add("Access-Control-Allow-Methods", Allow(ask.writable))
      .Add("Access-Control-Allow-Headers",
           absl::StrCat("Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Match, "
                        "If-Range, If-Unmodified-Since, Range, ",
                        kTtlField))
      .Add("Access-Control-Max-Age", 600);
}

void AppendNote(const Note& note, const Ask* ask, int64_t now_s, std::string* out) {
  AnswerHead head(note.status, now_s, out);
  const absl::string_view text = note.text.substr(0, kNoteBytesMax);
  if (!note.allow.empty()) head.Add("Allow", note.allow);
  if (!note.location.empty()) head.Add("Location", note.location);
  if (!note.challenge.empty())
    head.Add("WWW-Authenticate", note.challenge).Add("WWW-Authenticate", kBasicChallenge);
  if (note.retry_after_s > 0) head.Add("Retry-After", note.retry_after_s);
  const bool bodiless = note.status == 204 || note.status == 304;
  if (!bodiless) {
    if (!text.empty()) head.Add("Content-Type", "text/plain; charset=utf-8");
    head.Add("Content-Length", text.empty() ? 0 : text.size() + 1);
  }
  if (ask != nullptr) head.AddCors(*ask);
  head.End(ask != nullptr && ask->persists(), ask == nullptr ? 1 : ask->minor);
  const bool has_body = !bodiless && !text.empty() && (ask == nullptr || !ask->head_only());
  if (has_body) absl::StrAppend(out, text, "\n");
  if (ask != nullptr) ask->Answered(note.status, has_body ? text.size() + 1 : 0);
}

}  // namespace objmapper::protocol::http
