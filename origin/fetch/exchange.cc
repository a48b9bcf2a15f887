// What libcurl is told of a request, and its callbacks.
//
// Nothing here may remove the handle: libcurl is running while it calls.
#include "origin/fetch/exchange.h"

#include <glog/logging.h>
#include <stdio.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "net/clock.h"
#include "net/deadline_list.h"
#include "text/version.h"

namespace objmapper::origin::fetch {
namespace {

// An error's body beyond this is not read: the connection is closed instead.
constexpr size_t kErrorBodyMax = 64 << 10;
// How long libcurl keeps the certificates that it has read.
constexpr long kCaCacheSeconds = 600;
constexpr long kReceiveBufferMin = 16 << 10;

// Every option is one that this libcurl has, with a value that it takes.
template <typename Value>
void Set(CURL* easy, CURLoption option, Value value) {
  const CURLcode code = curl_easy_setopt(easy, option, value);
  CHECK_EQ(code, CURLE_OK) << "CURLoption " << option << ": " << curl_easy_strerror(code);
}

int64_t After(int64_t now_ns, absl::Duration duration) {
  if (duration == absl::InfiniteDuration() || duration <= absl::ZeroDuration()) return net::kNever;
  return now_ns + absl::ToInt64Nanoseconds(duration);
}

}  // namespace

bool Exchange::IsHeader(const Header& header) {
  const auto is_token = [](char c) {
    return absl::ascii_isalnum(c) ||
           absl::string_view("!#$%&'*+-.^_`|~").find(c) != std::string::npos;
  };
  const auto ends_line = [](char c) { return c == '\r' || c == '\n' || c == '\0'; };
  return !header.name.empty() && std::all_of(header.name.begin(), header.name.end(), is_token) &&
         std::none_of(header.value.begin(), header.value.end(), ends_line);
}

Exchange::Exchange(const Options& options, const Setup& setup, Receiver* receiver)
    : request_(*setup.request),
      timeouts_(setup.timeouts),
      receiver_(receiver),
      easy_(curl_easy_init()) {
  CHECK(easy_ != nullptr) << "curl_easy_init";
  Enter(Phase::kConnecting);
  SetUp(options, setup);
  SetUpBody();
}

Exchange::~Exchange() {
  curl_easy_cleanup(easy_);
  curl_slist_free_all(headers_);
}

void Exchange::SetUp(const Options& options, const Setup& setup) {
  Set(easy_, CURLOPT_URL, setup.url.c_str());
  Set(easy_, CURLOPT_PATH_AS_IS, 1L);
  Set(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  Set(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  Set(easy_, CURLOPT_FOLLOWLOCATION, 0L);
  Set(easy_, CURLOPT_NOSIGNAL, 1L);
  // A name server that does not answer would otherwise be waited for when the handle is removed.
  Set(easy_, CURLOPT_QUICK_EXIT, 1L);
  Set(easy_, CURLOPT_DNS_SHUFFLE_ADDRESSES, 1L);
  Set(easy_, CURLOPT_PRIVATE, setup.tag);
  Set(easy_, CURLOPT_ERRORBUFFER, error_text_);
  Set(easy_, CURLOPT_BUFFERSIZE,
      std::clamp<long>(static_cast<long>(options.receive_buffer_bytes), kReceiveBufferMin,
                       CURL_MAX_READ_SIZE));
  const absl::string_view agent = options.user_agent;
  Set(easy_, CURLOPT_USERAGENT,
      agent.empty() ? absl::StrCat("objmapper/", text::kVersion).c_str()
                    : options.user_agent.c_str());

  const auto ms =
      static_cast<long>(absl::ToInt64Milliseconds(std::min(timeouts_.connect, absl::Hours(24))));
  Set(easy_, CURLOPT_CONNECTTIMEOUT_MS, std::max(ms, 1L));
  Set(easy_, CURLOPT_MAXAGE_CONN,
      static_cast<long>(std::max<int64_t>(1, absl::ToInt64Seconds(options.idle_max))));
  // libcurl asks anew, by itself, on another connection where one that has been used before dies
  // before the answer's first byte. What must not be sent twice gets one that has not been used.
  if (!request_.idempotent) Set(easy_, CURLOPT_FRESH_CONNECT, 1L);

  const bool tls = absl::StartsWithIgnoreCase(setup.url, "https:");
  const std::string& proxy = tls ? options.https_proxy : options.http_proxy;
  // An empty name also keeps libcurl from reading the environment.
  Set(easy_, CURLOPT_PROXY, request_.through_proxy ? proxy.c_str() : "");
  Set(easy_, CURLOPT_NOPROXY, options.no_proxy.c_str());
  Set(easy_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (!options.ca_file.empty()) Set(easy_, CURLOPT_CAINFO, options.ca_file.c_str());
  if (!options.ca_path.empty()) Set(easy_, CURLOPT_CAPATH, options.ca_path.c_str());
  Set(easy_, CURLOPT_CA_CACHE_TIMEOUT, kCaCacheSeconds);

  for (const Header& header : setup.headers) {
    // "Name;" is how libcurl is told of a header without a value; "Name:" would take one away.
    headers_ = curl_slist_append(
        headers_, (header.value.empty() ? absl::StrCat(header.name, ";")
                                        : absl::StrCat(header.name, ": ", header.value))
                      .c_str());
  }
  headers_ = curl_slist_append(headers_, "Expect:");
  Set(easy_, CURLOPT_HTTPHEADER, headers_);

  Set(easy_, CURLOPT_HEADERFUNCTION, &Exchange::OnHeader);
  Set(easy_, CURLOPT_HEADERDATA, this);
  Set(easy_, CURLOPT_WRITEFUNCTION, &Exchange::OnBody);
  Set(easy_, CURLOPT_WRITEDATA, this);
  Set(easy_, CURLOPT_PREREQFUNCTION, &Exchange::OnReady);
  Set(easy_, CURLOPT_PREREQDATA, this);
}

void Exchange::SetUpBody() {
  switch (request_.method) {
    case Method::kGet:
      return;
    case Method::kHead:
      return Set(easy_, CURLOPT_NOBODY, 1L);
    case Method::kDelete:
      return Set(easy_, CURLOPT_CUSTOMREQUEST, "DELETE");
    case Method::kPost:
      // As an upload, since CURLOPT_POST adds a Content-Type.
      Set(easy_, CURLOPT_CUSTOMREQUEST, "POST");
      break;
    case Method::kPut:
      break;
  }
  Set(easy_, CURLOPT_UPLOAD, 1L);
  Set(easy_, CURLOPT_INFILESIZE_LARGE,
      static_cast<curl_off_t>(request_.body == nullptr ? 0 : request_.body->size()));
  Set(easy_, CURLOPT_READFUNCTION, &Exchange::OnRead);
  Set(easy_, CURLOPT_READDATA, this);
  Set(easy_, CURLOPT_SEEKFUNCTION, &Exchange::OnSeek);
  Set(easy_, CURLOPT_SEEKDATA, this);
}

void Exchange::Enter(Phase phase) {
  phase_ = phase;
  excused_ = false;
  moved_before_ = moved_;
  const int64_t now_ns = net::NowNs();
  switch (phase) {
    case Phase::kConnecting:
      deadline_ns_ = net::kNever;
      return;
    case Phase::kWaiting:
      deadline_ns_ = After(now_ns, timeouts_.answer);
      return;
    case Phase::kSending:
    case Phase::kReceiving:
      deadline_ns_ = After(now_ns, timeouts_.stall.period);
      return;
  }
}

Cause Exchange::Late(int64_t looked_ns, std::string* why) {
  if (looked_ns < deadline_ns_) return Cause::kNone;
  const bool waits = phase_ == Phase::kWaiting;
  const Stall& stall = timeouts_.stall;
  if (!waits && moved_ - moved_before_ >= stall.bytes) {
    Enter(phase_);
    return Cause::kNone;
  }
  // What was sent may be on its way still: the kernel takes megabytes at once.
  if (phase_ != Phase::kReceiving && body_at_ > 0 && Drains()) {
    Enter(phase_);
    return Cause::kNone;
  }
  // Nobody has looked meanwhile (net/deadline_list.h): the bytes may be on their way still.
  if (looked_ns - deadline_ns_ > net::kOversleptNs && !excused_) {
    Enter(phase_);
    excused_ = true;
    return Cause::kNone;
  }
  if (waits) {
    *why = absl::StrCat("no answer within ", absl::FormatDuration(timeouts_.answer));
    return Cause::kSilence;
  }
  *why =
      absl::StrCat("stalled: ", moved_ - moved_before_, " bytes in ",
                   absl::FormatDuration(stall.period), " (at least ", stall.bytes, " are wanted)");
  return Cause::kStall;
}

int Exchange::proxy_status() const {
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_HTTP_CONNECTCODE, &status);
  return static_cast<int>(status);
}

bool Exchange::Drains() {
  curl_socket_t socket = CURL_SOCKET_BAD;
  curl_easy_getinfo(easy_, CURLINFO_ACTIVESOCKET, &socket);
  return socket != CURL_SOCKET_BAD && queue_.Shrank(socket);
}

int Exchange::OnReady(void* self, char*, char*, int, int) {
  auto* exchange = static_cast<Exchange*>(self);
  exchange->sent_ = true;
  const bool sends = exchange->request_.body != nullptr && exchange->request_.body->size() > 0;
  exchange->Enter(sends ? Phase::kSending : Phase::kWaiting);
  return CURL_PREREQFUNC_OK;
}

size_t Exchange::OnHeader(char* bytes, size_t size, size_t n, void* self) {
  auto* exchange = static_cast<Exchange*>(self);
  HeadReader& head = exchange->head_;
  if (head.whole()) return size * n;  // trailers
  exchange->moved_ += size * n;
  switch (head.Take(absl::string_view(bytes, size * n))) {
    case HeadReader::State::kReading:
      return size * n;
    case HeadReader::State::kBad:
      return 0;  // CURLE_WRITE_ERROR; head().why() tells
    case HeadReader::State::kWhole:
      break;
  }
  exchange->Enter(Phase::kReceiving);
  if (head.status() < 300) exchange->refusal_ = exchange->receiver_->TakeHead(head);
  return exchange->refusal_.ok() ? size * n : 0;
}

size_t Exchange::OnBody(char* bytes, size_t size, size_t n, void* self) {
  auto* exchange = static_cast<Exchange*>(self);
  const size_t length = size * n;
  exchange->moved_ += length;
  if (exchange->head_.status() >= 300) {
    if (exchange->error_body_.size() + length > kErrorBodyMax) return 0;
    exchange->error_body_.append(bytes, length);
    return length;
  }
  exchange->refusal_ = exchange->receiver_->TakeBytes(absl::MakeConstSpan(bytes, length));
  return exchange->refusal_.ok() ? length : length + 1;  // any other number; 0 of 0 would be right
}

size_t Exchange::OnRead(char* to, size_t size, size_t n, void* self) {
  return static_cast<Exchange*>(self)->ReadBody(absl::MakeSpan(to, size * n));
}

size_t Exchange::ReadBody(absl::Span<char> to) {
  const uint64_t bytes = request_.body == nullptr ? 0 : request_.body->size();
  if (body_at_ >= bytes) return 0;
  const size_t most = static_cast<size_t>(std::min<uint64_t>(to.size(), bytes - body_at_));
  const absl::StatusOr<size_t> n = request_.body->Read(body_at_, to.subspan(0, most));
  if (!n.ok() || *n == 0 || *n > most) {
    refusal_ =
        n.ok() ? absl::DataLossError("the body's source has fewer bytes than it said") : n.status();
    body_failed_ = true;
    return CURL_READFUNC_ABORT;
  }
  body_at_ += *n;
  moved_ += *n;
  if (body_at_ == bytes && phase_ == Phase::kSending) Enter(Phase::kWaiting);
  return *n;
}

int Exchange::OnSeek(void* self, curl_off_t offset, int origin) {
  if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<Exchange*>(self)->body_at_ = static_cast<uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

}  // namespace objmapper::origin::fetch
