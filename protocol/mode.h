// The mode byte: what a request asks for and how the answer should come.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace objmapper::protocol {

enum class Mode : uint8_t {
  kFdPass = '1',  // an open, read-only descriptor; Unix sockets only
  kCopy = '2',    // the bytes, streamed
  kSplice = '3',  // the bytes, moved from file to socket inside the kernel
  kStat = 'S',    // metadata only
  kPut = 'W',     // stores the body that follows the URI
  kPutFd = 'F',   // stores the object whose descriptor rides on the request; Unix sockets only
  kDelete = 'D',
  kList = 'L',
};

// True when `byte` is one of the modes above. Any thread.
inline bool IsMode(uint8_t byte) {
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

// "OP_FDPASS", "OP_COPY", ...; "unknown" for a byte that is no mode. The view is static.
absl::string_view ModeName(Mode mode);

}  // namespace objmapper::protocol
