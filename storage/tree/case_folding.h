// Whether names that differ in case alone are one file: then a rule about "/private" says nothing
// of "/Private", which is the same.
//
// Source: ioctl_iflags(2), FS_CASEFOLD_FL (ext4, f2fs, tmpfs: chattr +F, which empty directories
// may be given, and which those that are made in them inherit); statfs(2) for file systems that
// always do (vfat, exfat, ntfs, SMB, HFS+).
#pragma once

namespace objmapper::storage {

// Of a directory, open for reading (borrowed). One system call. For one whose file system is known
// to tell them apart but where it is asked not to.
bool FoldsCaseByAttribute(int directory);

// Of a directory (borrowed; O_PATH will do), by all that can be known: its attribute, its file
// system, and whether a name in it can be found by another spelling. False: as far as can be seen
// it does not.
bool FoldsCase(int directory);

}  // namespace objmapper::storage
