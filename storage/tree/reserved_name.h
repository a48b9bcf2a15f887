// Names that the server keeps for itself: ".objmapper-...". They are never served, listed or stored
// under.
//
// An object that replaces another has such a name, in the directory where it belongs, for the
// moment between being complete and taking the other's place; and a folder while it is made. After
// a crash in that moment the name is left behind.
//
// One of them stays: the folder in the root where what comes from origins is kept until it is an
// object, or where it can have no other name (origin/cache/place.h).
#pragma once

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace objmapper::storage {

inline constexpr absl::string_view kReservedPrefix = ".objmapper-";
inline constexpr absl::string_view kOriginFolder = ".objmapper-origin";

// name: one component of a path.
inline bool IsReservedName(absl::string_view name) {
  return absl::StartsWith(name, kReservedPrefix);
}

// Whether one of a URI's components is reserved.
bool HasReservedName(absl::string_view uri);

// A name that no other object of this machine's servers has or has had, as far as anybody could
// tell.
std::string NewReservedName();

// Who has made a file under a reserved name holds this lock on it until the name is gone. False:
// errno says why.
bool LockReserved(int fd);

// Removes `name`, which is reserved, from `directory`, unless a process that lives is at work with
// it (LockReserved()). True: it has been removed. Source: flock(2): the kernel releases a lock with
// the last descriptor of a process that is killed.
bool RemoveIfAbandoned(int directory, const std::string& name);

}  // namespace objmapper::storage
