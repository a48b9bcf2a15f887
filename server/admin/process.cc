// Figures of this process from /proc; a figure that cannot be read is left out.
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/admin/vitals.h"

namespace objmapper::server {
namespace {

uint64_t EntriesOf(const char* folder) {
  uint64_t entries = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    ++entries;
  }
  return entries;
}

// Field `number` of /proc/self/stat (proc(5)), or 0. line: what comes behind field 2, the name,
// which may hold blanks and brackets.
uint64_t FieldOf(absl::string_view line, size_t number) {
  const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ', absl::SkipEmpty());
  uint64_t value = 0;
  if (fields.size() > number - 3) static_cast<void>(absl::SimpleAtoi(fields[number - 3], &value));
  return value;
}

}  // namespace

Vitals::Process ReadProcess() {
  Vitals::Process process;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    process.cpu_user_s = absl::ToDoubleSeconds(absl::DurationFromTimeval(usage.ru_utime));
    process.cpu_system_s = absl::ToDoubleSeconds(absl::DurationFromTimeval(usage.ru_stime));
  }
  std::ifstream file("/proc/self/stat");
  std::string stat;
  std::getline(file, stat);
  stat.erase(0, std::min(stat.rfind(')'), stat.size() - 1) + 1);
  process.threads = FieldOf(stat, 20);
  const uint64_t start_ticks = FieldOf(stat, 22);  // since boot
  process.rss_bytes = FieldOf(stat, 24) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  process.open_fds = EntriesOf("/proc/self/fd");
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) process.max_fds = limit.rlim_cur;
  timespec boot{};
  clock_gettime(CLOCK_BOOTTIME, &boot);
  const absl::Time booted = absl::Now() - absl::DurationFromTimespec(boot);
  process.start_s = absl::ToDoubleSeconds(booted - absl::UnixEpoch()) +
                    static_cast<double>(start_ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return process;
}

}  // namespace objmapper::server
