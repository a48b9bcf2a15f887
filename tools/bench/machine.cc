#include "tools/bench/machine.h"

#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace objmapper::bench {

namespace {

// The value of the first line that begins with `key`, of files like /proc/cpuinfo and os-release.
std::string Field(const char* file, absl::string_view key, char separator) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(separator, 1));
    if (parts.size() == 2 && absl::StripAsciiWhitespace(parts[0]) == key) {
      return std::string(
          absl::StripPrefix(absl::StripSuffix(absl::StripAsciiWhitespace(parts[1]), "\""), "\""));
    }
  }
  return "unknown";
}

// Rounds of a fixed piece of work per second, for 20 ms on `core`; 0 where this thread may not run
// there.
double SpeedOf(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) return 0;
  const absl::Time start = absl::Now();
  const absl::Time end = start + absl::Milliseconds(20);
  uint64_t rounds = 0;
  volatile uint64_t value = 1;
  absl::Time now = start;
  for (; now < end; now = absl::Now(), ++rounds) {
    for (int i = 0; i < 1000; ++i) value = value * 6364136223846793005 + 1;
  }
  return static_cast<double>(rounds) / absl::ToDoubleSeconds(now - start);
}

}  // namespace

Machine ThisMachine() {
  Machine machine;
  utsname name;
  if (uname(&name) == 0) machine.kernel = absl::StrCat(name.sysname, " ", name.release);
  // Decides much of what TCP costs; it stays as it is for who does not choose.
  std::ifstream congestion("/proc/sys/net/ipv4/tcp_congestion_control");
  std::string control;
  if (congestion >> control) absl::StrAppend(&machine.kernel, ", TCP with ", control);
  machine.cpu = Field("/proc/cpuinfo", "model name", ':');
  machine.os = Field("/etc/os-release", "PRETTY_NAME", '=');
  machine.cores = get_nprocs();
  struct sysinfo info;
  if (sysinfo(&info) == 0) machine.memory_bytes = uint64_t{info.totalram} * info.mem_unit;
  return machine;
}

double SlowestOf(const std::vector<int>& cores) {
  double fastest = 0, slowest = 0;
  for (const int core : cores) {
    double speed = 0;
    std::thread([core, &speed] { speed = SpeedOf(core); }).join();
    fastest = std::max(fastest, speed);
    slowest = slowest == 0 ? speed : std::min(slowest, speed);
  }
  return fastest > 0 ? slowest / fastest : 1;
}

uint64_t MemoryAvailable() {
  const std::string kib_text = Field("/proc/meminfo", "MemAvailable", ':');
  uint64_t kib = 0;
  return absl::SimpleAtoi(absl::StripSuffix(kib_text, " kB"), &kib) ? kib * 1024 : 0;
}

std::string Now() {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now(), absl::UTCTimeZone());
}

CoreTime CoreTimeSoFar() {
  std::ifstream in("/proc/stat");
  std::string cpu;
  double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
  in >> cpu >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
  const double tick = 1.0 / static_cast<double>(sysconf(_SC_CLK_TCK));
  return {.busy = (user + nice + system + irq + softirq) * tick, .stolen = steal * tick};
}

}  // namespace objmapper::bench
