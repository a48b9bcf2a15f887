#include "tools/bench/contenders/usage.h"

#include <time.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace objmapper::bench {
namespace {

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

int CountDescriptors(pid_t pid) {
  int count = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(absl::StrCat("/proc/", pid, "/fd"), error), end;
       !error && entry != end; entry.increment(error)) {
    ++count;
  }
  return count;
}

void AddChildren(pid_t pid, Usage* usage) {
  std::error_code error;
  for (std::filesystem::directory_iterator task(absl::StrCat("/proc/", pid, "/task"), error), end;
       !error && task != end; task.increment(error)) {
    std::ifstream children(task->path() / "children");
    pid_t child = 0;
    // One that has just ended is no error of its parent's.
    while (children >> child) AddUsage(child, usage).IgnoreError();
  }
}

}  // namespace

absl::Status AddUsage(pid_t pid, Usage* usage) {
  clockid_t clock;
  timespec cpu;
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &cpu) != 0) {
    return absl::UnavailableError(absl::StrCat("process ", pid, " has ended"));
  }
  usage->cpu_ns += cpu.tv_sec * int64_t{1000000000} + cpu.tv_nsec;
  AddStatus(pid, usage);
  usage->descriptors += CountDescriptors(pid);
  AddChildren(pid, usage);
  return absl::OkStatus();
}

}  // namespace objmapper::bench
