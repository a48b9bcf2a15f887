// The server: what is right, then what the fault makes of it.
#include "tests/origin/bad_origin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glog/logging.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace objmapper::origin::testing {
namespace {

constexpr size_t kPiece = 64 << 10;
constexpr int kDripMs = 10;

net::UniqueFd Bind(int* port) {
  net::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  PCHECK(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  socklen_t length = sizeof(address);
  PCHECK(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
  *port = ntohs(address.sin_port);
  return fd;
}

std::string Document(const std::string& code) {
  return absl::StrCat("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>", code,
                      "</Code><Message>the origin says ", code, "</Message></Error>");
}

void Set(HeaderList* headers, const std::string& name, const std::string& value) {
  for (auto header = headers->begin(); header != headers->end(); ++header) {
    if (!absl::EqualsIgnoreCase(header->first, name)) continue;
    headers->erase(header);
    break;
  }
  if (!value.empty()) headers->push_back({name, value});
}

std::string Date() {
  const time_t now = time(nullptr);
  tm parts;
  char text[64];
  strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &parts));
  return text;
}

}  // namespace

std::string BadOrigin::Asked::Header(const std::string& name) const {
  for (const auto& [its_name, value] : headers) {
    if (its_name == name) return value;
  }
  return "";
}

struct BadOrigin::Reply {
  int status = 200;
  HeaderList headers;
  std::string body;
  Fault fault;
};

// One connection, on a thread of its own.
class BadOrigin::Connection {
 public:
  Connection(BadOrigin* origin, int socket, int number)
      : origin_(*origin), socket_(socket), number_(number) {}

  void Serve() {
    bool first = true;
    Asked asked;
    while (Read(&asked)) {
      asked.connection = number_;
      size_t index;
      bool leaves;
      {
        net::MutexLock lock(&origin_.mutex_);
        leaves = !first && origin_.closes_kept_;
        index = origin_.asked_.size();
        origin_.asked_.push_back(asked);
        if (!leaves) {
          origin_.most_at_once_ = std::max(origin_.most_at_once_, ++origin_.at_once_);
        }
      }
      if (leaves) return;
      const bool goes_on = Send(origin_.Decide(index), asked.method == "HEAD", index);
      {
        net::MutexLock lock(&origin_.mutex_);
        --origin_.at_once_;
      }
      if (!goes_on) return;
      first = false;
      asked = Asked();
    }
  }

 private:
  bool Fill() {
    char bytes[kPiece];
    const ssize_t n = recv(socket_, bytes, sizeof(bytes), 0);
    if (n > 0) unread_.append(bytes, static_cast<size_t>(n));
    return n > 0;
  }

  bool Read(Asked* asked) {
    size_t end;
    while ((end = unread_.find("\r\n\r\n")) == unread_.npos) {
      if (!Fill()) return false;
    }
    std::vector<std::string> lines = absl::StrSplit(unread_.substr(0, end), "\r\n");
    unread_.erase(0, end + 4);
    const std::vector<std::string> words = absl::StrSplit(lines[0], ' ');
    if (words.size() != 3) return false;
    asked->method = words[0];
    asked->target = words[1];
    for (size_t i = 1; i < lines.size(); ++i) {
      const std::pair<std::string, std::string> parts =
          absl::StrSplit(lines[i], absl::MaxSplits(':', 1));
      asked->headers.push_back({absl::AsciiStrToLower(parts.first),
                                std::string(absl::StripAsciiWhitespace(parts.second))});
    }
    size_t length = 0;
    if (!absl::SimpleAtoi(asked->Header("content-length"), &length)) return true;
    while (unread_.size() < length) {
      if (!Fill()) return false;
    }
    asked->body = unread_.substr(0, length);
    unread_.erase(0, length);
    return true;
  }

  bool Write(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }

  bool WriteBody(absl::string_view bytes, bool chunked, size_t index) {
    while (!bytes.empty()) {
      const absl::string_view piece = bytes.substr(0, kPiece);
      if (chunked && !Write(absl::StrCat(absl::Hex(piece.size()), "\r\n"))) return false;
      // Before, so that who has received it finds it counted.
      origin_.Sent(index, 0, piece.size());
      if (!Write(piece)) return false;
      if (chunked && !Write("\r\n")) return false;
      bytes.remove_prefix(piece.size());
    }
    return true;
  }

