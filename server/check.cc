// Runs the checks of a start without its effects: no socket is opened, and no file is made.
#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <linux/io_uring.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "net/ring.h"
#include "net/unique_fd.h"
#include "server/checks.h"
#include "server/handover/handover.h"
#include "server/line_log.h"
#include "server/privileges.h"
#include "text/printable.h"

namespace objmapper::server {
namespace {

// Whether a socket file can be made at `path`, or is there.
absl::Status CheckSocketPath(const char* flag, const std::string& path) {
  if (path.empty() || path[0] == '@') return absl::OkStatus();
  const std::string what = absl::StrCat(flag, ": ", text::Printable(path));
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  struct stat status;
  if (stat(folder.c_str(), &status) != 0)
    return net::ErrnoToStatus(errno, absl::StrCat(what, ": the directory ", folder));
  if (!S_ISDIR(status.st_mode))
    return absl::FailedPreconditionError(absl::StrCat(what, ": ", folder, " is not a directory"));
  if (faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0 &&
      (errno == EACCES || errno == EROFS)) {
    return net::ErrnoToStatus(
        errno, absl::StrCat(what, ": uid ", geteuid(), " may not create files in ", folder));
  }
  if (lstat(path.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode)) {
    return absl::AlreadyExistsError(absl::StrCat(
        what, ": the file exists and is not a socket; it belongs to uid ", status.st_uid));
  }
  return absl::OkStatus();
}

// Where a flag insists on rings: whether there are any. With "auto" there is always epoll.
absl::Status CheckRings(const Config& config) {
  const bool lanes =
      !config.model.has_value() && (config.loop.engine == loop::EngineKind::kUring ||
                                    config.fdpass_engine == loop::EngineKind::kUring);
  if (!lanes && config.model != models::Model::kUring) return absl::OkStatus();
  io_uring_params params{};
  const net::UniqueFd ring(static_cast<int>(syscall(SYS_io_uring_setup, 8, &params)));
  if (ring.valid()) return absl::OkStatus();
  return OfFlag(config.model.has_value()                         ? "--concurrency_model=uring"
                : config.loop.engine == loop::EngineKind::kUring ? "--io_engine=uring"
                                                                 : "--fdpass_engine=uring",
                net::RingSetupError(errno));
}

}  // namespace

absl::Status OfFlag(absl::string_view flag, const absl::Status& error) {
  return absl::Status(error.code(), absl::StrCat(flag, ": ", error.message()));
}

absl::Status CheckStart(const Config& config) {
  if (absl::Status calls = TryNeededCalls(config); !calls.ok()) return calls;
  const absl::StatusOr<storage::Tree> tree = storage::Tree::Open(config.root);
  if (!tree.ok()) return tree.status();
  if (absl::Status spelling = CheckSpelling(config, *tree); !spelling.ok()) return spelling;
  if (absl::Status kept = CheckKeeping(config, *tree); !kept.ok()) return kept;
  if (absl::Status rings = CheckRings(config); !rings.ok()) return rings;
  for (const net::Address& address : config.listen) {
    if (address.kind != net::Address::Kind::kUnix) continue;
    if (absl::Status path = CheckSocketPath("--listen_unix", address.path); !path.ok()) return path;
  }
  if (config.admin_listen.has_value() && config.admin_listen->kind == net::Address::Kind::kUnix) {
    if (absl::Status path = CheckSocketPath("--admin_listen", config.admin_listen->path);
        !path.ok())
      return path;
  }
  if (!config.http_access_log.empty()) {
    if (absl::Status can = LineLog::CheckPath(config.http_access_log); !can.ok())
      return OfFlag(absl::StrCat("--http_access_log=", config.http_access_log), can);
  }
  if (!config.take_over.empty()) {
    handover::Trust trust;
    if (config.become.has_value()) trust.become = config.become->uid;
    if (absl::Status folder = trust.CheckFolderOf(config.take_over); !folder.ok())
      return OfFlag(absl::StrCat("--take_over=", config.take_over), folder);
    if (absl::Status path = CheckSocketPath("--take_over", config.take_over); !path.ok())
      return path;
  }
  if (config.become.has_value()) {
    if (absl::Status became = BecomeForGood(*config.become); !became.ok()) return became;
  }
  if (const std::string doubt = DoubtAboutWriting(config); !doubt.empty()) LOG(WARNING) << doubt;
  return absl::OkStatus();
}

}  // namespace objmapper::server
