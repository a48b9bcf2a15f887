// What systemd says to a service, and wants to hear: sd_listen_fds(3), sd_notify(3),
// sd_watchdog_enabled(3). Without systemd (its variables are not set) all of it does nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "net/listener.h"
#include "server/repeating.h"

namespace objmapper::server {

// Sockets that systemd listens on for us.
struct InheritedSockets {
  std::vector<net::Listener> listeners;
  std::optional<net::Listener> admin;  // the one that is named so (FileDescriptorName=admin)
};

// Takes them; once. FAILED_PRECONDITION: one is no stream socket that listens (the message says
// which, and what it is), or there are two for the operator.
absl::StatusOr<InheritedSockets> TakeInheritedSockets();

// Tells systemd how we are. One thread, but for the watchdog's own.
class ServiceNotifier {
 public:
  // shape: for `systemctl status`. With a watchdog (WatchdogSec=) `stuck` is asked from now on,
  // three times in each of its periods; where it names a thread, nothing is said to systemd, which
  // then ends us.
  void Ready(const std::string& shape, std::function<std::string()> stuck);
  // Before and after the configuration is read again.
  void Reloading();
  // status: for `systemctl status`.
  void Reloaded(const std::string& status);
  // Stopping takes up to `most`: systemd is asked to wait that long.
  void Stopping(absl::Duration most);
  // `stuck` is not asked any more once it returns.
  void EndWatchdog() { watchdog_.reset(); }

 private:
  std::optional<Repeating> watchdog_;  // says that we are alive, as long as we are
};

}  // namespace objmapper::server
