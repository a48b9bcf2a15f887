// What is asked of an origin, and what comes of it: the vocabulary of origin/fetch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "net/unique_fd.h"

namespace objmapper::origin::fetch {

struct Header {
  std::string name;
  std::string value;
};
using Headers = std::vector<Header>;

// Both ends are part of it (RFC 9110, 14.1.2).
struct ByteRange {
  uint64_t first = 0;
  uint64_t last = 0;
};

enum class Method : uint8_t { kGet, kHead, kPut, kPost, kDelete };
absl::string_view MethodName(Method method);

// A body that moves fewer than `bytes` in `period` has stalled.
struct Stall {
  uint64_t bytes = 1024;
  absl::Duration period = absl::Seconds(10);
};

struct Timeouts {
  absl::Duration connect = absl::Seconds(10);  // name, TCP, proxy and TLS together
  absl::Duration answer = absl::Seconds(30);   // from the request's last byte to the whole head
  Stall stall;                                 // of bodies, in both directions
};

// The body of a PUT or POST. Only the origin thread calls it, once that has begun.
class BodySource {
 public:
  virtual ~BodySource() = default;
  virtual uint64_t size() const = 0;
  // Puts bytes from `offset` on, which is less than size(), into `to`; returns how many, at least
  // one. Each attempt begins from 0 again. Must not wait for long: every other transfer waits
  // meanwhile. An error ends the request.
  virtual absl::StatusOr<size_t> Read(uint64_t offset, absl::Span<char> to) = 0;
};
std::shared_ptr<BodySource> BodyOf(std::string bytes);
// `size` bytes of a file from `begin` on, which were written lately, so that they are in the page
// cache and reading waits for no disk. A file that has become shorter ends the request.
std::shared_ptr<BodySource> BodyOf(std::shared_ptr<const net::UniqueFd> file, uint64_t begin,
                                   uint64_t size);

// One HTTP request that is about to be sent.
struct Attempt {
  int number = 1;   // of those that the Request has led to, redirects too
  std::string url;  // Request::url, or where a redirect leads
  // False behind a redirect to another host (scheme or port): then headers that carry credentials
  // are left out, whoever has given them: Authorization, Cookie, Proxy-Authorization,
  // X-Amz-Security-Token, and keys of SSE-C.
  bool credentials = true;
};

// An answer that says that the object is elsewhere.
struct Redirect {
  int status = 0;        // 301, 302, 303, 307, 308; 400 for S3's AuthorizationHeaderMalformed
  std::string from_url;  // what was asked
  std::string to_url;    // Location, resolved; empty when the answer has none, as S3's may
  std::string code;      // S3's: "PermanentRedirect"
  std::string region;    // x-amz-bucket-region, or <Region> of the error; may be empty
  std::string endpoint;  // <Endpoint> of S3's error; may be empty
};
struct RedirectTarget {
  std::string url;
  // The caller knows that this place is the same origin (S3's endpoint in another region, made from
  // the region's name and not from Location): credentials are sent to it.
  bool same_origin = false;
};

// One thing that is wanted. Its functions are called on the origin thread, must not wait, and are
// destroyed there.
struct Request {
  Method method = Method::kGet;
  std::string url;  // http or https, encoded, without userinfo; sent as it is ("/../" too)

  // The headers of one attempt, made anew for each: signatures age. They may sign all but Range,
  // If-Match, If-None-Match, If-Modified-Since, User-Agent and Content-Length, which are added to
  // them. An error ends the request; its message is shown.
  std::function<absl::StatusOr<Headers>(const Attempt&)> prepare;

  std::shared_ptr<BodySource> body;  // of kPut and kPost; none: an empty one
  std::optional<ByteRange> range;    // of kGet
  // A server that knows no ranges answers 200 with the whole: true lets that pass (Head::first is
  // 0 then).
  bool accept_whole = false;
  std::string if_match;       // an ETag with its quotes; the answer's is compared with it too
  std::string if_none_match;  // the same, or a weak one; 304 becomes Verdict::kNotModified
  // A date as HTTP has it (RFC 9110, 5.6.7), of kGet; the same.
  std::string if_modified_since;
  // Most bytes of a body that are taken. An answer that announces more is not read, one that sends
  // more is cut off.
  uint64_t body_bytes_max = 0;

  // False: what may have reached the origin is not sent twice, except where the origin says that
  // it has not done it (503, 429), and it is not sent on a connection that may have died.
  bool idempotent = true;
  // Errors are S3's: a 404 means "not found" to a GET only if it says NoSuchKey.
  bool s3 = false;
  // Where to go on, or nullopt: then the redirect is the request's end. None: every redirect is.
  std::function<std::optional<RedirectTarget>(const Redirect&)> redirected;
  // Asked once when the origin says that the credentials have expired; `done` is called when
  // others are there or cannot be had, by any thread, at any time (a late one has no effect). The
  // next attempt asks `prepare` again.
  std::function<void(std::function<void()> done)> refresh;

