// Cores are counted from made-up /proc and /sys trees.
#include "server/cores.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include "absl/strings/match.h"
#include "tests/client/temporary_folder.h"

namespace objmapper::server {
namespace {

// A machine's /proc and /sys in a folder. The affinity mask is the test's own, so quotas are shares
// of less than a core where they are to be the ones that count.
class CoresTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = folder_.Path(path);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void MountV2(const std::string& at = "/sys/fs/cgroup", const std::string& root = "/") {
    mounts_ += "30 24 0:26 " + root + " " + at + " rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
    Write("proc/self/mountinfo", mounts_);
  }
  void MountV1(const std::string& controllers, const std::string& at,
               const std::string& root = "/") {
    mounts_ +=
        "31 24 0:27 " + root + " " + at + " rw shared:9 - cgroup cgroup rw," + controllers + "\n";
    Write("proc/self/mountinfo", mounts_);
  }
  void Cgroup(const std::string& text) { Write("proc/self/cgroup", text); }
  Cores Read() const { return CoresAllowed(folder_.path()); }
  uint64_t Memory() const { return MemoryAllowed(folder_.path()); }

  static int Mask() {
    cpu_set_t set;
    EXPECT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
    return CPU_COUNT(&set);
  }

 private:
  const client::TemporaryFolder folder_;
  std::string mounts_ = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n";
};

// Without /proc, without cgroups, and without a quota it is the mask.
TEST_F(CoresTest, WithoutQuota) {
  EXPECT_EQ(Read().count, Mask());
  EXPECT_EQ(Memory(), MemoryAllowed("/nowhere"));
  MountV2();
  Cgroup("0::/user.slice/a.scope\n");
  EXPECT_EQ(Read().count, Mask());
  Write("sys/fs/cgroup/user.slice/a.scope/cpu.max", "max 100000\n");
  EXPECT_EQ(Read().count, Mask());
  EXPECT_FALSE(absl::StrContains(Read().why, "cpu.max"));
  for (const char* nonsense : {"", "max", "-1 100000\n", "0 100000\n", "100000 0\n", "many\n",
                               "99999999999999999999 100000\n"}) {
    Write("sys/fs/cgroup/user.slice/a.scope/cpu.max", nonsense);
    EXPECT_EQ(Read().count, Mask()) << nonsense;
  }
}

// A share of a core is one worker.
TEST_F(CoresTest, QuotasAreRoundedUp) {
  MountV2();
  Cgroup("0::/a\n");
  for (const char* share : {"1000 100000\n", "50000 100000\n", "99999 100000\n", "100000 100000\n",
                            "20000 50000\n", "100000"}) {
    Write("sys/fs/cgroup/a/cpu.max", share);
    EXPECT_EQ(Read().count, 1) << share;
  }
  Write("sys/fs/cgroup/a/cpu.max", "100001 100000\n");
  EXPECT_EQ(Read().count, std::min(2, Mask()));
  Write("sys/fs/cgroup/a/cpu.max", "6400000 100000\n");
  EXPECT_EQ(Read().count, std::min(64, Mask()));
}

// The tightest on the way up, wherever it is; the log says where.
TEST_F(CoresTest, TheTightestOnTheWayUp) {
  MountV2();
  Cgroup("0::/a.slice/b.slice/c.service\n");
  Write("sys/fs/cgroup/a.slice/b.slice/c.service/cpu.max", "800000 100000\n");
  Write("sys/fs/cgroup/a.slice/b.slice/cpu.max", "70000 100000\n");
  Write("sys/fs/cgroup/a.slice/cpu.max", "90000 100000\n");
  EXPECT_EQ(Read().count, 1);
  EXPECT_TRUE(absl::StrContains(Read().why, "cpu.max of /sys/fs/cgroup/a.slice/b.slice allows 0.7"))
      << Read().why;
  Write("sys/fs/cgroup/a.slice/cpu.max", "60000 100000\n");
  EXPECT_TRUE(absl::StrContains(Read().why, "cpu.max of /sys/fs/cgroup/a.slice allows 0.6"))
      << Read().why;
}

// A container with a namespace of cgroups sees its own as the topmost.
TEST_F(CoresTest, ContainerWithNamespace) {
  MountV2();
  Cgroup("0::/\n");
  Write("sys/fs/cgroup/cpu.max", "50000 100000\n");
  EXPECT_EQ(Read().count, 1);
}

// One without has the path on the host, and its own cgroup mounted.
TEST_F(CoresTest, ContainerWithoutNamespace) {
  MountV1("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/docker/0123");
  Cgroup("5:cpu,cpuacct:/docker/0123\n");
  Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n");
  Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Read().count, 1);
  EXPECT_TRUE(
      absl::StrContains(Read().why, "cpu.cfs_quota_us of /sys/fs/cgroup/cpu,cpuacct allows 0.5"))
      << Read().why;
  // Below what is mounted.
  Cgroup("5:cpu,cpuacct:/docker/0123/worker\n");
  Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  Write("sys/fs/cgroup/cpu,cpuacct/worker/cpu.cfs_quota_us", "30000\n");
  Write("sys/fs/cgroup/cpu,cpuacct/worker/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Read().count, 1);
  // A name that only begins alike, and a place outside of what is seen: the mount point is all
  // there is.
  Cgroup("5:cpu,cpuacct:/docker/01234\n");
  EXPECT_EQ(Read().count, Mask());
  Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n");
  EXPECT_EQ(Read().count, 1);
  Cgroup("5:cpu,cpuacct:/../../elsewhere\n");
  EXPECT_EQ(Read().count, 1);
}

// Both versions beside each other: the quota is where the controller is.
TEST_F(CoresTest, Hybrid) {
  MountV1("cpu", "/sys/fs/cgroup/cpu");
  MountV1("memory", "/sys/fs/cgroup/memory");
  MountV1("name=systemd", "/sys/fs/cgroup/systemd");
  MountV2("/sys/fs/cgroup/unified");
  Cgroup("4:memory:/m\n3:cpu:/x\n1:name=systemd:/s\n0::/u\n");
  EXPECT_EQ(Read().count, Mask());
  Write("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "10000\n");
  Write("sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Read().count, 1);
  Write("sys/fs/cgroup/memory/m/memory.limit_in_bytes", "9223372036854771712\n");
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "67108864\n");
  EXPECT_EQ(Memory(), 64u << 20);
}

// Names with blanks are escaped in one of the two files.
TEST_F(CoresTest, OddNames) {
  MountV2("/sys/fs/c\\040g");
  Cgroup("0::/a b:c\n");
  Write("sys/fs/c g/a b:c/cpu.max", "10000 100000\n");
  Write("sys/fs/c g/a b:c/memory.max", "1048576\n");
  EXPECT_EQ(Read().count, 1);
  EXPECT_EQ(Memory(), 1u << 20);
  Write("sys/fs/c g/a b:c/memory.max", "max\n");
  EXPECT_EQ(Memory(), MemoryAllowed("/nowhere"));
}

// The mask, as taskset(1) sets it.
TEST_F(CoresTest, Mask) {
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(Read().count, 1);
  EXPECT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

}  // namespace
}  // namespace objmapper::server
