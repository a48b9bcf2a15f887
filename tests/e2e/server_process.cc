// Starts the real server binary, reads its log, and checks at the end that it has left nothing
// open.
#include "tests/e2e/server_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

namespace objmapper::e2e {
namespace {

constexpr uid_t kNobody = 65534;

// Path of the server binary: BUILD.bazel names it, relative to the test's working directory.
std::string ServerBinary() {
  const char* path = getenv("OBJMAPPER_SERVER");
  CHECK(path != nullptr) << "OBJMAPPER_SERVER must name the server binary";
  return path;
}

// What Docker's default profile does not allow to a container without added capabilities. clone3(2)
// is ENOSYS there, since its flags cannot be looked at; the rest is EPERM.
constexpr long kNotInDocker[] = {SYS_acct,
                                 SYS_add_key,
                                 SYS_bpf,
                                 SYS_clock_adjtime,
                                 SYS_clock_settime,
                                 SYS_delete_module,
                                 SYS_fanotify_init,
                                 SYS_finit_module,
                                 SYS_fsconfig,
                                 SYS_fsmount,
                                 SYS_fsopen,
                                 SYS_fspick,
                                 SYS_get_mempolicy,
                                 SYS_init_module,
                                 SYS_io_uring_enter,
                                 SYS_io_uring_register,
                                 SYS_io_uring_setup,
                                 SYS_ioperm,
                                 SYS_iopl,
                                 SYS_kcmp,
                                 SYS_kexec_file_load,
                                 SYS_kexec_load,
                                 SYS_keyctl,
                                 SYS_mbind,
                                 SYS_mount,
                                 SYS_move_mount,
                                 SYS_move_pages,
                                 SYS_open_by_handle_at,
                                 SYS_open_tree,
                                 SYS_perf_event_open,
                                 SYS_pivot_root,
                                 SYS_process_vm_readv,
                                 SYS_process_vm_writev,
                                 SYS_quotactl,
                                 SYS_reboot,
                                 SYS_request_key,
                                 SYS_set_mempolicy,
                                 SYS_setdomainname,
                                 SYS_sethostname,
                                 SYS_setns,
                                 SYS_settimeofday,
                                 SYS_swapoff,
                                 SYS_swapon,
                                 SYS_syslog,
                                 SYS_umount2,
                                 SYS_unshare,
                                 SYS_userfaultfd,
                                 SYS_vhangup};

// Makes `call` fail from now on. False: it cannot be had.
bool Refuse(long call, int error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(call), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{sizeof(filter) / sizeof(filter[0]), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// The child between fork and exec: system calls alone, since other threads of the test may have
// held any lock. Does not return.
[[noreturn]] void BecomeServer(const ServerOptions& options, bool become_nobody, int binary,
                               int log, char** argv, char** environment) {
  if (options.descriptors_max != 0) {
    const rlimit limit{options.descriptors_max, options.descriptors_max};
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (become_nobody) {
    const bool dropped = syscall(SYS_setgroups, 0, nullptr) == 0 &&
                         syscall(SYS_setgid, kNobody) == 0 && syscall(SYS_setuid, kNobody) == 0;
    if (!dropped) _exit(126);
  }
  if (options.without_users && syscall(SYS_unshare, CLONE_NEWUSER) != 0) _exit(126);
  // A test that is killed takes its server along.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const auto& [call, error] : {std::pair(SYS_io_uring_setup, options.io_uring_errno),
                                    std::pair(SYS_openat2, options.openat2_errno)}) {
    if (error != 0 && !Refuse(call, error)) _exit(126);
  }
  if (options.like_in_docker || options.engine == "container") {
    for (const long call : kNotInDocker) {
      if (!Refuse(call, EPERM)) _exit(126);
    }
    if (!Refuse(SYS_clone3, ENOSYS)) _exit(126);
  }
  if (!options.inherited_sockets.empty()) {
    // First out of the way of the numbers where they must stand: from 3 on.
    constexpr int kAway = 200;
    binary = fcntl(binary, F_DUPFD_CLOEXEC, kAway);
    log = fcntl(log, F_DUPFD_CLOEXEC, kAway);
    int away[16];
    int count = 0;
    for (const int fd : options.inherited_sockets)
      away[count++] = fcntl(fd, F_DUPFD_CLOEXEC, kAway);
    for (int i = 0; i < count; ++i) dup2(away[i], 3 + i);
    // "LISTEN_PID=" has been left room for our number.
    for (char** entry = environment; *entry != nullptr; ++entry) {
      if (strncmp(*entry, "LISTEN_PID=", 11) != 0) continue;
      // Without leading zeros, which mean octal to systemd.
      char digits[16];
      int length = 0;
      for (int pid = static_cast<int>(syscall(SYS_getpid)); pid > 0; pid /= 10) {
        digits[length++] = static_cast<char>('0' + pid % 10);
      }
      char* end = *entry + 11;
      while (length > 0) *end++ = digits[--length];
      *end = '\0';
    }
  }
  if (options.on_one_core) {
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) _exit(126);
    CPU_ZERO(&one);
    for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++core) {
      if (CPU_ISSET(core, &allowed)) CPU_SET(core, &one);
    }
    if (sched_setaffinity(0, sizeof(one), &one) != 0) _exit(126);
  }
  if (chdir(options.working_directory.c_str()) != 0) _exit(126);
  dup2(log, STDERR_FILENO);
  dup2(log, STDOUT_FILENO);
  // By descriptor: "nobody" may not walk the path that leads to the binary.
  syscall(SYS_execveat, binary, "", argv, environment, AT_EMPTY_PATH);
  _exit(127);
}

// The port behind `prefix` in the log's "listening on <prefix>PORT" line; 0 when there is none.
uint16_t PortIn(absl::string_view log, absl::string_view prefix) {
  const size_t at = log.find(absl::StrCat("listening on ", prefix));
  if (at == absl::string_view::npos) return 0;
  absl::string_view digits = log.substr(log.find(prefix, at) + prefix.size());
  digits = digits.substr(0, digits.find_first_not_of("0123456789"));
  int port = 0;
  return absl::SimpleAtoi(digits, &port) ? port : 0;
}

// What makes a server run on `engine` (ServerOptions::engine).
std::vector<std::string> FlagsOf(absl::string_view engine) {
  if (engine == "container") engine = "auto";
  if (!absl::ConsumePrefix(&engine, "model_")) {
    return {absl::StrCat("--io_engine=", engine), absl::StrCat("--fdpass_engine=", engine)};
  }
  // Tests have up to this many clients at once that do not read; each holds a thread.
  return {absl::StrCat("--concurrency_model=", engine), "--pool_size=64"};
}

}  // namespace

