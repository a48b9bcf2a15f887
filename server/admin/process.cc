// Figures of this process from /proc; a figure that cannot be read is left out.
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <string>

#include "server/admin/vitals.h"

namespace objmapper::server {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

uint64_t EntriesOf(const char* folder) {
  DIR* const directory = opendir(folder);
  if (directory == nullptr) return 0;
  uint64_t entries = 0;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') ++entries;
  }
  closedir(directory);
  return entries;
}

// proc(5), /proc/pid/stat: the fields behind the name, which may hold blanks and brackets.
struct Stat {
  uint64_t threads = 0;      // field 20
  uint64_t start_ticks = 0;  // field 22, since boot
  uint64_t rss_pages = 0;    // field 24
};

Stat ReadStat() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  const size_t end = text.rfind(')');
  Stat stat;
  if (end == std::string::npos) return stat;
  size_t at = end + 1;
  for (int field = 3; at < text.size(); ++field) {
    at = text.find_first_not_of(' ', at);
    if (at == std::string::npos) break;
    const uint64_t value = strtoull(text.c_str() + at, nullptr, 10);
    if (field == 20) stat.threads = value;
    if (field == 22) stat.start_ticks = value;
    if (field == 24) stat.rss_pages = value;
    at = text.find(' ', at);
  }
  return stat;
}

}  // namespace

Vitals::Process ReadProcess() {
  Vitals::Process process;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    process.cpu_user_s = Seconds(usage.ru_utime);
    process.cpu_system_s = Seconds(usage.ru_stime);
  }
  const Stat stat = ReadStat();
  process.threads = stat.threads;
  process.rss_bytes = stat.rss_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  process.open_fds = EntriesOf("/proc/self/fd");
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) process.max_fds = limit.rlim_cur;
  timespec real{}, boot{};
  clock_gettime(CLOCK_REALTIME, &real);
  clock_gettime(CLOCK_BOOTTIME, &boot);
  const double up_s = static_cast<double>(boot.tv_sec) + static_cast<double>(boot.tv_nsec) / 1e9;
  process.start_s =
      static_cast<double>(real.tv_sec) + static_cast<double>(real.tv_nsec) / 1e9 - up_s +
      static_cast<double>(stat.start_ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return process;
}

}  // namespace objmapper::server
