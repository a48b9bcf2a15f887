// The mode bytes and their names, in one table.
#include "protocol/mode.h"

namespace objmapper::protocol {

bool IsMode(uint8_t byte) {
  switch (static_cast<Mode>(byte)) {
    case Mode::kFdPass:
    case Mode::kCopy:
    case Mode::kSplice:
    case Mode::kStat:
    case Mode::kPut:
    case Mode::kPutFd:
    case Mode::kDelete:
    case Mode::kList:
      return true;
  }
  return false;
}

absl::string_view ModeName(Mode mode) {
  switch (mode) {
    case Mode::kFdPass:
      return "OP_FDPASS";
    case Mode::kCopy:
      return "OP_COPY";
    case Mode::kSplice:
      return "OP_SPLICE";
    case Mode::kStat:
      return "OP_STAT";
    case Mode::kPut:
      return "OP_PUT";
    case Mode::kPutFd:
      return "OP_PUT_FD";
    case Mode::kDelete:
      return "OP_DELETE";
    case Mode::kList:
      return "OP_LIST";
  }
  return "unknown";
}

}  // namespace objmapper::protocol
