// One request of HTTP, as far as whoever answers it needs to know; it outlives the bytes it was
// read from.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "protocol/http/head.h"

namespace objmapper::protocol::http {

// Shared by what is asked on one connection: whether more may be. Its owner's thread.
struct Persistence {
  bool ends = false;
};

struct Ask {
  enum class Method : uint8_t { kGet, kHead, kPut, kDelete, kOptions, kOther };

  Method method = Method::kOther;
  int minor = 1;
  bool keep_alive = true;         // by what this request says; see also `connection`
  bool writable = false;          // as AskOf() was told
  std::string path;               // decoded, without the first '/'
  uint32_t ttl_s = 0;             // PUT: seconds to live, 0: for ever
  bool chunked = false;           // its body; else content_length
  bool expects_continue = false;  // its sender waits to be told that the body is wanted
  uint64_t content_length = 0;
  // Of preconditions and ranges, the fields alone; null: there are none.
  struct Conditions : Head {
    std::string text;  // what the fields point into
  };
  std::unique_ptr<const Conditions> conditions;
  std::shared_ptr<const Persistence> connection;
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
  bool writes() const { return method == Method::kPut || method == Method::kDelete; }
  bool persists() const { return keep_alive && (connection == nullptr || !connection->ends); }
};

// The field of a PUT that says how many seconds the object lives.
inline constexpr char kTtlField[] = "Objmapper-TTL";

Ask::Method MethodOf(absl::string_view method);

// What may be asked: the Allow field of answers.
absl::string_view Allow(bool writable);

// From a head that was read. OPTIONS is "refused" with 204, which says what is allowed. Refusals:
// those of ParseTarget(), 405 for TRACE and CONNECT, and for PUT and DELETE where nothing may be
// written, 501 for methods that are not known; of PUT 400 with Content-Range or a time to live that
// is none, and 415 with a Content-Encoding, which answers would not have. The head may change: an
// absolute target overrides its host.
Ask AskOf(Head* head, bool writable);

}  // namespace objmapper::protocol::http
