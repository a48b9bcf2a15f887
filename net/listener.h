// Listening sockets.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "net/address.h"
#include "net/unique_fd.h"

namespace objmapper::net {

// Who may connect to a Unix socket's path: who may write to its file (unix(7)). What is not set
// stays as bind(2) makes it.
struct SocketFile {
  std::optional<mode_t> mode;  // 0 to 0777
  std::optional<uid_t> owner;
  std::optional<gid_t> group;
};

// A bound, listening, non-blocking stream socket; removes the socket file that it made when it
// dies. Movable.
class Listener {
 public:
  // Binds and listens on `address`.
  //
  // kUnix: a socket file nobody listens on is replaced; one that somebody listens on is not:
  // ALREADY_EXISTS, and the message says that a server is running there. A path that exists and is
  // no socket is refused too (ALREADY_EXISTS). Two servers that start at once are serialized by a
  // lock file beside the socket (net/listen_lock.h, with its errors).
  // kTcp: SO_REUSEADDR; IPv6 sockets are IPV6_V6ONLY, so that "[::]:p" and "0.0.0.0:p" can be
  // listened on together. An empty host is 0.0.0.0.
  // Other errors: as ErrnoToStatus; the message names the address.
  // file: what is asked of a Unix socket's file. It is so before the first connect(2) can succeed.
  static absl::StatusOr<Listener> Open(const Address& address, const SocketFile& file = {});

  // A socket that somebody else has bound and listens on, such as systemd (sd_listen_fds(3)).
  // Whether its file, if it has one, is ours to remove, `file` says. FAILED_PRECONDITION: it is no
  // stream socket of these families that listens; the message says what it is. kPredecessors: it
  // becomes ours by TakeOverFile().
  enum class File : uint8_t { kOurs, kTheirs, kPredecessors };
  static absl::StatusOr<Listener> Adopt(UniqueFd fd, File file = File::kTheirs);

  File file() const { return file_; }
  void LeaveFile() { file_ = File::kTheirs; }
  void TakeOverFile() {
    if (file_ == File::kPredecessors) file_ = File::kOurs;
  }

  Listener(Listener&&) = default;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  // What a Unix socket's path leads to, to whoever connects: this socket, nothing (its file has
  // been removed or renamed), or something else. kHere for what has no file. A look at the file
  // system, which may wait for a disk; touches nothing of the listener.
  enum class PathLeads : uint8_t { kHere, kNowhere, kElsewhere };
  struct FileIdentity {
    std::string path;  // empty: it has no file
    dev_t device = 0;
    ino_t inode = 0;
    PathLeads Look() const;
  };
  FileIdentity file_identity() const;

  int fd() const { return fd_.get(); }
  // As bound: a TCP host is numeric, and port 0 has become the port the kernel chose.
  const Address& address() const { return address_; }

 private:
  static absl::StatusOr<Listener> OpenUnix(const Address& address, const SocketFile& file);
  static absl::StatusOr<Listener> OpenTcp(const Address& address);

  Listener(UniqueFd fd, Address address, dev_t device, ino_t inode)
      : fd_(std::move(fd)), address_(std::move(address)), device_(device), inode_(inode) {}

  void RemoveFile();

  UniqueFd fd_;
  Address address_;
  // The socket file's identity: only our own file is removed, not a successor's.
  dev_t device_ = 0;
  ino_t inode_ = 0;
  File file_ = File::kOurs;
};

}  // namespace objmapper::net
