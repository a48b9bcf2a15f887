// Detects case folding by the file system's type, by the directory's attribute, and by looking for
// another spelling of existing names.
#include "storage/tree/case_folding.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "net/unique_fd.h"
#include "storage/tree/directory_names.h"

namespace objmapper::storage {
namespace {

// Their magic numbers, of linux/magic.h and of the file systems' own headers.
constexpr unsigned long kFoldingSystems[] = {
    0x4d44,      // msdos, vfat
    0x2011bab0,  // exfat
    0x7366746e,  // ntfs3
    0x5346544e,  // ntfs
    0x517b,      // smb
    0xff534d42,  // cifs
    0xfe534d42,  // smb2
    0x4244,      // hfs
    0x482b,      // hfs+
    0xadff,      // affs
    0xf995e849,  // hpfs
    0x786f4256,  // vboxsf
};

// How many names are tried.
constexpr size_t kTriesMax = 64;

std::string OtherSpelling(const std::string& name) {
  std::string other = name;
  for (char& c : other)
    c = absl::ascii_islower(c) ? absl::ascii_toupper(c) : absl::ascii_tolower(c);
  return other;
}

// By its names: whether one is found by another spelling too, without being in the directory under
// that.
bool FindsOtherSpelling(int directory) {
  const absl::StatusOr<std::vector<DirectoryName>> names = NamesIn(directory);
  if (!names.ok()) return false;
  size_t tries = 0;
  for (const DirectoryName& name : *names) {
    const std::string other = OtherSpelling(name.name);
    if (other == name.name) continue;
    if (++tries > kTriesMax) return false;
    struct stat as_named, as_other;
    if (fstatat(directory, name.name.c_str(), &as_named, AT_SYMLINK_NOFOLLOW) != 0 ||
        fstatat(directory, other.c_str(), &as_other, AT_SYMLINK_NOFOLLOW) != 0 ||
        as_named.st_ino != as_other.st_ino || as_named.st_dev != as_other.st_dev) {
      continue;
    }
    // Two hard links may be spelled so.
    const bool both = std::any_of(names->begin(), names->end(),
                                  [&](const DirectoryName& n) { return n.name == other; });
    if (!both) return true;
  }
  return false;
}

}  // namespace

bool FoldsCaseByAttribute(int directory) {
  long flags[2] = {};  // long by its definition, int by what the kernel writes
  return ioctl(directory, FS_IOC_GETFLAGS, flags) == 0 &&
         (static_cast<int>(flags[0]) & FS_CASEFOLD_FL) != 0;
}

bool FoldsCase(int directory) {
  struct statfs system;
  if (fstatfs(directory, &system) == 0) {
    const auto magic = static_cast<unsigned long>(system.f_type) & 0xffffffffUL;
    if (std::find(std::begin(kFoldingSystems), std::end(kFoldingSystems), magic) !=
        std::end(kFoldingSystems))
      return true;
  }
  const net::UniqueFd own(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return own.valid() && (FoldsCaseByAttribute(own.get()) || FindsOtherSpelling(own.get()));
}

}  // namespace objmapper::storage
