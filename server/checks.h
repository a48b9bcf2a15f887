// What has to hold before the server serves: `server --check` asks for all of it, a start for what
// it does not find out by itself.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/flags/config.h"
#include "storage/tree/tree.h"

namespace objmapper::server {

// ---- All of it (check.cc) ----

// Whether a server with this configuration, which makes sense, would start here: its system calls,
// its root, its rules, the folders of its sockets, and whom it is to become. Opens no socket, and
// touches nothing that a running server has: what cannot be known without (a port that is taken, a
// socket that somebody listens on) is not looked at. Becomes config.become, if anybody.
//
// Errors: it would not; the message is for the operator. What would be no reason not to start is
// logged as a warning.
absl::Status CheckStart(const Config& config);

// `error` with the flag that it is about, "--take_over", before its message.
absl::Status OfFlag(absl::string_view flag, const absl::Status& error);

// ---- System calls (needed_calls.cc) ----

// The system calls that the server cannot do without, tried before it starts. A seccomp filter
// refuses calls that the kernel has: systemd's, by SystemCallFilter= and by settings that do not
// look like it (with RestrictSUIDSGID=yes, openat2(2) is ENOSYS, since its mode lies behind a
// pointer that a filter cannot follow), a container's profile. The server would end much later,
// with an error about a file or a socket.
//
// OK, or UNIMPLEMENTED: the kernel or a filter refuses a call that a server with this configuration
// needs. The message names each of them, what it is refused with, what it is for, and what the
// likely cause is.
//
// The calls are made with arguments that the kernel refuses, so that nothing happens, in a child
// process, since a filter may end who makes one. Before there are threads.
absl::Status TryNeededCalls(const Config& config);

// ---- The root (root_check.cc) ----

// Whether the rules, if there are any, mean what they say there. FAILED_PRECONDITION: names in the
// root do not tell upper from lower case, and rules go by how a name is spelled.
absl::Status CheckSpelling(const Config& config, const storage::Tree& tree);
// The same of a directory that is to be the root. root: borrowed.
absl::Status CheckSpelling(const Config& config, int root);

// Whether the root can keep what is fetched from origins, if there are any. UNIMPLEMENTED: its file
// system has no extended attributes, in which it is noted where an object comes from.
absl::Status CheckKeeping(const Config& config, const storage::Tree& tree);

// With --writable or origins: why nothing can be stored in the root by this process as it is now;
// empty when it can. A sentence, for the log: a file system may be writable again later, and until
// then its objects are served.
std::string DoubtAboutWriting(const Config& config);

}  // namespace objmapper::server
