// The names of the modes.
#include "protocol/mode.h"

namespace objmapper::protocol {
namespace {

constexpr struct {
  Mode mode;
  absl::string_view name;
} kModes[] = {
    {Mode::kFdPass, "OP_FDPASS"}, {Mode::kCopy, "OP_COPY"}, {Mode::kSplice, "OP_SPLICE"},
    {Mode::kStat, "OP_STAT"},     {Mode::kPut, "OP_PUT"},   {Mode::kPutFd, "OP_PUT_FD"},
    {Mode::kDelete, "OP_DELETE"}, {Mode::kList, "OP_LIST"},
};

}  // namespace

absl::string_view ModeName(Mode mode) {
  for (const auto& known : kModes) {
    if (known.mode == mode) return known.name;
  }
  return "unknown";
}

}  // namespace objmapper::protocol