bool ServerProcess::HasIpv6() {
  static const bool has = [] {
    net::UniqueFd probe(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    return bind(probe.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }();
  return has;
}

bool ServerProcess::CanBecomeNobody() {
  if (geteuid() != 0) return false;
  // user_namespaces(7): ranges of "first id inside, first id outside, how many".
  std::ifstream ranges("/proc/self/uid_map");
  uint64_t inside, outside, count;
  while (ranges >> inside >> outside >> count) {
    if (inside <= kNobody && kNobody - inside < count) return true;
  }
  return false;
}

bool ServerProcess::CanHideUsers() {
  const pid_t child = fork();
  PCHECK(child >= 0) << "fork";
  if (child == 0) _exit(syscall(SYS_unshare, CLONE_NEWUSER) == 0 ? 0 : 1);
  int status = 0;
  PCHECK(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void ServerProcess::Launch(const std::string& root, const ServerOptions& options) {
  socket_path_ =
      options.socket_path.empty() ? socket_directory_.path() + "/s" : options.socket_path;
  std::vector<std::string> arguments = {"server"};
  if (!options.only_flags) {
    arguments.push_back("--root=" + root);
    arguments.push_back("--listen_unix=" + socket_path_);
    arguments.push_back(absl::StrCat("--listen_tcp=127.0.0.1:0", HasIpv6() ? ",[::1]:0" : ""));
    const std::vector<std::string> how = FlagsOf(options.engine);
    arguments.insert(arguments.end(), how.begin(), how.end());
  }
  arguments.insert(arguments.end(), options.flags.begin(), options.flags.end());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  std::vector<std::string> added = options.environment;
  if (!options.inherited_sockets.empty()) {
    CHECK_LE(options.inherited_sockets.size(), 16u);
    added.push_back("LISTEN_PID=0000000000");  // the child knows it
    added.push_back(absl::StrCat("LISTEN_FDS=", options.inherited_sockets.size()));
    added.push_back("LISTEN_FDNAMES=" + options.inherited_names);
  }
  std::vector<char*> environment;
  // the first of a name counts
  for (std::string& entry : added) environment.push_back(entry.data());
  for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
  environment.push_back(nullptr);

  const bool become_nobody = options.as_nobody && CanBecomeNobody();
  if (become_nobody) {
    PCHECK(chown(socket_directory_.path().c_str(), kNobody, kNobody) == 0);
  }
  const std::string path = ServerBinary();
  net::UniqueFd binary(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  PCHECK(binary.valid()) << path;
  int ends[2];
  PCHECK(pipe2(ends, O_CLOEXEC) == 0);
  log_pipe_.Reset(ends[0]);
  net::UniqueFd log_in(ends[1]);

  pid_ = fork();
  PCHECK(pid_ >= 0);
  if (pid_ == 0)
    BecomeServer(options, become_nobody, binary.get(), log_in.get(), argv.data(),
                 environment.data());
  pidfd_.Reset(syscall(SYS_pidfd_open, pid_, 0));
  PCHECK(pidfd_.valid());
  log_reader_ = std::thread([this] { ReadLog(); });
}

ServerProcess::ServerProcess(const std::string& root, const ServerOptions& options) {
  Launch(root, options);
  if (!WaitForLog(" ready")) {
    ADD_FAILURE() << "the server did not become ready; it said:\n" << log();
    return;
  }
  tcp_port_ = PortIn(log(), "tcp://127.0.0.1:");
  tcp6_port_ = PortIn(log(), "tcp://[::1]:");
}

ServerProcess::Refusal ServerProcess::StartRefused(const std::string& root,
                                                   const ServerOptions& options) {
  ServerProcess server;
  server.Launch(root, options);
  // Until it says that it is ready, which it should not, or has ended.
  if (server.WaitForLog(" ready")) {
    server.Stop(SIGKILL);
    return Refusal{0, server.log()};
  }
  const std::optional<int> status = server.WaitForExit();
  server.log_reader_.join();  // at the end of the log
  return Refusal{status.value_or(-1), server.log()};
}

ServerProcess::~ServerProcess() {
  if (pid_ < 0) return;
  if (!exit_status_.has_value()) {
    if (!Running()) ADD_FAILURE() << "the server ended by itself";
    Signal(SIGKILL);
    WaitForExit();
  }
  if (log_reader_.joinable()) log_reader_.join();
  if (testing::Test::HasFailure()) std::cerr << "---- the server's log:\n" << log_;
}

void ServerProcess::ReadLog() {
  char buffer[4096];
  while (true) {
    const ssize_t got = read(log_pipe_.get(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    std::unique_lock<std::mutex> lock(mutex_);
    if (got > 0) log_.append(buffer, got);
    log_ended_ = got <= 0;
    log_grew_.notify_all();
    if (log_ended_) return;
    log_grew_.wait(lock, [this] { return !log_left_; });
  }
}

void ServerProcess::LeaveLog() {
  const std::lock_guard<std::mutex> lock(mutex_);
  log_left_ = true;
}

void ServerProcess::TakeLog() {
  const std::lock_guard<std::mutex> lock(mutex_);
  log_left_ = false;
  log_grew_.notify_all();
}

std::string ServerProcess::log() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return log_;
}

bool ServerProcess::WaitForLog(absl::string_view text) const {
  std::unique_lock<std::mutex> lock(mutex_);
  log_grew_.wait_for(lock, kPatience, [&] { return log_ended_ || absl::StrContains(log_, text); });
  return absl::StrContains(log_, text);
}

bool ServerProcess::Running() const {
  pollfd ended{pidfd_.get(), POLLIN, 0};
  return poll(&ended, 1, 0) == 0;
}

void ServerProcess::Signal(int signal) const {
  syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
}

std::optional<int> ServerProcess::WaitForExit() {
  if (exit_status_.has_value()) return exit_status_;
  pollfd ended{pidfd_.get(), POLLIN, 0};
  const int patience_ms = std::chrono::milliseconds(kPatience).count();
  if (poll(&ended, 1, patience_ms) != 1) {
    ADD_FAILURE() << "the server did not end; it said:\n" << log();
    return std::nullopt;
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return exit_status_;
}

std::optional<int> ServerProcess::Stop(int signal) {
  Signal(signal);
  return WaitForExit();
}

std::map<std::string, int> ServerProcess::Descriptors() const {
  std::map<std::string, int> kinds;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid_, "/fd"), error)) {
    std::string target = std::filesystem::read_symlink(entry.path(), error).string();
    // "socket:[123]" and "pipe:[123]" are numbered; the rest names itself.
    if (absl::StartsWith(target, "socket:")) target = "socket";
    if (absl::StartsWith(target, "pipe:")) target = "pipe";
    ++kinds[target];
  }
  return kinds;
}

namespace {

std::string FirstLine(const std::filesystem::path& path) {
  std::string line;
  std::getline(std::ifstream(path), line);
  return line;
}

// What the kernel says of a socket of another process's, by a duplicate.
std::string StateOfSocket(int pidfd, int number) {
  const net::UniqueFd socket(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, number, 0)));
  if (!socket.valid()) return absl::StrCat("not to be looked at: ", strerror(errno));
  int domain = 0, unread = 0, unsent = 0, listens = 0;
  socklen_t length = sizeof(domain);
  getsockopt(socket.get(), SOL_SOCKET, SO_DOMAIN, &domain, &length);
  getsockopt(socket.get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &length);
  ioctl(socket.get(), FIONREAD, &unread);
  ioctl(socket.get(), TIOCOUTQ, &unsent);
  pollfd now{socket.get(), POLLIN | POLLRDHUP, 0};
  poll(&now, 1, 0);
  std::string state =
      absl::StrCat(domain == AF_UNIX ? "unix" : "tcp", listens != 0 ? " listens" : "", ", ", unread,
                   " unread, ", unsent, " unsent, poll 0x", absl::Hex(now.revents));
  tcp_info info{};
  length = sizeof(info);
  if (domain != AF_UNIX && listens == 0 &&
      getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &length) == 0) {
    absl::StrAppend(&state, ", state ", info.tcpi_state, ", ", info.tcpi_last_data_recv,
                    " ms since data, window ", info.tcpi_rcv_space);
  }
  return state;
}

}  // namespace

std::string ServerProcess::Circumstances() const {
  std::string all;
  std::error_code error;
  const std::string proc = absl::StrCat("/proc/", pid_);
  for (const auto& task : std::filesystem::directory_iterator(proc + "/task", error)) {
    absl::StrAppend(&all, "thread ", FirstLine(task.path() / "comm"), ": ",
                    FirstLine(task.path() / "wchan"), ", syscall ",
                    FirstLine(task.path() / "syscall"), "\n");
  }
  for (const auto& entry : std::filesystem::directory_iterator(proc + "/fd", error)) {
    const std::string target = std::filesystem::read_symlink(entry.path(), error).string();
    if (!absl::StartsWith(target, "socket:")) continue;
    const int number = std::stoi(entry.path().filename());
    absl::StrAppend(&all, "socket ", number, ": ", StateOfSocket(pidfd_.get(), number), "\n");
  }
  return all;
}

int ServerProcess::LowestFreeDescriptor() const {
  int number = 0;
  while (faccessat(AT_FDCWD, absl::StrCat("/proc/", pid_, "/fd/", number).c_str(), F_OK,
                   AT_SYMLINK_NOFOLLOW) == 0) {
    ++number;
  }
  return number;
}

void ServerProcess::LimitDescriptors(rlim_t limit) const {
  rlimit both{};
  PCHECK(prlimit(pid_, RLIMIT_NOFILE, nullptr, &both) == 0);
  both.rlim_cur = limit;
  PCHECK(prlimit(pid_, RLIMIT_NOFILE, &both, nullptr) == 0);
}

int ServerProcess::thread_count() const {
  int count = 0;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid_, "/task"), error)) {
    std::string name;
    std::getline(std::ifstream(entry.path() / "comm"), name);
    if (!absl::StartsWith(name, "iou-")) ++count;
  }
  return count;
}

