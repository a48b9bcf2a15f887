// libcurl's easy interface.
#include "tools/bench/origin/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace objmapper::bench {
namespace {

constexpr long kSilenceMaxS = 60;

// One transfer: what is sent, and where what comes goes.
class Transfer {
 public:
  Transfer(const HttpPlace& place, const HttpRequest& request,
           absl::FunctionRef<bool(absl::string_view piece)> piece)
      : place_(place), request_(request), piece_(piece), curl_(curl_easy_init()) {
    for (const auto& [name, value] : request.fields) AddField(absl::StrCat(name, ": ", value));
    AddField("Expect:");
    Set(CURLOPT_URL, place.url.c_str());
    Set(CURLOPT_PATH_AS_IS, 1L);
    Set(CURLOPT_NOSIGNAL, 1L);
    Set(CURLOPT_NOPROXY, "*");
    Set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    Set(CURLOPT_LOW_SPEED_TIME, kSilenceMaxS);
    Set(CURLOPT_BUFFERSIZE, long{CURL_MAX_READ_SIZE});
    Set(CURLOPT_ERRORBUFFER, error_);
    Set(CURLOPT_HTTPHEADER, fields_);
    Set(CURLOPT_WRITEFUNCTION, &Transfer::OnPiece);
    Set(CURLOPT_WRITEDATA, this);
    Set(CURLOPT_HEADERFUNCTION, &Transfer::OnField);
    Set(CURLOPT_HEADERDATA, this);
    if (!place.socket.empty()) Set(CURLOPT_UNIX_SOCKET_PATH, place.socket.c_str());
    if (request.method == "GET") return;
    Set(CURLOPT_UPLOAD, 1L);
    Set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    Set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(LengthToSend()));
    Set(CURLOPT_READFUNCTION, &Transfer::OnRead);
    Set(CURLOPT_READDATA, this);
  }
  ~Transfer() {
    curl_easy_cleanup(curl_);
    curl_slist_free_all(fields_);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  absl::Status Run() {
    const CURLcode code = curl_easy_perform(curl_);
    if (enough_) return absl::OkStatus();
    const std::string what = absl::StrCat(request_.method, " ", place_.url, ": ");
    if (code != CURLE_OK)
      return absl::UnavailableError(
          absl::StrCat(what, error_[0] != 0 ? error_ : curl_easy_strerror(code)));
    if (!IsGood()) return absl::UnavailableError(absl::StrCat(what, "status ", Code(), ": ", bad_));
    return absl::OkStatus();
  }
  const std::string& etag() const { return etag_; }

 private:
  template <typename Value>
  void Set(CURLoption option, Value value) {
    curl_easy_setopt(curl_, option, value);
  }
  void AddField(const std::string& field) { fields_ = curl_slist_append(fields_, field.c_str()); }
  uint64_t LengthToSend() const {
    return request_.content == nullptr ? request_.body.size() : request_.length;
  }
  long Code() const {
    long code = 0;
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &code);
    return code;
  }
  bool IsGood() const { return Code() / 100 == 2; }

  static size_t OnPiece(char* bytes, size_t, size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (!transfer.IsGood()) {
      transfer.bad_.append(bytes, count);
      return count;
    }
    if (transfer.piece_({bytes, count})) return count;
    transfer.enough_ = true;
    return 0;
  }
  static size_t OnField(char* bytes, size_t, size_t count, void* self) {
    absl::string_view field(bytes, count);
    if (absl::StartsWithIgnoreCase(field, "etag:"))
      static_cast<Transfer*>(self)->etag_ =
          std::string(absl::StripAsciiWhitespace(field.substr(5)));
    return count;
  }
  static size_t OnRead(char* room, size_t, size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const HttpRequest& request = transfer.request_;
    const size_t part = std::min<uint64_t>(count, transfer.LengthToSend() - transfer.sent_);
    if (request.content != nullptr) {
      request.content->Fill(request.offset + transfer.sent_, absl::MakeSpan(room, part));
    } else {
      request.body.copy(room, part, transfer.sent_);
    }
    transfer.sent_ += part;
    return part;
  }

  const HttpPlace& place_;
  const HttpRequest& request_;
  const absl::FunctionRef<bool(absl::string_view)> piece_;
  CURL* const curl_;
  curl_slist* fields_ = nullptr;
  char error_[CURL_ERROR_SIZE] = {};
  std::string etag_, bad_;
  uint64_t sent_ = 0;
  bool enough_ = false;
};

}  // namespace

absl::StatusOr<HttpAnswer> HttpAsk(const HttpPlace& place, const HttpRequest& request) {
  HttpAnswer answer;
  const auto keep = [&answer](absl::string_view piece) {
    answer.body.append(piece.data(), piece.size());
    return true;
  };
  Transfer transfer(place, request, keep);
  if (absl::Status done = transfer.Run(); !done.ok()) return done;
  answer.etag = transfer.etag();
  return answer;
}

absl::Status HttpRead(const HttpPlace& place, const std::string& range,
                      absl::FunctionRef<bool(absl::string_view piece)> piece) {
  HttpRequest request;
  if (!range.empty()) request.fields = {{"Range", range}};
  return Transfer(place, request, piece).Run();
}

}  // namespace objmapper::bench
