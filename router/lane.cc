#include "router/lane.h"

namespace objmapper::router {

std::optional<LaneKind> LaneOf(protocol::Mode mode, Transport transport) {
  switch (mode) {
    case protocol::Mode::kFdPass:
      if (transport == Transport::kUnix) return LaneKind::kFdPass;
      return std::nullopt;
    case protocol::Mode::kCopy:
    case protocol::Mode::kSplice:
      return LaneKind::kCopyPath;
    default:
      return std::nullopt;
  }
}

}  // namespace objmapper::router
