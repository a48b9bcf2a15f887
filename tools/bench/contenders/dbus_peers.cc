// Descriptors passed over D-Bus: a private bus and a small service on it (dbus_service.cc).
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "net/address.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/contenders/starters.h"

namespace objmapper::bench {
namespace {

// A bus that lets everybody who may connect (this user, and root) do everything, without the limits
// that would end a benchmark. dbus-daemon(1), "CONFIGURATION FILE".
std::string BusConfig(const std::string& socket, int connections_max) {
  return absl::Substitute(
      R"(<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=$0</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_incoming_bytes">1000000000</limit>
  <limit name="max_incoming_unix_fds">250000000</limit>
  <limit name="max_outgoing_bytes">1000000000</limit>
  <limit name="max_outgoing_unix_fds">250000000</limit>
  <limit name="max_message_size">1000000000</limit>
  <limit name="max_completed_connections">$1</limit>
  <limit name="max_incomplete_connections">$1</limit>
  <limit name="max_connections_per_user">$1</limit>
  <limit name="max_replies_per_connection">1000000</limit>
  <limit name="reply_timeout">60000</limit>
</busconfig>
)",
      socket, connections_max + 64);
}

// The bus is started and is to listen; waits for it and starts the service.
void Complete(const ObjectSet& objects, Contender& contender) {
  contender.Await(Wire::kDbus, Transport::kUnix);
  contender.Start({contender.Take(BuiltProgram("tools/bench/contenders/dbus_service")),
                   absl::StrCat("unix:path=", contender.path()), objects.root},
                  "_service");
  contender.AwaitLog("ready");
}

// A socket bound to `path`, whose file stays for as long as the work folder.
absl::StatusOr<net::UniqueFd> BindAt(const std::string& path, int type) {
  absl::StatusOr<net::Address> checked = net::UnixAddress(path);
  if (!checked.ok()) return checked.status();
  unlink(path.c_str());
  net::UniqueFd bound(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path.data(), path.size());
  if (!bound.valid() ||
      bind(bound.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return net::ErrnoToStatus(errno, absl::StrCat("bind to ", path));
  }
  return bound;
}

// Runs dbus-broker-launch, which wants to be started by systemd: its listening socket as
// sd_listen_fds(3) passes it, which names the process; a bus to look for systemd at, for which its
// own serves; and the journal. Where there is none, JOURNAL stands in for it, in a mount namespace
// that only the launcher and its broker see. That needs root.
constexpr char kLaunchScript[] = R"(set -eu
if test -n "${STANDS_IN-}"; then
  mount -t tmpfs tmpfs /run
  mkdir -p /run/systemd/journal
  ln -s "$JOURNAL" /run/systemd/journal/socket
elif test ! -S /run/systemd/journal/socket; then
  export STANDS_IN=1
  exec unshare --mount /bin/sh "$0" "$@"
fi
export LISTEN_PID=$$ LISTEN_FDS=1
exec "$@"
)";

}  // namespace

void StartDbusDaemon(const ContenderOptions& options, const ObjectSet& objects,
                     Contender& contender) {
  const std::string config =
      contender.Write(".conf", BusConfig(contender.path(), options.connections_max));
  contender.Start({contender.Take(InstalledProgram("dbus-daemon", "dbus-daemon")), "--nofork",
                   "--nopidfile", "--nosyslog", absl::StrCat("--config-file=", config)});
  Complete(objects, contender);
}

void StartDbusBroker(const ContenderOptions& options, const ObjectSet& objects,
                     Contender& contender) {
  const std::string program = contender.Take(InstalledProgram("dbus-broker-launch", "dbus-broker"));
  const std::string config =
      contender.Write(".conf", BusConfig(contender.path(), options.connections_max));
  const std::string script = contender.Write(".sh", kLaunchScript);
  if (!contender.status().ok()) return;
  const net::UniqueFd listener = contender.Take(BindAt(contender.path(), SOCK_STREAM));
  if (listener.valid() && listen(listener.get(), 4096) != 0) {
    contender.Check(net::ErrnoToStatus(errno, absl::StrCat("listen at ", contender.path())));
  }
  // Nobody reads it: the broker drops the lines that do not fit.
  const std::string journal = absl::StrCat(contender.path(), ".journal");
  contender.KeepOpen(contender.Take(BindAt(journal, SOCK_DGRAM)));
  contender.Start({"/usr/bin/env", absl::StrCat("JOURNAL=", journal),
                   absl::StrCat("DBUS_SESSION_BUS_ADDRESS=unix:path=", contender.path()), "/bin/sh",
                   script, program, "--scope", "user", "--config-file", config},
                  "", listener.get());
  Complete(objects, contender);
  if (contender.status().ok()) return;
  contender.ReplaceError(
      absl::NotFoundError(absl::StrCat("dbus-broker (of the Debian package dbus-broker) does not "
                                       "start here: ",
                                       contender.status().message())));
}

}  // namespace objmapper::bench
