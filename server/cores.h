// How many cores this process may use, which is not how many the machine has: an affinity mask
// (taskset, a cpuset, systemd's CPUAffinity=) and a cgroup's quota (docker run --cpus, systemd's
// CPUQuota=, a Kubernetes limit) leave it fewer. One thread more than that has nothing to run on,
// and uses up the quota of the others.
#pragma once

#include <cstdint>
#include <string>

namespace objmapper::server {

struct Cores {
  int count = 1;    // 1 or more
  std::string why;  // a phrase for the log: "2 of the machine's 8: cpu.max of
                    // /sys/fs/cgroup/a.slice allows 1.5"
};

// The cores in the affinity mask, or as many as the tightest quota on the way from our cgroup up to
// the topmost that can be seen allows, rounded up. Version 2 (cpu.max), version 1
// (cpu.cfs_quota_us) and both beside each other; in a container what the container sees. Where
// /proc or the cgroups' mount is not there, the mask alone.
//
// prefix: before /proc/self/cgroup, /proc/self/mountinfo and the mount points that those name;
// tests have a folder there.
//
// Source: sched_getaffinity(2), cgroups(7); cgroup-v2.rst and sched-bwc.rst in the kernel's
// documentation.
Cores CoresAllowed(const std::string& prefix = "");

// The machine's memory in bytes, or what memory.max (version 2) and memory.limit_in_bytes (version
// 1) leave this process of it, the smallest on the way up. The same files are read.
uint64_t MemoryAllowed(const std::string& prefix = "");

}  // namespace objmapper::server