  // The peer goes, or the origin ends.
  void Stay() {
    while (Fill()) {
    }
  }

  // False: the connection is over.
  bool Happens(const Fault& fault, absl::string_view rest, size_t index) {
    if (fault.run) fault.run();
    switch (fault.then) {
      case Fault::Then::kGoOn:
        return true;
      case Fault::Then::kStay:
        Stay();
        return false;
      case Fault::Then::kClose:
        return false;
      case Fault::Then::kReset: {
        const linger now = {1, 0};
        setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        return false;
      }
      case Fault::Then::kDrip:
        for (; !rest.empty(); rest.remove_prefix(1)) {
          if (!WriteBody(rest.substr(0, 1), fault.chunked, index)) return false;
          pollfd goes = {socket_, POLLRDHUP, 0};
          if (poll(&goes, 1, kDripMs) > 0) return false;
        }
        return false;
    }
    return false;
  }

  // False: the connection is not kept.
  bool Send(const Reply& answer, bool head_only, size_t index) {
    const Fault& fault = answer.fault;
    if (!fault.raw.empty()) {
      Write(fault.raw);
      return false;
    }
    if (fault.before_head && !Happens(fault, "", index)) return false;
    std::string head = absl::StrCat("HTTP/1.1 ", answer.status, " Said\r\n");
    for (const auto& [name, value] : answer.headers) {
      absl::StrAppend(&head, name, ": ", value, "\r\n");
    }
    origin_.Sent(index, answer.status, 0);
    if (!Write(head + "\r\n")) return false;
    if (head_only) return true;
    absl::string_view body = answer.body;
    if (fault.at.has_value()) {
      const size_t n = static_cast<size_t>(std::min<uint64_t>(*fault.at, body.size()));
      if (!WriteBody(body.substr(0, n), fault.chunked, index)) return false;
      body.remove_prefix(n);
      if (!Happens(fault, body, index)) return false;
    }
    if (!WriteBody(body, fault.chunked, index)) return false;
    if (fault.endless.has_value()) {
      const std::string zeros(kPiece, '\0');
      while (WriteBody(zeros, fault.chunked, index)) {
      }
      return false;
    }
    if (fault.chunked && fault.no_final_chunk) return false;
    if (fault.chunked && !Write("0\r\n\r\n")) return false;
    // A length that is a lie leaves a stream that nobody can go on with.
    for (const auto& [name, value] : fault.headers) {
      if (absl::EqualsIgnoreCase(name, "content-length")) return false;
    }
    return true;
  }

  BadOrigin& origin_;
  const int socket_;
  const int number_;
  std::string unread_;
};

BadOrigin::BadOrigin() : listener_(Bind(&port_)), refusing_(Bind(&refusing_port_)) {
  PCHECK(listen(listener_.get(), 1024) == 0);
  accepting_ = std::thread([this] { Accept(); });
}

BadOrigin::~BadOrigin() {
  {
    net::MutexLock lock(&mutex_);
    stopping_ = true;
    for (const int socket : open_) shutdown(socket, SHUT_RDWR);
  }
  shutdown(listener_.get(), SHUT_RDWR);
  accepting_.join();
  for (std::thread& thread : threads_) thread.join();
}

void BadOrigin::Accept() {
  for (int number = 1;; ++number) {
    net::UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.valid()) return;  // shut down
    net::MutexLock lock(&mutex_);
    if (stopping_) return;
    open_.push_back(socket.get());
    threads_.emplace_back([this, number, socket = std::move(socket)]() mutable {
      Connection(this, socket.get(), number).Serve();
      net::MutexLock lock(&mutex_);
      open_.remove(socket.get());
      socket.Reset();
    });
  }
}

BadOrigin::Reply BadOrigin::Decide(size_t index) {
  net::MutexLock lock(&mutex_);
  const Asked asked = asked_[index];
  const std::string key = asked.target.substr(1, asked.target.find('?') - 1);
  Fault fault;
  if (const auto plan = plans_.find(key); plan != plans_.end()) {
    ++plan->second.asked;
    auto planned = plan->second.nth.find(plan->second.asked);
    if (planned == plan->second.nth.end()) planned = plan->second.nth.find(0);
    if (planned != plan->second.nth.end()) fault = planned->second;
  }
  return Decide(asked, key, std::move(fault));
}

