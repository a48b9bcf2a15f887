// One HTTP/1.0 GET of the operators' address; the answer ends when the server closes. Its size is
// limited.
#include "tools/cli/admin_fetch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/error.h"
#include "net/address.h"
#include "net/dial.h"
#include "net/errno_status.h"
#include "net/patience.h"

namespace objmapper::tools {
namespace {

// An answer of the door's is a few hundred KB at most.
constexpr size_t kBytesMax = 64 << 20;

// Where the unit of tools/systemd has its door.
constexpr char kUnitDoor[] = "/run/objmapper/admin";

absl::Status Lost(const std::string& url, absl::string_view why) {
  return client::ConnectionError(
      absl::DataLossError(absl::StrCat(url, " sent no whole HTTP answer: ", why)));
}

// Everything until the peer hangs up, which HTTP/1.0 makes it do.
absl::StatusOr<std::string> ReadToEnd(int fd, const std::string& url, absl::Duration timeout) {
  net::Patience patience(timeout);
  std::string text;
  char buffer[65536];
  while (text.size() < kBytesMax) {
    const ssize_t got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (got == 0) return text;
    if (got > 0) {
      text.append(buffer, static_cast<size_t>(got));
    } else if (errno == EAGAIN) {
      if (!patience.Await(fd, POLLIN)) {
        return client::ConnectionError(
            absl::DeadlineExceededError(absl::StrCat(url, " did not answer in time")));
      }
    } else if (errno != EINTR) {
      return client::ConnectionError(net::ErrnoToStatus(errno, absl::StrCat("read from ", url)));
    }
  }
  return Lost(url, "it does not end");
}

// "HTTP/1.1 200 OK", headers, body.
absl::StatusOr<std::string> BodyOf(const std::string& answer, const std::string& url) {
  const size_t head_end = answer.find("\r\n\r\n");
  int status = 0;
  if (head_end == std::string::npos || !absl::StartsWith(answer, "HTTP/1.") || answer.size() < 12 ||
      !absl::SimpleAtoi(answer.substr(9, 3), &status)) {
    return Lost(url, "is it a server's --admin_listen?");
  }
  std::string body = answer.substr(head_end + 4);
  const std::string head = absl::AsciiStrToLower(answer.substr(0, head_end + 2));
  constexpr absl::string_view kLength = "\r\ncontent-length:";
  const size_t at = head.find(std::string(kLength));
  size_t length = 0;
  if (at != std::string::npos) {
    const size_t begin = at + kLength.size();
    const std::string value = head.substr(begin, head.find("\r\n", begin) - begin);
    if (!absl::SimpleAtoi(value, &length) || body.size() != length) return Lost(url, "it was cut");
  }
  if (status == 200) return body;
  absl::StripAsciiWhitespace(&body);
  return absl::FailedPreconditionError(
      absl::StrCat(url, " answered ", status, ": ", body.substr(0, 200)));
}

}  // namespace

absl::StatusOr<std::string> FetchFromAdmin(const std::string& url, const std::string& path,
                                           absl::Duration timeout) {
  absl::StatusOr<net::Address> address = net::ParseUrl(url);
  if (!address.ok()) return address.status();
  absl::StatusOr<net::UniqueFd> socket = net::Dial(*address, timeout);
  if (!socket.ok()) return socket.status();
  const std::string request = absl::StrCat("GET ", path, " HTTP/1.0\r\nHost: localhost\r\n\r\n");
  const ssize_t sent = send(socket->get(), request.data(), request.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(request.size())) {
    return client::ConnectionError(net::ErrnoToStatus(errno, absl::StrCat("write to ", url)));
  }
  absl::StatusOr<std::string> answer = ReadToEnd(socket->get(), url, timeout);
  if (!answer.ok()) return answer.status();
  return BodyOf(*answer, url);
}

std::string DefaultAdmin() {
  if (const std::string admin = Environment("OBJMAPPER_ADMIN"); !admin.empty()) return admin;
  return IsSocket(kUnitDoor) ? absl::StrCat("unix:", kUnitDoor) : "";
}

std::string Environment(const char* name) {
  const char* const value = getenv(name);
  return value == nullptr ? "" : value;
}

bool IsSocket(const std::string& path) {
  struct stat attributes;
  return stat(path.c_str(), &attributes) == 0 && S_ISSOCK(attributes.st_mode);
}

}  // namespace objmapper::tools
