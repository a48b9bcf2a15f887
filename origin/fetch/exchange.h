// One attempt: a libcurl easy handle, what is sent by it, and what has come back so far.
//
//   Exchange exchange(options, setup, &receiver);
//   curl_multi_add_handle(multi, exchange.easy());       // CURLINFO_PRIVATE is the tag
//   ...                                                  // the receiver is called meanwhile
//   curl_multi_remove_handle(multi, exchange.easy());    // before it dies
//
// One thread.
#pragma once

#include <curl/curl.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "net/send_queue.h"
#include "origin/fetch/options.h"
#include "origin/fetch/request.h"
#include "origin/fetch/response.h"

namespace objmapper::origin::fetch {

// What an answer of 2xx is given to while it comes.
class Receiver {
 public:
  virtual ~Receiver() = default;
  // An error ends the attempt; it is Exchange::refusal() then.
  virtual absl::Status TakeHead(const HeadReader& head) = 0;
  virtual absl::Status TakeBytes(absl::Span<const char> bytes) = 0;
};

class Exchange {
 public:
  struct Setup {
    const Request* request = nullptr;  // its method, body and proxy; the rest is in what follows
    std::string url;
    Headers headers;
    Timeouts timeouts;
    void* tag = nullptr;
  };

  // All but timeouts and tag is borrowed as long as the exchange lives.
  Exchange(const Options& options, const Setup& setup, Receiver* receiver);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange();

  // Whether the header can be sent: no line's end or NUL in it, a name that is a token (RFC 9110).
  static bool IsHeader(const Header& header);

  CURL* easy() const { return easy_; }

  // Until when something must come; net::kNever while it connects, which libcurl limits.
  int64_t deadline_ns() const { return deadline_ns_; }
  // Whether it is too late for that at `looked_ns`, when it was begun to look at what has come; if
  // so, *why says what was waited for. Otherwise a new deadline is set.
  Cause Late(int64_t looked_ns, std::string* why);

  const HeadReader& head() const { return head_; }
  // Of an answer that is not 2xx, up to 64 KiB.
  const std::string& error_body() const { return error_body_; }
  // Why the attempt was ended by the receiver or the body's source; OK: it was not.
  const absl::Status& refusal() const { return refusal_; }
  // Whether that was the body's source.
  bool body_failed() const { return body_failed_; }
  // Bytes of the request may have left.
  bool sent() const { return sent_; }
  // What a proxy has answered to CONNECT; 0: none was asked.
  int proxy_status() const;
  // libcurl's words for what went wrong; may be empty.
  const char* error_text() const { return error_text_; }

 private:
  enum class Phase : uint8_t { kConnecting, kSending, kWaiting, kReceiving };

  void SetUp(const Options& options, const Setup& setup);
  void SetUpBody();
  // libcurl's callbacks.
  static size_t OnHeader(char* bytes, size_t size, size_t n, void* self);
  static size_t OnBody(char* bytes, size_t size, size_t n, void* self);
  static size_t OnRead(char* to, size_t size, size_t n, void* self);
  static int OnSeek(void* self, curl_off_t offset, int origin);
  static int OnReady(void* self, char*, char*, int, int);

  size_t ReadBody(absl::Span<char> to);
  void Enter(Phase phase);
  // Whether the peer has taken any of what it has been sent since this was last asked.
  bool Drains();

  const Request& request_;
  const Timeouts timeouts_;
  Receiver* const receiver_;
  CURL* const easy_;
  curl_slist* headers_ = nullptr;
  char error_text_[CURL_ERROR_SIZE] = "";

  HeadReader head_;
  std::string error_body_;
  absl::Status refusal_;
  bool body_failed_ = false;
  bool sent_ = false;
  uint64_t body_at_ = 0;  // of the request's body

  Phase phase_ = Phase::kConnecting;
  int64_t deadline_ns_ = 0;
  bool excused_ = false;
  net::SendQueue queue_;
  uint64_t moved_ = 0;         // bytes of bodies and heads, in both directions
  uint64_t moved_before_ = 0;  // when the deadline was set
};

}  // namespace objmapper::origin::fetch
