// Heads of answers: status line and fields (RFC 9110, 9112).
//
//   AnswerHead head(200, now_s, &out);
//   head.Add("Content-Length", size);
//   head.End(/*keep_alive=*/true, request.minor);
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "protocol/http/ask.h"
#include "protocol/http/head.h"
#include "protocol/status.h"

namespace objmapper::protocol::http {

// "Not Found"; "Unknown" for what is no status of this server's. Static.
absl::string_view ReasonPhrase(int status);

// What a status of the other dialects is in this one.
int StatusOf(Status status);

// Writes to `out`, which outlives it.
class AnswerHead {
 public:
  // Begins with the status line, Date and Server. now_s: the wall clock.
  AnswerHead(int status, int64_t now_s, std::string* out);

  AnswerHead& Add(absl::string_view name, const absl::AlphaNum& value) {
    Append(name).append(": ");
    Append(value.Piece()).append("\r\n");
    return *this;
  }
  // etag: without quotes.
  AnswerHead& AddEtag(absl::string_view etag) {
    Append("ETag: \"");
    Append(etag).append("\"\r\n");
    return *this;
  }
  // Last-Modified, but never in the future.
  AnswerHead& AddLastModified(int64_t mtime_s);
  // What lets pages of others' read the answer, where the request's origin may.
  AnswerHead& AddCors(const Ask& ask);
  // The empty line, and before it what becomes of the connection; minor: the request's version.
  void End(bool keep_alive, int minor);

 private:
  // Not StrAppend(), which fills what it makes room for first.
  std::string& Append(absl::string_view text) { return out_->append(text.data(), text.size()); }

  const int64_t now_s_;
  std::string* const out_;
};

// A whole answer of one line of text, which says why. Of a 405 and of an answer to OPTIONS `allow`
// says what is allowed; location: where else it is; retry_after_s: when to come again, 0: not said.
struct Note {
  int status = 0;
  absl::string_view text;  // without a line's end; empty: no body
  absl::string_view allow;
  absl::string_view location;
  uint32_t retry_after_s = 0;
  absl::string_view challenge;  // of a 401 (protocol/http/credentials.h)
};
// ask: what it answers; null: nothing that was understood, and the connection ends.
void AppendNote(const Note& note, const Ask* ask, int64_t now_s, std::string* out);

}  // namespace objmapper::protocol::http