int64_t ServerProcess::StatField(int field) const {
  std::ifstream file(absl::StrCat("/proc/", pid_, "/stat"));
  std::stringstream text;
  text << file.rdbuf();
  // The name, field 2, may hold spaces and parentheses; field 3 follows the last of these.
  const std::string line = text.str();
  const std::vector<std::string> fields =
      absl::StrSplit(line.substr(std::min(line.size(), line.rfind(')') + 2)), ' ');
  int64_t value = 0;
  const size_t at = field - 3;
  if (at >= fields.size() || !absl::SimpleAtoi(fields[at], &value)) {
    ADD_FAILURE() << "cannot read field " << field << " of /proc/" << pid_ << "/stat";
  }
  return value;
}

absl::Duration ServerProcess::cpu_time() const {
  return absl::Seconds(StatField(14) + StatField(15)) / sysconf(_SC_CLK_TCK);  // utime, stime
}

int64_t ServerProcess::resident_bytes() const { return StatField(24) * sysconf(_SC_PAGESIZE); }

std::map<std::string, int> SettledDescriptors(const ServerProcess& server) {
  std::map<std::string, int> before, now = server.Descriptors();
  do {
    before = now;
    absl::SleepFor(absl::Milliseconds(50));
    now = server.Descriptors();
  } while (now != before);
  return now;
}

