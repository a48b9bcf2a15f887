// Which lane a mode belongs to.
#include "session/lane.h"

namespace objmapper::session {

std::optional<LaneKind> LaneOf(protocol::Mode mode, Transport transport, bool writable) {
  switch (mode) {
    case protocol::Mode::kFdPass:
      if (transport == Transport::kUnix) return LaneKind::kFdPass;
      return std::nullopt;
    case protocol::Mode::kCopy:
    case protocol::Mode::kSplice:
    case protocol::Mode::kList:
      return LaneKind::kCopyPath;
    case protocol::Mode::kPutFd:
      if (transport != Transport::kUnix) return std::nullopt;
      [[fallthrough]];
    case protocol::Mode::kPut:
    case protocol::Mode::kDelete:
      if (writable) return LaneKind::kCopyPath;
      return std::nullopt;
    case protocol::Mode::kStat:
      break;
  }
  return std::nullopt;
}

}  // namespace objmapper::session
