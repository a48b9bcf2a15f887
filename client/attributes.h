// What a file that takes another's place has of it.
#pragma once

#include <sys/stat.h>

#include <string>

namespace objmapper::client {

// Gives the new file `fd` (borrowed) what the regular file `old_path` has, whose attributes are
// `old`: owner and group, permissions without set-user-ID and set-group-ID (which go when a file is
// written to, too), the access list (acl(5)), and extended attributes in "user." (xattr(7)). Not
// its times, nor what the system sets ("security.", "trusted."), nor what a server of ours says of
// the old content: its etag and its end ("user.objmapper.", and the sticky bit;
// storage/tree/attributes.h).
//
// False when something of that cannot be kept, such as the owner without privilege: the new file is
// not like the old one then. An old file that has gone meanwhile is no error. Any thread.
bool KeepAttributes(const std::string& old_path, const struct stat& old, int fd);

}  // namespace objmapper::client
