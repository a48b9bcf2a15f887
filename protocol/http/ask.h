// One request of HTTP, as far as whoever answers it needs to know; it outlives the bytes it was
// read from.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "protocol/http/head.h"

namespace objmapper::protocol::http {

// Shared by what is asked on one connection. Written by its owner's thread, read by those that
// compose answers; what the texts point to outlives it.
struct Persistence {
  std::atomic<bool> ends = false;   // no more may be asked
  absl::string_view cache_control;  // of objects' answers; empty: they have no such field
};

// Of a request and its answer, what a log tells.
struct Logged {
  std::string request_line;  // as it came, without its version where that was none
  std::string referer;
  std::string user_agent;
  std::string caller;       // as Ask's
  int status = 0;           // of the answer; 0: there is none yet
  uint64_t body_bytes = 0;  // of the answer
};

struct Ask {
  enum class Method : uint8_t { kGet, kHead, kPut, kDelete, kOptions, kOther };

  Method method = Method::kOther;
  int minor = 1;
  bool keep_alive = true;  // by what this request says; see also `connection`
  bool writable = false;   // as AskOf() was told
  std::string path;        // decoded, without the first '/'
  std::string query;       // of GET and HEAD; as it came, without its '?'
  // Of a folder (is_folder()): what it is told in, if it is told of.
  bool wants_json = false;
  // What the server does with folders: lists them; serves the index.html of those that have one.
  bool lists = false;
  bool indexes = false;
  uint32_t ttl_s = 0;             // PUT: seconds to live, 0: for ever
  bool chunked = false;           // its body; else content_length
  bool expects_continue = false;  // its sender waits to be told that the body is wanted
  uint64_t content_length = 0;
  // Of preconditions and ranges, the fields alone; null: there are none.
  struct Conditions : Head {
    std::string text;  // what the fields point into
  };
  std::shared_ptr<const Conditions> conditions;
  // Of Cache-Control, what is heeded (RFC 9111, 5.2.1). age_max_s: an object of an origin has to
  // have been compared with it so many seconds ago at most ("max-age"; "no-cache": 0); nullopt: as
  // the server thinks right. only_if_cached: no origin is asked.
  std::optional<int64_t> age_max_s;
  bool only_if_cached = false;
  std::shared_ptr<const Persistence> connection;
  // The name that its token gives it; empty: none. It is for this request alone.
  std::string caller;
  // There are tokens here, and it has none: if it is not allowed, one is asked for (401).
  bool lacks_token = false;
  // For pages of others' to read the answers (CORS): what Access-Control-Allow-Origin says; empty:
  // nothing. `preflight`: they ask beforehand.
  std::string allow_origin;
  bool preflight = false;
  // Null: it is not logged. For who answers to fill in.
  std::shared_ptr<Logged> logged;
  // Not 0: it is refused with this status, and `reason` (static).
  int refusal = 0;
  const char* reason = "";

  // The first refusal counts.
  void Refuse(const Refusal& why) {
    if (refusal != 0) return;
    refusal = why.status;
    reason = why.reason;
  }
  bool head_only() const { return method == Method::kHead; }
  bool reads() const { return method == Method::kGet || method == Method::kHead; }
  // Whether the target is of a folder, not of an object: "/", "/a/".
  bool is_folder() const { return reads() && (path.empty() || path.back() == '/'); }
  bool writes() const { return method == Method::kPut || method == Method::kDelete; }
  void Answered(int status, uint64_t body_bytes) const {
    if (logged == nullptr) return;
    logged->status = status;
    logged->body_bytes = body_bytes;
  }
  bool persists() const { return keep_alive && (connection == nullptr || !connection->ends); }
};

// The field of a PUT that says how many seconds the object lives.
inline constexpr char kTtlField[] = "Objmapper-TTL";

Ask::Method MethodOf(absl::string_view method);

// What may be asked: the Allow field of answers.
absl::string_view Allow(bool writable);

// From a head that was read. OPTIONS is "refused" with 204, which says what is allowed. Refusals:
// those of ParseTarget(), 405 for TRACE and for CONNECT, which ends the connection, and for PUT and
// DELETE where nothing may be written, 501 for methods that are not known; of PUT 400 with
// Content-Range or a time to live that is none, and 415 with a Content-Encoding, which answers
// would not have. The head may change: an absolute target overrides its host.
Ask AskOf(Head* head, bool writable);

// What a log tells of the request.
std::unique_ptr<Logged> LoggedOf(const Head& head);

// Pages of these origins (RFC 6454) may read the answers to what they ask; "*": all pages may.
void AllowOrigins(const Head& head, const std::vector<std::string>& origins, Ask* ask);

}  // namespace objmapper::protocol::http
