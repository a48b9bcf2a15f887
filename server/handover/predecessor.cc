// The successor's side of a hand-over: listeners first, then connections one by one.
#include <glog/logging.h>
#include <sys/socket.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "net/address.h"
#include "net/dial.h"
#include "net/peer_credentials.h"
#include "server/handover/handover.h"
#include "text/printable.h"

namespace objmapper::server::handover {

absl::StatusOr<std::unique_ptr<Predecessor>> Predecessor::Find(const std::string& path,
                                                               const Trust& trust) {
  const absl::StatusOr<net::Address> address = net::UnixAddress(path);
  if (!address.ok()) return address.status();
  if (absl::Status folder = trust.CheckFolderOf(path); !folder.ok()) return folder;
  absl::StatusOr<net::UniqueFd> socket = net::Dial(*address, kPatience);
  if (!socket.ok()) {
    // A file that nobody listens on, or none: the one before us has ended.
    if (absl::IsUnavailable(socket.status()) || absl::IsNotFound(socket.status())) return nullptr;
    return socket.status();
  }
  // As of its listen(2): what it says is believed, so it must be one of ours.
  if (const net::PeerCredentials other = net::PeerCredentialsOf(socket->get());
      !trust.In(other.uid)) {
    return absl::FailedPreconditionError(
        absl::StrCat("uid ", other.uid, " (pid ", other.pid,
                     ") listens there, which is neither this server's user nor root"));
  }
  auto predecessor = std::unique_ptr<Predecessor>(new Predecessor(*std::move(socket)));
  // One that refuses may have said why, and gone, before it has heard anything.
  const absl::Status said = predecessor->wire_.Send(kHello);
  absl::StatusOr<Frame> answer = predecessor->wire_.Receive();
  if (!answer.ok()) return said.ok() ? answer.status() : said;
  absl::string_view text = answer->text;
  if (absl::ConsumePrefix(&text, "refused\n")) {
    return absl::FailedPreconditionError(
        absl::StrCat("the running server refuses: ", text::Printable(text)));
  }
  // A line for each descriptor: whose its socket file is, and its URL.
  std::vector<absl::string_view> lines;
  if (absl::ConsumePrefix(&text, "listeners\n"))
    lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  if (lines.empty() || lines.size() != answer->fds.size()) {
    return absl::FailedPreconditionError("the listener there is not a server that hands over");
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto file = absl::StartsWith(lines[i], "ours ") ? net::Listener::File::kPredecessors
                                                          : net::Listener::File::kTheirs;
    absl::StatusOr<net::Listener> listener = net::Listener::Adopt(std::move(answer->fds[i]), file);
    if (!listener.ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat("a socket of the running server: ", listener.status().message()));
    }
    predecessor->listeners_.push_back(*std::move(listener));
  }
  return predecessor;
}

absl::Status Predecessor::Release() {
  if (absl::Status said = wire_.Send("serving"); !said.ok()) return said;
  const absl::StatusOr<Frame> answer = wire_.Receive();
  if (!answer.ok()) return answer.status();
  if (answer->text != "go") return absl::InternalError("the running server did not hand over");
  return absl::OkStatus();
}

void Predecessor::Abandon() { shutdown(wire_.fd(), SHUT_RDWR); }

absl::StatusOr<uint64_t> Predecessor::TakeConnections(
    absl::Duration patience, const std::function<absl::Status(Frame)>& adopt) {
  uint64_t taken = 0;
  std::string unread;  // of the connection that comes next
  while (true) {
    absl::StatusOr<Frame> frame = wire_.ReceiveSome(patience);
    if (!frame.ok()) return frame.status();
    absl::string_view text = frame->text;
    if (absl::ConsumePrefix(&text, "end")) {
      uint64_t handed = 0;
      if (!absl::SimpleAtoi(text, &handed) || handed != taken) {
        LOG(ERROR) << "hand-over: the running server reports that it handed over"
                   << (text.empty() ? " ?" : text) << " connections, " << taken << " were taken";
      }
      break;
    }
    if (AddPart(*frame, &unread)) continue;
    frame->unread = std::exchange(unread, {});
    absl::Status adopted = adopt(*std::move(frame));
    if (!adopted.ok()) {
      LOG(ERROR) << "hand-over: a connection was lost: " << adopted.message();
      continue;
    }
    ++taken;
  }
  if (absl::Status said = wire_.Send(absl::StrCat("taken ", taken)); !said.ok()) return said;
  return taken;
}

}  // namespace objmapper::server::handover
