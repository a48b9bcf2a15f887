// Reads a connection. After Break() no further byte is read or sent, since the position in the
// stream is unknown; a read takes descriptors only while an answer with one is expected.
#include "client/stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_join.h"
#include "client/error.h"
#include "net/address.h"
#include "net/dial.h"
#include "net/errno_status.h"
#include "net/pass_rights.h"
#include "net/peer_credentials.h"
#include "net/scm_rights.h"

namespace objmapper::client {
namespace {

// Bodies smaller than this are read through the input buffer, which may bring the next answer too.
constexpr size_t kDirectReadBytes = 4096;

absl::Status CheckServerUser(const Stream& stream, const std::vector<uid_t>& uids) {
  if (uids.empty()) return absl::OkStatus();
  // Of a connection that was made, the peer is who called listen(2) (unix(7), SO_PEERCRED).
  const net::PeerCredentials peer = net::PeerCredentialsOf(stream.socket());
  if (peer.known() && absl::c_linear_search(uids, peer.uid)) return absl::OkStatus();
  return ConnectionError(absl::PermissionDeniedError(
      absl::StrCat(stream.url(), ": the server there is ",
                   peer.known() ? absl::StrCat("uid ", peer.uid) : "not known", ", not uid ",
                   absl::StrJoin(uids, " or "), "; no request was sent")));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Stream>> Stream::Connect(absl::string_view url,
                                                        const Options& options) {
  absl::StatusOr<net::Address> address = net::ParseUrl(url);
  if (!address.ok()) return address.status();
  const bool is_unix = address->kind == net::Address::Kind::kUnix;
  if (!options.server_uids.empty() && !is_unix) {
    return absl::InvalidArgumentError(absl::StrCat(
        "options: the server's user is known only for a Unix socket, not for ", address->ToUrl()));
  }
  absl::StatusOr<net::UniqueFd> socket = net::Dial(*address, options.connect_timeout);
  if (!socket.ok()) return ConnectionError(socket.status());
  auto stream = std::make_unique<Stream>(*std::move(socket), address->ToUrl(), is_unix);
  absl::Status status = CheckServerUser(*stream, options.server_uids);
  if (!status.ok()) return status;
  return stream;
}

Stream::Stream(net::UniqueFd socket, std::string url, bool is_unix)
    : socket_(std::move(socket)), url_(std::move(url)), is_unix_(is_unix) {
  LetFdsCome(false);
}

void Stream::LetFdsCome(bool come) {
  if (!is_unix_ || fds_come_ == come) return;
  net::AllowFds(socket_.get(), fds_come_ = come);
}

absl::Status Stream::SetTimeout(absl::Duration timeout) {
  // A zero timeval means "forever" (socket(7)); a wait that rounds to zero must not become one.
  timeval value{};
  if (timeout != absl::InfiniteDuration()) {
    value = absl::ToTimeval(std::max(timeout, absl::Microseconds(1)));
  }
  if (setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &value, sizeof(value)) != 0) {
    return net::ErrnoToStatus(errno, absl::StrCat("setsockopt SO_RCVTIMEO for ", url_));
  }
  timeout_ = timeout;
  return absl::OkStatus();
}

void Stream::Abandon(absl::string_view why) {
  if (!broken_.ok()) return;
  broken_ = ConnectionError(
      absl::UnavailableError(absl::StrCat("this connection can no longer be used: ", why)));
  socket_.Reset();
  fds_.CloseAll();
  begin_ = end_ = 0;
}

absl::Status Stream::Break(absl::Status why) {
  Abandon(why.message());
  return ConnectionError(std::move(why));
}

bool Stream::HasAnswer() const {
  if (has_input()) return true;
  pollfd entry{socket_.get(), POLLIN, 0};
  return poll(&entry, 1, 0) > 0;
}

absl::StatusOr<size_t> Stream::Read(absl::Span<char> out, net::Patience* patience, bool began) {
  std::vector<net::UniqueFd> received;
  const size_t due = std::min(fds_.missing(), net::kFdsPerMessageMax);
  // The whole wait is mostly one call, and the kernel keeps its time (SO_RCVTIMEO). It forgets it
  // when a signal comes, and may have been stopped with us: what is left of it is ours to keep.
  bool interrupted = false;
  absl::StatusOr<net::Received> got =
      net::RecvWithFds(socket_.get(), out, due, &received, began ? 0 : MSG_DONTWAIT, &interrupted);
  // On a stream socket this code is EAGAIN's, and EINTR's, alone.
  while (got.status().code() == absl::StatusCode::kResourceExhausted) {
    if (!patience->Await(socket_.get(), POLLIN)) {
      return Break(absl::DeadlineExceededError(
          absl::StrCat(url_, " was silent for ", absl::FormatDuration(timeout_))));
    }
    got = net::RecvWithFds(socket_.get(), out, due, &received, MSG_DONTWAIT, &interrupted);
  }
  if (!got.ok()) {
    return Break(About(absl::StrCat("read from ", url_), got.status()));
  }
  if (got->fds_surplus) return BreakAsWrong(url_, kTooManyFds);
  fds_.Add(std::move(received), got->fds_lost);
  return got->bytes;
}

absl::Status Stream::Fill(net::Patience* patience, bool began) {
  if (!broken_.ok()) return broken_;
  if (begin_ > 0) {
    memmove(input_, input_ + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  absl::StatusOr<size_t> got =
      Read(absl::MakeSpan(input_ + end_, kInputBytes - end_), patience, began);
  if (!got.ok()) return got.status();
  if (*got == 0) {
    return Break(absl::UnavailableError(
        absl::StrCat(url_, " closed the connection ",
                     has_input() ? "in the middle of an answer" : "without an answer")));
  }
  end_ += *got;
  return absl::OkStatus();
}

absl::StatusOr<size_t> Stream::ReadBody(absl::Span<char> out) {
  if (!broken_.ok()) return broken_;
  const bool direct = !has_input() && out.size() >= kDirectReadBytes;
  if (!has_input()) {
    // Not Fill(): the end of the stream means something else here.
    begin_ = end_ = 0;
    net::Patience wait = patience();
    absl::StatusOr<size_t> got =
        Read(direct ? out : absl::MakeSpan(input_, kInputBytes), &wait, /*began=*/true);
    if (!got.ok()) return got.status();
    if (*got == 0) {
      return Break(absl::DataLossError(
          absl::StrCat(url_, " closed the connection in the middle of an object's bytes")));
    }
    if (direct) return *got;
    end_ = *got;
  }
  const size_t bytes = std::min(out.size(), input().size());
  memcpy(out.data(), input_ + begin_, bytes);
  Consume(bytes);
  return bytes;
}

}  // namespace objmapper::client
