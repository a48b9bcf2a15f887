// A file system of its own for a test: a few megabytes of memory, mounted on a folder.
#pragma once

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace objmapper::storage {

// Only the machine's own root may; others' tests are skipped: if (!disk.mounted()) GTEST_SKIP() <<
// disk.why_not().
class SmallDisk {
 public:
  // size: as mount(8) has it: "16m". folder: there, and empty.
  SmallDisk(const std::string& folder, const std::string& size) : folder_(folder) {
    mounted_ = mount("objmapper-test", folder.c_str(), "tmpfs", MS_NOSUID | MS_NODEV,
                     ("size=" + size).c_str()) == 0;
    if (!mounted_) why_not_ = std::string("no file system can be mounted: ") + strerror(errno);
  }
  // What is still open in it keeps it in memory, not in the folder.
  ~SmallDisk() {
    if (mounted_) {
      EXPECT_EQ(umount2(folder_.c_str(), MNT_DETACH), 0);
    }
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  const std::string& why_not() const { return why_not_; }

 private:
  const std::string folder_;
  bool mounted_ = false;
  std::string why_not_;
};

}  // namespace objmapper::storage
