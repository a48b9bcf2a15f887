// Which lane a mode belongs to.
#include "session/lane.h"

namespace objmapper::session {

std::optional<LaneKind> LaneOf(protocol::Mode mode, Transport transport, bool writable) {
  using protocol::Mode;
  const bool needs_unix = mode == Mode::kFdPass || mode == Mode::kPutFd;
  const bool writes = mode == Mode::kPut || mode == Mode::kPutFd || mode == Mode::kDelete;
  const bool refused = (needs_unix && transport != Transport::kUnix) || (writes && !writable);
  if (refused || mode == Mode::kStat) return std::nullopt;
  return mode == Mode::kFdPass ? LaneKind::kFdPass : LaneKind::kCopyPath;
}

}  // namespace objmapper::session
