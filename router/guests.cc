// Who comes, who goes, and who stays too long.
#include "router/guests.h"

#include <glog/logging.h>

#include <algorithm>

#include "net/clock.h"
#include "net/errno_status.h"

namespace objmapper::router {
namespace {

// How long a retired connection is read and dropped before it is closed.
constexpr absl::Duration kLinger = absl::Seconds(1);
// How many retired connections may linger; beyond it they are closed at once.
constexpr size_t kLingerersMax = 1024;
// The same for those that were not let in. They are in nobody's limits, so a flood of them is to
// take few descriptors for a short time; a client reads why as long as it is closed behind the
// answer rather than over what it has sent.
constexpr absl::Duration kRefusedLinger = absl::Milliseconds(200);
constexpr size_t kRefusedMax = 64;
// How long their first bytes are waited for.
constexpr absl::Duration kUntoldTime = absl::Milliseconds(100);

}  // namespace

Guests::Guests(net::Epoll* epoll, absl::Duration silent, absl::Duration half_said)
    : epoll_(epoll),
      silent_(silent),
      half_said_(half_said),
      leaving_(kLinger),
      turned_away_(kRefusedLinger),
      untold_(kUntoldTime) {}

bool Guests::HasRoomFor(Source::Kind kind) const {
  const auto count = [this](Source::Kind of) {
    const auto found = count_.find(of);
    return found == count_.end() ? 0 : found->second;
  };
  if (kind == Source::Kind::kOpener) return true;
  if (kind == Source::Kind::kLingerer) return count(kind) < kLingerersMax;
  return count(Source::Kind::kRefused) + count(Source::Kind::kUntold) < kRefusedMax;
}

Guest* Guests::Add(Source::Kind kind, std::unique_ptr<session::Session> session) {
  if (!HasRoomFor(kind)) return nullptr;
  const int fd = session->fd();
  auto guest = std::make_unique<Guest>(kind, std::move(session));
  // Edge-triggered: bytes that are peeked at stay in the socket, and would be reported for ever.
  const int error = epoll_->Add(fd, EPOLLIN | EPOLLRDHUP | EPOLLET, guest.get());
  if (error != 0) {
    LOG(WARNING) << net::ErrnoToStatus(error, "epoll_ctl for a new connection").message();
    return nullptr;
  }
  ++count_[kind];
  Deadlines& deadlines = kind == Source::Kind::kOpener     ? silent_
                         : kind == Source::Kind::kLingerer ? leaving_
                         : kind == Source::Kind::kUntold   ? untold_
                                                           : turned_away_;
  deadlines.Start(guest.get(), net::NowNs());
  guests_.insert(guest.get());
  return guest.release();
}

std::unique_ptr<session::Session> Guests::Remove(Guest* guest) {
  epoll_->Remove(guest->session->fd());
  for (Deadlines* deadlines : {&silent_, &half_said_, &leaving_, &turned_away_, &untold_})
    deadlines->Stop(guest);
  --count_[guest->kind];
  guests_.erase(guest);
  std::unique_ptr<session::Session> session = std::move(guest->session);
  delete guest;
  return session;
}

void Guests::Clear() {
  while (!guests_.empty()) Remove(*guests_.begin());
}

std::vector<Guest*> Guests::Openers() const {
  std::vector<Guest*> openers;
  for (Guest* guest : guests_) {
    if (guest->kind == Source::Kind::kOpener) openers.push_back(guest);
  }
  return openers;
}

void Guests::Greeted(Guest* guest) {
  half_said_.Stop(guest);
  silent_.Start(guest, net::NowNs());
}

void Guests::HalfSaid(Guest* guest) {
  if (half_said_.Has(guest)) return;
  silent_.Stop(guest);
  half_said_.Start(guest, net::NowNs());
}

Guest* Guests::PopLeft(int64_t looked_ns) {
  Guest* const guest = leaving_.PopExpired(looked_ns);
  return guest != nullptr ? guest : turned_away_.PopExpired(looked_ns);
}

int64_t Guests::NextExpiryNs() const {
  return std::min({silent_.NextExpiryNs(), half_said_.NextExpiryNs(), leaving_.NextExpiryNs(),
                   turned_away_.NextExpiryNs(), untold_.NextExpiryNs()});
}

}  // namespace objmapper::router
