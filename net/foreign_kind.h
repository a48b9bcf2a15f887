// What a descriptor of a peer's is, and whether it may come into the server's process: a regular
// file, open for reading, on a file system of this machine's own. There close(2) of one that is not
// the last waits for nobody.
#pragma once

#include <sys/types.h>

namespace objmapper::net {

// 0: it may come. Else why not, for WhyUnfit(). May wait for ever: in a process that may hang
// (net/expendable.h).
//
// Which file systems are local is a list: what it does not hold may be in user space (FUSE), or on
// another machine. An overlay is local when all its layers are, which its mount tells; one that is
// not to be seen from here, as that of another container, is not.
int JudgeForeignFd(int fd);

// The same by its flags (fcntl(2), F_GETFL) and its mode (fstat(2)) alone: 0 is a regular file,
// open for reading, wherever it is. Asks nobody.
int KindOfFd(int flags, mode_t mode);

// A static sentence; for ReceivedElsewhere::kNoVerdict too.
const char* WhyUnfit(int verdict);

}  // namespace objmapper::net