  bool through_proxy = true;         // false for addresses of this machine's own (IMDS)
  std::optional<Timeouts> timeouts;  // instead of the fetcher's
  int attempts_max = 0;              // instead of the fetcher's, if not 0
};

// The head of an answer that succeeded (2xx).
struct Head {
  int status = 0;
  Headers headers;  // in order, names in lower case
  std::string etag;
  std::optional<uint64_t> content_length;  // of this body; to kHead: of the object
  uint64_t first = 0;                      // where in the object the body begins (Content-Range)
  std::optional<uint64_t> object_bytes;    // of the whole object, if said

  // The value of the first header of that name (lower case); empty when there is none.
  absl::string_view Find(absl::string_view name) const;
};

enum class Verdict : uint8_t {
  kFound,               // 2xx, and the whole body has been handed over
  kNotModified,         // 304 to if_none_match or if_modified_since
  kNotFound,            // 404 (of S3: NoSuchKey), 410; nothing else
  kPermissionDenied,    // 401, 403
  kPreconditionFailed,  // 412, or the answer is of another version than if_match
  kBadRange,            // 416; object_bytes tells the size, if the origin does
  kRefusedBySink,       // OnHead() or OnBytes() returned an error, which is the reason
  kCancelled,           // Cancel() or Stop()
  kTrouble,             // anything else
};

// What was wrong with an attempt, for those who count.
enum class Cause : uint8_t {
  kNone,
  kUnknownHost,
  kRefused,  // no connection
  kConnectTimeout,
  kTls,          // certificates and the like
  kSilence,      // no head in time
  kStall,        // too few bytes per time
  kBroken,       // the connection was closed or reset before the answer's end
  kMalformed,    // no HTTP, or an answer that does not belong to what was asked
  kServerError,  // 5xx, RequestTimeout
  kThrottled,    // 429, SlowDown and its like
  kExpired,      // credentials that have expired
  kCredentials,  // signature, key, clock
  kTooLarge,     // more bytes than Request::body_bytes_max
  kRedirect,     // one that is not followed
  kStatus,       // any other status
  kOurs,         // prepare, body, sink, cancelled
};
inline constexpr size_t kCauses = static_cast<size_t>(Cause::kOurs) + 1;
absl::string_view CauseName(Cause cause);  // "unknown_host"

struct Outcome {
  Verdict verdict = Verdict::kTrouble;
  Cause cause = Cause::kNone;  // of the last attempt; kNone: kFound
  int status = 0;              // HTTP's, of the last answer; 0: there was none
  std::string code;            // S3's of the same, "NoSuchKey"
  // For people, on one line: what was asked of whom, what was wrong, how often it was tried. Empty:
  // kFound. Has no query, userinfo or header.
  std::string reason;
  std::optional<absl::Duration> retry_after;  // as the origin says, if it does
  std::optional<uint64_t> object_bytes;       // of kBadRange
  // Of a PUT, POST or DELETE that was not found to have succeeded: an attempt of it has reached the
  // origin, perhaps, and was not answered, or by a 5xx that may come behind the deed.
  bool may_be_done = false;
  int attempts = 0;            // HTTP requests made, redirects too
  std::vector<Cause> retried;  // why, one for each retry
  uint64_t bytes = 0;          // of the body, handed to the sink
  absl::Duration first_byte;   // from Fetch() to the head that succeeded; 0: there was none
  absl::Duration total;        // from Fetch() to now
  // Of the last attempt, from when it began: to the head of its answer, or, where there was none,
  // to its end. Without the time that the request waited for room here.
  absl::Duration answer;
};

// Where an answer goes. All calls come from the origin thread, never from inside Fetch() or
// Cancel(), and must not wait for long: every other transfer waits meanwhile.
class Sink {
 public:
  virtual ~Sink() = default;
  // The head of an answer that succeeded. An error ends the request: the body is not wanted.
  // Called again only if an attempt failed before its first byte and there is no ETag to go on by.
  virtual absl::Status OnHead(const Head& head) = 0;
  // The next bytes of the body: each byte once, in order, over all attempts. Borrowed.
  virtual absl::Status OnBytes(absl::Span<const char> bytes) = 0;
  // The end: the last call, exactly once.
  virtual void OnDone(const Outcome& outcome) = 0;
};

}  // namespace objmapper::origin::fetch
