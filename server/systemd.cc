// The protocol of sd_listen_fds(3) and sd_notify(3). Inherited sockets are checked before they are
// used.
#include "server/systemd.h"

#include <glog/logging.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "text/printable.h"

namespace objmapper::server {
namespace {

void Notify(const std::string& state) {
  const int error = sd_notify(/*unset_environment=*/0, state.c_str());
  if (error < 0) LOG(WARNING) << net::ErrnoToStatus(-error, "sd_notify").message();
}

}  // namespace

absl::StatusOr<InheritedSockets> TakeInheritedSockets() {
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(/*unset_environment=*/1, &names);
  if (count < 0) return net::ErrnoToStatus(-count, "sd_listen_fds");
  InheritedSockets sockets;
  absl::Status error;
  for (int i = 0; i < count; ++i) {
    const std::string name = names != nullptr && names[i] != nullptr ? names[i] : "";
    free(names == nullptr ? nullptr : names[i]);
    absl::StatusOr<net::Listener> listener =
        net::Listener::Adopt(net::UniqueFd(SD_LISTEN_FDS_START + i));
    if (!listener.ok()) {
      error = absl::FailedPreconditionError(absl::StrCat("socket ", i + 1, " of ", count,
                                                         " from systemd, ", text::Quoted(name),
                                                         ": ", listener.status().message()));
    } else if (name != "admin") {
      sockets.listeners.push_back(*std::move(listener));
    } else if (sockets.admin.has_value()) {
      error = absl::FailedPreconditionError("two sockets from systemd are named \"admin\"");
    } else {
      sockets.admin.emplace(*std::move(listener));
    }
  }
  free(names);
  if (!error.ok()) return error;
  return sockets;
}

void ServiceNotifier::Ready(const std::string& shape, std::function<std::string()> stuck) {
  Notify(absl::StrCat("READY=1\nSTATUS=", shape));
  uint64_t period_us = 0;
  const int enabled = sd_watchdog_enabled(/*unset_environment=*/0, &period_us);
  if (enabled < 0)
    LOG(WARNING) << net::ErrnoToStatus(-enabled, "WATCHDOG_USEC is not valid").message();
  if (enabled > 0) {
    auto look = [stuck = std::move(stuck), last = std::string()]() mutable {
      const std::string thread = stuck();
      if (thread.empty()) {
        Notify("WATCHDOG=1");
      } else if (thread != last) {
        LOG(ERROR) << "watchdog: " << thread
                   << " makes no progress; no watchdog message is sent to systemd";
      }
      last = thread;
    };
    watchdog_.emplace("watchdog", absl::Microseconds(period_us) / 3, look);
  }
}

void ServiceNotifier::Reloading() {
  // Type=notify-reload wants to know since when, on the monotonic clock.
  Notify(absl::StrCat("RELOADING=1\nMONOTONIC_USEC=", net::NowNs() / 1000));
}

void ServiceNotifier::Reloaded(const std::string& status) {
  Notify(absl::StrCat("READY=1\nSTATUS=", status));
}

void ServiceNotifier::Stopping(absl::Duration most) {
  std::string state = "STOPPING=1\nSTATUS=draining";
  if (most > absl::ZeroDuration() && most < absl::Hours(24 * 365)) {
    absl::StrAppend(&state,
                    "\nEXTEND_TIMEOUT_USEC=", absl::ToInt64Microseconds(most + absl::Seconds(5)));
  }
  Notify(state);
}

}  // namespace objmapper::server