BadOrigin::Reply BadOrigin::Decide(const Asked& asked, const std::string& key, Fault fault) {
  Reply answer;
  const auto error = [&](int status, const std::string& code) {
    answer.status = status;
    answer.body = code.empty() ? "" : Document(code);
  };
  const auto object = objects_.find(key);
  const bool exists = object != objects_.end();
  // As S3 does, with or without its quotes where something is changed.
  std::string if_match = asked.Header("if-match");
  if (asked.method != "GET" && !if_match.empty() && if_match[0] != '"')
    if_match = absl::StrCat("\"", if_match, "\"");
  if (fault.status != 0) {
    error(fault.status, fault.code);
    if (!fault.body.empty()) answer.body = fault.body;
  } else if (!if_match.empty() && (!exists || if_match != object->second.etag)) {
    exists ? error(412, "PreconditionFailed") : error(404, "NoSuchKey");
  } else if (asked.method != "GET" && asked.Header("if-none-match") == "*" && exists) {
    error(412, "PreconditionFailed");
  } else if (InParts(asked, key, &answer)) {
    // done
  } else if (asked.method == "PUT") {
    objects_[key] = {asked.body, absl::StrCat("\"put", ++versions_, "\""), ""};
    answer.headers.push_back({"ETag", objects_[key].etag});
  } else if (asked.method == "DELETE") {
    objects_.erase(key);
    answer.status = 204;
  } else if (asked.method == "POST") {
    answer.body = asked.body;
  } else if (const auto made = made_.find(key); made != made_.end()) {
    answer.body = made->second(asked.target);
  } else if (!exists) {
    error(404, "NoSuchKey");
  } else if (asked.Header("if-none-match") == object->second.etag ||
             (!object->second.last_modified.empty() &&
              asked.Header("if-modified-since") == object->second.last_modified)) {
    error(304, "");
  } else {
    answer.headers.push_back({"ETag", object->second.etag});
    if (!object->second.last_modified.empty())
      answer.headers.push_back({"Last-Modified", object->second.last_modified});
    answer.body = object->second.bytes;
    const std::string range_text = asked.Header("range");
    absl::string_view range = range_text;
    uint64_t first, last = answer.body.size() - 1;
    if (!fault.ignores_range && absl::ConsumePrefix(&range, "bytes=")) {
      const std::pair<std::string, std::string> ends =
          absl::StrSplit(range, absl::MaxSplits('-', 1));
      CHECK(absl::SimpleAtoi(ends.first, &first)) << range;
      const uint64_t size = answer.body.size();
      if (!ends.second.empty()) CHECK(absl::SimpleAtoi(ends.second, &last)) << range;
      if (first >= size) {
        error(416, "InvalidRange");
        answer.headers.push_back({"Content-Range", absl::StrCat("bytes */", size)});
      } else {
        last = std::min(last, size - 1);
        answer.status = 206;
        answer.body = answer.body.substr(first, last - first + 1);
        answer.headers.push_back(
            {"Content-Range", absl::StrCat("bytes ", first, "-", last, "/", size)});
      }
    }
  }
  answer.headers.push_back({"Date", Date()});
  if (!fault.chunked && answer.status != 304 && answer.status != 204) {
    answer.headers.push_back(
        {"Content-Length", absl::StrCat(fault.endless.value_or(answer.body.size()))});
  }
  if (fault.chunked) answer.headers.push_back({"Transfer-Encoding", "chunked"});
  for (const auto& [name, value] : fault.headers) Set(&answer.headers, name, value);
  answer.fault = std::move(fault);
  return answer;
}

