// Takes a file's pages out of the page cache, to see what is done about a cold one.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "net/unique_fd.h"

namespace objmapper::copypath {

// False: this file system keeps its pages, as one in memory does.
inline bool Evict(const std::string& path) {
  const net::UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(file.valid());
  struct stat status {};
  EXPECT_EQ(fstat(file.get(), &status), 0);
  const auto size = static_cast<size_t>(status.st_size);
  void* map = mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  EXPECT_NE(map, MAP_FAILED);
  std::vector<unsigned char> pages((size + 4095) / 4096);
  bool gone = false;
  // A page that somebody has in hand at this moment stays: it goes the next time.
  for (int attempt = 0; attempt < 10 && !gone; ++attempt) {
    EXPECT_EQ(fsync(file.get()), 0);  // so does a dirty one
    EXPECT_EQ(posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
    // mincore(2) rather than a read, which would have the kernel read ahead even with RWF_NOWAIT.
    EXPECT_EQ(mincore(map, size, pages.data()), 0);
    gone = std::none_of(pages.begin(), pages.end(), [](unsigned char page) { return page & 1; });
  }
  munmap(map, size);
  return gone;
}

}  // namespace objmapper::copypath
