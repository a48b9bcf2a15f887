// HEAD by HEAD: this happens before anything is measured.
#include "tools/bench/load/entity_tags.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "net/address.h"
#include "net/dial.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);

// The whole head of the answer to a HEAD of `name`.
absl::StatusOr<std::string> HeadOf(int socket, const WireDriver& http, const std::string& name) {
  const std::string request = http.Request(Ask::kHead, name, "");
  if (send(socket, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return net::ErrnoToStatus(errno, "send a HEAD");
  }
  std::string input;
  while (true) {
    pollfd readable{socket, POLLIN, 0};
    if (poll(&readable, 1, static_cast<int>(absl::ToInt64Milliseconds(kPatience))) != 1)
      return absl::DeadlineExceededError("no answer to a HEAD");
    char piece[4096];
    const ssize_t got = recv(socket, piece, sizeof(piece), 0);
    if (got <= 0) return absl::UnavailableError("it hung up at a HEAD");
    input.append(piece, static_cast<size_t>(got));
    const Head head = http.Next(input, Ask::kHead, 0);
    if (head.kind == Head::Kind::kNeedMore) continue;
    if (head.kind != Head::Kind::kAnswer || !head.ok)
      return absl::FailedPreconditionError(absl::StrCat("a HEAD was answered: ", head.message));
    return input.substr(0, head.consumed);
  }
}

absl::StatusOr<std::string> TagIn(absl::string_view head) {
  constexpr absl::string_view kField = "etag:";
  for (const absl::string_view line : absl::StrSplit(head, "\r\n")) {
    if (absl::StartsWithIgnoreCase(line, kField))
      return std::string(absl::StripAsciiWhitespace(line.substr(kField.size())));
  }
  return absl::FailedPreconditionError("the answer to a HEAD has no ETag");
}

}  // namespace

absl::StatusOr<std::map<std::string, std::string>> EntityTags(
    const Endpoint& endpoint, const std::vector<std::string>& names) {
  net::Address address{.kind = net::Address::Kind::kUnix, .path = endpoint.path};
  if (endpoint.transport == Transport::kTcp)
    address = {.kind = net::Address::Kind::kTcp, .host = "127.0.0.1", .port = endpoint.port};
  const absl::StatusOr<net::UniqueFd> socket = net::Dial(address, kPatience);
  if (!socket.ok()) return socket.status();
  const std::unique_ptr<WireDriver> http = MakeHttp();
  std::map<std::string, std::string> tags;
  for (const std::string& name : names) {
    const absl::StatusOr<std::string> head = HeadOf(socket->get(), *http, name);
    const absl::StatusOr<std::string> tag = head.ok() ? TagIn(*head) : head.status();
    if (!tag.ok()) {
      return absl::Status(tag.status().code(),
                          absl::StrCat(address.ToUrl(), ", ", name, ": ", tag.status().message()));
    }
    tags[name] = *tag;
  }
  return tags;
}

}  // namespace objmapper::bench
