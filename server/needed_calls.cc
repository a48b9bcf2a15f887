// Tries each system call in a child process with arguments that the kernel refuses, so nothing is
// changed and a filter that kills is survived.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "net/unique_fd.h"
#include "server/checks.h"
#include "text/printable.h"

namespace objmapper::server {
namespace {

enum class For : uint8_t { kAll, kUnix, kUdp, kWritable };

// What a call with no valid argument fails with when the kernel sees it.
struct Probe {
  long number;
  const char* name;
  For whom;
  const char* purpose;
  // Each of these calls is refused by the kernel for its arguments: descriptor -1, pointers to
  // nothing, flags that no kernel knows.
  long arguments[6] = {-1};
};

constexpr Probe kProbes[] = {
    {SYS_openat2, "openat2", For::kAll, "names cannot be confined to the root"},
    {SYS_fstat, "fstat", For::kAll, "objects' sizes cannot be read"},
    {SYS_pread64, "pread64", For::kAll, "objects cannot be read"},
    // No pointers, and a length: with none the call would have nothing to do.
    {SYS_sendfile, "sendfile", For::kAll, "objects cannot be sent", {-1, -1, 0, 1}},
    {SYS_splice, "splice", For::kAll, "objects cannot be sent", {-1, 0, -1, 0, 1}},
    {SYS_pipe2, "pipe2", For::kAll, "objects cannot be sent", {0, -1}},
    {SYS_epoll_create1, "epoll_create1", For::kAll, "the server cannot wait for events"},
    {SYS_epoll_ctl, "epoll_ctl", For::kAll, "the server cannot wait for events"},
#ifdef SYS_epoll_wait  // what epoll_wait(3) makes; newer architectures have epoll_pwait(2) alone
    {SYS_epoll_wait, "epoll_wait", For::kAll, "the server cannot wait for events"},
#endif
    {SYS_eventfd2, "eventfd2", For::kAll, "threads cannot wake each other", {-1, -1}},
    {SYS_signalfd4, "signalfd4", For::kAll, "signals cannot be read"},
    {SYS_accept4, "accept4", For::kAll, "connections cannot be accepted"},
    {SYS_recvmsg, "recvmsg", For::kAll, "requests cannot be read"},
    {SYS_sendmsg, "sendmsg", For::kAll, "answers cannot be sent"},
    {SYS_getsockopt, "getsockopt", For::kAll, "peers cannot be identified"},
    {SYS_setsockopt, "setsockopt", For::kAll, "sockets cannot be set up"},
    {SYS_socketpair,
     "socketpair",
     For::kUnix,
     "clients' descriptors cannot be closed in another process",
     {AF_UNIX, SOCK_STREAM}},
    {SYS_recvmmsg, "recvmmsg", For::kUdp, "datagrams cannot be read"},
    {SYS_sendmmsg, "sendmmsg", For::kUdp, "datagrams cannot be answered"},
    {SYS_pwrite64, "pwrite64", For::kWritable, "objects cannot be stored"},
    {SYS_linkat, "linkat", For::kWritable, "objects cannot get their names", {-1, 0, -1}},
    {SYS_renameat2, "renameat2", For::kWritable, "objects cannot be replaced", {-1, 0, -1}},
    {SYS_unlinkat, "unlinkat", For::kWritable, "objects cannot be deleted"},
    {SYS_mkdirat, "mkdirat", For::kWritable, "directories cannot be created"},
    {SYS_fsync, "fsync", For::kWritable, "objects cannot be synced to the disk"},
};

// Whether `error` is the kernel's answer to the arguments, not somebody's to the call.
bool IsAboutTheArguments(int error) {
  return error == EBADF || error == EFAULT || error == EINVAL || error == ENOTSOCK ||
         error == ENOENT || error == EOPNOTSUPP;
}

int ErrnoOf(const Probe& probe) {
  const long(&a)[6] = probe.arguments;
  return syscall(probe.number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : 0;
}

bool IsNeeded(const Probe& probe, const Config& config) {
  return probe.whom == For::kAll ||
         (probe.whom == For::kUnix && config.Has(net::Address::Kind::kUnix)) ||
         (probe.whom == For::kUdp && !config.listen_udp.empty()) ||
         (probe.whom == For::kWritable && config.writes_root());
}

// Whether this process's system calls go through a filter. Source: proc(5), /proc/PID/status,
// Seccomp.
bool IsFiltered() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (absl::StartsWith(line, "Seccomp:")) return absl::StrContains(line, "2");
  }
  return true;  // nobody says
}

std::string Cause(bool openat2) {
  utsname kernel{};
  uname(&kernel);
  if (!IsFiltered()) {
    return absl::StrCat("No seccomp filter is active here, so the kernel does not have it: it is ",
                        kernel.release, ", and 5.6 or later is required");
  }
  return absl::StrCat("A seccomp filter is active here (the kernel is ", kernel.release,
                      "). In a systemd unit look for ",
                      openat2 ? "RestrictSUIDSGID=yes, which refuses all of openat2(2) "
                                "(DynamicUser=yes implies it), and for "
                              : "",
                      "SystemCallFilter=; in a container for ",
                      "its seccomp profile, which may come from an old runtime or libseccomp");
}

// What --listen_tcp needs sockets for. Its type is none, which the kernel looks at first: EINVAL.
// Names may stand for either family, so only numeric addresses are tried.
absl::Status TryAddressFamilies(const Config& config) {
  for (const net::Address& address : config.listen) {
    if (address.kind != net::Address::Kind::kTcp) continue;
    in_addr v4;
    const bool v6 = absl::StrContains(address.host, ':');
    if (!v6 && !address.host.empty() && inet_aton(address.host.c_str(), &v4) == 0) continue;
    if (socket(v6 ? AF_INET6 : AF_INET, -1, 0) < 0 && errno != EINVAL) {
      return absl::UnimplementedError(absl::StrCat(
          "--listen_tcp: a socket for ", address.ToUrl(), " was refused with ",
          strerrorname_np(errno), " before it reached the kernel: a ",
          "seccomp filter is active here. In a systemd unit, RestrictAddressFamilies= must name ",
          v6 ? "AF_INET6" : "AF_INET"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TryNeededCalls(const Config& config) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return absl::UnimplementedError(
        absl::StrCat("pipe2(2) was refused with ", strerrorname_np(errno),
                     ", and without it objects cannot be sent. ", Cause(/*openat2=*/false)));
  }
  net::UniqueFd from(ends[0]), to(ends[1]);
  const pid_t child = fork();
  if (child < 0) {
    // No room for a process now (pids.max): what is refused shows itself later.
    LOG(WARNING) << "the system calls that the server needs could not be tried: fork: "
                 << strerror(errno);
    return absl::OkStatus();
  }
  if (child == 0) {
    // Whoever filters by SIGSYS means us to end; the parent sees after how many answers.
    signal(SIGSYS, SIG_DFL);
    for (const Probe& probe : kProbes) {
      const int error = IsNeeded(probe, config) ? ErrnoOf(probe) : EBADF;
      if (write(to.get(), &error, sizeof(error)) != sizeof(error)) break;
    }
    _exit(0);
  }
  to.Reset();
  std::vector<std::string> refused;
  bool openat2 = false;
  for (const Probe& probe : kProbes) {
    int error = 0;
    const bool ended = TEMP_FAILURE_RETRY(read(from.get(), &error, sizeof(error))) != sizeof(error);
    if (!ended && (error == 0 || IsAboutTheArguments(error))) continue;
    openat2 = openat2 || probe.number == SYS_openat2;
    refused.push_back(absl::StrCat(probe.name, "(2) ",
                                   ended ? "ends the process (SIGSYS)"
                                         : absl::StrCat("is refused with ", strerrorname_np(error)),
                                   ", and without it ", probe.purpose));
    if (ended) break;
  }
  int status = 0;
  TEMP_FAILURE_RETRY(waitpid(child, &status, 0));
  if (refused.empty()) return TryAddressFamilies(config);
  return absl::UnimplementedError(absl::StrCat(absl::StrJoin(refused, "; "), ". ", Cause(openat2),
                                               " (--root=", text::Printable(config.root),
                                               " is not served)."));
}

}  // namespace objmapper::server
