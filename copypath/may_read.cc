// The rules' verdict on each name, and a look at the socket now and then.
#include "copypath/may_read.h"

#include <poll.h>

namespace objmapper::copypath {

bool HasGone(int socket) {
  pollfd asked{socket, 0, 0};
  return poll(&asked, 1, 0) == 1 && (asked.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

bool MayRead::Permits(absl::string_view uri) const {
  if (++asked_ % kAskedBetweenLooks == 0) gone_ = gone_ || HasGone(asker_.fd);
  if (gone_) return false;
  return access_ == nullptr || access_->Permits(&standing_, asker_, uri, session::Right::kRead);
}

std::optional<std::string> MayRead::After(absl::string_view uri) const {
  if (gone_) return std::nullopt;
  return access_->NextAfter(standing_, uri, session::Right::kRead);
}

}  // namespace objmapper::copypath
