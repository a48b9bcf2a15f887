// The affinity mask and the CPU quotas of the process's cgroup and those above it (versions 1 and
// 2). A quota that cannot be read does not count.
#include "server/cores.h"

#include <errno.h>
#include <sched.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "text/printable.h"

namespace objmapper::server {
namespace {

// The kernel refuses a set that is smaller than its own (sched_setaffinity(2), "Handling systems
// with large CPU affinity masks").
int CoresInMask() {
  for (int room = 1024; room <= 1 << 20; room *= 2) {
    cpu_set_t* const set = CPU_ALLOC(static_cast<size_t>(room));
    if (set == nullptr) break;
    const size_t bytes = CPU_ALLOC_SIZE(static_cast<size_t>(room));
    CPU_ZERO_S(bytes, set);
    const int error = sched_getaffinity(0, bytes, set) == 0 ? 0 : errno;
    const int count = error == 0 ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (error == 0) return std::max(1, count);
    if (error != EINVAL) break;
  }
  return std::max(1, get_nprocs());
}

// The first line of a file; nullopt: it cannot be read, or there is none.
std::optional<std::string> FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

// mountinfo writes blanks and backslashes as \040 (proc(5)).
std::string Unescaped(absl::string_view text) {
  std::string plain;
  return absl::CUnescape(text, &plain) ? plain : std::string(text);
}

// A hierarchy of cgroups that is mounted somewhere.
struct Mount {
  bool v2 = false;
  std::vector<std::string> controllers;  // of version 1
  std::string root;                      // which cgroup is seen there
  std::string at;                        // without the prefix
};

// Of /proc/self/mountinfo: "36 35 98:0 /root /at options [tags] - type source super,options".
std::vector<Mount> CgroupMounts(const std::string& prefix) {
  std::vector<Mount> mounts;
  std::ifstream file(absl::StrCat(prefix, "/proc/self/mountinfo"));
  for (std::string line; std::getline(file, line);) {
    const std::pair<absl::string_view, absl::string_view> halves =
        absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    const std::vector<absl::string_view> left = absl::StrSplit(halves.first, ' ');
    const std::vector<absl::string_view> right = absl::StrSplit(halves.second, ' ');
    if (left.size() < 5 || right.size() < 3 || (right[0] != "cgroup" && right[0] != "cgroup2"))
      continue;
    Mount& mount = mounts.emplace_back();
    mount.v2 = right[0] == "cgroup2";
    mount.controllers = absl::StrSplit(right[2], ',');
    mount.root = Unescaped(left[3]);
    mount.at = Unescaped(left[4]);
  }
  return mounts;
}

// Calls `look` with the folder of our cgroup, and with each above it that can be seen, in the
// hierarchy of `controller`: version 1's if it has that controller, and version 2's.
void ForEachFolder(const std::string& prefix, absl::string_view controller,
                   absl::FunctionRef<void(bool v2, const std::string& folder)> look) {
  const std::vector<Mount> mounts = CgroupMounts(prefix);
  // "0::/a/b", "4:cpu,cpuacct:/a/b": cgroups(7).
  std::ifstream file(absl::StrCat(prefix, "/proc/self/cgroup"));
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const bool v2 = parts[0] == "0" && parts[1].empty();
    const std::vector<std::string> controllers = absl::StrSplit(parts[1], ',');
    const auto has = [&](const std::vector<std::string>& of) {
      return std::find(of.begin(), of.end(), controller) != of.end();
    };
    if (!v2 && !has(controllers)) continue;
    for (const Mount& mount : mounts) {
      if (mount.v2 != v2 || (!v2 && !has(mount.controllers))) continue;
      // A container may see its own cgroup as the topmost, whatever the path says, and one may have
      // been moved out of what it sees ("/../other"): then the mount point is all there is.
      absl::string_view below = parts[2];
      const absl::string_view root = mount.root == "/" ? absl::string_view() : mount.root;
      const bool inside = absl::ConsumePrefix(&below, root) && (below.empty() || below[0] == '/') &&
                          !absl::StrContains(absl::StrCat(below, "/"), "/../");
      std::vector<absl::string_view> steps;
      if (inside) steps = absl::StrSplit(below, '/', absl::SkipEmpty());
      while (true) {
        std::string folder = mount.at;
        if (!steps.empty()) absl::StrAppend(&folder, "/", absl::StrJoin(steps, "/"));
        look(v2, folder);
        if (steps.empty()) break;
        steps.pop_back();
      }
      break;
    }
  }
}

// How many cores a cgroup may use at once, on average; nullopt: as many as it likes.
std::optional<double> QuotaOf(const std::string& prefix, bool v2, const std::string& folder) {
  const std::string path = absl::StrCat(prefix, folder);
  std::string quota_text, period_text;
  if (v2) {
    // "max 100000", "150000 100000": microseconds.
    const std::vector<std::string> parts =
        absl::StrSplit(FirstLine(absl::StrCat(path, "/cpu.max")).value_or(""), ' ');
    quota_text = parts[0];
    period_text = parts.size() > 1 ? parts[1] : "100000";
  } else {
    quota_text = FirstLine(absl::StrCat(path, "/cpu.cfs_quota_us")).value_or("");
    period_text = FirstLine(absl::StrCat(path, "/cpu.cfs_period_us")).value_or("100000");
  }
  int64_t quota = 0, period = 0;
  if (!absl::SimpleAtoi(quota_text, &quota) || !absl::SimpleAtoi(period_text, &period))
    return std::nullopt;
  if (quota <= 0 || period <= 0) return std::nullopt;
  return static_cast<double>(quota) / static_cast<double>(period);
}

}  // namespace

Cores CoresAllowed(const std::string& prefix) {
  const int mask = CoresInMask();
  double quota = std::numeric_limits<double>::infinity();
  std::string where;
  ForEachFolder(prefix, "cpu", [&](bool v2, const std::string& folder) {
    const std::optional<double> allowed = QuotaOf(prefix, v2, folder);
    if (!allowed.has_value() || *allowed >= quota) return;
    quota = *allowed;
    where = absl::StrCat(v2 ? "cpu.max" : "cpu.cfs_quota_us", " of ", text::Printable(folder));
  });
  Cores cores;
  cores.count = mask;
  if (quota < mask) cores.count = std::max(1, static_cast<int>(std::ceil(quota - 1e-9)));
  const int machine = std::max(mask, get_nprocs());
  cores.why = machine == 1 ? "the machine's only one"
                           : absl::StrCat(cores.count, " of the machine's ", machine);
  if (mask < machine) absl::StrAppend(&cores.why, "; the affinity mask has ", mask);
  if (quota < mask) absl::StrAppend(&cores.why, "; ", where, " allows ", quota);
  return cores;
}

uint64_t MemoryAllowed(const std::string& prefix) {
  struct sysinfo info;
  uint64_t least = std::numeric_limits<uint64_t>::max();
  if (sysinfo(&info) == 0) least = uint64_t{info.totalram} * info.mem_unit;
  ForEachFolder(prefix, "memory", [&](bool v2, const std::string& folder) {
    const std::string name = v2 ? "memory.max" : "memory.limit_in_bytes";
    uint64_t limit = 0;
    // "max", or for version 1 a number beyond all memory, means none.
    if (!absl::SimpleAtoi(FirstLine(absl::StrCat(prefix, folder, "/", name)).value_or(""), &limit))
      return;
    least = std::min(least, limit);
  });
  return least;
}

}  // namespace objmapper::server
