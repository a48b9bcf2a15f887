// Errors of making a ring, with their probable cause (sysctl, seccomp, memory limits), and the
// probe for the operations that a ring needs.
#include "net/ring_setup.h"

#include <errno.h>
#include <liburing.h>
#include <string.h>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"

namespace objmapper::net {

absl::Status RingSetupError(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
      return absl::PermissionDeniedError(absl::StrCat(
          "io_uring_setup is forbidden (", strerrorname_np(error),
          "): the sysctl kernel.io_uring_disabled, or a seccomp filter such as a container's"));
    case ENOSYS:
    case EOPNOTSUPP:
      return absl::UnimplementedError(absl::StrCat(
          "there is no io_uring (", strerrorname_np(error),
          "): the kernel is built without it, or a seccomp filter or sandbox hides it"));
    case ENOMEM:
      return absl::ResourceExhaustedError(
          "no memory for a ring (ENOMEM): RLIMIT_MEMLOCK or the memory cgroup is too small");
    default:
      return ErrnoToStatus(error, "io_uring_setup");
  }
}

absl::Status CheckOperations(io_uring* ring, absl::Span<const int> operations) {
  io_uring_probe* probe = io_uring_get_probe_ring(ring);
  if (probe == nullptr) return absl::UnimplementedError("io_uring cannot be probed");
  absl::Status lacking;
  for (int operation : operations) {
    if (!io_uring_opcode_supported(probe, operation)) {
      lacking = absl::UnimplementedError(
          absl::StrCat("this kernel's io_uring lacks operation ", operation));
    }
  }
  io_uring_free_probe(probe);
  return lacking;
}

}  // namespace objmapper::net
