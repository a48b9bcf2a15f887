// The real server binary, started for a test on an ObjectTree.
//
//   ServerProcess server(tree.root(), {.engine = "epoll", .flags = {"--idle_timeout=300ms"}});
//   Wire wire = server.Unix();
//   ...
//   EXPECT_EQ(server.Stop(SIGTERM), 0);
//
// Every server listens on a Unix socket of its own and on TCP ports that the kernel chooses
// on 127.0.0.1 and, where the machine has it, ::1; ports and readiness are read from its own log.
// One thread.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "net/unique_fd.h"
#include "tests/e2e/object_tree.h"
#include "tests/e2e/wire.h"

namespace objmapper::e2e {

struct ServerOptions {
  // "auto", "uring", "epoll": mode_routing with both lanes on that engine (--io_engine,
  // --fdpass_engine). "model_NAME": --concurrency_model=NAME. "container": "auto", with
  // like_in_docker.
  std::string engine = "auto";
  std::vector<std::string> flags;  // after --root, --listen_… and the engines, so they win
  bool only_flags = false;         // none of those: `flags` is the whole command line
  // How the kernel treats this server. Applied between fork and exec.
  rlim_t descriptors_max = 0;  // RLIMIT_NOFILE, soft and hard; 0: the test's own
  int io_uring_errno = 0;      // a seccomp filter makes io_uring_setup(2) fail with this
  int openat2_errno = 0;       // and openat2(2) with this
  // What Docker's default profile refuses without further capabilities is refused
  // (docs.docker.com/engine/security/seccomp): io_uring among it.
  bool like_in_docker = false;
  bool on_one_core = false;  // it may use one of the machine's cores alone (sched_setaffinity(2))
  // Listening sockets, handed over as systemd does (sd_listen_fds(3)), and their names, with colons
  // between.
  std::vector<int> inherited_sockets;
  std::string inherited_names;
  std::vector<std::string> environment;  // "NAME=value", beside the test's own
  bool without_users = false;            // in a user namespace that maps nobody: CanHideUsers()
  bool as_nobody = false;  // when the test is root and CanBecomeNobody(), the server is not
  std::string working_directory = "/";
  std::string socket_path;  // empty: one in a directory of its own
};

class ServerProcess {
 public:
  // Starts it and waits until it says that it is ready; a server that does not is a failure.
  ServerProcess(const std::string& root, const ServerOptions& options);
  // Kills what is left. A server that died unasked is a failure, and its log is shown.
  ~ServerProcess();

  // A start that should be refused: the exit status (as Stop()) and what it said. A server that
  // becomes ready all the same has the status 0.
  struct Refusal {
    int exit_status = -1;
    std::string log;
  };
  static Refusal StartRefused(const std::string& root, const ServerOptions& options);

  static bool HasIpv6();
  // Whether root may become "nobody" here: not in a sandbox that knows one user alone. There root
  // has its powers over files, but none that the kernel asks of the machine's own root.
  static bool CanBecomeNobody();
  static bool CanHideUsers();

  // ---- Connections ----
  Wire Unix() const { return Wire::ToUnix(socket_path_); }
  Wire Tcp(int receive_bytes = 0) const { return Wire::ToTcp(tcp_port_, receive_bytes); }
  Wire Tcp6() const { return Wire::ToTcp6(tcp6_port_); }
  const std::string& socket_path() const { return socket_path_; }
  uint16_t tcp_port() const { return tcp_port_; }

  // ---- The process ----
  pid_t pid() const { return pid_; }
  bool Running() const;
  void Signal(int signal) const;
  // Waits for the end: the exit code, 128 + the signal that killed it, or nullopt (and a failure)
  // after kPatience.
  std::optional<int> WaitForExit();
  // Signal() and WaitForExit().
  std::optional<int> Stop(int signal);

  // What /proc says. Descriptors are counted by kind: "socket", "pipe", "anon_inode:[eventpoll]",
  // and a path for a file; threads without the kernel's io_uring workers, which are its own.
  std::map<std::string, int> Descriptors() const;
  // For the message of a failure: what each thread is in the middle of, and what is known of each
  // socket.
  std::string Circumstances() const;
  int thread_count() const;
  absl::Duration cpu_time() const;
  int64_t resident_bytes() const;

  // The number that its next open(2) would return; and a new soft RLIMIT_NOFILE for it. Limiting it
  // to that very number leaves it without a single descriptor.
  int LowestFreeDescriptor() const;
  void LimitDescriptors(rlim_t limit) const;

  // From now on nobody takes its log, so that the pipe that it is written to fills; and again.
  void LeaveLog();
  void TakeLog();

  std::string log() const;
  // Waits until the log holds `text`; false after kPatience.
  bool WaitForLog(absl::string_view text) const;

 private:
  ServerProcess() = default;
  void Launch(const std::string& root, const ServerOptions& options);
  int64_t StatField(int field) const;  // of /proc/PID/stat, numbered as in proc(5)
  void ReadLog();  // the reader thread: a pipe nobody empties would stop the server

  TempDir socket_directory_;
  pid_t pid_ = -1;
  net::UniqueFd pidfd_;  // readable once the process has ended (pidfd_open(2))
  std::optional<int> exit_status_;
  std::string socket_path_;
  uint16_t tcp_port_ = 0;
  uint16_t tcp6_port_ = 0;
  net::UniqueFd log_pipe_;
  std::thread log_reader_;
  mutable std::mutex mutex_;                  // log_, log_ended_, log_left_
  mutable std::condition_variable log_grew_;  // or is taken again
  std::string log_;
  bool log_ended_ = false;
  bool log_left_ = false;
};

// server.Descriptors(), once connections that have just ended are gone from it.
std::map<std::string, int> SettledDescriptors(const ServerProcess& server);
// Waits until the server holds no more descriptors of any kind than `before`: all that a scenario
// cost has been given back. `before` is taken once caches are warm. What each thread keeps for
// itself may still have come to it meanwhile: a directory or an object that it keeps open (each
// worker's loop), a pipe and a /dev/null to empty it into (each of the 2 × cores splice threads).
void ExpectDescriptorsBack(const ServerProcess& server, const std::map<std::string, int>& before);

}  // namespace objmapper::e2e
