// The thread that waits for a successor. Until the successor says that it serves, nothing in this
// server changes.
#include <errno.h>
#include <glog/logging.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "net/address.h"
#include "net/peer_credentials.h"
#include "server/handover/handover.h"

namespace objmapper::server::handover {
namespace {

constexpr int kAcceptPauseMs = 100;

}  // namespace

absl::StatusOr<std::unique_ptr<Door>> Door::Open(const std::string& path, const Trust& trust,
                                                 std::function<Listeners()> listeners) {
  const absl::StatusOr<net::Address> address = net::UnixAddress(path);
  if (!address.ok()) return address.status();
  if (absl::Status folder = trust.CheckFolderOf(path); !folder.ok()) return folder;
  absl::StatusOr<net::Listener> listener = net::Listener::Open(*address, {.mode = 0600});
  if (!listener.ok()) return listener.status();
  return std::unique_ptr<Door>(new Door(*std::move(listener), trust, std::move(listeners)));
}

Door::Door(net::Listener listener, const Trust& trust, std::function<Listeners()> listeners)
    : listener_(std::move(listener)), trust_(trust), listeners_(std::move(listeners)) {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "handover");
    Run();
  });
}

Door::~Door() {
  stop_.Signal();
  thread_.join();
}

std::unique_ptr<Wire> Door::TakeSuccessor() {
  const net::MutexLock lock(&mutex_);
  return std::move(successor_);
}

void Door::Run() {
  while (true) {
    pollfd polled[] = {{listener_.fd(), POLLIN, 0}, {stop_.fd(), POLLIN, 0}};
    if (poll(polled, 2, -1) < 0 && errno != EINTR) return;
    if (polled[1].revents != 0) return;
    net::UniqueFd socket(accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.valid()) {
      // Without a descriptor to be had the visitor stays where it is, and would be reported without
      // a pause.
      if (errno != EAGAIN) poll(&polled[1], 1, kAcceptPauseMs);
      continue;
    }
    if (Greet(std::move(socket))) return;
  }
}

bool Door::Greet(net::UniqueFd socket) {
  const net::PeerCredentials peer = net::PeerCredentialsOf(socket.get());
  auto wire = std::make_unique<Wire>(std::move(socket));
  const auto refuse = [&](const std::string& why) {
    LOG(WARNING) << "hand-over: refused pid " << peer.pid << ", uid " << peer.uid << ": " << why;
    wire->Send(absl::StrCat("refused\n", why)).IgnoreError();
    return false;
  };
  // Whoever gets our sockets can be us.
  if (!trust_.In(peer.uid)) return refuse("only the server's own user and root may take over");
  const absl::StatusOr<Frame> hello = wire->Receive(absl::Seconds(5));
  if (!hello.ok()) return refuse(std::string(hello.status().message()));
  if (hello->text != kHello) return refuse(absl::StrCat("here \"", kHello, "\" is spoken"));
  const Listeners listeners = listeners_();
  if (listeners.fds.size() > net::kFdsPerMessageMax)
    return refuse("too many listeners for one message");
  absl::Status said =
      wire->Send(absl::StrCat("listeners\n", absl::StrJoin(listeners.urls, "\n")), listeners.fds);
  const absl::StatusOr<Frame> answer = said.ok() ? wire->Receive() : absl::StatusOr<Frame>(said);
  if (!answer.ok() || answer->text != "serving") {
    LOG(WARNING) << "hand-over: pid " << peer.pid << " did not start to serve ("
                 << (answer.ok() ? "it sent an unexpected message" : answer.status().message())
                 << "); this server continues";
    return false;
  }
  LOG(INFO) << "hand-over: pid " << peer.pid << " now serves on these sockets";
  {
    const net::MutexLock lock(&mutex_);
    successor_ = std::move(wire);
  }
  came_.Signal();
  return true;
}

}  // namespace objmapper::server::handover