bool BadOrigin::InParts(const Asked& asked, const std::string& key, Reply* answer) {
  const size_t query = asked.target.find('?');
  if (query == asked.target.npos) return false;
  std::map<std::string, std::string> words;
  for (const absl::string_view word :
       absl::StrSplit(absl::string_view(asked.target).substr(query + 1), '&'))
    words.insert(absl::StrSplit(word, absl::MaxSplits('=', 1)));
  if (asked.method == "POST" && words.contains("uploads") && asked.body.empty()) {
    const std::string id = absl::StrCat("upload", ++versions_);
    uploads_[id];
    answer->body = absl::StrCat("<InitiateMultipartUploadResult><UploadId>", id,
                                "</UploadId></InitiateMultipartUploadResult>");
    return true;
  }
  if (!words.contains("uploadId")) return false;
  const auto upload = uploads_.find(words["uploadId"]);
  if (upload == uploads_.end()) {
    answer->status = 404;
    answer->body = Document("NoSuchUpload");
  } else if (asked.method == "PUT") {
    int number = 0;
    CHECK(absl::SimpleAtoi(words["partNumber"], &number)) << asked.target;
    upload->second[number] = asked.body;
    answer->headers.push_back({"ETag", absl::StrCat("\"part", number, "\"")});
  } else if (asked.method == "DELETE") {
    uploads_.erase(upload);
    answer->status = 204;
  } else {
    std::string bytes;
    for (const auto& [number, part] : upload->second) bytes += part;
    objects_[key] = {std::move(bytes), absl::StrCat("\"put", ++versions_, "\""), ""};
    uploads_.erase(upload);
    answer->body = absl::StrCat("<CompleteMultipartUploadResult><ETag>&quot;put", versions_,
                                "&quot;</ETag></CompleteMultipartUploadResult>");
  }
  return true;
}

std::string BadOrigin::EtagOf(const std::string& key) const {
  net::MutexLock lock(&mutex_);
  const auto object = objects_.find(key);
  return object == objects_.end() ? "" : object->second.etag;
}

size_t BadOrigin::uploads() const {
  net::MutexLock lock(&mutex_);
  return uploads_.size();
}

void BadOrigin::Sent(size_t index, int status, uint64_t bytes) {
  net::MutexLock lock(&mutex_);
  if (status != 0) asked_[index].status = status;
  asked_[index].bytes += bytes;
}

std::string BadOrigin::url(const std::string& key) const {
  return absl::StrCat("http://127.0.0.1:", port_, "/", key);
}

std::string BadOrigin::refused_url(const std::string& key) const {
  return absl::StrCat("http://127.0.0.1:", refusing_port_, "/", key);
}

void BadOrigin::Put(const std::string& key, std::string bytes, std::string etag) {
  net::MutexLock lock(&mutex_);
  if (etag.empty()) etag = absl::StrCat("\"v", ++versions_, "\"");
  objects_[key] = {std::move(bytes), std::move(etag), ""};
}

void BadOrigin::SetLastModified(const std::string& key, std::string date) {
  net::MutexLock lock(&mutex_);
  objects_[key].last_modified = std::move(date);
}

void BadOrigin::Delete(const std::string& key) {
  net::MutexLock lock(&mutex_);
  objects_.erase(key);
}

std::optional<std::string> BadOrigin::Get(const std::string& key) const {
  net::MutexLock lock(&mutex_);
  const auto found = objects_.find(key);
  return found == objects_.end() ? std::nullopt : std::optional(found->second.bytes);
}

void BadOrigin::Answer(const std::string& key,
                       std::function<std::string(const std::string& target)> body) {
  net::MutexLock lock(&mutex_);
  made_[key] = std::move(body);
}

void BadOrigin::Misbehave(const std::string& key, int nth, Fault fault) {
  net::MutexLock lock(&mutex_);
  Plan& plan = plans_[key];
  plan.nth[nth == 0 ? 0 : plan.asked + nth] = std::move(fault);
}

void BadOrigin::CloseKeptConnections(bool close) {
  net::MutexLock lock(&mutex_);
  closes_kept_ = close;
}

std::vector<BadOrigin::Asked> BadOrigin::asked() const {
  net::MutexLock lock(&mutex_);
  return asked_;
}

std::vector<BadOrigin::Asked> BadOrigin::asked(const std::string& key) const {
  std::vector<Asked> its;
  for (Asked& request : asked()) {
    if (request.target.substr(1, request.target.find('?') - 1) == key) {
      its.push_back(std::move(request));
    }
  }
  return its;
}

uint64_t BadOrigin::bytes_sent() const {
  uint64_t bytes = 0;
  for (const Asked& request : asked()) bytes += request.bytes;
  return bytes;
}

int BadOrigin::at_once() const {
  net::MutexLock lock(&mutex_);
  return at_once_;
}

int BadOrigin::most_at_once() const {
  net::MutexLock lock(&mutex_);
  return most_at_once_;
}

}  // namespace objmapper::origin::testing