void ExpectDescriptorsBack(const ServerProcess& server, const std::map<std::string, int>& before) {
  const int workers = static_cast<int>(std::thread::hardware_concurrency());
  const int splice_threads = 2 * workers;
  const absl::Time deadline = absl::Now() + absl::FromChrono(kPatience);
  std::string surplus;
  do {
    surplus.clear();
    for (const auto& [kind, count] : server.Descriptors()) {
      const auto known = before.find(kind);
      int allowed = known == before.end() ? 0 : known->second;
      // Both ends: each splice thread's, and a loop's, which makes more only for readers that are
      // slow at the same time.
      if (kind == "pipe") allowed += 2 * (splice_threads + 4);
      if (kind == "/dev/null") allowed += splice_threads;
      // Directories that are resolved, and objects that are kept open: one for each loop.
      if (absl::StartsWith(kind, "/") && std::filesystem::exists(kind)) allowed += workers;
      if (count > allowed) absl::StrAppend(&surplus, kind, ": ", allowed, " -> ", count, "\n");
    }
    if (surplus.empty()) return;
    absl::SleepFor(absl::Milliseconds(20));
  } while (absl::Now() < deadline);
  ADD_FAILURE() << "descriptors that were not given back:\n" << surplus << server.Circumstances();
}

}  // namespace objmapper::e2e
