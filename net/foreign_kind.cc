// Judges a client's descriptor by fstat(2), fcntl(2) and statfs(2), in a process that may hang. A
// file system that is not in the list of local ones is refused.
#include "net/foreign_kind.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace objmapper::net {
namespace {

enum Verdict : int {
  kFit,
  kDirectory,
  kPipe,
  kSocket,
  kDevice,
  kLink,
  kNoFile,
  kPath,
  kWriteOnly,
  kNotLocal,
  kUnreadable,
};

constexpr long kOverlay = 0x794c7630;

// linux/magic.h; those of ZFS and bcachefs are their own.
constexpr long kLocal[] = {
    0x01021994,  // tmpfs, memfds
    0x858458f6,  // ramfs
    0x958458f6,  // hugetlbfs
    0xef53,      // ext2, ext3, ext4
    0x58465342,  // XFS
    0x9123683e,  // btrfs
    0xf2f52010,  // f2fs
    0x2fc12fc1,  // ZFS
    0xca451a4e,  // bcachefs
    0x73717368,  // squashfs
    0xe0f5e1e2,  // erofs
};

bool IsLocal(long type) {
  return std::find(std::begin(kLocal), std::end(kLocal), type) != std::end(kLocal);
}

bool IsLocalPath(const std::string& path) {
  struct statfs system;
  return statfs(path.c_str(), &system) == 0 && IsLocal(static_cast<long>(system.f_type));
}

// The layers of the overlay with this mount id, as its mount options name them; empty: it is not to
// be seen, or they cannot be told.
std::vector<std::string> LayersOf(absl::string_view mount_id) {
  std::ifstream mounts("/proc/self/mountinfo");
  std::string line;
  while (std::getline(mounts, line)) {
    // 36 35 98:0 /root /where options - type source superoptions (proc(5)); the kernel escapes
    // spaces.
    if (!absl::StartsWith(line, absl::StrCat(mount_id, " "))) continue;
    const size_t dash = line.find(" - overlay ");
    if (dash == line.npos) return {};
    std::vector<std::string> layers;
    const std::string options = line.substr(line.rfind(' ') + 1);
    for (absl::string_view option : absl::StrSplit(options, ',')) {
      // "lowerdir+" and "datadir+" are one each, "lowerdir" is several; an escaped name is not
      // resolved.
      if (absl::ConsumePrefix(&option, "lowerdir=") || absl::ConsumePrefix(&option, "lowerdir+=") ||
          absl::ConsumePrefix(&option, "datadir+=")) {
        for (absl::string_view layer : absl::StrSplit(option, ':', absl::SkipEmpty()))
          layers.emplace_back(layer);
      } else if (absl::ConsumePrefix(&option, "upperdir=")) {
        layers.emplace_back(option);
      }
    }
    return layers;
  }
  return {};
}

bool IsLocalOverlay(int fd) {
  std::ifstream info(absl::StrCat("/proc/self/fdinfo/", fd));
  std::string line;
  while (std::getline(info, line)) {
    absl::string_view rest = line;
    if (!absl::ConsumePrefix(&rest, "mnt_id:")) continue;
    const std::vector<std::string> layers = LayersOf(absl::StripAsciiWhitespace(rest));
    for (const std::string& layer : layers) {
      // A relative name means a folder that is not known here.
      if (layer.empty() || layer[0] != '/' || !IsLocalPath(layer)) return false;
    }
    return !layers.empty();
  }
  return false;
}

}  // namespace

int KindOfFd(int flags, mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      break;
    case S_IFDIR:
      return kDirectory;
    case S_IFIFO:
      return kPipe;
    case S_IFSOCK:
      return kSocket;
    case S_IFCHR:
    case S_IFBLK:
      return kDevice;
    case S_IFLNK:
      return kLink;
    default:
      return kNoFile;
  }
  if ((flags & O_PATH) != 0) return kPath;
  return (flags & O_ACCMODE) == O_WRONLY ? kWriteOnly : kFit;
}

int JudgeForeignFd(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return kUnreadable;
  // Of a memfd or a file of tmpfs it tells seals, and to all others it says EINVAL, without asking
  // their file systems.
  const bool in_memory = fcntl(fd, F_GET_SEALS) >= 0;
  struct stat status;
  if (fstat(fd, &status) != 0) return kUnreadable;
  if (const int kind = KindOfFd(flags, status.st_mode); kind != kFit) return kind;
  if (in_memory) return kFit;
  struct statfs system;
  if (fstatfs(fd, &system) != 0) return kUnreadable;
  const long type = static_cast<long>(system.f_type);
  return IsLocal(type) || (type == kOverlay && IsLocalOverlay(fd)) ? kFit : kNotLocal;
}

const char* WhyUnfit(int verdict) {
  constexpr struct {
    Verdict verdict;
    const char* why;
  } kReasons[] = {
      {kDirectory, "the descriptor is a directory; it must be a regular file, open for reading"},
      {kPipe, "the descriptor is a pipe; it must be a regular file, open for reading"},
      {kSocket, "the descriptor is a socket; it must be a regular file, open for reading"},
      {kDevice, "the descriptor is a device; it must be a regular file, open for reading"},
      {kLink, "the descriptor is a symbolic link; it must be a regular file, open for reading"},
      {kNoFile,
       "the descriptor is not a file (an epoll set, an eventfd, a timer or the like); it must be a "
       "regular file, open for reading"},
      {kPath,
       "the descriptor is only a location in the file system (O_PATH); it must be a regular file, "
       "open for reading"},
      {kWriteOnly,
       "the descriptor is open only for writing; it must be a regular file, open for reading"},
      {kNotLocal,
       "the descriptor's file is not on a file system that the server knows to be local (it may be "
       "in user space, FUSE, or on another machine), and could make it wait: send its bytes with "
       "OP_PUT"},
      {kUnreadable, "the descriptor's file cannot be examined"},
  };
  for (const auto& reason : kReasons) {
    if (reason.verdict == verdict) return reason.why;
  }
  return "the descriptor's file, or its file system, did not answer in time: send its bytes with "
         "OP_PUT";
}

}  // namespace objmapper::net
