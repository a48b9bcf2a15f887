// SO_PASSRIGHTS, probed once per process. $OBJMAPPER_WITHOUT_PASSRIGHTS=1 simulates a kernel that
// does not have it.
#include "net/pass_rights.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "absl/strings/string_view.h"
#include "net/unique_fd.h"

namespace objmapper::net {
namespace {

// Kernel headers before 6.16 do not name it. The architectures that number it differently are not
// ours (SPARC, PA-RISC).
#ifdef SO_PASSRIGHTS
constexpr int kPassRights = SO_PASSRIGHTS;
#else
constexpr int kPassRights = 83;
#endif

bool Set(int socket, int value) {
  return setsockopt(socket, SOL_SOCKET, kPassRights, &value, sizeof(value)) == 0;
}

int Get(int socket) {
  int value = -1;
  socklen_t size = sizeof(value);
  return getsockopt(socket, SOL_SOCKET, kPassRights, &value, &size) == 0 ? value : -1;
}

bool Probe() {
  const char* const without = getenv("OBJMAPPER_WITHOUT_PASSRIGHTS");
  if (without != nullptr && absl::string_view(without) == "1") return false;
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return probe.valid() && Get(probe.get()) == 1 && Set(probe.get(), 0) && Get(probe.get()) == 0;
}

}  // namespace

bool CanRefuseFds() {
  static const bool can = Probe();
  return can;
}

bool AllowFds(int socket, bool allowed) { return CanRefuseFds() && Set(socket, allowed ? 1 : 0); }

bool AllowsFds(int socket) { return !CanRefuseFds() || Get(socket) != 0; }

}  // namespace objmapper::net
