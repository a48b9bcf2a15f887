// SO_PASSRIGHTS, probed once per process. $OBJMAPPER_WITHOUT_PASSRIGHTS=1 simulates a kernel that
// does not have it.
#include "net/pass_rights.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "absl/strings/string_view.h"
#include "net/socket_option.h"
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

bool Probe() {
  const char* const without = getenv("OBJMAPPER_WITHOUT_PASSRIGHTS");
  if (without != nullptr && absl::string_view(without) == "1") return false;
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return probe.valid() && GetOption(probe.get(), SOL_SOCKET, kPassRights) == 1 &&
         SetOption(probe.get(), SOL_SOCKET, kPassRights, 0) &&
         GetOption(probe.get(), SOL_SOCKET, kPassRights) == 0;
}

}  // namespace

bool CanRefuseFds() {
  static const bool can = Probe();
  return can;
}

bool AllowFds(int socket, bool allowed) {
  return CanRefuseFds() && SetOption(socket, SOL_SOCKET, kPassRights, allowed ? 1 : 0);
}

bool AllowsFds(int socket) {
  return !CanRefuseFds() || GetOption(socket, SOL_SOCKET, kPassRights) != 0;
}

}  // namespace objmapper::net
