// Folders that the server makes on the way to an object, told from those that are somebody else's.
//
//   int error = MakeFolder(above, "runs");     // as mkdirat(2), and marked as ours
//   error = RemoveFolder(above, "runs");       // as rmdir(2), but EPERM for what is not ours
//
// What tells them is an extended attribute (user.objmapper.made). A folder appears under its name
// with the mark on it (it is made under a reserved name and renamed), so one that a killed put
// leaves is known too; one of the operator's is never taken for ours. Where the file system keeps
// no such attributes, this process remembers what it has made, as far as kRememberedMax reach, and
// a server that starts anew leaves those folders alone.
//
// `above`: a directory, borrowed; O_PATH will do. name: one component. Any thread; waits for the
// disk. Source: xattr(7), renameat2(2).
#pragma once

#include <cstddef>
#include <string>

namespace objmapper::storage {

inline constexpr size_t kRememberedMax = 65536;

// 0, or an errno: EEXIST: something has this name, whatever it is; ENOENT: `above` has been
// removed; others as mkdir(2).
int MakeFolder(int above, const std::string& name);

// Removes the folder if it is empty and ours. 0, or an errno: EPERM: it is not ours, or no folder;
// else as rmdir(2).
int RemoveFolder(int above, const std::string& name);

}  // namespace objmapper::storage
