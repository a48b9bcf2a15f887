// How many descriptors this process has open: equal before and after is the test for a leak.
#pragma once

#include <dirent.h>

#include <cstddef>

namespace objmapper::net {

// Entries in /proc/self/fd, without the one that the listing itself opens. Counts what every
// thread of the process has open, so call it while the others are quiet.
inline ptrdiff_t OpenFds() {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return -1;
  ptrdiff_t entries = 0;
  while (readdir(directory) != nullptr) ++entries;
  closedir(directory);
  return entries - 3;  // ".", ".." and the listing's own
}

}  // namespace objmapper::net
