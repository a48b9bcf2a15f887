// Child processes: started, watched, their use counted, ended.
#include "tools/bench/contenders/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "tools/bench/contenders/place.h"

namespace objmapper::bench {
namespace {

constexpr size_t kLogEndBytes = 2000;
constexpr absl::Duration kPause = absl::Milliseconds(5);

// The child between fork and exec: system calls alone, since other threads may have held any lock.
[[noreturn]] void Become(char** argv, int log, int input, int descriptor_3, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);  // it ended before the line above
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  if (input < 0) input = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(input, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  // dup2() onto itself would leave close-on-exec set.
  if (descriptor_3 == 3) fcntl(3, F_SETFD, 0);
  if (descriptor_3 >= 0 && descriptor_3 != 3) dup2(descriptor_3, 3);
  execv(argv[0], argv);
  const char* reason = strerrordesc_np(errno);
  const ssize_t written = write(STDERR_FILENO, reason, strlen(reason));
  _exit(written > 0 ? 127 : 126);
}

int64_t NanosecondsOf(const timeval& time) {
  return (time.tv_sec * int64_t{1000000} + time.tv_usec) * 1000;
}

std::string Ending(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    return absl::StrCat("was killed by ", strsignal(WTERMSIG(wait_status)));
  }
  return absl::StrCat("ended with status ", WEXITSTATUS(wait_status));
}

void AddStatus(pid_t pid, Usage* usage) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  std::string key, line;
  while (status >> key) {
    uint64_t value = 0;
    if (key == "VmRSS:" && status >> value) usage->rss_bytes += value * 1024;
    if (key == "Threads:" && status >> value) usage->threads += static_cast<int>(value);
    std::getline(status, line);
  }
}

// The entries of /proc/`pid`/`folder`, as far as there are any.
std::vector<std::filesystem::path> EntriesOf(pid_t pid, const char* folder) {
  std::vector<std::filesystem::path> entries;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(absl::StrCat("/proc/", pid, "/", folder), error),
       end;
       !error && entry != end; entry.increment(error)) {
    entries.push_back(entry->path());
  }
  return entries;
}

// False: it has ended.
bool AddUsageOf(pid_t pid, Usage* usage) {
  clockid_t clock;
  timespec cpu;
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &cpu) != 0) return false;
  usage->cpu_ns += cpu.tv_sec * int64_t{1000000000} + cpu.tv_nsec;
  AddStatus(pid, usage);
  usage->descriptors += static_cast<int>(EntriesOf(pid, "fd").size());
  for (const std::filesystem::path& task : EntriesOf(pid, "task")) {
    std::ifstream children(task / "children");
    pid_t child = 0;
    // One that has just ended is no error of its parent's.
    while (children >> child) AddUsageOf(child, usage);
  }
  return true;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Process>> Process::Start(const ProcessOptions& options) {
  net::UniqueFd log(
      open(options.log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644));
  if (!log.valid()) return net::ErrnoToStatus(errno, absl::StrCat("open ", options.log_path));
  std::vector<char*> argv;
  for (const std::string& argument : options.argv) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return net::ErrnoToStatus(errno, absl::StrCat("start ", options.argv[0]));
  if (pid == 0)
    Become(argv.data(), log.get(), options.standard_input, options.descriptor_3, parent);
  setpgid(pid, pid);  // in both: whichever comes first
  return std::unique_ptr<Process>(new Process(options, pid));
}

Process::~Process() {
  kill(-pid_, SIGTERM);
  const absl::Time deadline = absl::Now() + kPatience;
  while (!HasEnded() && absl::Now() < deadline) absl::SleepFor(kPause);
  // What its leader left behind, too.
  kill(-pid_, SIGKILL);
  if (!HasEnded()) {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
  }
}

bool Process::HasEnded() const {
  int status = 0;
  rusage used{};
  if (!wait_status_.has_value() && wait4(pid_, &status, WNOHANG, &used) == pid_) {
    wait_status_ = status;
    cpu_ns_ = NanosecondsOf(used.ru_utime) + NanosecondsOf(used.ru_stime);
  }
  return wait_status_.has_value();
}

absl::Status Process::Running() const {
  if (!HasEnded()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(options_.argv[0], " ", Ending(*wait_status_), "; its log ends:\n", LogEnd()));
}

absl::StatusOr<int64_t> Process::AwaitEnd(absl::Time deadline) const {
  // Glibc has no name for it before 2.36.
  const net::UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  while (!HasEnded() && absl::Now() < deadline) {
    pollfd ended{process.get(), POLLIN, 0};
    // Once a second, should there be no descriptor to wait for.
    poll(&ended, 1,
         static_cast<int>(absl::ToInt64Milliseconds(
             std::clamp(deadline - absl::Now(), absl::ZeroDuration(), absl::Seconds(1)))));
  }
  if (!HasEnded())
    return absl::DeadlineExceededError(absl::StrCat(command(), " has not ended in time"));
  if (*wait_status_ != 0) return Running();
  return cpu_ns_;
}

absl::Status Process::WaitForLog(absl::string_view text, absl::Time deadline) const {
  while (!absl::StrContains(LogEnd(), text)) {
    absl::Status running = Running();
    if (!running.ok()) return running;
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat(options_.argv[0], " did not say \"", text,
                                                      "\" in time; its log ends:\n", LogEnd()));
    }
    absl::SleepFor(kPause);
  }
  return absl::OkStatus();
}

absl::Status Process::AddUsage(Usage* usage) const {
  absl::Status running = Running();
  if (!running.ok() || AddUsageOf(pid_, usage)) return running;
  return absl::UnavailableError(absl::StrCat(options_.argv[0], " has just ended"));
}

std::string Process::LogEnd() const {
  const std::string log = ReadFile(options_.log_path).value_or("");
  if (log.empty()) return "(nothing)";
  return log.size() <= kLogEndBytes ? log : log.substr(log.size() - kLogEndBytes);
}

std::string Process::command() const { return absl::StrJoin(options_.argv, " "); }

}  // namespace objmapper::bench
